#include "client.h"

#include "error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_SIZE = PROTOCOL_LINE_MAX };

/* ---- the end of calls ---- */

static void append(struct call **list, struct call *call)
{
    while (*list)
        list = &(*list)->next;
    call->next = NULL;
    *list = call;
}

static void take_out(struct call **list, const struct call *call)
{
    while (*list && *list != call)
        list = &(*list)->next;
    if (*list)
        *list = call->next;
}

static void end_call(segb_client *client, struct call *call, int status,
                     const char *detail)
{
    take_out(&client->waiting, call);
    call->done = true;
    call->status = status;
    snprintf(call->detail, sizeof(call->detail), "%s", detail);
    if (call->callback)
        append(&client->finished, call);
}

void call_end_all(segb_client *client, int status, const char *detail)
{
    if (client->ended == 0) {
        client->ended = status;
        snprintf(client->ended_detail, sizeof(client->ended_detail), "%s",
                 detail);
    }
    while (client->waiting)
        end_call(client, client->waiting, status, detail);
    wire_lock_wake_all(client->lock);
}

static void end_by_nonsense(segb_client *client)
{
    call_end_all(client, SEGB_E_PROTOCOL, "the broker's answer makes no sense");
}

static void end_by_loss(segb_client *client)
{
    call_end_all(client, SEGB_E_GONE, "the connection to the broker has ended");
}

/* ---- sending ---- */

/*
 * Sends what is queued. While there is no room, replies are taken in, so that
 * both sides can never wait for each other; what these make us send is queued
 * behind. What is left at the deadline goes with a later request.
 */
static void send_queued(segb_client *client, int64_t deadline)
{
    struct buffer *queue = &client->outgoing;
    size_t sent;
    int r;

    if (client->is_sending)
        return;
    client->is_sending = true;
    while (queue->size > 0 && client->ended == 0) {
        r = wire_send(client->connection, queue->data, queue->size, &sent);
        if (r == 0) {
            buffer_consume(queue, sent);
            continue;
        }
        if (r == WIRE_AGAIN && !wire_wait(client->connection, true, deadline))
            break;
        /* Where it has gone, it may have said why. */
        call_receive(client);
        if (r == WIRE_GONE)
            end_by_loss(client);
    }
    client->is_sending = false;
}

static int64_t deadline_of(const segb_client *client)
{
    return client->timeout_ms < 0 ? WIRE_FOREVER
                                  : wire_now() + client->timeout_ms;
}

/* Numbers the request and sends it. 0 or a SEGB_E_ code. */
static int send_request(segb_client *client, struct message_request *request,
                        int64_t deadline)
{
    int r;

    if (client->ended != 0)
        return client->ended;
    request->id = client->next_id++;
    r = message_request_write(&client->outgoing, request);
    if (r == BUFFER_E_FULL)
        return SEGB_E_BUSY;
    if (r < 0)
        return SEGB_E_SYSTEM;
    send_queued(client, deadline);
    return 0;
}

static void send_release(segb_client *client, uint64_t grant)
{
    struct message_request request = {.op = PROTOCOL_RELEASE, .release = grant};

    send_request(client, &request, deadline_of(client));
}

void call_release(segb_client *client, uint64_t grant)
{
    wire_lock_take(client->lock);
    send_release(client, grant);
    wire_lock_give(client->lock);
}

/* ---- receiving ---- */

/* The segment of a reply that grants one. 0 or a SEGB_E_ code. */
static int make_segment(segb_client *client, const struct message_grant *grant,
                        segb_segment **segment)
{
    segb_segment *s;
    frame_handle handle;

    if (frame_reader_claim(&client->reader, grant->memory, &handle) != 0)
        return SEGB_E_TOO_MANY_HANDLES;
    s = malloc(sizeof(*s));
    if (!s || !wire_has_size(handle, grant->mapped_size) ||
        grant->mapped_size < grant->size || grant->mapped_size > SIZE_MAX) {
        wire_close_handle(handle);
        free(s);
        return s ? SEGB_E_PROTOCOL : SEGB_E_SYSTEM;
    }
    *s = (segb_segment){.client = client,
                        .grant = grant->grant,
                        .id = grant->segment,
                        .size = (size_t)grant->size,
                        .mapped_size = (size_t)grant->mapped_size,
                        .access = access_from(grant->access),
                        .created = grant->created,
                        .handle = handle};
    *segment = s;
    return 0;
}

