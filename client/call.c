/*
 * Calls: requests out, replies in, and who waits for what.
 *
 * One thread at a time reads, for all. It gives the lock up while it waits,
 * takes in whatever came, and wakes the others: those whose reply was there
 * return, one of the rest reads on. A thread that must wait to send takes
 * replies in as well, because a broker whose replies are not read reads no
 * requests.
 *
 * An event loop would not learn of a reply that such a thread has read for it.
 * So whenever a call is due, or an event has come, the client's watch is woken.
 */
#include "internal.h"

#include "error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* ---- requests out ---- */

/* Writes a request, with its id, behind the others. */
static int write_behind(struct buffer *out,
                        const struct message_request *request)
{
    size_t before = out->size;

    if (message_request_write(out, request) < 0)
        return error_note(SEGB_E_SYSTEM, "out of memory");
    if (out->size - before > PROTOCOL_LINE_MAX) {
        buffer_truncate(out, before);
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "the request would be longer than %d bytes",
                         PROTOCOL_LINE_MAX);
    }
    return 0;
}

static int queue_in(segb_client *client, struct buffer *out,
                    struct message_request *request)
{
    int r;

    request->id = client->last_id + 1;
    r = write_behind(out, request);
    if (r == 0)
        client->last_id++;
    return r;
}

static int queue(segb_client *client, struct message_request *request)
{
    return queue_in(client, &client->out, request);
}

int call_queue_quiet(segb_client *client, struct message_request *request)
{
    request->id = CALL_QUIET_ID;
    request->quiet = true;
    return write_behind(&client->out, request);
}

/* Sends what goes at once. */
static void flush(segb_client *client)
{
    struct buffer *out = &client->out;
    size_t sent;
    int r = 0;

    while (out->size > 0 && !client->mute && r == 0) {
        if (client->handle_count > 0)
            r = channel_send_handles(client->channel, out->data, out->size,
                                     client->handles, client->handle_count,
                                     &sent);
        else
            r = channel_send(client->channel, out->data, out->size, &sent);
        if (r == 0) {
            buffer_consume(out, sent);
            client->handle_count = 0;
        }
    }
    /* A broker that hung up may have said why: the reader finds it, and the
     * end behind it. */
    if (r < 0)
        client->mute = true;
    if (client->mute)
        buffer_truncate(out, 0);
}

/* Whether there is a connection, if only for the guard. */
static bool is_connected(const segb_client *client)
{
    return client->state == CLIENT_UP || client->state == CLIENT_RESTORING;
}

/* ---- replies in ---- */

/* Calls that were to be sent with the next connection. */
static void end_later(segb_client *client, int code)
{
    struct call *call;

    while ((call = client->later) != NULL) {
        DL_DELETE(client->later, call);
        DL_APPEND(client->pending, call);
        reply_finish(client, call, code, client->ending, NULL);
    }
}

static void end_all(segb_client *client, int code, const char *text,
                    enum client_state state)
{
    struct call *call, *next;

    if (client->state == CLIENT_DOWN)
        return;
    if (is_connected(client)) {
        client->mute = true;
        snprintf(client->ending, sizeof(client->ending), "%s", text);
        channel_shutdown(client->channel);
        buffer_truncate(&client->out, 0);
        client->handle_count = 0;
    }
    client->state = state;
    DL_FOREACH_SAFE(client->pending, call, next)
    reply_finish(client, call, code, client->ending, NULL);
    if (state == CLIENT_DOWN)
        end_later(client, code);
    if (client->watch)
        watch_wake(client->watch);
    thread_monitor_wake_all(client->monitor);
}

void call_end_all(segb_client *client, int code, const char *text)
{
    enum client_state state = CLIENT_DOWN;

    /* Whatever the guard meets with, it tries again. */
    if (client->state == CLIENT_RESTORING ||
        (code == SEGB_E_GONE && client->patience >= 0))
        state = CLIENT_AWAY;
    if (is_connected(client))
        end_all(client, code, text, state);
    if (client->state == CLIENT_AWAY && guard_ensure(client) < 0)
        client->state = CLIENT_DOWN;
}

void call_end_for_ever(segb_client *client, const char *text)
{
    end_all(client, SEGB_E_GONE, text, CLIENT_DOWN);
}

static void take_lines(segb_client *client)
{
    const char *line;
    size_t size;
    int r = FRAME_AGAIN;

    while (is_connected(client) &&
           (r = frame_reader_next(&client->reader, &line, &size)) == FRAME_LINE)
        reply_take(client, line, size);
    if (!is_connected(client))
        return;
    if (r == FRAME_E_TOO_LONG)
        call_end_all(client, SEGB_E_PROTOCOL,
                     "the broker sent a line that is too long");
    else if (r < 0 || frame_reader_keep(&client->reader) < 0)
        call_end_all(client, SEGB_E_SYSTEM, "out of memory");
}

