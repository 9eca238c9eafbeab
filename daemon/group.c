#include "group.h"

#include "buffer.h"
#include "request.h"

#include <stdlib.h>
#include <utlist.h>

/* Of one connection, whose outcomes are kept. */
enum { GROUPS_MAX = 8 };

/* Neither while it is not known. */
struct outcome {
    uint64_t grant; /* 0: none */
    bool created;
    struct buffer refusal; /* empty: none */
};

struct group {
    struct group *next, *prev; /* of one peer */
    uint64_t id;
    enum protocol_op op;
    bool atomic;
    unsigned count;
    unsigned begun;                 /* items */
    struct message_request request; /* without document: all are begun */
    unsigned missing;      /* outcomes, and one while items are begun */
    struct buffer refusal; /* of all, where it is atomic */
    struct outcome outcomes[];
};

static struct group *group_new(struct peer *peer,
                               const struct message_request *request)
{
    unsigned count = request->item_count;
    struct group *g = calloc(1, sizeof(*g) + count * sizeof(g->outcomes[0]));

    if (!g)
        return NULL;
    g->id = request->id;
    g->op = request->op;
    g->atomic = request->atomic;
    g->count = count;
    g->missing = count + 1;
    g->request = *request;
    buffer_init(&g->refusal, PROTOCOL_LINE_MAX);
    for (unsigned i = 0; i < count; i++)
        buffer_init(&g->outcomes[i].refusal, PROTOCOL_LINE_MAX);
    DL_PREPEND(peer->groups, g);
    return g;
}

static void group_free(struct peer *peer, struct group *group)
{
    DL_DELETE(peer->groups, group);
    message_request_deinit(&group->request);
    buffer_deinit(&group->refusal);
    for (unsigned i = 0; i < group->count; i++)
        buffer_deinit(&group->outcomes[i].refusal);
    free(group);
}

static bool is_refused(const struct group *group)
{
    return group->refusal.size > 0;
}

/* ---- the reply ---- */

/* Takes back what was granted, and names with what was created. */
static void undo(struct peer *peer, const struct group *group)
{
    struct registry *registry = &peer->broker->registry;

    for (unsigned i = 0; i < group->count; i++) {
        struct grant *grant = registry_find_grant(registry, &peer->holder,
                                                  group->outcomes[i].grant);

        if (!grant)
            continue;
        if (group->outcomes[i].created)
            registry_entry_remove(registry, grant->entry);
        registry_release(registry, grant);
    }
}

void group_forget_all(struct peer *peer)
{
    while (peer->groups) {
        /* What persists would stay. */
        if (peer->groups->atomic)
            undo(peer, peer->groups);
        group_free(peer, peer->groups);
    }
}

static int write_outcome(struct call *call, struct message_pager *pager)
{
    struct outcome *outcome = &call->group->outcomes[call->item];
    struct message_grant reply;
    int r = 1;

    if (outcome->grant != 0)
        r = request_attach(call, outcome->grant, outcome->created, &reply);
    if (r < 0)
        return r;
    return r == 0 ? message_page_add_grant(pager, &reply)
                  : message_page_add_problem(pager, &outcome->refusal);
}

static int write_outcomes(struct call *call)
{
    const struct group *group = call->group;
    struct message_pager pager;
    int r = message_page_begin(&pager, peer_reply(call->peer), group->id,
                               group->op);

    for (call->item = 0; r == 0 && call->item < group->count; call->item++)
        r = write_outcome(call, &pager);
    return r < 0 ? r : message_page_end(&pager, 0);
}

static int write_refusal(struct call *call)
{
    undo(call->peer, call->group);
    return buffer_add(peer_reply(call->peer), call->group->refusal.data,
                      call->group->refusal.size);
}

/* All outcomes are known. Of all or none, giving handles away may be what
 * fails. */
static int answer(struct call *call)
{
    struct output_batch *batch = &call->broker->peers.batch;
    struct group *group = call->group;
    size_t size = batch->lines.size;
    unsigned count = batch->count;
    int r = 0;

    if (!is_refused(group))
        r = write_outcomes(call);
    if (r == 0 && is_refused(group)) {
        buffer_truncate(&batch->lines, size);
        output_batch_detach(batch, call->peer->connection, count);
        r = write_refusal(call);
    }
    group_free(call->peer, group);
    return r;
}

static int settle_one(struct call *call)
{
    /* While it is answered nothing is missing any more. */
    if (call->group->missing == 0)
        return 0;
    return --call->group->missing == 0 ? answer(call) : 0;
}

/* ---- outcomes ---- */

int group_grant(struct call *call, const struct grant *grant, bool created)
{
    struct outcome *outcome = &call->group->outcomes[call->item];

    outcome->grant = grant->id;
    outcome->created = created;
    return settle_one(call);
}

/* Nobody needs the outcomes of items that wait for others any more. */
static void drop_waiting(struct call *call)
{
    struct pending *pending, *next;

    DL_FOREACH_SAFE(call->peer->pendings, pending, next)
    {
        if (pending->group != call->group || !pending->list)
            continue;
        pending_free(pending);
        call->group->missing--;
    }
    call->group->missing -= waits_drop(call->peer, call->group);
}

/* The first of them is what all are refused for. */
static int refuse_all(struct call *call, const struct message_problem *problem,
                      const struct message_budget *detail)
{
    struct message_problem whole = *problem;

    whole.has_item = true;
    whole.item = call->item;
    drop_waiting(call);
    return message_error_write(&call->group->refusal, &whole, detail);
}

int group_refuse(struct call *call, const struct message_problem *problem,
                 const struct message_budget *detail)
{
    struct group *group = call->group;
    struct outcome *outcome = &group->outcomes[call->item];
    int r = 0;

    outcome->grant = 0;
    if (!group->atomic)
        r = message_item_problem_write(&outcome->refusal, problem, detail);
    else if (!is_refused(group))
        r = refuse_all(call, problem, detail);
    return r < 0 ? r : settle_one(call);
}

/* ---- the beginning ---- */

static unsigned groups_of(const struct peer *peer)
{
    const struct group *group;
    unsigned count;

    DL_COUNT(peer->groups, group, count);
    return count;
}

int group_begin(struct call *call)
{
    struct peer *peer = call->peer;

    if (groups_of(peer) >= GROUPS_MAX)
        return request_refuse(call, PROTOCOL_BUSY,
                              "%d requests of this connection for many wait "
                              "already",
                              GROUPS_MAX);
    /* The handles of all are to go in one message. */
    if (!output_batch_is_empty(&call->broker->peers.batch) && !peer_send(peer))
        return 0;
    if (!group_new(peer, call->request))
        return -1;
    call->taken = true;
    return 0;
}

bool group_is_begun(const struct peer *peer)
{
    return !peer->groups || !peer->groups->request.document;
}

static int end_beginning(struct call *call)
{
    struct group *group = call->group;

    group->missing -= group->count - group->begun;
    message_request_deinit(&group->request);
    return settle_one(call);
}

int group_go_on(struct peer *peer)
{
    struct group *group = peer->groups;
    struct call call = {.broker = peer->broker,
                        .peer = peer,
                        .request = &group->request,
                        .group = group};

    /* After the first refusal of all or none nothing more is begun. */
    if (group->begun == group->count || is_refused(group))
        return end_beginning(&call);
    return request_serve_item(&call, group->begun++);
}
