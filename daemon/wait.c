#include "wait.h"

#include "handle.h"
#include "request.h"

#include <stdlib.h>
#include <string.h>

enum { TURN_NS = 5000000 };

struct wait {
    struct peer *peer;
    struct wait_name *name;
    uint64_t id;         /* of the request */
    struct group *group; /* NULL: it is answered by itself */
    unsigned item;       /* of the group */
    enum protocol_access access;
    uint64_t wait_ms; /* as asked */
    struct deadline deadline;
    struct wait *next, *prev; /* of the name */
    struct wait *next_of_peer, *prev_of_peer;
};

/* A name that is waited for, by its key (registry.c). */
struct wait_name {
    struct wait *waits;
    bool is_woken; /* and then in that list, not in the table */
    struct wait_name *next, *prev;
    UT_hash_handle hh;
    size_t size;
    char key[REGISTRY_KEY_MAX + 1];
};

/* Milliseconds, of a clock that does not stand still for a turn. */
static uint64_t now(void)
{
    return uv_hrtime() / 1000000;
}

/* ---- names ---- */

static struct wait_name *find_name(const struct waits *waits, const char *key,
                                   size_t size)
{
    struct wait_name *name;

    HASH_FIND(hh, waits->names, key, size, name);
    return name;
}

/* The name, made where nobody waits for it yet; NULL when memory is short. */
static struct wait_name *get_name(struct waits *waits, const char *key,
                                  size_t size)
{
    struct wait_name *name = find_name(waits, key, size);

    if (name)
        return name;
    name = calloc(1, sizeof(*name));
    if (!name)
        return NULL;
    memcpy(name->key, key, size);
    name->size = size;
    HASH_ADD_KEYPTR(hh, waits->names, name->key, name->size, name);
    if (TABLE_HOLDS(hh, name))
        return name;
    free(name);
    return NULL;
}

static void drop_name(struct waits *waits, struct wait_name *name)
{
    if (name->is_woken)
        DL_DELETE(waits->woken, name);
    else
        HASH_DELETE(hh, waits->names, name); /* NOLINT: uthash */
    free(name);
}

static void leave_name(struct waits *waits, struct wait *wait)
{
    struct wait_name *name = wait->name;

    DL_DELETE(name->waits, wait);
    wait->name = NULL;
    if (!name->waits)
        drop_name(waits, name);
}

static void join_name(struct wait *wait, struct wait_name *name)
{
    wait->name = name;
    DL_APPEND(name->waits, wait);
}

/* ---- the end of a wait ---- */

static void wait_free(struct wait *wait)
{
    struct peer *peer = wait->peer;
    struct waits *waits = &peer->broker->waits;

    if (wait->name)
        leave_name(waits, wait);
    deadlines_remove(&waits->deadlines, &wait->deadline);
    DL_DELETE2(peer->waits, wait, prev_of_peer, next_of_peer);
    peer->waits_count--;
    peer->caller->waits--;
    waits->count--;
    free(wait);
}

void waits_forget(struct peer *peer)
{
    while (peer->waits)
        wait_free(peer->waits);
}

unsigned waits_drop(struct peer *peer, const struct group *group)
{
    struct wait *wait = peer->waits, *next;
    unsigned dropped = 0;

    for (; wait; wait = next) {
        next = wait->next_of_peer;
        if (wait->group != group)
            continue;
        wait_free(wait);
        dropped++;
    }
    return dropped;
}

/* A wait's request, once more. */
struct question {
    struct message_request request;
    struct call call;
    char key[REGISTRY_KEY_MAX + 1]; /* the name's, which goes with the wait */
};

static void write_question(const struct wait *wait, struct question *question)
{
    struct message_request *request = &question->request;

    memcpy(question->key, wait->name->key, sizeof(question->key));
    *request = (struct message_request){.id = wait->id, .op = PROTOCOL_OPEN};
    request->open.target.name = registry_key_name(question->key);
    request->open.access = wait->access;
    request->open.wait_ms = wait->wait_ms;
    question->call = (struct call){.broker = wait->peer->broker,
                                   .peer = wait->peer,
                                   .request = request,
                                   .group = wait->group,
                                   .item = wait->item,
                                   .handles = {HANDLE_NONE, HANDLE_NONE}};
}

/* Ends a wait with what the verb answers. */
static void end(struct wait *wait, struct question *question, request_verb verb)
{
    struct peer *peer = wait->peer;

    wait_free(wait);
    if (verb(&question->call) < 0)
        peer_close(peer);
    else
        peer_flush(peer);
}

/* ---- deadlines ---- */

static int refuse_late(struct call *call)
{
    return request_refuse(call, PROTOCOL_TIMEOUT,
                          "no segment of that name could be opened within "
                          "%llu ms",
                          (unsigned long long)call->request->open.wait_ms);
}

static void on_timer(uv_timer_t *timer);

