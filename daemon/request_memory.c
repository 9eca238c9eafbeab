/*
 * freeze and revoke: what changes a segment's memory for all who have it. Both
 * may take as long as the memory is large, so a worker does it. The entry
 * stays meanwhile, whatever becomes of its grants.
 */
#include "log.h"
#include "request.h"

#include <stdlib.h>

struct alteration {
    uv_work_t work;
    struct broker *broker;
    struct pending *pending;
    struct entry *entry;
    bool is_untold; /* the keeper could not be told */
    int outcome;
};

static bool is_freeze(const struct alteration *job)
{
    return job->pending->request.op == PROTOCOL_FREEZE;
}

static void work(uv_work_t *handle)
{
    struct alteration *job = handle->data;
    const struct entry *entry = job->entry;

    if (is_freeze(job))
        job->outcome =
            segment_freeze(entry->memory, job->pending->request.freeze.mode);
    else if (entry->of_file)
        job->outcome = SEGMENT_E_ACCESS; /* its bytes are not the broker's */
    else
        job->outcome = segment_wipe(entry->memory, entry->mapped_size);
}

/* ---- the end ---- */

static int answer_freeze(struct call *call, const struct alteration *job)
{
    unsigned long long id = job->entry->id;

    switch (job->outcome) {
    case 0:
        return message_ok_write(peer_reply(call->peer), call->request->id);
    case SEGMENT_E_BUSY:
        return request_refuse(call, PROTOCOL_BUSY,
                              "segment %llu has views that can write: unmap "
                              "all that were made of rw handles",
                              id);
    case SEGMENT_E_SEALED:
        return request_refuse(call, PROTOCOL_NOT_SUPPORTED,
                              "somebody with an rw handle has sealed segment "
                              "%llu in his own way",
                              id);
    default:
        return request_refuse(call, PROTOCOL_INTERNAL,
                              "segment %llu cannot be frozen", id);
    }
}

static int answer(struct call *call, const struct alteration *job)
{
    if (job->is_untold)
        return request_refuse(call, PROTOCOL_INTERNAL, "out of memory");
    if (is_freeze(job))
        return answer_freeze(call, job);
    return message_revoked_write(peer_reply(call->peer), call->request->id,
                                 job->outcome == 0);
}

static void answer_peer(struct alteration *job)
{
    struct peer *peer = job->pending->peer;
    struct call call = request_call(job->pending);

    if (answer(&call, job) < 0)
        peer_close(peer);
    else
        peer_flush(peer);
}

/* What the memory is now, whether somebody waits for the answer or not. */
static void note_frozen(struct alteration *job)
{
    struct entry *entry = job->entry;
    enum protocol_frozen frozen = job->pending->request.freeze.mode;

    if (frozen <= entry->frozen)
        return;
    entry->frozen = frozen;
    if (entry->stage == ENTRY_LIVE &&
        registry_entry_frozen(&job->broker->registry, entry) < 0)
        job->is_untold = true;
}

static void after_work(uv_work_t *handle, int status)
{
    struct alteration *job = handle->data;
    struct broker *broker = job->broker;

    (void)status;
    if (is_freeze(job) && job->outcome == 0)
        note_frozen(job);
    job->entry->workers--;
    if (job->pending->peer)
        answer_peer(job);
    pending_free(job->pending);
    free(job);
    broker_end_turn(broker);
}

/* ---- the beginning ---- */

static int begin(struct call *call, struct alteration *job)
{
    /* This cannot fail: libuv only looks whether there is a function. */
    job->work.data = job;
    job->entry->workers++;
    uv_queue_work(&call->broker->loop, &job->work, work, after_work);
    return 0;
}

/* A job for this request; NULL when it was refused, *r is the answer then. */
static struct alteration *prepare(struct call *call, struct entry *entry,
                                  int *r)
{
    struct alteration *job = calloc(1, sizeof(*job));

    if (!job) {
        *r = -1;
        return NULL;
    }
    job->broker = call->broker;
    job->entry = entry;
    job->pending = request_take(call, NULL, r);
    if (job->pending)
        return job;
    free(job);
    return NULL;
}

static int freeze(struct call *call, struct entry *entry)
{
    enum protocol_frozen mode = call->request->freeze.mode;
    struct alteration *job;
    int r;

    if (entry_frozen(entry) >= mode)
        return message_ok_write(peer_reply(call->peer), call->request->id);
    if (mode == PROTOCOL_FROZEN_YES && !segment_promises().freezes)
        return request_refuse(call, PROTOCOL_NOT_SUPPORTED,
                              "here nothing takes writing from those who "
                              "have a handle: mode future keeps others from "
                              "it");
    job = prepare(call, entry, &r);
    return job ? begin(call, job) : r;
}

int request_freeze(struct call *call)
{
    struct entry *entry;
    int r = request_find_own(call, &call->request->freeze.target, &entry);

    if (r != 0)
        return r < 0 ? r : 0;
    if (entry->stage != ENTRY_LIVE)
        return request_refuse_gone(call, entry);
    if (!entry->freezable)
        return request_refuse(call, PROTOCOL_NOT_SUPPORTED,
                              "segment %llu was not created with freezable",
                              (unsigned long long)entry->id);
    return freeze(call, entry);
}

int request_revoke(struct call *call)
{
    struct entry *entry;
    struct alteration *job;
    int r = request_find_target(call, &call->request->target, &entry);

    if (r != 0)
        return r < 0 ? r : 0;
    job = prepare(call, entry, &r);
    if (!job)
        return r;
    begin(call, job);
    log_info("segment %llu is revoked, asked by %s",
             (unsigned long long)entry->id, call->peer->caller->label);
    job->is_untold = registry_entry_revoke(&call->broker->registry, entry) < 0;
    return 0;
}