static struct call *find_call(const segb_client *client, uint64_t id)
{
    struct call *call = client->waiting;

    while (call && call->id != id)
        call = call->next;
    return call;
}

/* Nobody waits for this reply: gives back what it grants. */
static void refuse_late(segb_client *client, const struct message_reply *reply)
{
    struct message_grant grant;
    frame_handle handle;

    if (!reply->ok || message_reply_grant(reply, &grant) != 0)
        return;
    if (frame_reader_claim(&client->reader, grant.memory, &handle) == 0)
        wire_close_handle(handle);
    send_release(client, grant.grant);
}

static bool gives_segment(const struct call *call)
{
    return call->op == PROTOCOL_CREATE || call->op == PROTOCOL_OPEN;
}

/* Takes the reply over. */
static void finish_segment(segb_client *client, struct call *call,
                           struct message_reply *reply)
{
    struct message_grant grant;
    int r = SEGB_E_PROTOCOL;

    if (message_reply_grant(reply, &grant) == 0)
        r = make_segment(client, &grant, &call->segment);
    message_reply_deinit(reply);
    if (r == 0)
        end_call(client, call, 0, "");
    else
        end_call(client, call, r,
                 r == SEGB_E_TOO_MANY_HANDLES
                     ? "this process has no descriptors left for the handle"
                     : segb_strerror(r));
    if (r == SEGB_E_TOO_MANY_HANDLES || r == SEGB_E_SYSTEM)
        send_release(client, grant.grant);
    if (r == SEGB_E_PROTOCOL)
        end_by_nonsense(client);
}

/* Takes the reply over. */
static void finish(segb_client *client, struct call *call,
                   struct message_reply *reply)
{
    if (!reply->ok) {
        end_call(client, call, -(int)reply->error, reply->text);
        message_reply_deinit(reply);
    } else if (gives_segment(call)) {
        finish_segment(client, call, reply);
    } else {
        call->reply = *reply;
        end_call(client, call, 0, "");
    }
}

static void take_line(segb_client *client, const char *line, size_t size)
{
    struct message_reply reply;
    struct call *call;

    if (message_reply_decode(line, size, &reply) != 0) {
        end_by_nonsense(client);
        return;
    }
    call = reply.has_id ? find_call(client, reply.id) : NULL;
    if (call) {
        finish(client, call, &reply);
        return;
    }
    if (!reply.has_id)
        call_end_all(client, -(int)reply.error, reply.text);
    else
        refuse_late(client, &reply);
    message_reply_deinit(&reply);
}

/* Takes in one message. False when there is none. */
static bool receive_once(segb_client *client)
{
    struct wire_message message;
    const char *line;
    size_t size;
    int r =
        wire_receive(client->connection, client->input, INPUT_SIZE, &message);

    if (r == WIRE_GONE)
        end_by_loss(client);
    if (r != 0)
        return false;
    if (message.count > 0 || message.truncated)
        r = frame_reader_feed_handles(&client->reader, message.handles,
                                      message.count, message.truncated);
    frame_reader_feed(&client->reader, client->input, message.size);
    while (r >= 0 &&
           (r = frame_reader_next(&client->reader, &line, &size)) == FRAME_LINE)
        take_line(client, line, size);
    if (r < 0 || frame_reader_keep(&client->reader) < 0) {
        end_by_nonsense(client);
        return false;
    }
    return true;
}

