#include "watch.h"

#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TURN_NS = 1000000, RETRY_MS = 10 };

struct watch {
    uint64_t number;
    struct watch *next, *prev;
    size_t size;   /* of the prefix */
    char prefix[]; /* with a NUL behind it */
};

/* What happened, for all queues that it is in. */
struct happening {
    unsigned refs;
    struct message_event event; /* its strings lie behind */
    char strings[];
};

/* In a queue. */
struct notice {
    uint64_t watch;
    struct happening *happening;
    struct notice *next, *prev;
};

enum place { PLACE_NONE, PLACE_READY, PLACE_SLOW };

/* One peer's. */
struct watcher {
    struct peer *peer;
    struct watch *watches;
    unsigned count;
    struct notice *queue;
    unsigned queued;
    bool has_lost; /* events behind the queue */
    enum place place;
    struct watcher *next, *prev;             /* of one caller */
    struct watcher *next_there, *prev_there; /* of its place */
};

static struct watches *watches_of(const struct watcher *watcher)
{
    return &watcher->peer->broker->watches;
}

/* ---- where a watcher waits ---- */

static void on_turn(uv_idle_t *turns);
static void on_retry(uv_timer_t *retry);

static void move_to(struct watcher *watcher, enum place place)
{
    struct watches *watches = watches_of(watcher);

    if (watcher->place == PLACE_READY)
        DL_DELETE2(watches->ready, watcher, prev_there, next_there);
    else if (watcher->place == PLACE_SLOW)
        DL_DELETE2(watches->slow, watcher, prev_there, next_there);
    watcher->place = place;
    if (place == PLACE_READY) {
        DL_APPEND2(watches->ready, watcher, prev_there, next_there);
        uv_idle_start(&watches->turns, on_turn);
    } else if (place == PLACE_SLOW) {
        DL_APPEND2(watches->slow, watcher, prev_there, next_there);
        if (!uv_is_active((uv_handle_t *)&watches->retry))
            uv_timer_start(&watches->retry, on_retry, RETRY_MS, RETRY_MS);
    }
}

/* ---- queues ---- */

static void happening_unref(struct happening *happening)
{
    if (--happening->refs == 0)
        free(happening);
}

/* The caller's reference to a copy of it; NULL when memory is short. */
static struct happening *happening_new(const struct entry *entry,
                                       enum protocol_event event)
{
    const char *name = entry_name(entry);
    size_t name_size = name ? strlen(name) + 1 : 0;
    size_t owner_size = strlen(entry->owner->label) + 1;
    struct happening *h = malloc(sizeof(*h) + name_size + owner_size);

    if (!h)
        return NULL;
    h->refs = 1;
    h->event = (struct message_event){.event = event,
                                      .segment = entry->id,
                                      .size = entry->size,
                                      .unpublished = entry->is_unpublished,
                                      .freezable = entry->freezable,
                                      .frozen = entry_frozen(entry)};
    if (name)
        h->event.name = memcpy(h->strings, name, name_size);
    h->event.owner =
        memcpy(h->strings + name_size, entry->owner->label, owner_size);
    return h;
}

static void drop_notice(struct watcher *watcher, struct notice *notice)
{
    DL_DELETE(watcher->queue, notice);
    watcher->queued--;
    happening_unref(notice->happening);
    free(notice);
}

/* Queues it, or has it lost. */
static void add_notice(struct watcher *watcher, const struct watch *watch,
                       struct happening *happening)
{
    struct notice *notice = NULL;

    if (!watcher->has_lost && watcher->queued < WATCH_QUEUE_MAX && happening)
        notice = malloc(sizeof(*notice));
    if (notice) {
        *notice = (struct notice){watch->number, happening, NULL, NULL};
        happening->refs++;
        DL_APPEND(watcher->queue, notice);
        watcher->queued++;
    } else {
        watcher->has_lost = true;
    }
    if (watcher->place == PLACE_NONE)
        move_to(watcher, PLACE_READY);
}

/* ---- telling ---- */

