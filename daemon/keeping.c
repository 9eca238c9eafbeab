#include "keeping.h"

#include "broker.h"
#include "handle.h"
#include "host.h"
#include "log.h"
#include "program.h"
#include "reload.h"
#include "restore.h"
#include "service.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
    RESPAWN_MS = 1000, /* between attempts */
    SHORT_LIFE_MS = 100,
    MANAGER_TURNS = 5, /* that a service manager has to take all down */
    LATE_MS = 1        /* that a record waits for others to go with it */
};

/* ---- records to the keeper ---- */

/* A keeper that only stood still would find its broker gone one day, and start
 * another one beside this. Both numbers are its own as long as it lives. */
static void kill_keeper(struct keeping *keeping)
{
    if (keeping->child)
        uv_kill((int)program_process(keeping->child), SIGKILL);
    else if (keeping->keeper == host_parent())
        uv_kill((int)keeping->keeper, SIGKILL);
}

/* From here on nobody keeps, until a new keeper is there. */
static void on_respawn(uv_timer_t *timer);

/* One that dies at once is not worth all of the processor. */
static uint64_t pause_before(const struct keeping *keeping)
{
    uint64_t now = uv_now(&keeping->broker->loop);

    return now - keeping->respawned_at < SHORT_LIFE_MS ? SHORT_LIFE_MS : 0;
}

static void lose_keeper(struct keeping *keeping)
{
    if (keeping->is_alone)
        return;
    keeping->is_alone = true;
    kill_keeper(keeping);
    if (service_can_store()) {
        log_error("the keeper has died: waiting for the service manager");
    } else if (service_is_managed()) {
        log_error("the keeper has died: ending, so that the service manager "
                  "starts the service again; all segments are lost");
        broker_stop(keeping->broker);
        return;
    } else {
        log_error("the keeper has died: starting another one");
    }
    keeping->turns = 0;
    uv_timer_start(&keeping->respawn, on_respawn, pause_before(keeping),
                   RESPAWN_MS);
}

static void tell_record(struct keeping *keeping, const struct record *record,
                        const frame_handle *handles)
{
    if (!keeping->is_alone && link_send(keeping->link, record, handles) < 0)
        lose_keeper(keeping);
}

/* Before the turn's replies is early enough. */
static void post_record(struct keeping *keeping, const struct record *record)
{
    if (!keeping->is_alone && link_post(keeping->link, record) < 0)
        lose_keeper(keeping);
}

static void flush(struct keeping *keeping)
{
    if (keeping->link && !keeping->is_alone && link_flush(keeping->link) < 0)
        lose_keeper(keeping);
}

void keeping_flush(struct keeping *keeping)
{
    struct broker *broker = keeping->broker;

    if (output_batch_is_empty(&broker->peers.batch))
        return;
    registry_tell(&broker->registry);
    flush(keeping);
}

static void on_late(uv_timer_t *timer)
{
    flush(timer->data);
}

void keeping_end_turn(struct keeping *keeping)
{
    if (keeping->link && link_has_posted(keeping->link) &&
        !uv_is_active((uv_handle_t *)&keeping->late))
        uv_timer_start(&keeping->late, on_late, LATE_MS, 0);
}

static int keep(void *data, struct entry *entry)
{
    struct restore_record made;
    bool is_known = entry->is_kept;

    if (restore_write(entry, &made) < 0) {
        log_error("out of memory: the keeper is not told of segment %llu",
                  (unsigned long long)entry->id);
        return -1;
    }
    entry->is_kept = true;
    if (is_known)
        post_record(data, &made.record);
    else
        tell_record(data, &made.record, made.handles);
    return 0;
}

static void forget_id(struct keeping *keeping, uint64_t id)
{
    struct record record = {.kind = RECORD_FORGET, .segment = {.segment = id}};

    post_record(keeping, &record);
}

static void forget(void *data, const struct entry *entry)
{
    forget_id(data, entry->id);
}

void keeping_tell(struct keeping *keeping, enum record_kind kind)
{
    struct record record = {.kind = kind};

    tell_record(keeping, &record, NULL);
}

/* ---- a new keeper ---- */

