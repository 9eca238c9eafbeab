/*
 * Accept, as far as the descriptors reach.
 *
 * When descriptors run low accept pauses and what is left is for the clients
 * in service; waiting connections stay in the kernel's queue.
 */
#ifndef SEGBROKER_LISTENER_H
#define SEGBROKER_LISTENER_H

#include "listening.h"

#include <stdbool.h>

/* Descriptors that accept leaves free. */
enum { LISTENER_RESERVE = 64 };

struct broker;
struct listener;

/* Begins to accept; `listening` stays the lender's. NULL when it cannot. */
struct listener *listener_start(struct broker *broker,
                                const struct listening *listening);

/* Stops accepting; libuv's callbacks must still run. NULL is fine. Returns
 * NULL. */
struct listener *listener_close(struct listener *listener);

bool listener_is_paused(const struct listener *listener);

/* Some descriptor was closed: accept may go on. NULL is fine. */
void listener_descriptor_freed(struct listener *listener);

#endif
