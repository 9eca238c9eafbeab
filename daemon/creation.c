#include "creation.h"

#include "host.h"
#include "identity.h"
#include "log.h"
#include "share.h"

#include <stdlib.h>
#include <time.h>

/* Committing so little takes the loop no longer than a worker's round trip
 * would; anything larger goes to a worker. */
static const uint64_t INLINE_BYTES = 64 * 1024;
static const uint64_t CHUNK_BYTES = 16 * 1024 * 1024;
/* Memory that committing leaves to the host. */
static const uint64_t HOST_RESERVE = 64 * 1024 * 1024;

struct creation {
    uv_work_t work;
    struct broker *broker;
    struct pending *pending; /* NULL where no worker was needed */
    struct entry *entry;
    struct quota_charge grant_charge;
    uint64_t committed; /* bytes */
    bool resolved;      /* the share list */
    bool more;          /* steps are left */
    int outcome;        /* 0, or the step's failure */
    enum { STEP_SHARE, STEP_COMMIT } step;
    struct access_share share;
    const char *culprit;
};

/* ---- steps, on the loop or on a worker ---- */

static int resolve(struct creation *job, const struct message_create *create,
                   const struct principal_lookup *lookup)
{
    int r = share_resolve(&create->share, lookup, &job->share, &job->culprit);

    job->step = STEP_SHARE;
    job->resolved = r == 0;
    return r;
}

static int commit_chunk(struct creation *job)
{
    struct entry *entry = job->entry;
    uint64_t left = entry->mapped_size - job->committed;
    uint64_t length = left < CHUNK_BYTES ? left : CHUNK_BYTES;
    int r;

    job->step = STEP_COMMIT;
    if (left > INLINE_BYTES && host_memory_available() < length + HOST_RESERVE)
        return SEGMENT_E_NO_MEMORY;
    r = segment_commit(entry->memory, job->committed, length);
    if (r < 0)
        return r;
    job->committed += length;
    return 0;
}

static bool must_commit(const struct creation *job)
{
    return job->entry->commit && job->committed < job->entry->mapped_size;
}

static void work(uv_work_t *handle)
{
    struct creation *job = handle->data;

    if (!job->resolved)
        job->outcome =
            resolve(job, &job->pending->request.create, &identity_lookup);
    else
        job->outcome = commit_chunk(job);
    job->more = job->outcome == 0 && must_commit(job);
}

/* ---- the end, good or bad ---- */

static int refuse_step(struct call *call, const struct creation *job)
{
    if (job->step == STEP_SHARE) {
        if (job->outcome == SHARE_NOBODY)
            return request_refuse(call, PROTOCOL_INVALID_ARGUMENT,
                                  "share: there is no account %s",
                                  job->culprit);
        if (job->outcome == SHARE_BAD_FORM)
            return request_refuse(call, PROTOCOL_INVALID_ARGUMENT,
                                  "share: expected user:NAME, group:NAME or "
                                  "everyone, not %s",
                                  job->culprit);
        return request_refuse(call, PROTOCOL_INTERNAL, "out of memory");
    }
    if (job->outcome == SEGMENT_E_NO_MEMORY)
        return request_refuse(call, PROTOCOL_NO_MEMORY,
                              "the host has not that much memory left");
    return request_refuse(call, PROTOCOL_INTERNAL,
                          "the memory cannot be allocated");
}

static void job_free(struct creation *job)
{
    quota_undo(&job->grant_charge);
    share_deinit(&job->share);
    free(job);
}

/* All is there: gives the creator its grant. Answers as request_hand_out. */
static int complete(struct call *call, struct creation *job)
{
    struct request_handout handout = {.entry = job->entry,
                                      .access = call->request->create.access,
                                      .created = true,
                                      .charge = &job->grant_charge};

    job->entry->share = job->share;
    job->share = (struct access_share){0};
    if (registry_entry_ready(&job->broker->registry, job->entry) < 0)
        return request_refuse(call, PROTOCOL_INTERNAL, "out of memory") < 0 ? -1
                                                                            : 1;
    job->broker->counters.created++;
    return request_hand_out(call, &handout);
}

/* From now on they wait for their turn, no longer for the entry. */
static void free_waiters(struct broker *broker, struct entry *entry)
{
    while (entry->waiters)
        pending_move(entry->waiters, &broker->woken);
}

static void serve_woken(struct broker *broker)
{
    while (broker->woken)
        request_resume(broker->woken);
}

/* Every step was taken or one failed: answers, and lets the entry live or
 * go. 0, or negative as a verb. */
static int settle(struct call *call, struct creation *job)
{
    struct entry *entry = job->entry;
    int r;

    if (job->outcome == 0)
        r = complete(call, job);
    else
        r = refuse_step(call, job) < 0 ? -1 : 1;
    free_waiters(job->broker, entry);
    if (r != 0 && entry->grants == 0)
        registry_entry_remove(&job->broker->registry, entry);
    return r < 0 ? r : 0;
}

static void cancel(struct creation *job)
{
    free_waiters(job->broker, job->entry);
    registry_entry_remove(&job->broker->registry, job->entry);
    broker_end_turn(job->broker);
}

/* ---- the worker ---- */

static void after_work(uv_work_t *handle, int status);