void call_receive(segb_client *client)
{
    /* A release sent while a line is taken may come back here. */
    if (client->is_receiving)
        return;
    client->is_receiving = true;
    while (client->ended == 0 && receive_once(client))
        continue;
    client->is_receiving = false;
    wire_lock_wake_all(client->lock);
}

/* ---- waiting ---- */

/* Waits until the call is done or the deadline has come. */
static void wait_for(segb_client *client, struct call *call, int64_t deadline)
{
    bool in_time = true;

    while (!call->done && in_time) {
        if (client->has_reader) {
            wire_lock_wait(client->lock, deadline);
            in_time = deadline == WIRE_FOREVER || wire_now() < deadline;
            continue;
        }
        client->has_reader = true;
        wire_lock_give(client->lock);
        in_time = wire_wait(client->connection, false, deadline);
        wire_lock_take(client->lock);
        client->has_reader = false;
        call_receive(client);
    }
    /* Another thread must read now. */
    wire_lock_wake_all(client->lock);
    if (!call->done)
        end_call(client, call, SEGB_E_TIMEOUT,
                 "the broker did not answer in time");
}

/* Sends a call's request and puts it with those that wait. */
static int begin(segb_client *client, struct call *call,
                 struct message_request *request, int64_t deadline)
{
    int r;

    call->id = client->next_id;
    call->op = request->op;
    append(&client->waiting, call);
    r = send_request(client, request, deadline);
    if (r == 0 || call->done)
        return 0;
    take_out(&client->waiting, call);
    return r;
}

static int fail_begin(const segb_client *client, int r)
{
    if (client->ended != 0)
        return error_set(r, "%s", client->ended_detail);
    if (r == SEGB_E_BUSY)
        return error_set(r, "the broker takes no requests now and too many "
                            "wait to be sent");
    return error_set(r, "%s", segb_strerror(r));
}

static int run(segb_client *client, struct message_request *request,
               struct call *call)
{
    int64_t deadline = deadline_of(client);
    int r;

    wire_lock_take(client->lock);
    r = begin(client, call, request, deadline);
    if (r < 0)
        r = fail_begin(client, r);
    else
        wait_for(client, call, deadline);
    wire_lock_give(client->lock);
    if (r < 0)
        return r;
    return call->status == 0 ? 0 : error_set(call->status, "%s", call->detail);
}

int call_run(segb_client *client, struct message_request *request,
             struct message_reply *reply)
{
    struct call call = {0};
    int r = run(client, request, &call);

    if (r == 0)
        *reply = call.reply;
    return r;
}

int call_simple(segb_client *client, struct message_request *request)
{
    struct message_reply reply;
    int r = call_run(client, request, &reply);

    if (r == 0)
        message_reply_deinit(&reply);
    return r;
}

int call_for_segment(segb_client *client, struct message_request *request,
                     segb_segment **segment)
{
    struct call call = {0};
    int r = run(client, request, &call);

    if (r == 0)
        *segment = call.segment;
    return r;
}

int call_begin(segb_client *client, struct message_request *request,
               segb_done_fn callback, void *data)
{
    struct call *call = calloc(1, sizeof(*call));
    int r;

    if (!call)
        return error_set(SEGB_E_SYSTEM, "out of memory");
    call->callback = callback;
    call->data = data;
    wire_lock_take(client->lock);
    r = begin(client, call, request, deadline_of(client));
    if (r < 0)
        r = fail_begin(client, r);
    wire_lock_give(client->lock);
    if (r < 0)
        free(call);
    return r;
}

static struct call *take_finished(segb_client *client)
{
    struct call *call;

    wire_lock_take(client->lock);
    call = client->finished;
    if (call)
        client->finished = call->next;
    wire_lock_give(client->lock);
    return call;
}

void call_callbacks(segb_client *client)
{
    struct call *call;

    while ((call = take_finished(client)) != NULL) {
        if (call->status != 0)
            error_set(call->status, "%s", call->detail);
        call->callback(client, call->status, call->segment, call->data);
        free(call);
    }
}
