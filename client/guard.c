/*
 * The guard: a client's one thread that makes connections anew.
 *
 * It begins when its first connection has ended, which the lookout tells also
 * where the program makes no calls: names wait for their holders only so long.
 * Then it connects, says hello, shows the handle of every segment, and watches
 * what was watched; until all that is done the other threads' calls wait. From
 * then on it waits for the end itself.
 */
#include "internal.h"

#include "error.h"

#include <utlist.h>

enum {
    FIRST_PAUSE_MS = 5,
    LONGEST_PAUSE_MS = 500,
    RATE_PAUSE_MS = 20,
    /* That a broker may be short of something. */
    SHORTAGE_MS = 5000
};

/* ---- the connection ---- */

/* Waits until nobody is left who uses the old one. */
static void wait_for_others(segb_client *client)
{
    while (client->reading || client->waiting > 0)
        thread_monitor_wait(client->monitor, THREAD_NEVER);
}

static void drop_connection(segb_client *client)
{
    guard_dismiss(client);
    wait_for_others(client);
    if (client->watch)
        watch_channel(client->watch, CHANNEL_NONE);
    client->channel = channel_close(client->channel);
}

/* The new one begins with nothing of the old. */
static void take_connection(segb_client *client, channel made)
{
    frame_reader_deinit(&client->reader);
    buffer_truncate(&client->out, 0);
    client->channel = made;
    client->connection++;
    client->handle_count = 0;
    client->mute = false;
    client->abandoned = 0;
    client->state = CLIENT_RESTORING;
}

static int connect_again(segb_client *client)
{
    channel made = CHANNEL_NONE;
    int r;

    client_unlock(client);
    r = channel_connect_again(client->socket, client->timeout, &made);
    client_lock(client);
    if (r < 0)
        return r;
    if (client->state == CLIENT_DOWN) {
        channel_close(made);
        return SEGB_E_GONE;
    }
    take_connection(client, made);
    return 0;
}

static int say_hello(segb_client *client)
{
    struct call call = {.of_guard = true};
    int r = client_say_hello(client, &call);

    if (r == 0)
        r = call.status;
    call_deinit(&call);
    return r;
}

/* ---- segments ---- */

static segb_segment *next_segment(const segb_client *client)
{
    segb_segment *segment;

    DL_FOREACH (client->segments, segment)
        if (segment->connection != client->connection)
            return segment;
    return NULL;
}

static enum protocol_access access_of(const segb_segment *segment)
{
    if (segment->access == SEGB_RW)
        return PROTOCOL_RW;
    return segment->access == SEGB_COW ? PROTOCOL_COW : PROTOCOL_RO;
}

/* Whether the same request may be answered otherwise in a moment. */
static bool is_passing(int status, uint64_t deadline)
{
    if (status == SEGB_E_RATE_LIMITED)
        return true;
    return (status == SEGB_E_TOO_MANY_HANDLES || status == SEGB_E_NO_MEMORY ||
            status == SEGB_E_BUSY || status == SEGB_E_INTERNAL) &&
           thread_clock() < deadline;
}

static int pause_a_moment(segb_client *client)
{
    thread_monitor_wait(client->monitor, thread_clock() + RATE_PAUSE_MS);
    return client->state == CLIENT_RESTORING ? 0 : SEGB_E_GONE;
}

/* A segment that the broker does not give back stays good, and has no grant. */
static int reclaim(segb_client *client, segb_segment *segment,
                   uint64_t deadline)
{
    struct message_request request = {
        .op = PROTOCOL_RECLAIM,
        .handles[MESSAGE_SHOWN] = channel_name(segment->handle, 0),
        .reclaim = {.segment = segment->id, .access = access_of(segment)}};
    struct call call = {
        .of_guard = true, .handle_count = 1, .handles = {segment->handle}};
    struct message_grant grant;
    int r;

    segment->reclaiming = true;
    r = call_run_locked(client, &request, &call);
    segment->reclaiming = false;
    thread_monitor_wake_all(client->monitor);
    if (r < 0 || client->state != CLIENT_RESTORING)
        return SEGB_E_GONE;
    if (is_passing(call.status, deadline)) {
        call_deinit(&call);
        return pause_a_moment(client);
    }
    segment->connection = client->connection;
    segment->grant = 0;
    if (call.status == 0 && message_reply_grant(&call.reply, &grant) == 0)
        segment->grant = grant.grant;
    call_deinit(&call);
    return 0;
}

