/*
 * A client and its calls, as the library's own files see them.
 *
 * A call is pending from its request until its reply, or until its waiter
 * gives up; whatever comes for it then is thrown away, a grant given back.
 * Nothing here runs by itself: replies are taken in by threads that wait for
 * one, or by segb_client_dispatch.
 */
#ifndef SEGBROKER_INTERNAL_H
#define SEGBROKER_INTERNAL_H

#include "buffer.h"
#include "channel.h"
#include "frame.h"
#include "message.h"
#include "segbroker.h"
#include "thread.h"

#include <stdbool.h>

struct call {
    struct call *prev;
    struct call *next;
    uint64_t id;
    uint64_t deadline;
    bool waited;      /* to send its request */
    bool grants;      /* its reply brings a segment */
    int access;       /* asked for, SEGB_... */
    bool done;        /* what follows is filled */
    int status;       /* 0 or SEGB_E_... */
    const char *text; /* to a failure; the reply's, the client's or static */
    struct message_reply reply; /* without document when there is none */
    segb_segment *segment;      /* the call's until somebody takes it */
    segb_done_fn when_done;     /* NULL: a thread waits */
    void *data;
};

struct segb_client {
    struct thread_monitor *monitor; /* guards all that follows */
    channel channel;
    int timeout;         /* milliseconds; negative: none */
    unsigned references; /* the program, its segments, running dispatches */
    bool reading;        /* a thread reads, and nobody else may */
    bool mute;           /* the broker takes no more requests */
    bool ended;
    char ending[512]; /* why */
    struct frame_reader reader;
    struct buffer out;    /* requests not sent yet */
    uint64_t last_id;     /* of the request written last */
    unsigned loose;       /* requests whose replies nobody waits for */
    uint64_t nudge;       /* id of the ping that wakes an event loop, or 0 */
    struct call *pending; /* in the order of requests */
    struct call *due;     /* done, and not told yet */
    /* What hello said; does not change. */
    char *socket;
    char *server;
    char *you;
    char **features; /* ends with NULL */
    bool administrator;
};

struct segb_segment {
    segb_client *client; /* holds a reference */
    uint64_t grant;
    uint64_t id;
    size_t size;
    size_t mapped_size;
    int access;
    bool created;
    frame_handle handle;
};

/* ---- calls (call.c); all take the lock themselves ---- */

/*
 * Sends the request, waits for the reply and notes what failed. 0, and the
 * call holds reply or segment until call_deinit; or SEGB_E_..., and nothing
 * is left to do. The caller sets `grants` and `access`, all else zero.
 */
int call_run(segb_client *client, struct message_request *request,
             struct call *call);
void call_deinit(struct call *call);

/* The same for requests that are answered by a plain ok. */
int call_plain(segb_client *client, struct message_request *request);

/* Sends the request and returns. 0, and the call (from malloc) belongs to the
 * client; or SEGB_E_..., and it stays the caller's. */
int call_begin(segb_client *client, struct message_request *request,
               struct call *call);

/* Gives a grant back, as far as the connection is there. */
void call_release(segb_client *client, uint64_t grant);

/* Calls back for every call that is due. */
void call_tell(segb_client *client);

/* ---- calls, with the lock held ---- */

/* Ends the connection: `text` says why, and whoever waits fails with `code`. */
void call_end_all(segb_client *client, int code, const char *text);

/* Takes in what is here, without waiting. */
void call_take_in(segb_client *client);

/* ---- replies (reply.c), with the lock held ---- */

/* Takes one line from the broker. */
void reply_take(segb_client *client, const char *line, size_t size);

/* Marks a pending call as done; the reply (or NULL) becomes the call's. */
void reply_finish(segb_client *client, struct call *call, int status,
                  const char *text, struct message_reply *reply);

/* Writes a request, whose reply nobody waits for, behind the others;
 * `request->id` is set. 0, or SEGB_E_... with nothing written. */
int call_queue_loose(segb_client *client, struct message_request *request);

/* ---- clients and segments ---- */

void client_lock(segb_client *client);
void client_unlock(segb_client *client);

/* Unlocks, and frees the client with its last reference. */
void client_unref(segb_client *client);

/* A segment of that grant, or NULL; the lock is held. The handle becomes the
 * segment's. */
segb_segment *segment_new(segb_client *client,
                          const struct message_grant *grant,
                          frame_handle handle);

#endif
