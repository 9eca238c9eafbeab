/*
 * Opens that wait for a name: until a segment of it is there, is published, and
 * may be seen by who asks.
 *
 * A wait is found by its name alone. When something of that name can be opened,
 * all that wait for it are woken in turns of their own, and each asks as if it
 * had just come: who sees nothing then waits on. A wait keeps what it needs to
 * ask again, not its request.
 */
#ifndef SEGBROKER_WAIT_H
#define SEGBROKER_WAIT_H

#include "deadline.h"

#include <uv.h>

/* That may wait at a time: of one connection, of one user, and in all. */
enum { WAITS_OF_PEER_MAX = 64, WAITS_OF_USER_MAX = 1024, WAITS_MAX = 16384 };

struct broker;
struct call;
struct entry;
struct group;
struct peer;
struct wait;
struct wait_name;

struct waits {
    struct broker *broker;
    struct wait_name *names; /* by their keys */
    struct wait_name *woken; /* those that have come, to be asked for again */
    struct deadlines deadlines;
    unsigned count;
    uv_timer_t timer; /* of the first deadline */
    uv_idle_t turns;  /* runs while names are woken */
};

void waits_init(struct waits *waits, struct broker *broker);
/* All peers must have gone; libuv's callbacks must still run. */
void waits_close(struct waits *waits);

/* Lets an `open` by name wait, or refuses it. The answer is a verb's. */
int wait_begin(struct call *call);

/* Others can open the entry by its name now. */
void waits_wake(struct waits *waits, const struct entry *entry);

/* So can they many, or may see more: asks for all again. */
void waits_wake_all(struct waits *waits);

/* Drops the waits of a group's items; how many. */
unsigned waits_drop(struct peer *peer, const struct group *group);

/* The peer goes, and its waits. */
void waits_forget(struct peer *peer);

#endif
