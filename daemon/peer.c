#include "peer.h"

#include "broker.h"
#include "group.h"
#include "handle.h"
#include "host.h"
#include "log.h"
#include "pending.h"
#include "request.h"
#include "wait.h"
#include "watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <utlist.h>

enum {
    RETRY_MS = 2,
    SETTLE_MS = 100,
    /* Of one peer: so long waits who asks little. Even shorter, it would cost
     * more than it helps. */
    TURN_NS = 30000,
    /* The most of all that wait for another one, at a time. */
    TURNS_NS = 5000000
};

static struct output_target target_of(struct peer *peer)
{
    return (struct output_target){.connection = peer->connection,
                                  .pool = &peer->broker->peers.pool};
}

struct buffer *peer_reply(struct peer *peer)
{
    return &peer->broker->peers.batch.lines;
}

static bool is_served(const struct peer *peer)
{
    return peer->state == PEER_NEW || peer->state == PEER_READY;
}

/* ---- the end ---- */

static void on_closed(void *data)
{
    struct peer *peer = data;
    struct broker *broker = peer->broker;

    free(peer);
    listener_descriptor_freed(broker->listener);
}

static void leave_turns(struct peer *peer)
{
    struct peers *peers = &peer->broker->peers;
    struct peer **link = &peers->turn;

    if (!peer->has_more)
        return;
    peer->has_more = false;
    while (*link != peer)
        link = &(*link)->behind;
    *link = peer->behind;
    if (peers->last_turn == &peer->behind)
        peers->last_turn = link;
}

/* Gives up everything but the connection itself. */
static void let_go(struct peer *peer)
{
    leave_turns(peer);
    pending_forget_all(peer);
    waits_forget(peer);
    group_forget_all(peer);
    watches_forget(peer);
    registry_release_all(&peer->broker->registry, &peer->holder);
    frame_reader_deinit(&peer->reader);
    output_batch_clear(&peer->broker->peers.batch);
    broker_end_turn(peer->broker);
}

static void undo_charge(struct peer *peer)
{
    struct quota_charge charge = {
        .scope = peer->charged, .budget = CONFIG_CONNECTIONS, .amount = 1};

    quota_undo(&charge);
    peer->charged = NULL;
}

void peer_close(struct peer *peer)
{
    struct broker *broker = peer->broker;

    struct output_target target = target_of(peer);

    if (peer->state == PEER_CLOSED)
        return;
    if (is_served(peer))
        let_go(peer);
    peer->state = PEER_CLOSED;
    output_deinit(&peer->output, &target);
    undo_charge(peer);
    peer->caller = callers_unref(&broker->callers, peer->caller);
    free(peer->name);
    DL_DELETE(broker->peers.list, peer);
    broker->peers.count--;
    log_debug("client %llu: gone", (unsigned long long)peer->id);
    peer->connection = connection_close(peer->connection, on_closed, peer);
}

/* Goes on with the last replies; true when all are read. */
static bool has_said_all(struct peer *peer)
{
    struct output_target target = target_of(peer);
    uint32_t sent = peer->output.sent;
    int r = output_flush(&peer->output, &target, &peer->broker->peers.batch);

    if (sent != peer->output.sent)
        peer->moved_at = uv_now(&peer->broker->loop);
    connection_watch(peer->connection,
                     r == OUTPUT_WAITS ? CONNECTION_WRITABLE : 0);
    if (r > 0)
        return false;
    connection_finish(peer->connection);
    return r < 0 || output_settle(&peer->output, &target);
}

static void say_last(struct peer *peer)
{
    if (has_said_all(peer))
        peer_close(peer);
    else
        broker_needs_tick(peer->broker);
}

/* Stops serving; the peer is closed once it has read its last replies. */
static void linger(struct peer *peer)
{
    let_go(peer);
    peer->state = PEER_LINGERING;
    peer->moved_at = uv_now(&peer->broker->loop);
    say_last(peer);
}

void peer_finish(struct peer *peer)
{
    struct output_target target = target_of(peer);
    int r;

    if (!is_served(peer))
        return;
    keeping_flush(&peer->broker->keeping);
    r = output_flush(&peer->output, &target, &peer->broker->peers.batch);
    if (r == OUTPUT_E_GONE)
        peer_close(peer);
    else
        linger(peer);
}

static void cut_off(struct peer *peer)
{
    log_warning("client %llu (%s, pid %llu): cut off, it does not read its "
                "replies",
                (unsigned long long)peer->id, peer->caller->label,
                (unsigned long long)peer->process);
    peer->broker->counters.cut_off++;
    output_drop(&peer->output);
    linger(peer);
}

/* ---- sending ---- */

/* Who read everything long ago may still be counted: looks again at all, when
 * that could help and not too often. */
