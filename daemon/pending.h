/*
 * Requests that wait for slow work, or for another's slow work.
 *
 * A pending request belongs to its peer as long as that lives. A waiter is
 * also in some list of what it waits for, and goes with its peer; a job's own
 * request is the job's to free, and only told that its peer has gone.
 */
#ifndef SEGBROKER_PENDING_H
#define SEGBROKER_PENDING_H

#include "frame.h"
#include "message.h"

struct group;
struct peer;

struct pending {
    struct peer *peer; /* NULL when it has gone */
    struct message_request request;
    frame_handle handles[MESSAGE_HANDLES_MAX]; /* that came along; its own */
    unsigned principals;                       /* in its share list */
    struct group *group;         /* NULL: it is answered by itself */
    unsigned item;               /* of the group */
    struct pending *next, *prev; /* of one peer */
    struct pending **list;       /* where it waits; NULL for a job's own */
    struct pending *next_waiter, *prev_waiter;
};

/*
 * Takes the request and its handles over and keeps it for `peer`, in `list` or,
 * where that is NULL, for a job: what this broker knows of it, not what else
 * its line had. NULL, and nothing taken, when memory is short.
 */
struct pending *pending_new(struct peer *peer, struct message_request *request,
                            frame_handle handles[MESSAGE_HANDLES_MAX],
                            struct pending **list);

/* Lets a waiter wait in another list. */
void pending_move(struct pending *pending, struct pending **list);

/* Frees it, wherever it is. Returns NULL. */
struct pending *pending_free(struct pending *pending);

/* The peer goes: frees its waiters and tells its jobs. */
void pending_forget_all(struct peer *peer);

#endif
