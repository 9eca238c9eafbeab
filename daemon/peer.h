/*
 * A peer: one connected client, from accept to the end.
 *
 * Its bytes are read once a wakeup, its whole lines served in order, and the
 * replies sent together. While replies wait to be sent nothing more is read
 * from it; when they do not move for PEER_STALL_SECONDS it is cut off. A peer
 * that is refused or cut off lingers until it has read what it was sent, so
 * that handles under way stay counted.
 */
#ifndef SEGBROKER_PEER_H
#define SEGBROKER_PEER_H

#include "caller.h"
#include "connection.h"
#include "frame.h"
#include "message.h"
#include "output.h"
#include "registry.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum { PEER_STALL_SECONDS = 10 };

/* Handles that are taken with one message of a peer. */
enum { PEER_HANDLES_MAX = MESSAGE_HANDLES_MAX };

/* Requests of one peer that may wait for slow work, and what their share lists
 * may have in all. */
enum { PEER_PENDING_MAX = 64, PEER_PRINCIPALS_MAX = 256 };

enum peer_state {
    PEER_NEW,       /* has not said hello */
    PEER_READY,     /* may ask */
    PEER_LINGERING, /* no longer served; reads its last replies */
    PEER_CLOSED     /* freed when the loop has let go of it */
};

struct broker;
struct group;
struct pending;
struct wait;
struct watcher;

struct peer {
    struct broker *broker;
    struct connection *connection;
    struct caller *caller;
    struct frame_reader reader;
    struct output output;
    struct holder holder;
    struct pending *pendings;
    struct group *groups;        /* whose outcomes are not all known */
    struct wait *waits;          /* wait.h */
    struct watcher *watcher;     /* watch.h; NULL: watches nothing */
    struct quota_scope *charged; /* for the connection */
    char *name;                  /* as said in hello */
    struct peer *next, *prev;
    uint64_t id;
    uint64_t requests;
    uint64_t moved_at;     /* loop time when output last moved, ms */
    uint32_t connected_at; /* seconds since 1970 UTC */
    uint32_t process;
    uint16_t pending_principals;
    uint8_t pending_count;
    uint8_t waits_count;
    uint8_t state; /* enum peer_state */
    bool held_back;
    bool has_more;       /* lines that wait for the next turn */
    struct peer *behind; /* whose turn comes after this one's */
};

struct peers {
    struct peer *list; /* in the order of ids */
    uint64_t count;
    uint64_t last_id;
    struct output_batch batch; /* replies of the current turn */
    struct output_pool pool;
    uint64_t settled_at; /* loop time when all were last looked at, ms */
    uv_timer_t retry;    /* runs while some peer is held back */
    struct peer *turn;   /* whose lines wait for it longest */
    struct peer **last_turn;
    uint64_t turned_at; /* when they had the last one, ns */
    uv_idle_t turns;    /* runs while lines wait */
    char input[PROTOCOL_LINE_MAX];
};

int peers_init(struct broker *broker);
/* Closes every peer; the loop must still run. */
void peers_close(struct broker *broker);
void peers_deinit(struct broker *broker);

/*
 * Takes an accepted connection in, which may be NULL. Negative when it is not
 * served (over quota, of a user that cannot be told from others, memory
 * short): then it was told why and is closed.
 */
int peer_accept(struct broker *broker, struct connection *connection);

/* Ends a peer now: its grants go, waiting requests are forgotten. */
void peer_close(struct peer *peer);

/* Ends a peer after its last replies were read; flushes first. */
void peer_finish(struct peer *peer);

/*
 * Ends a turn for this peer: sends what was collected and sees to what waits.
 * Every piece of code that wrote replies outside peer.c calls it.
 */
void peer_flush(struct peer *peer);

/* Sends what was collected, in the middle of a turn. Whether the peer is served
 * still. */
bool peer_send(struct peer *peer);

/* Looks after peers that wait or linger. True when some must be looked at
 * again. */
bool peers_tick(struct broker *broker);

/* The buffer for the peer's next reply. */
struct buffer *peer_reply(struct peer *peer);

#endif
