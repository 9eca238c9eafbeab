/*
 * Watches: who is told what becomes of segments.
 *
 * A peer's watches are its watcher's. An event is remembered once for all who
 * are to be told, and each watcher has a queue of so many; those beyond are
 * lost, and an overflow event says so. Queues are sent in turns of their own,
 * and to who does not read only as much as waits in the system for him: so
 * nobody who changes a segment waits for those who watch.
 */
#ifndef SEGBROKER_WATCH_H
#define SEGBROKER_WATCH_H

#include "protocol.h"

#include <uv.h>

/* Watches of one connection, of one user, and in all; events in a queue. */
enum {
    WATCHES_OF_PEER_MAX = 16,
    WATCHES_OF_USER_MAX = 256,
    WATCHES_MAX = 1024,
    WATCH_QUEUE_MAX = 256
};

struct broker;
struct call;
struct caller;
struct entry;
struct peer;
struct watcher;

struct watches {
    struct broker *broker;
    struct caller *callers; /* those who watch */
    struct watcher *ready;  /* have something to send */
    struct watcher *slow; /* the same, and have not read what they were sent */
    unsigned count;
    uint64_t last;    /* number given */
    uv_idle_t turns;  /* runs while some are ready */
    uv_timer_t retry; /* runs while some are slow */
};

void watches_init(struct watches *watches, struct broker *broker);
/* All peers must have gone; libuv's callbacks must still run. */
void watches_close(struct watches *watches);

/* Tells all who watch the entry and may list it. */
void watches_tell(struct watches *watches, const struct entry *entry,
                  enum protocol_event event);

/* The peer goes, and its watches. */
void watches_forget(struct peer *peer);

/* The verbs. */
int watch_begin(struct call *call);
int watch_end(struct call *call);

#endif
