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

/* Outcomes, all negative. */
enum {
    HANDOFF_E_AGAIN = -1, /* nothing to read, or no room to write */
    HANDOFF_E_GONE = -2,  /* the other side has gone, or might as well */
    HANDOFF_E_REFS = -3   /* too many sent handles are unread: try later */
};

/*
 * Reads once, without waiting: 0 and the count of bytes, at least one, or an
 * outcome above. No request takes handles, so those that come along are left
 * to the kernel, which closes them: they never enter this process.
 */
int handoff_receive(int connection, char *bytes, size_t capacity, size_t *size);

/*
 * Sends once, without waiting; the handles ride on the first byte and stay
 * the caller's. 0 and the count of bytes that went (then the handles went
 * too), or an outcome above and nothing went.
 */
int handoff_send(int connection, const char *bytes, size_t size,
                 const frame_handle *handles, unsigned count, size_t *sent);

/* Whether the other side has read all that was sent. */
bool handoff_all_read(int connection);

/* Ends both directions: the other side reads what is there and then the end,
 * and cannot send any more. */
void handoff_finish(int connection);

void handoff_close(frame_handle handle);

#endif
