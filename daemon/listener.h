/*
 * The listening socket: one broker to a path, and accept as far as the
 * descriptors reach.
 *
 * A lock beside the socket (PATH.lock) tells a living broker from a socket
 * that a dead one left. When descriptors run low accept pauses and what is
 * left is for the clients in service; waiting connections stay in the
 * kernel's queue.
 */
#ifndef SEGBROKER_LISTENER_H
#define SEGBROKER_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* Descriptors that accept leaves free. */
enum { LISTENER_RESERVE = 64 };

struct broker;

struct listener {
    struct broker *broker;
    char path[108];
    char lock_path[108 + 8];
    int lock;
    int socket;
    uint64_t socket_inode; /* of the path, to know it again */
    bool paused;
    uv_poll_t poll;
};

/* Binds, and makes the socket's folder when it is missing. 0, or negative
 * with the reason in the log. */
int listener_init(struct listener *listener, struct broker *broker,
                  const char *path);

/* Begins to accept. */
void listener_start(struct listener *listener);

/* Stops accepting; libuv's callbacks must still run. */
void listener_close(struct listener *listener);

/* Takes socket and lock away, where they are still this broker's. */
void listener_deinit(struct listener *listener);

/* Some descriptor was closed: accept may go on. */
void listener_descriptor_freed(struct listener *listener);

#endif
