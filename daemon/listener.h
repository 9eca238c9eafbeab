/*
 * Accept, as far as the descriptors reach.
 *
 * When descriptors run low accept pauses and what is left is for the clients
 * in service; waiting connections stay in the kernel's queue.
 */
#ifndef SEGBROKER_LISTENER_H
#define SEGBROKER_LISTENER_H

#include <stdbool.h>
#include <uv.h>

/* Descriptors that accept leaves free. */
enum { LISTENER_RESERVE = 64 };

struct broker;

struct listener {
    struct broker *broker;
    int socket; /* the lender's */
    bool paused;
    uv_poll_t poll;
};

/* Begins to accept. 0 or negative. */
int listener_start(struct listener *listener, struct broker *broker,
                   int socket);

/* Stops accepting; libuv's callbacks must still run. */
void listener_close(struct listener *listener);

/* Some descriptor was closed: accept may go on. */
void listener_descriptor_freed(struct listener *listener);

#endif