static void settle_all(struct broker *broker)
{
    struct peers *peers = &broker->peers;
    uint64_t now = uv_now(&broker->loop);
    struct peer *peer;

    if (output_pool_left(&peers->pool) > peers->pool.capacity / 2 ||
        now - peers->settled_at < SETTLE_MS)
        return;
    peers->settled_at = now;
    DL_FOREACH (peers->list, peer) {
        struct output_target target = target_of(peer);

        if (peer->output.unread > 0)
            output_settle(&peer->output, &target);
    }
}

static void on_retry(uv_timer_t *timer);
static void on_turn(uv_idle_t *turns);

static void needs_retry(struct broker *broker)
{
    uv_timer_t *retry = &broker->peers.retry;

    if (!uv_is_active((uv_handle_t *)retry))
        uv_timer_start(retry, on_retry, RETRY_MS, RETRY_MS);
}

static void update_poll(struct peer *peer)
{
    unsigned event = CONNECTION_READABLE;

    if (peer->output.queue)
        event = CONNECTION_WRITABLE;
    if (peer->has_more || (peer->output.queue && peer->held_back))
        event = 0;
    connection_watch(peer->connection, event);
}

/* Sends what was collected; the lines that are left are the caller's. */
static void flush_output(struct peer *peer)
{
    struct broker *broker = peer->broker;
    struct output_target target = target_of(peer);
    bool had_queue = peer->output.queue != NULL;
    uint32_t sent = peer->output.sent;
    int r;

    if (!is_served(peer))
        return;
    keeping_flush(&broker->keeping);
    r = output_flush(&peer->output, &target, &broker->peers.batch);
    settle_all(broker);
    broker_end_turn(broker);
    if (r < 0) {
        peer_close(peer);
        return;
    }
    peer->held_back = r == OUTPUT_HELD_BACK;
    if (!had_queue || sent != peer->output.sent)
        peer->moved_at = uv_now(&broker->loop);
    if (r > 0)
        broker_needs_tick(broker);
    if (peer->held_back)
        needs_retry(broker);
    if (had_queue || peer->output.queue)
        update_poll(peer);
}

/* ---- receiving ---- */

static void refuse_long_line(struct peer *peer)
{
    static const struct message_problem problem = {
        .error = PROTOCOL_BAD_REQUEST,
        .text = "a line has at most 65536 bytes"};

    message_error_write(peer_reply(peer), &problem, NULL);
    peer->broker->counters.malformed++;
    peer_finish(peer);
}

static void refuse_handles(struct peer *peer)
{
    static const struct message_problem problem = {
        .error = PROTOCOL_BAD_REQUEST,
        .text = "more handles came along than requests"};

    message_error_write(peer_reply(peer), &problem, NULL);
    peer->broker->counters.malformed++;
    peer_finish(peer);
}

static bool is_over(uint64_t began, uint64_t nanoseconds)
{
    return uv_hrtime() - began >= nanoseconds;
}

/* Serves lines, of many item by item, until none is left, the output stops
 * moving, or the turn is over. FRAME_LINE when there may be more. */
static int serve_some(struct peer *peer, uint64_t began)
{
    struct output_batch *batch = &peer->broker->peers.batch;
    const char *line;
    size_t size;
    int r = FRAME_LINE;

    while (is_served(peer) && !peer->output.queue) {
        if (!group_is_begun(peer)) {
            if (group_go_on(peer) < 0)
                peer_close(peer);
        } else {
            r = frame_reader_next(&peer->reader, &line, &size);
            if (r != FRAME_LINE)
                break;
            request_serve(peer, line, size);
        }
        if (is_served(peer) && output_batch_is_full(batch))
            flush_output(peer);
        if (is_over(began, TURN_NS))
            break;
    }
    return r;
}

static bool has_work(const struct peer *peer)
{
    return frame_reader_has_bytes(&peer->reader) || !group_is_begun(peer);
}

/* The peer's lines wait until others have had their turn. */
static void wait_for_turn(struct peer *peer)
{
    struct peers *peers = &peer->broker->peers;

    if (!peers->turn)
        peers->turned_at = uv_hrtime();
    peer->has_more = true;
    peer->behind = NULL;
    *peers->last_turn = peer;
    peers->last_turn = &peer->behind;
    update_poll(peer);
    uv_idle_start(&peers->turns, on_turn);
}

/* Serves the lines that are here. The output may begin to move again while it
 * is flushed: nobody else would come back for the lines that are left then. */