static void take_message(segb_client *client, const struct channel_input *input)
{
    int r = frame_reader_feed_handles(&client->reader, input->handles,
                                      input->count, input->truncated);

    if (r == FRAME_E_TOO_MANY) {
        call_end_all(client, SEGB_E_PROTOCOL,
                     "the broker sent handles that no reply names");
    } else if (r < 0) {
        call_end_all(client, SEGB_E_SYSTEM, "out of memory");
    } else {
        frame_reader_feed(&client->reader, input->bytes, input->size);
        take_lines(client);
    }
    /* Handles that nobody will claim need not wait. */
    if (!is_connected(client))
        frame_reader_deinit(&client->reader);
}

/* What a receive brought. */
static void take(segb_client *client, int r, const struct channel_input *input)
{
    if (r < 0)
        call_end_all(client, SEGB_E_GONE, "the broker closed the connection");
    else if (r == 0 && is_connected(client))
        take_message(client, input);
    else if (r == 0)
        for (unsigned i = 0; i < input->count; i++)
            channel_close_handle(input->handles[i]);
}

void call_take_in(segb_client *client)
{
    struct channel_input input;
    int r = 0;

    /* Whoever reads is woken by the same bytes. */
    if (client->reading || !is_connected(client))
        return;
    flush(client);
    while (r == 0 && is_connected(client)) {
        r = channel_receive(client->channel, &input);
        take(client, r, &input);
    }
    flush(client);
    thread_monitor_wake_all(client->monitor);
}

/* ---- waiting ---- */

void call_wake_loop(segb_client *client)
{
    if ((client->due || client->events) && client->watch)
        watch_wake(client->watch);
}

/* Reads for all threads until something came. */
static void wait_reading(segb_client *client, uint64_t deadline, bool fresh)
{
    struct channel_input input;
    bool writing = client->out.size > 0;
    int r;

    client->reading = true;
    client_unlock(client);
    if (fresh && !writing) {
        r = channel_receive_wait(client->channel, &input);
    } else {
        channel_wait(client->channel, writing, deadline);
        r = channel_receive(client->channel, &input);
    }
    client_lock(client);
    client->reading = false;
    take(client, r, &input);
    flush(client);
    call_wake_loop(client);
    thread_monitor_wake_all(client->monitor);
}

/* Waits for room to send while another thread reads. That one may end before
 * there is any, so this one looks at both ways too. */
static void wait_writing(segb_client *client, uint64_t deadline)
{
    int ready;

    client->waiting++;
    client_unlock(client);
    ready = channel_wait(client->channel, true, deadline);
    client_lock(client);
    client->waiting--;
    if ((ready & CHANNEL_READABLE) && client->reading)
        thread_monitor_wait(client->monitor, deadline);
    flush(client);
}

/* Waits once for whatever moves things on. `fresh`: the deadline is a whole
 * timeout away, so that the channel's own does, which saves a system call. */
static void wait_once(segb_client *client, uint64_t deadline, bool fresh)
{
    if (is_connected(client) && !client->reading)
        wait_reading(client, deadline, fresh);
    else if (is_connected(client) && client->out.size > 0)
        wait_writing(client, deadline);
    else
        thread_monitor_wait(client->monitor, deadline);
}

static bool is_late(uint64_t deadline)
{
    return deadline != THREAD_NEVER && thread_clock() >= deadline;
}

/* Why a call cannot be made now. */
static int no_connection(const segb_client *client)
{
    return error_set(SEGB_E_GONE, "the connection to the broker has ended: %s",
                     client->ending);
}

static int too_late(const segb_client *client)
{
    return error_set(SEGB_E_TIMEOUT, "the broker did not answer within %d ms",
                     client->timeout);
}

/* Waits until all that was to be sent is sent. */
static int wait_sent(segb_client *client, uint64_t deadline, bool *waited)
{
    flush(client);
    while (client->out.size > 0) {
        *waited = true;
        if (is_late(deadline))
            return too_late(client);
        wait_once(client, deadline, false);
    }
    return 0;
}

/* ---- calls ---- */

static uint64_t deadline_of(const segb_client *client)
{
    return client->timeout < 0 ? THREAD_NEVER
                               : thread_clock() + (uint64_t)client->timeout;
}

/* The same for a call whose answer the broker may let wait. */
static void set_deadline(const segb_client *client, struct call *call)
{
    call->asked_at = thread_clock();
    call->deadline = deadline_of(client);
    if (call->deadline != THREAD_NEVER)
        call->deadline += call->wait_ms;
}

