/*
 * Replies: which call each one is for, and what it brings.
 *
 * The broker is not trusted blindly. A reply that makes no sense ends the
 * connection: nobody could say which requests are still to be answered.
 */
#include "internal.h"

#include <string.h>
#include <utlist.h>

_Static_assert(SEGB_E_BAD_REQUEST == -(int)PROTOCOL_BAD_REQUEST &&
                   SEGB_E_QUOTA_EXCEEDED == -(int)PROTOCOL_QUOTA_EXCEEDED &&
                   SEGB_E_INTERNAL == -(int)PROTOCOL_INTERNAL &&
                   PROTOCOL_ERRORS == PROTOCOL_INTERNAL + 1,
               "the broker's errors are the library's, negated");

static void nonsense(segb_client *client, const char *text)
{
    call_end_all(client, SEGB_E_PROTOCOL, text);
}

void reply_finish(segb_client *client, struct call *call, int status,
                  const char *text, struct message_reply *reply)
{
    DL_DELETE(client->pending, call);
    call->done = true;
    call->status = status;
    call->text = text;
    if (reply) {
        call->reply = *reply;
        reply->document = NULL;
    }
    if (call->when_done)
        DL_APPEND(client->due, call);
}

/* What cannot be given back would be held for as long as the connection is. */
static void send_back(segb_client *client, struct message_request *request)
{
    if (call_queue_quiet(client, request) < 0)
        call_end_all(client, SEGB_E_SYSTEM, "out of memory");
}

static void give_back(segb_client *client, uint64_t grant)
{
    struct message_request request = {.op = PROTOCOL_RELEASE, .release = grant};

    send_back(client, &request);
}

static void end_watch(segb_client *client, uint64_t watch)
{
    struct message_request request = {.op = PROTOCOL_UNWATCH, .unwatch = watch};

    send_back(client, &request);
}

/* The handles that came with a grant: of the memory, then of the doorbell. */
struct arrived {
    frame_handle handles[1 + PROTOCOL_BELL_HANDLES];
    unsigned count;
};

static void close_arrived(struct arrived *arrived)
{
    while (arrived->count > 0)
        channel_close_handle(arrived->handles[--arrived->count]);
}

static int claim(segb_client *client, const struct message_handle *named,
                 struct arrived *arrived)
{
    int r = channel_claim(&client->reader, named,
                          &arrived->handles[arrived->count]);

    if (r == 0)
        arrived->count++;
    return r;
}

/* All of them, or FRAME_LOST and none. */
static int claim_all(segb_client *client, const struct message_grant *grant,
                     struct arrived *arrived)
{
    int r;

    arrived->count = 0;
    r = claim(client, &grant->memory, arrived);
    for (unsigned i = 0; i < PROTOCOL_BELL_HANDLES; i++)
        if (grant->bell[i].form != MESSAGE_HANDLE_NONE &&
            claim(client, &grant->bell[i], arrived) != 0)
            r = FRAME_LOST;
    if (r != 0)
        close_arrived(arrived);
    return r;
}

static void drop_grant(segb_client *client, const struct message_reply *reply)
{
    struct message_grant grant;
    struct arrived arrived;

    if (!reply->ok || message_reply_grant(reply, &grant) != 0)
        return;
    if (grant.memory.form != MESSAGE_HANDLE_NONE &&
        claim_all(client, &grant, &arrived) == 0)
        close_arrived(&arrived);
    give_back(client, grant.grant);
}

int reply_frozen(enum protocol_frozen frozen)
{
    if (frozen == PROTOCOL_FROZEN_FUTURE)
        return SEGB_FROZEN_FUTURE;
    return frozen == PROTOCOL_FROZEN_YES ? SEGB_FROZEN_YES : SEGB_FROZEN_NO;
}

/* A reply that nobody waits for any more. */
static void take_abandoned(segb_client *client,
                           const struct message_reply *reply)
{
    struct message_reply item;
    uint64_t watch;

    if (client->abandoned == 0 || reply->id > client->last_id) {
        nonsense(client, "the broker answered what it was not asked");
        return;
    }
    client->abandoned--;
    if (reply->ok && message_reply_watch(reply, &watch) == 0)
        end_watch(client, watch);
    drop_grant(client, reply);
    for (unsigned i = 0; message_reply_item(reply, i, &item) == 0; i++)
        drop_grant(client, &item);
}

static int access_of(enum protocol_access access)
{
    switch (access) {
    case PROTOCOL_RO:
        return SEGB_RO;
    case PROTOCOL_RW:
        return SEGB_RW;
    case PROTOCOL_COW:
        return SEGB_COW;
    case PROTOCOL_ACCESSES:
        break;
    }
    return 0;
}

/* Whether the memory is there, all of it: a view that reached over its end
 * would be SIGBUS one day. */
static bool is_sound(const struct message_grant *grant, frame_handle handle)
{
    uint64_t size;

    return grant->size > 0 && grant->size <= grant->mapped_size &&
           channel_handle_size(handle, &size) == 0 &&
           size >= grant->mapped_size;
}

/* It fails by what the broker is not to blame for. */
static void refuse(segb_client *client, const struct message_grant *grant,
                   struct granted *granted, int status, const char *text)
{
    give_back(client, grant->grant);
    granted->status = status;
    granted->text = text;
}

/* Adopts the handles. NULL, or what is wrong with the broker. */
static const char *take_segment(segb_client *client,
                                const struct message_grant *grant,
                                struct arrived *arrived,
                                struct granted *granted)
{
    struct bell *bell = NULL;
    int r = 0;