static void on_keeper_end(void *data, int64_t status, int signal)
{
    struct keeping *keeping = data;

    (void)status;
    (void)signal;
    keeping->child = NULL;
}

/* All that a new keeper, or the manager's store, must have. */
static int gather(struct keeping *keeping, struct estate *estate)
{
    struct registry *registry = &keeping->broker->registry;
    struct restore_record made;
    struct entry *entry;
    struct buffer line;
    int r = 0;

    estate_init(estate);
    estate->is_lent = true;
    estate->listening = keeping->given.listening;
    estate->next = registry->next_segment;
    buffer_init(&line, PROTOCOL_LINE_MAX);
    for (entry = registry->by_id; entry && r == 0; entry = entry->by_id.next) {
        struct estate_new new = {.id = entry->id};

        if (!entry->is_kept)
            continue;
        r = restore_write(entry, &made);
        if (r < 0)
            break;
        buffer_truncate(&line, 0);
        r = record_write(&line, &made.record);
        new.line = line.data;
        new.size = line.size - 1;
        new.count = made.record.handles;
        memcpy(new.handles, made.handles, sizeof(new.handles));
        if (r == 0)
            r = estate_keep(estate, &new);
    }
    buffer_deinit(&line);
    if (r < 0)
        log_error("out of memory: the segments are not kept");
    return r;
}

/* Gives back what gather only lent. */
static void scatter(struct estate *estate)
{
    estate->listening =
        (struct listening){.socket = HANDLE_NONE, .lock = HANDLE_NONE};
    estate_deinit(estate);
}

static void serve_link(struct keeping *keeping);

/* Starts a keeper at the other of two ends, and gives it everything. NULL
 * when that fails; the ends are closed. */
static struct link *try_keeper(struct keeping *keeping, frame_handle ends[2])
{
    struct connection_other other;
    struct link *link;
    struct estate estate;
    int r;

    program_forget(keeping->child);
    keeping->child = program_start(&keeping->broker->loop, PROGRAM_SUCCESSOR,
                                   ends[1], on_keeper_end, keeping);
    handle_close(ends[1]);
    if (!keeping->child) {
        handle_close(ends[0]);
        return NULL;
    }
    other = program_other(keeping->child);
    link = link_new(connection_join(ends[0], &other));
    if (!link)
        return NULL;
    r = gather(keeping, &estate);
    if (r == 0)
        r = estate_send(&estate, link);
    scatter(&estate);
    return r == 0 ? link : link_close(link);
}

/* The same; one that has a part only would start a broker beside this. */
static struct link *start_keeper(struct keeping *keeping, frame_handle ends[2])
{
    struct link *link = try_keeper(keeping, ends);

    if (!link && keeping->child)
        uv_kill((int)program_process(keeping->child), SIGKILL);
    return link;
}

static void respawn(struct keeping *keeping)
{
    struct link *link;
    frame_handle ends[2];

    if (connection_pair(ends) < 0)
        return;
    link = start_keeper(keeping, ends);
    if (!link)
        return;
    link_close(keeping->link);
    keeping->link = link;
    keeping->is_alone = false;
    keeping->respawned_at = uv_now(&keeping->broker->loop);
    uv_timer_stop(&keeping->respawn);
    serve_link(keeping);
    log_info("a new keeper keeps %llu segments",
             (unsigned long long)registry_segments(&keeping->broker->registry));
}

static void on_respawn(uv_timer_t *timer)
{
    struct keeping *keeping = timer->data;

    /* A service manager takes the whole service down and up again, unless it
     * only watches over somebody whose environment this inherited. */
    if (!service_can_store() || keeping->turns++ == MANAGER_TURNS)
        respawn(keeping);
}

/* ---- records from the keeper ---- */

static void on_record(struct link *link, const struct record *record,
                      const char *line, size_t size)
{
    struct keeping *keeping = link->data;

    switch (record->kind) {
    case RECORD_LISTEN:
    case RECORD_KEEP:
        estate_take(&keeping->given, link, record, line, size);
        break;
    case RECORD_READY:
        keeping->given.next = record->next;
        keeping->keeper = record->process;
        keeping->is_given = true;
        break;
    case RECORD_PING:
        keeping_tell(keeping, RECORD_PONG);
        break;
    case RECORD_RELOAD:
        reload_start(keeping->broker);
        break;
    case RECORD_STOP:
        broker_stop(keeping->broker);
        break;
    default:
        break;
    }
}