static void serve_lines(struct peer *peer)
{
    uint64_t began = uv_hrtime();
    int r;

    do {
        r = serve_some(peer, began);
        if (!is_served(peer))
            return;
        if (r == FRAME_E_NOMEM || frame_reader_keep(&peer->reader) < 0) {
            peer_close(peer);
            return;
        }
        if (r < 0) {
            refuse_long_line(peer);
            return;
        }
        flush_output(peer);
        if (!is_served(peer) || peer->output.queue)
            return;
    } while (r == FRAME_LINE && !is_over(began, TURN_NS));
    if (r == FRAME_LINE && has_work(peer))
        wait_for_turn(peer);
}

/* Handles that no line took. */
static void drop_unclaimed(struct peer *peer)
{
    if (!is_served(peer) || peer->has_more)
        return;
    frame_reader_drop_unclaimed(&peer->reader);
    /* One may wait for the rest of its line. */
    if (peer->reader.waiting_count > 1 && !peer->output.queue)
        refuse_handles(peer);
}

/* Those that wait have as long as all others had since the last time. */
static uint64_t turns_of(const struct peers *peers, uint64_t now)
{
    uint64_t others = now - peers->turned_at;

    if (others < TURN_NS)
        return TURN_NS;
    return others < TURNS_NS ? others : TURNS_NS;
}

static void on_turn(uv_idle_t *turns)
{
    struct peers *peers = &((struct broker *)turns->data)->peers;
    uint64_t began = uv_hrtime(), most = turns_of(peers, began);
    struct peer *peer;

    while ((peer = peers->turn) != NULL && !is_over(began, most)) {
        leave_turns(peer);
        serve_lines(peer);
        drop_unclaimed(peer);
        if (is_served(peer) && !peer->has_more)
            update_poll(peer);
    }
    peers->turned_at = uv_hrtime();
    if (!peers->turn)
        uv_idle_stop(turns);
}

static void receive(struct peer *peer)
{
    struct peers *peers = &peer->broker->peers;
    struct connection_handles handles = {.capacity = PEER_HANDLES_MAX};
    size_t size;
    int r = connection_receive(peer->connection, peers->input,
                               sizeof(peers->input), &size, &handles);

    if (r == CONNECTION_E_AGAIN)
        return;
    if (r < 0) {
        peer_close(peer);
        return;
    }
    if (frame_reader_feed_handles(&peer->reader, handles.handles, handles.count,
                                  handles.truncated) < 0) {
        peer_close(peer);
        return;
    }
    frame_reader_feed(&peer->reader, peers->input, size);
    serve_lines(peer);
    drop_unclaimed(peer);
}

bool peer_send(struct peer *peer)
{
    flush_output(peer);
    return is_served(peer);
}

void peer_flush(struct peer *peer)
{
    bool had_queue = peer->output.queue != NULL;

    flush_output(peer);
    /* Lines were kept while it did not move. */
    if (had_queue && is_served(peer) && !peer->output.queue && !peer->has_more)
        serve_lines(peer);
}

static void on_ready(void *data, unsigned events)
{
    struct peer *peer = data;

    if (events == 0)
        peer_close(peer);
    else if (peer->state == PEER_LINGERING)
        say_last(peer);
    else if (events & CONNECTION_WRITABLE)
        peer_flush(peer);
    else
        receive(peer);
}

/* ---- timers ---- */

static void on_retry(uv_timer_t *timer)
{
    struct broker *broker = timer->data;
    struct peer *peer, *next;
    bool any = false;

    DL_FOREACH_SAFE(broker->peers.list, peer, next)
    {
        if (!is_served(peer) || !peer->held_back)
            continue;
        peer_flush(peer);
        any = any || peer->held_back;
    }
    if (!any)
        uv_timer_stop(timer);
}

/* What it has sent and nobody reads may hold its own end of the connection,
 * which then would never end. */
static void discard_input(struct peer *peer)
{
    struct peers *peers = &peer->broker->peers;
    struct connection_handles handles = {.capacity = PEER_HANDLES_MAX};
    size_t size;

    while (connection_receive(peer->connection, peers->input,
                              sizeof(peers->input), &size, &handles) == 0)
        for (unsigned i = 0; i < handles.count; i++)
            connection_dispose(handles.handles[i]);
}

/* True when the peer must be looked at again. */
static bool look_after(struct peer *peer)
{
    uint64_t now = uv_now(&peer->broker->loop);
    bool late = now - peer->moved_at > PEER_STALL_SECONDS * 1000;

    if (peer->state == PEER_LINGERING) {
        if (late) {
            output_drop(&peer->output);
            discard_input(peer);
        }
        /* Unread handles stay counted as long as they are there. */
        if (has_said_all(peer) || (late && peer->output.unread == 0))
            peer_close(peer);
        return peer->state == PEER_LINGERING;
    }
    if (!peer->output.queue)
        return false;
    /* One that is held back for others' sake is not to blame. */
    if (late && !(peer->held_back && peer->output.unread == 0))
        cut_off(peer);
    return peer->state != PEER_CLOSED;
}