static bool is_meant(const struct watch *watch, const char *name)
{
    if (watch->size == 0)
        return true;
    return name && strncmp(name, watch->prefix, watch->size) == 0;
}

static bool may_know(const struct broker *broker, const struct caller *caller,
                     const struct entry *entry)
{
    struct access_object object = entry_object(entry);

    return access_rights(broker->config, &caller->identity, &object).list;
}

static void tell_caller(struct caller *caller, const char *name,
                        struct happening *happening)
{
    struct watcher *watcher;
    const struct watch *watch;

    DL_FOREACH (caller->watchers, watcher)
        DL_FOREACH (watcher->watches, watch)
            if (is_meant(watch, name))
                add_notice(watcher, watch, happening);
}

void watches_tell(struct watches *watches, const struct entry *entry,
                  enum protocol_event event)
{
    struct happening *happening;
    struct caller *caller;

    if (watches->count == 0)
        return;
    /* Without memory for it, it is lost for all who watch. */
    happening = happening_new(entry, event);
    DL_FOREACH2(watches->callers, caller, next_watching)
    if (may_know(watches->broker, caller, entry))
        tell_caller(caller, entry_name(entry), happening);
    if (happening)
        happening_unref(happening);
}

/* ---- sending ---- */

/* Writes the next event of the queue, or that some behind it are lost. 0, or
 * negative when memory is short. */
static int write_next(struct watcher *watcher)
{
    struct notice *notice = watcher->queue;
    struct message_event event = {.event = PROTOCOL_OVERFLOW};
    int r;

    if (notice) {
        event = notice->happening->event;
        event.watch = notice->watch;
    }
    r = message_event_write(peer_reply(watcher->peer), &event);
    if (notice)
        drop_notice(watcher, notice);
    else
        watcher->has_lost = false;
    return r;
}

static bool has_more(const struct watcher *watcher)
{
    return watcher->queue || watcher->has_lost;
}

/* Whether he can be sent more now. */
static bool may_send(const struct watcher *watcher)
{
    const struct peer *peer = watcher->peer;

    return !peer->output.queue && connection_has_room(peer->connection);
}

/* Sends what goes in one message. */
static void send_some(struct watcher *watcher)
{
    struct peer *peer = watcher->peer;
    const struct output_batch *batch = &peer->broker->peers.batch;
    int r = 0;

    if (!may_send(watcher)) {
        move_to(watcher, PLACE_SLOW);
        return;
    }
    while (r == 0 && has_more(watcher) && !output_batch_is_full(batch))
        r = write_next(watcher);
    /* Behind others who are ready. */
    move_to(watcher, has_more(watcher) ? PLACE_READY : PLACE_NONE);
    if (r < 0)
        peer_close(peer);
    else
        peer_flush(peer);
}

static void on_turn(uv_idle_t *turns)
{
    struct watches *watches = turns->data;
    uint64_t began = uv_hrtime();

    while (watches->ready && uv_hrtime() - began < TURN_NS)
        send_some(watches->ready);
    if (!watches->ready)
        uv_idle_stop(turns);
}

static void on_retry(uv_timer_t *retry)
{
    struct watches *watches = retry->data;
    struct watcher *watcher, *next;

    for (watcher = watches->slow; watcher; watcher = next) {
        next = watcher->next_there;
        if (may_send(watcher))
            move_to(watcher, PLACE_READY);
    }
    if (!watches->slow)
        uv_timer_stop(retry);
}

/* ---- a peer's watches ---- */

static struct watcher *watcher_new(struct peer *peer)
{
    struct watches *watches = &peer->broker->watches;
    struct watcher *watcher = calloc(1, sizeof(*watcher));

    if (!watcher)
        return NULL;
    watcher->peer = peer;
    if (!peer->caller->watchers)
        DL_APPEND2(watches->callers, peer->caller, prev_watching,
                   next_watching);
    DL_APPEND(peer->caller->watchers, watcher);
    peer->watcher = watcher;
    return watcher;
}

