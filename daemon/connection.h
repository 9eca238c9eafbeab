/*
 * A connection: bytes and handles to and from another process, and being told
 * when they move. The only place that knows how a handle travels: along with
 * bytes by SCM_RIGHTS on POSIX, duplicated into the other process on Windows.
 */
#ifndef SEGBROKER_CONNECTION_H
#define SEGBROKER_CONNECTION_H

#include "frame.h"
#include "message.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct connection;

/* Handles that are taken with one message. */
enum { CONNECTION_RECEIVE_MAX = 5 };

/* Outcomes, all negative. */
enum {
    CONNECTION_E_AGAIN = -1, /* nothing to read, or no room to write */
    CONNECTION_E_GONE = -2,  /* the other side has gone, or might as well */
    CONNECTION_E_REFS = -3   /* too many sent handles are unread: try later */
};

/* What one waits for. */
enum { CONNECTION_READABLE = 1, CONNECTION_WRITABLE = 2 };

/* `events` that one waited for; 0: the connection has failed. */
typedef void (*connection_ready)(void *data, unsigned events);

/* Handles that came along with bytes. */
struct connection_handles {
    unsigned capacity; /* how many are taken; set by the receiver */
    bool any;          /* of any kind, not only files; so too */
    unsigned count;
    bool truncated; /* some were lost: more came, or no descriptor is free */
    frame_handle handles[CONNECTION_RECEIVE_MAX]; /* the receiver's */
};

/* A client's connection over an accepted handle, which becomes its own. NULL
 * when memory is short, or the client has gone already; then the handle is
 * closed. */
struct connection *connection_accept(frame_handle handle);

/* The process at the other end, where handles are put into it. */
struct connection_other {
    frame_handle process; /* HANDLE_NONE: they go along with bytes */
    frame_handle notes;   /* memory of both: what was put there last */
    bool is_starter;      /* it started this one */
};

/* The same between the service's own processes, as program.h gives the other
 * one, whose handles stay the lender's. What it has put here and did not live
 * to tell of is closed with the connection. */
struct connection *connection_join(frame_handle handle,
                                   const struct connection_other *other);

/* From now on `ready` is called from the loop, loop_run; whoever starts it says
 * at once what to watch. 0 or negative. */
int connection_start(struct connection *connection, uv_loop_t *loop,
                     connection_ready ready, void *data);

/* What to be told of: one of CONNECTION_..., or 0. */
void connection_watch(struct connection *connection, unsigned event);

/* Ends watching and closes the handle; `closed` is called from the loop when
 * all is gone, at once where it was not started. NULL is fine. Returns NULL. */
struct connection *connection_close(struct connection *connection,
                                    void (*closed)(void *data), void *data);

/* The accepted handle, for identity.h. */
frame_handle connection_handle(const struct connection *connection);

/*
 * Reads once, without waiting: 0 and the count of bytes, at least one, or an
 * outcome above. Handles beyond the capacity are closed. From strangers only
 * files are taken, and memory, which is one: a connection that is sent over
 * itself would never end. HANDLE_NONE stands for what was not taken.
 */
int connection_receive(struct connection *connection, char *bytes,
                       size_t capacity, size_t *size,
                       struct connection_handles *handles);

/* Whether a connection ends with the process at its other side, whatever that
 * shared with others. */
bool connection_ends_with_process(void);

/* Closes a handle that a stranger sent, without waiting for whoever serves what
 * it is to. Takes HANDLE_NONE too. */
void connection_dispose(frame_handle handle);

/* Takes a handle that the line given last by the reader names. 0 and the
 * caller owns it, or FRAME_LOST. */
int connection_claim(struct connection *connection, struct frame_reader *reader,
                     const struct message_handle *named, frame_handle *handle);

/* Names a handle for a line that is to be sent: the `index`th of those that
 * will go along. 0, or negative when the other side cannot have it. */
int connection_attach(struct connection *connection, frame_handle handle,
                      unsigned index, struct message_handle *named);

/* Takes the handle that was named last back: no line will tell of it. */
void connection_detach(struct connection *connection);

/*
 * Sends once, without waiting; the handles ride on the first byte and stay
 * the caller's. 0 and the count of bytes that went (then the handles went
 * too), or an outcome above and nothing went.
 */
int connection_send(struct connection *connection, const char *bytes,
                    size_t size, const frame_handle *handles, unsigned count,
                    size_t *sent);

/* Waits until the connection can be read (or, if `writing`, all that was sent
 * is in the system's hands and it can be written), at most so long. */
void connection_wait(struct connection *connection, bool writing,
                     int milliseconds);

/* Whether all that was sent survives this process. */
bool connection_is_sent(const struct connection *connection);

/* Whether the other side has read all that was sent, as far as one knows. */
bool connection_all_read(const struct connection *connection);

/* Whether so little waits for the other side to read that much more fits. */
bool connection_has_room(const struct connection *connection);

/* Ends both directions: the other side reads what is there and then the end,
 * and cannot send any more. */
void connection_finish(struct connection *connection);

/* Two ends of a connection of this process with itself. 0 or negative. */
int connection_pair(frame_handle ends[2]);

#endif
