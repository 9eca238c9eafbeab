/*
 * What a doorbell needs of the system: its page, sleeping on it, and something
 * that event loops wait on. Contract for bell_linux.c (futexes) and
 * bell_windows.c (semaphores beside the page).
 */
#ifndef SEGBROKER_BELL_SYSTEM_H
#define SEGBROKER_BELL_SYSTEM_H

#include "frame.h"
#include "protocol.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* The page's beginning. What signals write lies apart from what those write
 * who fall asleep. */
struct bell_words {
    _Alignas(64) atomic_uint count; /* signals that nobody took yet */
    atomic_uint sequence;           /* changes with every signal */
    atomic_uint epoch;              /* changes with every signal to all */
    _Alignas(64) atomic_uint waiters;
    atomic_uint watchers;
    _Alignas(64) atomic_uint watched; /* the watchers' sequence */
};

_Static_assert(sizeof(atomic_uint) == 4 && ATOMIC_INT_LOCK_FREE == 2,
               "a word is what other processes take it for");
_Static_assert(offsetof(struct bell_words, sequence) == 4 &&
                   offsetof(struct bell_words, epoch) == 8 &&
                   offsetof(struct bell_words, waiters) == 64 &&
                   offsetof(struct bell_words, watchers) == 68 &&
                   offsetof(struct bell_words, watched) == 128,
               "words are where PROTOCOL.md has them");

/* Where one sleeps. */
struct bell_place {
    struct bell_words *words;
    unsigned count;
    frame_handle handles[PROTOCOL_BELL_HANDLES]; /* that stay open */
};

/* Takes the handles in every case. 0, or SEGB_E_... as bell_open. */
int bell_place_open(struct bell_place *place, const frame_handle *handles,
                    unsigned count);
void bell_place_close(struct bell_place *place);

/* Sleeps until woken, at most so long, unless `sequence` has passed. May
 * return early. */
void bell_sleep(struct bell_place *place, unsigned sequence,
                unsigned milliseconds);
void bell_wake_one(struct bell_place *place);
void bell_wake_all(struct bell_place *place);

/* Set while somebody should look. */
struct bell_event;

/* NULL when the system has no more. */
struct bell_event *bell_event_new(void);
void bell_event_free(struct bell_event *event);
intptr_t bell_event_handle(const struct bell_event *event);
void bell_event_set(struct bell_event *event);
void bell_event_reset(struct bell_event *event);

/* bell_sleep for the one thread that watches for an event, and its end. */
void bell_watch(struct bell_place *place, struct bell_event *event,
                unsigned watched, unsigned milliseconds);
void bell_end_watch(struct bell_place *place, struct bell_event *event);
void bell_wake_watchers(struct bell_place *place);

#endif
