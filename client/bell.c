#include "bell.h"

#include "bell_system.h"
#include "segbroker.h"
#include "thread.h"

#include <stdbool.h>
#include <stdlib.h>

enum {
    /* More signals than anybody could mean; below where numbers end. */
    COUNT_MAX = INT32_MAX,
    /* A signal wakes one sleeper. That one may be killed before it takes the
     * signal, and a stranger may spoil the words: so all look now and then. */
    LOOK_MS = 1000,
    /* That one tries to take a signal which others take away, when it is too
     * late to wait: they may be at it for ever. */
    TRIES_MAX = 1000
};

/* Who looks for an event loop. */
struct watcher {
    struct bell *bell;
    struct bell_event *event;
    struct thread *thread;
    atomic_bool ends;
};

struct bell {
    struct bell_place place;
    atomic_uint seen;                  /* the epoch that was told of */
    _Atomic(struct watcher *) watcher; /* NULL: nobody asked for an event */
};

int bell_open(const frame_handle *handles, unsigned count, struct bell **bell)
{
    struct bell_place place;
    struct bell *b;
    int r = bell_place_open(&place, handles, count);

    if (r < 0)
        return r;
    b = malloc(sizeof(*b));
    if (!b) {
        bell_place_close(&place);
        return SEGB_E_SYSTEM;
    }
    b->place = place;
    atomic_init(&b->seen, atomic_load(&place.words->epoch));
    atomic_init(&b->watcher, NULL);
    *bell = b;
    return 0;
}

static void watcher_free(struct watcher *watcher)
{
    bell_event_free(watcher->event);
    free(watcher);
}

struct bell *bell_close(struct bell *bell)
{
    struct watcher *watcher;

    if (!bell)
        return NULL;
    watcher = atomic_load(&bell->watcher);
    if (watcher) {
        atomic_store(&watcher->ends, true);
        bell_end_watch(&bell->place, watcher->event);
        thread_join(watcher->thread);
        watcher_free(watcher);
    }
    bell_place_close(&bell->place);
    free(bell);
    return NULL;
}

/* ---- ringing ---- */

static void tell_watchers(struct bell *bell)
{
    struct bell_words *words = bell->place.words;

    if (atomic_load(&words->watchers) == 0)
        return;
    atomic_fetch_add(&words->watched, 1);
    bell_wake_watchers(&bell->place);
}

int bell_signal(struct bell *bell)
{
    struct bell_words *words = bell->place.words;

    if (atomic_load(&words->count) >= COUNT_MAX)
        return SEGB_E_BUSY;
    atomic_fetch_add(&words->count, 1);
    atomic_fetch_add(&words->sequence, 1);
    if (atomic_load(&words->waiters) > 0)
        bell_wake_one(&bell->place);
    tell_watchers(bell);
    return 0;
}

void bell_signal_all(struct bell *bell)
{
    struct bell_words *words = bell->place.words;

    atomic_fetch_add(&words->epoch, 1);
    atomic_fetch_add(&words->sequence, 1);
    if (atomic_load(&words->waiters) > 0)
        bell_wake_all(&bell->place);
    tell_watchers(bell);
}

/* ---- waiting ---- */

/* Whether all were rung for: after this one began to wait, or before, and
 * nobody of this process was told yet. */
static bool take_epoch(struct bell *bell, unsigned began)
{
    unsigned seen = atomic_load(&bell->seen);
    unsigned epoch = atomic_load(&bell->place.words->epoch);
    bool is_mine = seen != epoch &&
                   atomic_compare_exchange_strong(&bell->seen, &seen, epoch);

    return is_mine || epoch != began;
}

/* Takes one signal. What there were; `taken` tells whether it was. */
static unsigned take_one(struct bell *bell, bool *taken)
{
    atomic_uint *words = &bell->place.words->count;
    unsigned count = atomic_load(words);

    *taken =
        count > 0 && atomic_compare_exchange_strong(words, &count, count - 1);
    return count;
}

static void sleep_on(struct bell *bell, unsigned sequence, uint64_t left)
{
    struct bell_words *words = bell->place.words;

    atomic_fetch_add(&words->waiters, 1);
    /* Who signals after this sees that somebody waits. */
    if (atomic_load(&words->sequence) == sequence)
        bell_sleep(&bell->place, sequence,
                   left < LOOK_MS ? (unsigned)left : LOOK_MS);
    atomic_fetch_sub(&words->waiters, 1);
}

static uint64_t time_left(uint64_t deadline)
{
    uint64_t now = thread_clock();

    if (deadline == THREAD_NEVER)
        return THREAD_NEVER;
    return now < deadline ? deadline - now : 0;
}

static int wait_until(struct bell *bell, uint64_t deadline)
{
    struct bell_words *words = bell->place.words;
    unsigned began = atomic_load(&words->epoch);
    unsigned tries = 0;

    for (;;) {
        unsigned sequence = atomic_load(&words->sequence);
        unsigned count;
        uint64_t left;
        bool taken;

        if (take_epoch(bell, began))
            return 0;
        count = take_one(bell, &taken);
        if (taken)
            return 0;
        if (count > 0 && ++tries < TRIES_MAX)
            continue;
        left = time_left(deadline);
        if (left == 0)
            return SEGB_E_TIMEOUT;
        if (count == 0)
            sleep_on(bell, sequence, left);
    }
}

/* ---- event loops ---- */

static bool is_pending(struct bell *bell)
{
    struct bell_words *words = bell->place.words;

    return atomic_load(&words->count) > 0 ||
           atomic_load(&words->epoch) != atomic_load(&bell->seen);
}

/* Nothing is left, as far as this call knows; it may have come meanwhile. */
static void calm(struct bell *bell)
{
    struct watcher *watcher = atomic_load(&bell->watcher);

    if (!watcher)
        return;
    bell_event_reset(watcher->event);
    if (is_pending(bell))
        bell_event_set(watcher->event);
}

int bell_wait(struct bell *bell, int timeout)
{
    uint64_t deadline =
        timeout < 0 ? THREAD_NEVER : thread_clock() + (uint64_t)timeout;
    int r = wait_until(bell, deadline);

    calm(bell);
    return r;
}

static void watch(void *data)
{
    struct watcher *watcher = data;
    struct bell *bell = watcher->bell;
    struct bell_words *words = bell->place.words;

    atomic_fetch_add(&words->watchers, 1);
    for (;;) {
        unsigned watched = atomic_load(&words->watched);

        if (atomic_load(&watcher->ends))
            break;
        if (is_pending(bell))
            bell_event_set(watcher->event);
        bell_watch(&bell->place, watcher->event, watched, LOOK_MS);
    }
    atomic_fetch_sub(&words->watchers, 1);
}

static struct watcher *watcher_new(struct bell *bell)
{
    struct watcher *watcher = malloc(sizeof(*watcher));

    if (!watcher)
        return NULL;
    watcher->bell = bell;
    atomic_init(&watcher->ends, false);
    watcher->event = bell_event_new();
    if (watcher->event)
        watcher->thread = thread_start(watch, watcher);
    if (watcher->event && watcher->thread)
        return watcher;
    bell_event_free(watcher->event);
    free(watcher);
    return NULL;
}

intptr_t bell_event(struct bell *bell)
{
    struct watcher *watcher = atomic_load(&bell->watcher);

    if (!watcher) {
        watcher = watcher_new(bell);
        atomic_store(&bell->watcher, watcher);
    }
    return watcher ? bell_event_handle(watcher->event) : -1;
}
