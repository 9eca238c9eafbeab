/*
 * Sockets that are waited for beside libuv's loop.
 *
 * There may be many thousands of them that do nothing, or that come and go.
 * libuv keeps 150 bytes more of each, and makes four system calls more for one
 * that comes and goes. Its own descriptor is one of those waited for.
 */
#ifndef SEGBROKER_LOOP_LINUX_H
#define SEGBROKER_LOOP_LINUX_H

#include "loop.h"

enum { LOOP_READABLE = 1, LOOP_WRITABLE = 2 };

/* Part of whatever waits. */
struct loop_watch {
    union {
        /* What it waited for; 0: the socket has failed. */
        void (*ready)(struct loop_watch *watch, unsigned events);
        void (*ended)(struct loop_watch *watch); /* once it is ending */
    };
    struct loop_watch *next; /* of those that are ending */
    int fd;
    unsigned events; /* that it waits for */
};

/* Waits until the socket, which stays the lender's, can be read. 0, or negative
 * and nothing is to be ended. */
int loop_watch_start(struct loop_watch *watch, int fd,
                     void (*ready)(struct loop_watch *watch, unsigned events));

/* What to wait for from now on: one of LOOP_..., or 0. */
void loop_watch_change(struct loop_watch *watch, unsigned events);

/* Ends it; `ended` is called from loop_run, and the socket stays open until
 * then. */
void loop_watch_end(struct loop_watch *watch,
                    void (*ended)(struct loop_watch *watch));

#endif
