/*
 * Bytes and handles over one connection: the only place that knows how a
 * handle travels (SCM_RIGHTS on POSIX).
 */
#ifndef SEGBROKER_HANDOFF_H
#define SEGBROKER_HANDOFF_H

#include "frame.h"
#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>

/* Handles that are taken with one message. */
enum { HANDOFF_RECEIVE_MAX = 2 };

/* Outcomes, all negative. */
enum {
    HANDOFF_E_AGAIN = -1, /* nothing to read, or no room to write */
    HANDOFF_E_GONE = -2,  /* the other side has gone, or might as well */
    HANDOFF_E_REFS = -3   /* too many sent handles are unread: try later */
};

/* Handles that came along with bytes. */
struct handoff_handles {
    unsigned capacity; /* how many are taken; set by the receiver */
    bool any;          /* of any kind, not only memory and files; so too */
    unsigned count;
    bool truncated; /* some were lost: more came, or no descriptor is free */
    frame_handle handles[HANDOFF_RECEIVE_MAX]; /* the receiver's */
};

/*
 * Reads once, without waiting: 0 and the count of bytes, at least one, or an
 * outcome above. Handles beyond the capacity are left to the kernel, which
 * closes them. From strangers only memory and files are taken: a connection
 * that is sent over itself would never end.
 */
int handoff_receive(int connection, char *bytes, size_t capacity, size_t *size,
                    struct handoff_handles *handles);

/*
 * Sends once, without waiting; the handles ride on the first byte and stay
 * the caller's. 0 and the count of bytes that went (then the handles went
 * too), or an outcome above and nothing went.
 */
int handoff_send(int connection, const char *bytes, size_t size,
                 const frame_handle *handles, unsigned count, size_t *sent);

/* Waits until the connection can be read (or, if `writing`, be written), at
 * most so long. */
void handoff_wait(int connection, bool writing, int milliseconds);

/* Two ends of a connection of this process with itself. 0 or negative. */
int handoff_pair(int ends[2]);

/* Whether the other side has read all that was sent. */
bool handoff_all_read(int connection);

/* Ends both directions: the other side reads what is there and then the end,
 * and cannot send any more. */
void handoff_finish(int connection);

void handoff_close(frame_handle handle);

#endif