static void queue(struct creation *job)
{
    /* This cannot fail: libuv only looks whether there is a function. */
    job->work.data = job;
    uv_queue_work(&job->broker->loop, &job->work, work, after_work);
}

static void answer(struct creation *job)
{
    struct peer *peer = job->pending->peer;
    struct call call = {
        .broker = job->broker, .peer = peer, .request = &job->pending->request};

    if (settle(&call, job) < 0)
        peer_close(peer);
    else
        peer_flush(peer);
}

static void after_work(uv_work_t *handle, int status)
{
    struct creation *job = handle->data;
    struct broker *broker = job->broker;

    (void)status;
    if (job->pending->peer && job->more) {
        queue(job);
        return;
    }
    if (job->pending->peer)
        answer(job);
    else
        cancel(job);
    job->pending = pending_free(job->pending);
    job_free(job);
    serve_woken(broker);
}

/* Takes the first step, or all where they are short. */
static int run_steps(struct call *call, struct creation *job)
{
    struct entry *entry = job->entry;
    int r;

    job->outcome = 0;
    if (job->resolved && must_commit(job) && entry->mapped_size <= INLINE_BYTES)
        job->outcome = commit_chunk(job);
    if (job->resolved && (job->outcome != 0 || !must_commit(job))) {
        r = settle(call, job);
        job_free(job);
        return r;
    }
    job->pending = request_take(call, NULL, &r);
    if (job->pending) {
        queue(job);
        return 0;
    }
    registry_entry_remove(&job->broker->registry, entry);
    job_free(job);
    return r;
}

/* ---- the beginning ---- */

static int refuse_segment(struct call *call, int r)
{
    if (r == SEGMENT_E_DESCRIPTORS)
        return request_refuse(call, PROTOCOL_TOO_MANY_HANDLES,
                              "the broker has no descriptors left");
    if (r == SEGMENT_E_NO_MEMORY)
        return request_refuse(call, PROTOCOL_NO_MEMORY,
                              "the host cannot make a segment of that size");
    return request_refuse(call, PROTOCOL_INTERNAL,
                          "the segment cannot be made");
}

/* Charges everything or nothing. 0, or 1 and the refusal. */
static int charge(struct quota_scope *scope, struct registry_new *new,
                  struct quota_charge *grant, struct quota_refusal *refusal)
{
    if (quota_allows_segment(scope, new->mapped_size, refusal) != 0)
        return 1;
    if (quota_charge(scope, CONFIG_SEGMENTS, 1, &new->segments_charge,
                     refusal) != 0)
        return 1;
    if (quota_charge(scope, CONFIG_BYTES, new->mapped_size, &new->bytes_charge,
                     refusal) != 0)
        goto undo_segments;
    if (quota_charge(scope, CONFIG_GRANTS, 1, grant, refusal) != 0)
        goto undo_bytes;
    return 0;

undo_bytes:
    quota_undo(&new->bytes_charge);
undo_segments:
    quota_undo(&new->segments_charge);
    return 1;
}

static bool host_has_room(const struct registry_new *new)
{
    uint64_t available;

    if (!new->commit || new->mapped_size <= INLINE_BYTES)
        return true;
    available = host_memory_available();
    return available >= HOST_RESERVE &&
           new->mapped_size <= available - HOST_RESERVE;
}

/* Makes the memory and its entry from what was charged; the charges are the
 * entry's on 0, and undone otherwise. */
static int make_entry(struct call *call, struct registry_new *new,
                      struct entry **entry)
{
    struct segment_plan plan = {.mapped_size = new->mapped_size,
                                .commit = new->commit,
                                .freezable = new->freezable};
    int r;

    if (!host_has_room(new))
        r = SEGMENT_E_NO_MEMORY;
    else
        r = segment_new(&plan, &new->memory);
    if (r == 0) {
        if (registry_add(&call->broker->registry, new, entry) == 0)
            return 0;
        segment_free(new->memory);
        r = SEGMENT_E_SYSTEM;
    }
    quota_undo(&new->bytes_charge);
    quota_undo(&new->segments_charge);
    r = refuse_segment(call, r);
    return r < 0 ? r : 1;
}

int creation_begin(struct call *call)
{
    const struct message_create *create = &call->request->create;
    struct caller *caller = call->peer->caller;
    struct registry_new new = {.name = create->name,
                               .size = create->size,
                               .mapped_size = segment_mapped_size(create->size),
                               .created_at = (uint64_t)time(NULL),
                               .commit = create->commit,
                               .persist = create->persist,
                               .freezable = create->freezable,
                               .owner = caller};
    struct quota_refusal refusal;
    struct creation *job;
    int r;

    job = calloc(1, sizeof(*job));
    if (!job)
        return -1;
    job->broker = call->broker;
    r = resolve(job, create, &share_ids_only);
    if (new.mapped_size == 0 || new.mapped_size > PROTOCOL_INTEGER_MAX) {
        r = refuse_segment(call, SEGMENT_E_NO_MEMORY);
    } else if (r != 0 && r != SHARE_NOBODY) {
        job->outcome = r;
        r = refuse_step(call, job);
    } else if (charge(caller->scope, &new, &job->grant_charge, &refusal)) {
        r = request_refuse_quota(call, &refusal);
    } else {
        r = make_entry(call, &new, &job->entry);
        if (r == 0)
            return run_steps(call, job);
    }
    job_free(job);
    return r < 0 ? r : 0;
}
