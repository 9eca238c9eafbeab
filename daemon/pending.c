#include "pending.h"

#include "handle.h"
#include "peer.h"

#include <stdlib.h>
#include <utlist.h>

/* The same request, without all that its line had besides. */
static int slim(const struct message_request *request,
                struct message_request *made)
{
    struct message_problem problem;
    struct buffer line;
    int r;

    buffer_init(&line, PROTOCOL_LINE_MAX);
    r = message_request_write(&line, request);
    if (r == 0)
        r = message_request_decode(line.data, line.size - 1, made, &problem);
    buffer_deinit(&line);
    return r;
}

struct pending *pending_new(struct peer *peer, struct message_request *request,
                            frame_handle handles[MESSAGE_HANDLES_MAX],
                            struct pending **list)
{
    struct pending *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    if (slim(request, &p->request) != 0) {
        free(p);
        return NULL;
    }
    message_request_deinit(request);
    for (int i = 0; i < MESSAGE_HANDLES_MAX; i++) {
        p->handles[i] = handles[i];
        handles[i] = HANDLE_NONE;
    }
    p->peer = peer;
    if (p->request.op == PROTOCOL_CREATE)
        p->principals = p->request.create.share.read_count +
                        p->request.create.share.write_count;
    p->list = list;
    DL_APPEND(peer->pendings, p);
    peer->pending_count++;
    peer->pending_principals =
        (uint16_t)(peer->pending_principals + p->principals);
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
    peer->pending_principals =
        (uint16_t)(peer->pending_principals - pending->principals);
    pending->peer = NULL;
}

struct pending *pending_free(struct pending *pending)
{
    leave_peer(pending);
    if (pending->list)
        DL_DELETE2(*pending->list, pending, prev_waiter, next_waiter);
    message_request_deinit(&pending->request);
    for (int i = 0; i < MESSAGE_HANDLES_MAX; i++)
        connection_dispose(pending->handles[i]);
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