static void on_end(struct link *link)
{
    lose_keeper(link->data);
}

static void serve_link(struct keeping *keeping)
{
    struct record ready = {.kind = RECORD_READY,
                           .next = keeping->broker->registry.next_segment,
                           .process = host_process()};

    keeping->link->data = keeping;
    keeping->link->on_record = on_record;
    keeping->link->on_end = on_end;
    if (link_start(keeping->link, &keeping->broker->loop) < 0)
        lose_keeper(keeping);
    else
        tell_record(keeping, &ready, NULL);
}

/* ---- begin and end ---- */

int keeping_init(struct keeping *keeping, struct broker *broker,
                 struct connection *connection)
{
    *keeping = (struct keeping){.broker = broker, .link = link_new(connection)};
    estate_init(&keeping->given);
    if (!keeping->link)
        return -1;
    keeping->link->data = keeping;
    keeping->link->on_record = on_record;
    if (link_read_until(keeping->link, &keeping->is_given) == 0)
        return 0;
    /* What came is all that is left of it. */
    log_error("the keeper died while it gave everything back: %u segments "
              "came",
              estate_count(&keeping->given));
    if (keeping->given.listening.socket != HANDLE_NONE)
        return 0;
    link_close(keeping->link);
    return -1;
}

static void on_grace(uv_timer_t *timer)
{
    struct keeping *keeping = timer->data;

    registry_end_grace(&keeping->broker->registry);
    broker_end_turn(keeping->broker);
}

void keeping_restore(struct keeping *keeping)
{
    struct broker *broker = keeping->broker;
    struct registry *registry = &broker->registry;
    struct estate_item *item, *next;

    uv_timer_init(&broker->loop, &keeping->respawn);
    uv_timer_init(&broker->loop, &keeping->grace);
    uv_timer_init(&broker->loop, &keeping->late);
    keeping->respawn.data = keeping->grace.data = keeping->late.data = keeping;
    registry->keeper = (struct registry_keeper){keep, forget, keeping};
    HASH_ITER (hh, keeping->given.items, item, next) {
        if (restore_entry(registry, item) == 0)
            keeping->restored++;
        else
            forget_id(keeping, item->id);
        estate_forget(&keeping->given, item->id);
    }
    registry_sort(registry);
    if (keeping->given.next > registry->next_segment)
        registry->next_segment = keeping->given.next;
    if (keeping->restored == 0)
        return;
    log_info("%u segments are back; their names wait %llu ms for who held "
             "them",
             keeping->restored, (unsigned long long)broker->config->grace);
    uv_timer_start(&keeping->grace, on_grace, broker->config->grace, 0);
    broker_needs_tick(broker);
}

void keeping_start(struct keeping *keeping)
{
    serve_link(keeping);
    if (!keeping->is_given)
        lose_keeper(keeping);
}

void keeping_rescue(struct keeping *keeping)
{
    struct estate_pack pack;
    struct estate estate;

    if (!service_can_store())
        return;
    /* Its end may be here, and not looked at yet. */
    if (!link_drain(keeping->link))
        return;
    if (gather(keeping, &estate) == 0 && estate_pack(&estate, &pack) == 0) {
        if (service_store(&pack) == 0)
            log_info("the keeper is dead: %u segments are with the service "
                     "manager",
                     estate_count(&estate));
        estate_pack_close(&pack);
    }
    scatter(&estate);
}

void keeping_close(struct keeping *keeping)
{
    registry_tell(&keeping->broker->registry);
    flush(keeping);
    keeping->broker->registry.keeper = (struct registry_keeper){0};
    keeping->link = link_close(keeping->link);
    uv_close((uv_handle_t *)&keeping->respawn, NULL);
    uv_close((uv_handle_t *)&keeping->grace, NULL);
    uv_close((uv_handle_t *)&keeping->late, NULL);
    /* A keeper that is this process's child outlives it. */
    keeping->child = program_leave(keeping->child);
}

void keeping_deinit(struct keeping *keeping)
{
    estate_deinit(&keeping->given);
}