bool peers_tick(struct broker *broker)
{
    struct peer *peer, *next;
    bool again = false;

    DL_FOREACH_SAFE(broker->peers.list, peer, next)
    again = look_after(peer) || again;
    return again;
}

/* ---- the beginning ---- */

/* Tells an accepted connection why it is not served, as far as it listens. */
static void refuse_connection(struct broker *broker,
                              struct connection *connection,
                              const struct message_problem *problem,
                              const struct message_budget *detail)
{
    struct buffer line;
    size_t sent;

    buffer_init(&line, PROTOCOL_LINE_MAX);
    if (message_error_write(&line, problem, detail) == 0)
        connection_send(connection, line.data, line.size, NULL, 0, &sent);
    buffer_deinit(&line);
    broker->counters.refused_connections++;
}

static int identify(struct broker *broker, struct connection *connection,
                    struct caller **caller, uint64_t *process)
{
    struct message_problem problem = {.error = PROTOCOL_ACCESS_DENIED};
    struct identity identity;
    int r = identity_of_peer(connection, &identity, process);

    if (r == 0)
        return callers_get(&broker->callers, &identity, caller);
    if (r == IDENTITY_UNMAPPED) {
        /* Once is enough to say; anybody could fill the log. */
        if (!broker->counters.refused_unmapped++)
            log_warning("refused a client whose user has no number in the "
                        "broker's user namespace; further ones are counted");
        snprintf(problem.text, sizeof(problem.text),
                 "your user has no number in the broker's user namespace, so "
                 "it cannot tell you from others");
        refuse_connection(broker, connection, &problem, NULL);
    }
    return -1;
}

static int charge_connection(struct peer *peer)
{
    struct quota_charge charge;
    struct quota_refusal refusal;
    struct message_problem problem;
    struct message_budget detail;
    int r = quota_charge(peer->caller->scope, CONFIG_CONNECTIONS, 1, &charge,
                         &refusal);

    if (r == 0)
        peer->charged = charge.scope;
    if (r != QUOTA_FULL)
        return r;
    request_explain_quota(&refusal, &problem, &detail);
    log_debug("refused a connection of %s: %s", peer->caller->label,
              problem.text);
    refuse_connection(peer->broker, peer->connection, &problem, &detail);
    return -1;
}

static int start_serving(struct broker *broker, struct peer *peer)
{
    if (connection_start(peer->connection, &broker->loop, on_ready, peer) < 0)
        return -1;
    frame_reader_init(&peer->reader, connection_dispose);
    DL_APPEND(broker->peers.list, peer);
    broker->peers.count++;
    broker->counters.connections++;
    connection_watch(peer->connection, CONNECTION_READABLE);
    log_debug("client %llu: %s, pid %llu", (unsigned long long)peer->id,
              peer->caller->label, (unsigned long long)peer->process);
    return 0;
}

int peer_accept(struct broker *broker, struct connection *connection)
{
    struct peer *peer = connection ? calloc(1, sizeof(*peer)) : NULL;
    uint64_t process;

    if (!peer)
        goto undo_connection;
    peer->broker = broker;
    peer->connection = connection;
    if (identify(broker, connection, &peer->caller, &process) < 0)
        goto undo_peer;
    peer->process = (uint32_t)process;
    if (charge_connection(peer) < 0)
        goto undo_caller;
    peer->id = ++broker->peers.last_id;
    peer->connected_at = (uint32_t)time(NULL);
    if (start_serving(broker, peer) == 0)
        return 0;
    undo_charge(peer);
undo_caller:
    callers_unref(&broker->callers, peer->caller);
undo_peer:
    free(peer);
undo_connection:
    connection_close(connection, NULL, NULL);
    return -1;
}

int peers_init(struct broker *broker)
{
    struct peers *peers = &broker->peers;

    peers->pool = output_pool(host_descriptor_limit());
    output_batch_init(&peers->batch, &peers->pool);
    peers->last_turn = &peers->turn;
    peers->retry.data = peers->turns.data = broker;
    uv_idle_init(&broker->loop, &peers->turns);
    return uv_timer_init(&broker->loop, &peers->retry);
}

void peers_close(struct broker *broker)
{
    struct peer *peer, *next;

    DL_FOREACH_SAFE(broker->peers.list, peer, next)
    peer_close(peer);
    uv_close((uv_handle_t *)&broker->peers.retry, NULL);
    uv_close((uv_handle_t *)&broker->peers.turns, NULL);
}

void peers_deinit(struct broker *broker)
{
    output_batch_deinit(&broker->peers.batch);
}
