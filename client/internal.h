/*
 * A client and its calls, as the library's own files see them.
 *
 * A call is pending from its request until its reply, or until its waiter
 * gives up; whatever comes for it then is thrown away, a grant given back.
 * Replies are taken in by threads that wait for one, or by
 * segb_client_dispatch.
 *
 * When the connection ends, all pending calls end with it. A thread of the
 * client's own, the guard, begins then and makes the next connection and
 * reclaims the grants of all segments; meanwhile calls wait. Each connection
 * has a number, so that a segment knows for which one its grant is good.
 */
#ifndef SEGBROKER_INTERNAL_H
#define SEGBROKER_INTERNAL_H

#include "bell.h"
#include "buffer.h"
#include "channel.h"
#include "frame.h"
#include "lookout.h"
#include "message.h"
#include "segbroker.h"
#include "thread.h"
#include "watch.h"

#include <stdbool.h>

enum client_state {
    CLIENT_UP,
    CLIENT_AWAY,      /* the connection was lost */
    CLIENT_RESTORING, /* the guard has a new one, for itself yet */
    CLIENT_DOWN       /* for ever */
};

/* What a grant's reply brings. */
struct granted {
    int access;            /* asked for, SEGB_...; 0: whatever comes */
    int status;            /* 0 or SEGB_E_... */
    const char *text;      /* to a failure; the reply's or static */
    segb_segment *segment; /* the call's until somebody takes it */
};

struct call {
    struct call *prev;
    struct call *next;
    uint64_t id;
    uint64_t deadline;
    uint64_t patience_end; /* of `later` */
    uint64_t wait_ms;      /* that the broker may let it wait */
    uint64_t asked_at;     /* last, where it may */
    bool waited;           /* to send its request */
    bool grants;           /* its reply brings a segment */
    bool of_guard;         /* goes through while the others wait */
    bool repeats;          /* is asked again when its connection was lost */
    unsigned handle_count; /* that go along: */
    frame_handle handles[MESSAGE_HANDLES_MAX];
    segb_watcher *watcher;  /* that its reply begins, or NULL */
    const segb_segment *of; /* whose grant the request is about, or NULL */
    struct granted granted;
    struct granted *items; /* in its place, of many */
    unsigned item_count;
    unsigned refused; /* the item that all are refused for, from 1 */
    bool done;        /* what follows is filled */
    int status;       /* 0 or SEGB_E_... */
    const char *text; /* to a failure; the reply's, the client's or static */
    struct message_reply reply; /* without document when there is none */
    segb_done_fn when_done;     /* NULL: a thread waits */
    void *data;
};

struct segb_client {
    struct thread_monitor *monitor; /* guards all that follows */
    channel channel;
    struct lookout *lookout; /* for the first connection's end */
    bool dismissing;         /* a thread ends the lookout */
    struct thread *guard;
    struct watch *watch; /* once an event loop has asked for it */
    struct frame_reader reader;
    struct buffer out;       /* requests not sent yet */
    struct buffer out_later; /* those that wait for the next connection */
    unsigned handle_count;   /* that go with the first byte of `out`: */
    frame_handle handles[MESSAGE_HANDLES_MAX];
    bool reading;       /* a thread reads, and nobody else may */
    bool mute;          /* the broker takes no more requests */
    bool is_lazy;       /* what is given back goes with the next request */
    bool administrator; /* hello said; does not change */
    enum client_state state;
    unsigned connection;  /* the number of the current one */
    unsigned references;  /* the program, its segments, running dispatches */
    unsigned waiting;     /* threads that wait on the channel to write */
    unsigned abandoned;   /* calls whose replies nobody waits for any more */
    int timeout;          /* milliseconds; negative: none */
    int patience;         /* ms that calls wait for a lost broker; negative:
                             nobody reconnects */
    uint64_t last_id;     /* of the request written last */
    struct call *pending; /* in the order of requests */
    struct call *due;     /* done, and not told yet */
    struct call *later;   /* of out_later */
    segb_segment *segments;
    segb_watcher *watchers;
    struct event *events; /* not told yet */
    unsigned event_count;
    struct telling *tellings; /* callbacks that are under way */
    char *socket;
    char *name;
    /* What hello said; does not change. */
    char *server;
    char *you;
    char **features;  /* ends with NULL */
    char ending[512]; /* why the last connection has ended */
};