static void set_timer(struct waits *waits)
{
    const struct deadline *first = deadlines_first(&waits->deadlines);
    uint64_t clock = now();

    if (!first) {
        uv_timer_stop(&waits->timer);
        return;
    }
    /* libuv counts from when its turn began, and calls what is due by then
     * again at once. */
    uv_update_time(&waits->broker->loop);
    uv_timer_start(&waits->timer, on_timer,
                   first->at > clock ? first->at - clock : 1, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct waits *waits = timer->data;
    uint64_t began = uv_hrtime();
    const struct deadline *first;
    struct question question;

    while ((first = deadlines_first(&waits->deadlines)) != NULL &&
           first->at <= now() && uv_hrtime() - began < TURN_NS) {
        write_question(first->data, &question);
        end(first->data, &question, refuse_late);
    }
    set_timer(waits);
}

/* ---- those that have come ---- */

/* Asks for one again: it ends, or waits on. */
static void ask_again(struct waits *waits, struct wait *wait)
{
    struct question question;
    struct wait_name *again;

    write_question(wait, &question);
    if (request_open_is_timely(&question.call)) {
        end(wait, &question, request_open);
        return;
    }
    again = get_name(waits, question.key, wait->name->size);
    leave_name(waits, wait);
    if (again)
        join_name(wait, again);
    else
        peer_close(wait->peer);
}

static void on_turn(uv_idle_t *turns)
{
    struct waits *waits = turns->data;
    uint64_t began = uv_hrtime();

    while (waits->woken && uv_hrtime() - began < TURN_NS)
        ask_again(waits, waits->woken->waits);
    if (!waits->woken)
        uv_idle_stop(turns);
}

static void wake(struct waits *waits, struct wait_name *name)
{
    HASH_DELETE(hh, waits->names, name); /* NOLINT: uthash */
    name->is_woken = true;
    DL_APPEND(waits->woken, name);
    uv_idle_start(&waits->turns, on_turn);
}

void waits_wake(struct waits *waits, const struct entry *entry)
{
    struct wait_name *name = NULL;

    if (entry->is_found)
        name = find_name(waits, entry->key, entry->key_size);
    if (name)
        wake(waits, name);
}

void waits_wake_all(struct waits *waits)
{
    while (waits->names)
        wake(waits, waits->names);
}

/* ---- the beginning ---- */

static int refuse_more(struct call *call, const char *whose, int most)
{
    return request_refuse(call, PROTOCOL_BUSY,
                          "wait_ms: %d opens %s wait for names already", most,
                          whose);
}

/* 0, or 1 when another one would be too much, and it was refused. */
static int check_room(struct call *call)
{
    int r = 0;

    if (call->peer->waits_count >= WAITS_OF_PEER_MAX)
        r = refuse_more(call, "of this connection", WAITS_OF_PEER_MAX);
    else if (callers_of_user(&call->broker->callers, call->peer->caller)
                 .waits >= WAITS_OF_USER_MAX)
        r = refuse_more(call, "of this user", WAITS_OF_USER_MAX);
    else if (call->broker->waits.count >= WAITS_MAX &&
             !request_by_administrator(call))
        r = refuse_more(call, "of all users", WAITS_MAX);
    else
        return 0;
    return r < 0 ? r : 1;
}

static struct wait *wait_new(struct call *call)
{
    const struct message_request *request = call->request;
    struct waits *waits = &call->broker->waits;
    struct wait *wait = calloc(1, sizeof(*wait));
    struct wait_name *name;
    char key[REGISTRY_KEY_MAX];
    size_t size =
        registry_key(key, call->peer->caller, request->open.target.name);

    if (!wait)
        return NULL;
    *wait = (struct wait){
        .peer = call->peer,
        .id = request->id,
        .group = call->group,
        .item = call->item,
        .access = request->open.access,
        .wait_ms = request->open.wait_ms,
        .deadline = {.at = now() + request->open.wait_ms, .data = wait}};
    if (deadlines_add(&waits->deadlines, &wait->deadline) < 0)
        goto undo_wait;
    name = get_name(waits, key, size);
    if (!name)
        goto undo_deadline;
    join_name(wait, name);
    return wait;

undo_deadline:
    deadlines_remove(&waits->deadlines, &wait->deadline);
undo_wait:
    free(wait);
    return NULL;
}

int wait_begin(struct call *call)
{
    struct waits *waits = &call->broker->waits;
    struct peer *peer = call->peer;
    struct wait *wait;
    int r = check_room(call);

    if (r != 0)
        return r < 0 ? r : 0;
    wait = wait_new(call);
    if (!wait)
        return request_refuse(call, PROTOCOL_INTERNAL, "out of memory");
    DL_APPEND2(peer->waits, wait, prev_of_peer, next_of_peer);
    peer->waits_count++;
    peer->caller->waits++;
    waits->count++;
    if (deadlines_first(&waits->deadlines) == &wait->deadline)
        set_timer(waits);
    return 0;
}

void waits_init(struct waits *waits, struct broker *broker)
{
    waits->broker = broker;
    uv_timer_init(&broker->loop, &waits->timer);
    uv_idle_init(&broker->loop, &waits->turns);
    waits->timer.data = waits->turns.data = waits;
}

void waits_close(struct waits *waits)
{
    uv_close((uv_handle_t *)&waits->timer, NULL);
    uv_close((uv_handle_t *)&waits->turns, NULL);
    deadlines_deinit(&waits->deadlines);
}
