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

struct handoff_message {
    size_t size; /* bytes received */
    frame_handle handles[PROTOCOL_HANDLES_MAX];
    unsigned count;
    bool truncated; /* some handles were lost on the way */
};

/*
 * Reads once, without waiting, up to `capacity` bytes. 0 and a message whose
 * handles the caller owns, or an outcome above. No bytes at all mean the end:
 * HANDOFF_E_GONE.
 */
int handoff_receive(int connection, char *bytes, size_t capacity,
                    struct handoff_message *message);

/*
 * Sends once, without waiting; the handles ride on the first byte and stay
 * the caller's. 0 and the count of bytes that went (then the handles went
 * too), or an outcome above and nothing went.
 */
int handoff_send(int connection, const char *bytes, size_t size,
                 const frame_handle *handles, unsigned count, size_t *sent);

/* Whether the other side has read all that was sent. */
bool handoff_all_read(int connection);

/* Ends our sending: the other side reads what is there and then the end. */
void handoff_finish(int connection);

void handoff_close(frame_handle handle);

/* A second handle to the same object: 0 and the caller owns it, or negative. */
int handoff_duplicate(frame_handle handle, frame_handle *copy);

#endif