struct segb_segment {
    segb_client *client; /* holds a reference */
    struct segb_segment *prev;
    struct segb_segment *next;
    uint64_t grant;      /* 0: none any more */
    unsigned connection; /* that the grant is good for */
    bool reclaiming;     /* the guard looks at it */
    uint64_t id;
    size_t size;
    size_t mapped_size;
    int access;
    bool created;
    bool of_file;
    size_t page; /* of huge pages, their bytes; else 0 */
    frame_handle handle;
    struct bell *bell; /* NULL: it has none */
};

/* ---- calls (call.c); all take the lock themselves ---- */

/*
 * Sends the request, waits for the reply and notes what failed. 0, and the
 * call holds reply or segment until call_deinit; or SEGB_E_..., and nothing
 * is left to do. The caller sets `grants` and what is asked for, all else zero.
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

/* The id of requests that give something back, and are not answered when they
 * succeed. Calls have others. */
enum { CALL_QUIET_ID = 0 };

/* Sends such a request, if that connection is there; with the lock held. */
void call_send_quiet(segb_client *client, unsigned connection,
                     struct message_request *request);

/* Gives a segment's grant back, if it has one and its connection is there.
 * `more`: a call with `more` false follows, which sends both. With the lock
 * held. */
void call_release(segb_client *client, const segb_segment *segment, bool more);

/* Calls back for every call that is due. */
void call_tell(segb_client *client);

/* Wakes an event loop that has something to call back for. */
void call_wake_loop(segb_client *client);

/* ---- calls, with the lock held ---- */

/* Sends what waited for this connection. */
void call_send_later(segb_client *client);

/* Ends what has waited for a connection longer than it may. */
void call_expire_later(segb_client *client);

/* call_run for the guard. */
int call_run_locked(segb_client *client, struct message_request *request,
                    struct call *call);

/* Ends the connection: `text` says why, and whoever waits fails with `code`.
 * After SEGB_E_GONE the guard makes another one; `for_ever`: nobody does. */
void call_end_all(segb_client *client, int code, const char *text);
void call_end_for_ever(segb_client *client, const char *text);

/* Takes in what is here, without waiting. */
void call_take_in(segb_client *client);

/* ---- replies (reply.c), with the lock held ---- */

/* Takes one line from the broker. */
void reply_take(segb_client *client, const char *line, size_t size);

/* Marks a pending call as done; the reply (or NULL) becomes the call's. */
void reply_finish(segb_client *client, struct call *call, int status,
                  const char *text, struct message_reply *reply);

/* Writes such a request behind the others. 0, or SEGB_E_... with nothing
 * written. */
int call_queue_quiet(segb_client *client, struct message_request *request);

int reply_frozen(enum protocol_frozen frozen);

/* ---- watching (watching.c), with the lock held ---- */

/* An event came. */
void watching_take(segb_client *client, const struct message_event *came);

/* Calls back for every event that came. */
void watching_tell(segb_client *client);

/* The broker has given it a number. */
void watching_begun(segb_client *client, segb_watcher *watcher,
                    uint64_t number);

/* One that this connection does not know of, or NULL. */
segb_watcher *watching_next(const segb_client *client);
/* Asks for it there, for the guard: as call_run_locked, with the call's
 * status. */
int watching_again(segb_client *client, segb_watcher *watcher, int *status);
/* That was answered; some events are lost, or all from now on. */
void watching_restored(segb_client *client, segb_watcher *watcher, int status);

/* ---- the guard (guard.c), with the lock held ---- */

/* Sees to it that a guard runs. Negative where none can. */
int guard_ensure(segb_client *client);

/* From now on there is something to lose: sees to it that the connection's end
 * is noticed, and a guard runs then, if the client may reconnect. */
void guard_expect(segb_client *client);
/* The connection is to be ended. Gives the lock up for a while. Afterwards the
 * lookout is over, also where another thread ends it. */
void guard_dismiss(segb_client *client);

/* ---- clients and segments ---- */

/* Says hello on a new connection. With the lock held. */
int client_say_hello(segb_client *client, struct call *call);

void client_lock(segb_client *client);
void client_unlock(segb_client *client);

/* Unlocks, and frees the client with its last reference. */
void client_unref(segb_client *client);

/* Checks what a program asks for and puts it into the request, and into the
 * call what goes along with it or is expected. 0 or SEGB_E_... */
int segment_prepare_create(const char *name, size_t size,
                           const segb_create_options *options,
                           struct message_request *request, struct call *call);
int segment_prepare_open(const char *name, const segb_open_options *options,
                         struct message_request *request, struct call *call);

/* A segment of that grant, or NULL; the lock is held. The handle becomes the
 * segment's, and the doorbell, which may be NULL. */
segb_segment *segment_new(segb_client *client,
                          const struct message_grant *grant,
                          frame_handle handle, struct bell *bell);

#endif
