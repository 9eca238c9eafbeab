/*
 * What an event loop waits on: one descriptor for a client's whole life,
 * whichever connection it has.
 */
#ifndef SEGBROKER_WATCH_H
#define SEGBROKER_WATCH_H

#include "channel.h"

struct watch;

/* NULL when the system has no more descriptors. */
struct watch *watch_new(void);
/* NULL is fine. Returns NULL. */
struct watch *watch_free(struct watch *watch);

/* Watches that connection (CHANNEL_NONE: none) in place of the last one, which
 * is still open. */
void watch_channel(struct watch *watch, channel c);

/* Makes the descriptor readable, until watch_calm. */
void watch_wake(struct watch *watch);
void watch_calm(struct watch *watch);

int watch_descriptor(const struct watch *watch);

#endif