static int reclaim_all(segb_client *client)
{
    uint64_t deadline = thread_clock() + SHORTAGE_MS;
    segb_segment *segment;
    int r = 0;

    while (r == 0 && (segment = next_segment(client)) != NULL)
        r = reclaim(client, segment, deadline);
    return r;
}

/* ---- watching ---- */

static int watch_again(segb_client *client, segb_watcher *watcher,
                       uint64_t deadline)
{
    int status;
    int r = watching_again(client, watcher, &status);

    if (r < 0 || client->state != CLIENT_RESTORING)
        return SEGB_E_GONE;
    if (is_passing(status, deadline))
        return pause_a_moment(client);
    watching_restored(client, watcher, status);
    return 0;
}

static int watch_all(segb_client *client)
{
    uint64_t deadline = thread_clock() + SHORTAGE_MS;
    segb_watcher *watcher;
    int r = 0;

    while (r == 0 && (watcher = watching_next(client)) != NULL)
        r = watch_again(client, watcher, deadline);
    return r;
}

/* ---- the thread ---- */

static int restore(segb_client *client)
{
    int r;

    drop_connection(client);
    r = connect_again(client);
    if (r == 0)
        r = say_hello(client);
    if (r == 0)
        r = reclaim_all(client);
    if (r == 0)
        r = watch_all(client);
    if (r == 0 && client->state == CLIENT_RESTORING) {
        client->state = CLIENT_UP;
        if (client->watch) {
            watch_channel(client->watch, client->channel);
            watch_wake(client->watch);
        }
        call_send_later(client);
        thread_monitor_wake_all(client->monitor);
        return 0;
    }
    /* It may be half way: the next attempt begins anew. */
    call_end_all(client, SEGB_E_GONE, "the connection could not be restored");
    return SEGB_E_GONE;
}

static void wait_for_end(segb_client *client)
{
    channel c = client->channel;

    client_unlock(client);
    channel_wait_end(c);
    client_lock(client);
    if (client->state != CLIENT_UP)
        return;
    /* Whoever reads finds the end, behind what came before it. */
    if (client->reading)
        thread_monitor_wait(client->monitor, THREAD_NEVER);
    else
        call_take_in(client);
    call_wake_loop(client);
}

static void guard(void *data)
{
    segb_client *client = data;
    uint64_t pause = 0;

    client_lock(client);
    while (client->state != CLIENT_DOWN) {
        if (client->state == CLIENT_UP) {
            wait_for_end(client);
            pause = 0;
        } else if (restore(client) < 0 && client->state != CLIENT_DOWN) {
            pause = pause == 0 ? FIRST_PAUSE_MS : 2 * pause;
            if (pause > LONGEST_PAUSE_MS)
                pause = LONGEST_PAUSE_MS;
            call_expire_later(client);
            thread_monitor_wait(client->monitor, thread_clock() + pause);
        }
    }
    client_unlock(client);
}

int guard_ensure(segb_client *client)
{
    if (!client->guard)
        client->guard = thread_start(guard, client);
    return client->guard ? 0 : -1;
}

/* The lookout's word that the connection has ended. */
static void on_end(void *data)
{
    segb_client *client = data;

    client_lock(client);
    if (client->state == CLIENT_UP && guard_ensure(client) < 0) {
        call_take_in(client);
        call_wake_loop(client);
    }
    client_unlock(client);
}

void guard_expect(segb_client *client)
{
    if (client->patience < 0 || client->guard || client->lookout ||
        client->state == CLIENT_DOWN)
        return;
    client->lookout = lookout_begin(client->channel, on_end, client);
    if (!client->lookout)
        guard_ensure(client);
}

void guard_dismiss(segb_client *client)
{
    struct lookout *lookout;

    /* The lookout needs the channel to the end: who closes it waits here. */
    while (client->dismissing)
        thread_monitor_wait(client->monitor, THREAD_NEVER);
    lookout = client->lookout;
    if (!lookout)
        return;
    client->dismissing = true;
    client_unlock(client);
    lookout_end(lookout);
    client_lock(client);
    client->lookout = NULL;
    client->dismissing = false;
    thread_monitor_wake_all(client->monitor);
}