static void watcher_free(struct watcher *watcher)
{
    struct watches *watches = watches_of(watcher);
    struct caller *caller = watcher->peer->caller;

    while (watcher->queue)
        drop_notice(watcher, watcher->queue);
    move_to(watcher, PLACE_NONE);
    DL_DELETE(caller->watchers, watcher);
    if (!caller->watchers)
        DL_DELETE2(watches->callers, caller, prev_watching, next_watching);
    watcher->peer->watcher = NULL;
    free(watcher);
}

static void watch_free(struct watcher *watcher, struct watch *watch)
{
    struct notice *notice, *next;

    DL_FOREACH_SAFE(watcher->queue, notice, next)
    {
        if (notice->watch == watch->number)
            drop_notice(watcher, notice);
    }
    DL_DELETE(watcher->watches, watch);
    watcher->count--;
    watcher->peer->caller->watches--;
    watches_of(watcher)->count--;
    free(watch);
    if (watcher->count == 0)
        watcher_free(watcher);
}

void watches_forget(struct peer *peer)
{
    while (peer->watcher)
        watch_free(peer->watcher, peer->watcher->watches);
}

static int refuse_more(struct call *call, const char *whose, int most)
{
    return request_refuse(call, PROTOCOL_BUSY, "%s has %d watches already",
                          whose, most);
}

/* 0, or 1 when another one would be too much, and it was refused. */
static int check_room(struct call *call)
{
    const struct peer *peer = call->peer;
    int r = 0;

    if (peer->watcher && peer->watcher->count >= WATCHES_OF_PEER_MAX)
        r = refuse_more(call, "this connection", WATCHES_OF_PEER_MAX);
    else if (callers_of_user(&call->broker->callers, peer->caller).watches >=
             WATCHES_OF_USER_MAX)
        r = refuse_more(call, "this user", WATCHES_OF_USER_MAX);
    else if (call->broker->watches.count >= WATCHES_MAX &&
             !request_by_administrator(call))
        r = refuse_more(call, "the broker", WATCHES_MAX);
    else
        return 0;
    return r < 0 ? r : 1;
}

static struct watch *watch_new(struct peer *peer, const char *prefix)
{
    struct watches *watches = &peer->broker->watches;
    size_t size = prefix ? strlen(prefix) : 0;
    struct watch *watch = malloc(sizeof(*watch) + size + 1);

    if (!watch)
        return NULL;
    if (!peer->watcher && !watcher_new(peer)) {
        free(watch);
        return NULL;
    }
    watch->number = ++watches->last;
    watch->size = size;
    snprintf(watch->prefix, size + 1, "%s", prefix ? prefix : "");
    DL_APPEND(peer->watcher->watches, watch);
    peer->watcher->count++;
    peer->caller->watches++;
    watches->count++;
    return watch;
}

int watch_begin(struct call *call)
{
    const struct watch *watch;
    int r = check_room(call);

    if (r != 0)
        return r < 0 ? r : 0;
    watch = watch_new(call->peer, call->request->watch);
    if (!watch)
        return request_refuse(call, PROTOCOL_INTERNAL, "out of memory");
    return message_watch_write(peer_reply(call->peer), call->request->id,
                               watch->number);
}

int watch_end(struct call *call)
{
    struct watcher *watcher = call->peer->watcher;
    uint64_t number = call->request->unwatch;
    struct watch *watch = NULL;

    if (watcher)
        DL_SEARCH_SCALAR(watcher->watches, watch, number, number);
    if (!watch)
        return request_refuse(call, PROTOCOL_NOT_FOUND,
                              "this connection has no watch %llu",
                              (unsigned long long)number);
    watch_free(watcher, watch);
    return request_given_back(call);
}

void watches_init(struct watches *watches, struct broker *broker)
{
    watches->broker = broker;
    uv_idle_init(&broker->loop, &watches->turns);
    uv_timer_init(&broker->loop, &watches->retry);
    watches->turns.data = watches->retry.data = watches;
}

void watches_close(struct watches *watches)
{
    uv_close((uv_handle_t *)&watches->turns, NULL);
    uv_close((uv_handle_t *)&watches->retry, NULL);
}