static void shorten_wait(struct message_request *request, uint64_t passed)
{
    if (request->open.wait_ms > passed)
        request->open.wait_ms -= passed;
    else if (request->open.wait_ms > 0)
        request->open.wait_ms = 1;
}

/* One that is asked later, or once more, waits for what is left. */
static void set_wait(struct message_request *request, struct call *call)
{
    uint64_t now = thread_clock();
    uint64_t passed = now - call->asked_at;

    if (call->wait_ms == 0)
        return;
    call->asked_at = now;
    if (request->item_count == 0)
        shorten_wait(request, passed);
    for (unsigned i = 0; i < request->item_count; i++)
        shorten_wait(&request->items[i], passed);
}

/* Takes a call out of the client: nobody waits for it any more. */
static void abandon(segb_client *client, struct call *call)
{
    DL_DELETE(client->pending, call);
    client->abandoned++;
}

/* Waits for a connection that this call may use. */
static int wait_connected(segb_client *client, struct call *call)
{
    uint64_t end = thread_clock() + (uint64_t)client->patience;

    if (client->state == CLIENT_RESTORING && call->of_guard)
        return 0;
    if (end > call->deadline)
        end = call->deadline;
    while (client->state != CLIENT_UP) {
        if (client->state == CLIENT_DOWN || call->of_guard || is_late(end))
            return no_connection(client);
        call->waited = true;
        thread_monitor_wait(client->monitor, end);
    }
    return 0;
}

/* Whether the call may go along with what waits to be sent: with what was
 * given back lazily, but nobody's handles. */
static bool goes_along(const segb_client *client, const struct call *call)
{
    return client->is_lazy && client->handle_count == 0 &&
           call->handle_count == 0 && client->out.size <= PROTOCOL_LINE_MAX;
}

/* One request at a time waits to be sent, so that they have a bound. */
static int wait_turn(segb_client *client, struct call *call)
{
    int r;

    do {
        r = wait_connected(client, call);
        if (r == 0 && !goes_along(client, call))
            r = wait_sent(client, call->deadline, &call->waited);
    } while (r == 0 && !call->of_guard && client->state != CLIENT_UP);
    return r;
}

/* Whether what that connection gave is good still: it went with it. */
static bool is_current(const segb_client *client, unsigned connection)
{
    return is_connected(client) && connection == client->connection;
}

/* A grant's number is good for one connection, so it is looked up when that is
 * known. */
static int name_grant(const segb_client *client,
                      struct message_request *request, const struct call *call)
{
    if (!call->of)
        return 0;
    if (call->of->grant == 0 || !is_current(client, call->of->connection))
        return error_note(SEGB_E_NOT_FOUND,
                          "the broker does not know this segment any more");
    request->offer.grant = call->of->grant;
    return 0;
}

/* Sends the request. 0 and the call is pending, or done already. */
static int start(segb_client *client, struct message_request *request,
                 struct call *call)
{
    int r = wait_turn(client, call);

    if (r < 0)
        return r;
    if (!is_connected(client))
        return no_connection(client);
    set_wait(request, call);
    r = name_grant(client, request, call);
    if (r == 0)
        r = queue(client, request);
    if (r < 0)
        return r;
    client->handle_count = call->handle_count;
    memcpy(client->handles, call->handles, sizeof(client->handles));
    call->id = request->id;
    DL_APPEND(client->pending, call);
    r = wait_sent(client, call->deadline, &call->waited);
    if (r < 0 && !call->done)
        abandon(client, call);
    return call->done ? 0 : r;
}

static int wait_done(segb_client *client, struct call *call)
{
    bool fresh = !call->waited;

    while (!call->done) {
        if (!fresh && is_late(call->deadline)) {
            abandon(client, call);
            return too_late(client);
        }
        wait_once(client, call->deadline, fresh);
        fresh = false;
    }
    return 0;
}

/* Asks once. 0 when the call is done. */
static int run_once(segb_client *client, struct message_request *request,
                    struct call *call)
{
    int r = start(client, request, call);

    return r == 0 ? wait_done(client, call) : r;
}

/* Whether it was lost with its connection, and may be asked again. */
static bool is_lost(const segb_client *client, const struct call *call)
{
    return call->repeats && call->done && call->status == SEGB_E_GONE &&
           client->state != CLIENT_DOWN;
}

int call_run_locked(segb_client *client, struct message_request *request,
                    struct call *call)
{
    int r;

    set_deadline(client, call);
    r = run_once(client, request, call);
    while (r == 0 && is_lost(client, call)) {
        call->done = false;
        r = run_once(client, request, call);
    }
    return r;
}

/* Requests that change nothing, or nothing more when they are made once more,
 * or whose grant went with the connection. */
