#include "pending.h"

#include "peer.h"

#include <stdlib.h>
#include <utlist.h>

struct pending *pending_new(struct peer *peer, struct message_request *request,
                            struct pending **list)
{
    struct pending *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->peer = peer;
    p->request = *request;
    p->list = list;
    DL_APPEND(peer->pendings, p);
    peer->pending_count++;
    if (list)
        DL_APPEND2(*list, p, prev_waiter, next_waiter);
    return p;
}

void pending_move(struct pending *pending, struct pending **list)
{
    DL_DELETE2(*pending->list, pending, prev_waiter, next_waiter);
    pending->list = list;
    DL_APPEND2(*list, pending, prev_waiter, next_waiter);
}

static void leave_peer(struct pending *pending)
{
    struct peer *peer = pending->peer;

    if (!peer)
        return;
    DL_DELETE(peer->pendings, pending);
    peer->pending_count--;
    pending->peer = NULL;
}

struct pending *pending_free(struct pending *pending)
{
    leave_peer(pending);
    if (pending->list)
        DL_DELETE2(*pending->list, pending, prev_waiter, next_waiter);
    message_request_deinit(&pending->request);
    free(pending);
    return NULL;
}

void pending_forget_all(struct peer *peer)
{
    struct pending *pending, *next;

    DL_FOREACH_SAFE(peer->pendings, pending, next)
    {
        if (pending->list)
            pending_free(pending);
        else
            leave_peer(pending);
    }
}