    if (arrived->count > 1)
        r = bell_open(arrived->handles + 1, arrived->count - 1, &bell);
    if (r == 0)
        granted->segment =
            segment_new(client, grant, arrived->handles[0], bell);
    if (granted->segment)
        return NULL;
    bell_close(bell);
    channel_close_handle(arrived->handles[0]);
    if (r == SEGB_E_PROTOCOL)
        return "the broker's doorbell is none";
    refuse(client, grant, granted, SEGB_E_SYSTEM, "out of memory");
    return NULL;
}

/* Takes the handles in. NULL, or what is wrong with the broker. */
static const char *take_handles(segb_client *client,
                                const struct message_grant *grant,
                                struct granted *granted)
{
    struct arrived arrived;

    if (claim_all(client, grant, &arrived) != 0) {
        refuse(client, grant, granted, SEGB_E_TOO_MANY_HANDLES,
               "the segment's handle did not arrive: this program has as many "
               "open as it may have");
        return NULL;
    }
    if (!is_sound(grant, arrived.handles[0])) {
        close_arrived(&arrived);
        return "the segment's memory is smaller than the broker said";
    }
    if (grant->mapped_size <= SIZE_MAX)
        return take_segment(client, grant, &arrived, granted);
    close_arrived(&arrived);
    refuse(client, grant, granted, SEGB_E_NOT_SUPPORTED,
           "the segment is larger than this program can map");
    return NULL;
}

/* What an answer grants or refuses. NULL, or what is wrong with the broker. */
static const char *take_grant(segb_client *client,
                              const struct message_reply *reply,
                              struct granted *granted)
{
    struct message_grant grant;

    granted->status = 0;
    if (!reply->ok) {
        granted->status = -(int)reply->error;
        granted->text = reply->text;
        return NULL;
    }
    if (message_reply_grant(reply, &grant) != 0 ||
        grant.memory.form == MESSAGE_HANDLE_NONE ||
        (granted->access && access_of(grant.access) != granted->access))
        return "the broker's reply is not the grant asked for";
    return take_handles(client, &grant, granted);
}

static const char *take_items(segb_client *client, struct call *call,
                              const struct message_reply *reply)
{
    const char *wrong = NULL;
    struct message_reply item;

    if (message_reply_rows(reply) != call->item_count)
        return "the broker answers for more or fewer than it was asked for";
    for (unsigned i = 0; i < call->item_count && !wrong && !call->done; i++)
        wrong = message_reply_item(reply, i, &item) == 0
                    ? take_grant(client, &item, &call->items[i])
                    : "the broker's reply is not what was asked for";
    return wrong;
}

static void take_granted(segb_client *client, struct call *call,
                         struct message_reply *reply)
{
    struct granted *one = &call->granted;
    const char *wrong = call->items ? take_items(client, call, reply)
                                    : take_grant(client, reply, one);

    if (wrong)
        nonsense(client, wrong);
    /* What cannot be given back has ended the connection, and its calls. */
    else if (!call->done)
        reply_finish(client, call, one->status, one->text, reply);
}

/* An error that answers no request: the broker serves this client no more. */
static void take_farewell(segb_client *client,
                          const struct message_reply *reply)
{
    call_end_all(client, -(int)reply->error, reply->text);
}

static void take_refusal(segb_client *client, struct call *call,
                         struct message_reply *reply)
{
    if (reply->has_item && reply->item < call->item_count)
        call->refused = (unsigned)reply->item + 1;
    reply_finish(client, call, -(int)reply->error, reply->text, reply);
}

static void take_watch(segb_client *client, struct call *call,
                       const struct message_reply *reply)
{
    uint64_t number;

    if (message_reply_watch(reply, &number) != 0 || number == 0) {
        nonsense(client, "the broker's watch makes no sense");
        return;
    }
    watching_begun(client, call->watcher, number);
    reply_finish(client, call, 0, NULL, NULL);
}

static void take_event(segb_client *client, const struct message_reply *reply)
{
    struct message_event event;

    if (message_reply_event(reply, &event) != 0)
        nonsense(client, "the broker's event makes no sense");
    else if (event.event != PROTOCOL_EVENTS)
        watching_take(client, &event);
}

static void take_answer(segb_client *client, struct message_reply *reply)
{
    struct call *call;

    DL_SEARCH_SCALAR(client->pending, call, id, reply->id);
    if (reply->id == CALL_QUIET_ID)
        return; /* it was revoked before it was given back, say */
    if (!call)
        take_abandoned(client, reply);
    else if (!reply->ok)
        take_refusal(client, call, reply);
    else if (call->grants)
        take_granted(client, call, reply);
    else if (call->watcher)
        take_watch(client, call, reply);
    else
        reply_finish(client, call, 0, NULL, reply);
}

void reply_take(segb_client *client, const char *line, size_t size)
{
    struct message_reply reply;
    int r = message_reply_decode(line, size, &reply);

    if (r == MESSAGE_E_NOMEM)
        call_end_all(client, SEGB_E_SYSTEM, "out of memory");
    else if (r != 0)
        nonsense(client, "the broker sent a line that is no reply");
    else if (reply.is_event)
        take_event(client, &reply);
    else if (!reply.has_id)
        take_farewell(client, &reply);
    else
        take_answer(client, &reply);
    if (r == 0)
        message_reply_deinit(&reply);
}