static bool is_repeatable(const struct message_request *request)
{
    enum protocol_op op = request->op;

    /* A name may lead to another segment by then. */
    if (op == PROTOCOL_PUBLISH)
        return !request->target.name;
    return op == PROTOCOL_OPEN || op == PROTOCOL_STAT || op == PROTOCOL_LIST ||
           op == PROTOCOL_USAGE || op == PROTOCOL_PING ||
           op == PROTOCOL_STATS || op == PROTOCOL_CLIENTS ||
           op == PROTOCOL_WATCH;
}

int call_run(segb_client *client, struct message_request *request,
             struct call *call)
{
    int r;

    client_lock(client);
    call->repeats = is_repeatable(request);
    r = call_run_locked(client, request, call);
    client_unlock(client);
    if (r == 0 && call->status < 0) {
        r = error_note(call->status, call->text);
        call_deinit(call);
    }
    return r;
}

void call_deinit(struct call *call)
{
    if (call->reply.document)
        message_reply_deinit(&call->reply);
}

int call_plain(segb_client *client, struct message_request *request)
{
    struct call call = {0};
    int r;

    if (!client)
        return error_note(SEGB_E_INVALID_ARGUMENT, "client is NULL");
    r = call_run(client, request, &call);
    if (r == 0)
        call_deinit(&call);
    return r;
}

/* An event loop does not wait for the next connection, its request does. */
static int start_later(segb_client *client, struct message_request *request,
                       struct call *call)
{
    int r = queue_in(client, &client->out_later, request);

    if (r < 0)
        return r;
    call->id = request->id;
    call->patience_end = thread_clock() + (uint64_t)client->patience;
    DL_APPEND(client->later, call);
    return 0;
}

void call_expire_later(segb_client *client)
{
    struct buffer *out = &client->out_later;
    struct call *call;
    const char *end;

    while ((call = client->later) != NULL &&
           thread_clock() >= call->patience_end) {
        /* They stand in the same order in both. */
        end = memchr(out->data, '\n', out->size);
        buffer_consume(out, (size_t)(end - out->data) + 1);
        DL_DELETE(client->later, call);
        DL_APPEND(client->pending, call);
        reply_finish(client, call, SEGB_E_GONE, client->ending, NULL);
    }
    call_wake_loop(client);
}

void call_send_later(segb_client *client)
{
    struct call *call;

    while ((call = client->later) != NULL) {
        DL_DELETE(client->later, call);
        DL_APPEND(client->pending, call);
    }
    if (buffer_add(&client->out, client->out_later.data,
                   client->out_later.size) < 0)
        call_end_all(client, SEGB_E_SYSTEM, "out of memory");
    buffer_deinit(&client->out_later);
    flush(client);
}

int call_begin(segb_client *client, struct message_request *request,
               struct call *call)
{
    int r;

    client_lock(client);
    set_deadline(client, call);
    if ((client->state == CLIENT_AWAY || client->state == CLIENT_RESTORING) &&
        call->handle_count > 0)
        r = no_connection(client); /* they are not ours to keep */
    else if (client->state == CLIENT_AWAY || client->state == CLIENT_RESTORING)
        r = start_later(client, request, call);
    else
        r = start(client, request, call);
    client_unlock(client);
    return r;
}

static void send_queued(segb_client *client, uint64_t deadline)
{
    bool waited = false;

    if (is_connected(client))
        wait_sent(client, deadline, &waited);
}

static void queue_quiet(segb_client *client, unsigned connection,
                        struct message_request *request, uint64_t deadline)
{
    if (client->out.size > PROTOCOL_LINE_MAX)
        send_queued(client, deadline);
    if (is_current(client, connection))
        call_queue_quiet(client, request);
}

void call_send_quiet(segb_client *client, unsigned connection,
                     struct message_request *request)
{
    uint64_t deadline = deadline_of(client);

    queue_quiet(client, connection, request, deadline);
    send_queued(client, deadline);
}

void call_release(segb_client *client, const segb_segment *segment, bool more)
{
    struct message_request request = {.op = PROTOCOL_RELEASE,
                                      .release = segment->grant};
    uint64_t deadline = deadline_of(client);

    if (segment->grant != 0)
        queue_quiet(client, segment->connection, &request, deadline);
    if (!more)
        send_queued(client, deadline);
}

static void tell(segb_client *client, struct call *call)
{
    if (call->status < 0)
        error_note(call->status, call->text);
    call->when_done(client, call->status, call->granted.segment, call->data);
    call_deinit(call);
    free(call);
}

void call_tell(segb_client *client)
{
    struct call *call;

    while ((call = client->due) != NULL) {
        DL_DELETE(client->due, call);
        client_unlock(client);
        tell(client, call);
        client_lock(client);
    }
}
