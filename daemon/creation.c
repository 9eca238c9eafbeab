#include "creation.h"

#include "emptying.h"
#include "filing.h"
#include "handle.h"
#include "host.h"
#include "identity.h"
#include "log.h"
#include "numa.h"
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
    struct registry_new new; /* with its charges, until there is an entry */
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

/* Bytes that may be allocated where they are asked for; of huge pages the
 * kernel says so itself. */
static uint64_t available(enum protocol_pages pages, unsigned numa)
{
    uint64_t host = host_memory_available();
    uint64_t node = numa ? numa_available(numa - 1) : host;

    if (pages != PROTOCOL_PAGES_DEFAULT)
        return UINT64_MAX;
    return node < host ? node : host;
}

/* Whole pages. */
static uint64_t chunk_of(const struct entry *entry)
{
    uint64_t page = message_pages_bytes(entry->pages);

    return page > CHUNK_BYTES ? page : CHUNK_BYTES;
}

static int commit_chunk(struct creation *job)
{
    struct entry *entry = job->entry;
    uint64_t left = entry->mapped_size - job->committed;
    uint64_t chunk = chunk_of(entry);
    uint64_t length = left < chunk ? left : chunk;
    int r;

    job->step = STEP_COMMIT;
    if (left > INLINE_BYTES &&
        available(entry->pages, entry->numa) < length + HOST_RESERVE)
        return SEGMENT_E_NO_MEMORY;
    r = segment_commit(entry->memory, job->committed, length);
    if (r < 0)
        return r;
    job->committed += length;
    return 0;
}

static bool must_commit(const struct creation *job)
{
    return job->entry->commit && !job->entry->of_file &&
           job->committed < job->entry->mapped_size;
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

static int refuse_pages(struct call *call)
{
    enum protocol_pages pages = call->request->create.pages;

    return request_refuse(call, PROTOCOL_NO_MEMORY,
                          "pages: too few pages of %s are free: %s",
                          message_pages_name(pages), segment_pages_need(pages));
}

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
    if (job->outcome == SEGMENT_E_NO_PAGES)
        return refuse_pages(call);
    if (job->outcome == SEGMENT_E_NO_MEMORY)
        return request_refuse(call, PROTOCOL_NO_MEMORY,
                              "the host, or its node, has not that much "
                              "memory left");
    return request_refuse(call, PROTOCOL_INTERNAL,
                          "the memory cannot be allocated");
}

static void job_free(struct creation *job)
{
    quota_undo(&job->new.bytes_charge);
    quota_undo(&job->new.segments_charge);
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
    struct call call = request_call(job->pending);

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
    request_resume_woken(broker);
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

/* ---- charges and memory ---- */

static int refuse_segment(struct call *call, int r)
{
    if (r == SEGMENT_E_DESCRIPTORS)
        return request_refuse(call, PROTOCOL_TOO_MANY_HANDLES,
                              "the broker has no descriptors left");
    if (r == SEGMENT_E_NO_PAGES)
        return refuse_pages(call);
    if (r == SEGMENT_E_NO_MEMORY)
        return request_refuse(call, PROTOCOL_NO_MEMORY,
                              "the host cannot make a segment of that size");
    return request_refuse(call, PROTOCOL_INTERNAL,
                          "the segment cannot be made");
}

/* Charges everything or nothing, with `bell` bytes for a doorbell. 0, or 1 and
 * the refusal. */
static int charge(struct quota_scope *scope, struct registry_new *new,
                  uint64_t bell, struct quota_charge *grant,
                  struct quota_refusal *refusal)
{
    uint64_t bytes = (new->of_file ? 0 : new->mapped_size) + bell;

    if (!new->of_file &&
        quota_allows_segment(scope, new->mapped_size, refusal) != 0)
        return 1;
    if (quota_charge(scope, CONFIG_SEGMENTS, 1, &new->segments_charge,
                     refusal) != 0)
        return 1;
    if (bytes > 0 && quota_charge(scope, CONFIG_BYTES, bytes,
                                  &new->bytes_charge, refusal) != 0)
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
    uint64_t room;

    if (!new->commit || new->mapped_size <= INLINE_BYTES)
        return true;
    room = available(new->pages, new->numa);
    return room >= HOST_RESERVE && new->mapped_size <= room - HOST_RESERVE;
}

/* Enters the memory, or frees it. The charges are the entry's on 0. */
static int enter(struct call *call, struct creation *job)
{
    struct registry_new *new = &job->new;
    int r = 0;

    new->name = call->request->create.name;
    if (call->request->create.doorbell)
        r = bell_new(&new->bell);
    if (r == 0 && registry_add(&call->broker->registry, new, &job->entry) < 0)
        r = SEGMENT_E_SYSTEM;
    if (r == 0) {
        new->segments_charge = new->bytes_charge = (struct quota_charge){0};
        return 0;
    }
    new->bell = bell_free(new->bell);
    segment_free(new->memory);
    return r;
}

/* Goes on with the memory that there is, unless `r` says that there is none. */
static int go_on(struct call *call, struct creation *job, int r)
{
    if (r == 0)
        r = enter(call, job);
    if (r == 0)
        return run_steps(call, job);
    job_free(job);
    return refuse_segment(call, r);
}

static int make_memory(struct call *call, struct creation *job)
{
    struct registry_new *new = &job->new;
    struct segment_plan plan = {.mapped_size = new->mapped_size,
                                .commit = new->commit,
                                .freezable = new->freezable,
                                .pages = new->pages,
                                .numa = new->numa};
    int r;

    if (host_has_room(new))
        return go_on(call, job, segment_new(&plan, &new->memory));
    r = emptying_wait(call);
    if (r == 1)
        return go_on(call, job, SEGMENT_E_NO_MEMORY);
    job_free(job);
    return r;
}

/* ---- of a file ---- */

/* What became of the file is in job->new; its name may be taken by now. */
static int go_on_with_file(struct call *call)
{
    struct creation *job = call->data;
    const char *name = call->request->create.name;
    struct entry *entry = NULL;

    if (name)
        entry =
            registry_find(&call->broker->registry, call->peer->caller, name);
    if (entry) {
        segment_free(job->new.memory);
        job_free(job);
        return request_create_existing(call, entry);
    }
    return go_on(call, job, 0);
}

static int refuse_file(struct call *call)
{
    const struct file_problem *problem = call->data;

    return request_refuse(call, problem->error, "%s", problem->text);
}

static void after_filing(void *data, const struct file_plan *plan,
                         const struct file_problem *problem)
{
    struct creation *job = data;
    struct pending *pending = job->pending;

    job->pending = NULL;
    if (pending->peer && !problem) {
        job->new.memory = plan->segment;
        job->new.size = job->new.mapped_size = plan->size;
        request_resume_with(pending, go_on_with_file, job);
        return;
    }
    job_free(job);
    if (!problem)
        segment_free(plan->segment);
    if (pending->peer)
        request_resume_with(pending, refuse_file, (void *)problem);
    else
        pending_free(pending);
}

static int look_at_file(struct call *call, struct creation *job)
{
    const struct message_create *create = &call->request->create;
    struct caller *caller = call->peer->caller;
    struct file_plan plan = {.write = call->handles[MESSAGE_FILE],
                             .read = call->handles[MESSAGE_FILE_READ],
                             .user = caller->identity.user,
                             .access = create->access,
                             .commit = create->commit,
                             .size = create->size};
    int r;

    call->handles[MESSAGE_FILE] = call->handles[MESSAGE_FILE_READ] =
        HANDLE_NONE;
    job->pending = request_take(call, NULL, &r);
    if (job->pending &&
        filing_start(call->broker, caller, &plan, after_filing, job) == 0)
        return 0;
    connection_dispose(plan.write);
    connection_dispose(plan.read);
    if (job->pending) {
        pending_free(job->pending);
        r = -1;
    }
    job_free(job);
    return r;
}

/* Whether all the handles are there that the request names. */
static bool has_files(const struct call *call)
{
    const struct message_handle *named = call->request->handles;

    for (int i = 0; i < MESSAGE_HANDLES_MAX; i++)
        if (named[i].form != MESSAGE_HANDLE_NONE &&
            call->handles[i] == HANDLE_NONE)
            return false;
    return true;
}

/* ---- the beginning ---- */

/* Whether there are such pages and such a node here; 1, or as a verb, refused.
 */
static int check_pages(struct call *call)
{
    const struct message_create *create = &call->request->create;
    struct segment_promises promises = segment_promises();
    char nodes[64];

    if (!promises.pages[create->pages])
        return request_refuse(call, PROTOCOL_NOT_SUPPORTED,
                              "pages: the host has none of %s: %s",
                              message_pages_name(create->pages),
                              segment_pages_need(create->pages));
    if (create->numa == 0)
        return 1;
    if (!promises.numa)
        return request_refuse(call, PROTOCOL_NOT_SUPPORTED,
                              "numa: the host's memory has no nodes that the "
                              "broker may choose");
    if (numa_has(create->numa - 1))
        return 1;
    numa_write(nodes, sizeof(nodes));
    return request_refuse(call, PROTOCOL_INVALID_ARGUMENT,
                          "numa: expected a node that the host has (%s), not "
                          "%u",
                          nodes, create->numa - 1);
}

/* `size` in whole pages of its kind; 0 when that is too large a number. */
static uint64_t round_up(const struct message_create *create)
{
    uint64_t page = message_pages_bytes(create->pages);
    uint64_t rounded = segment_mapped_size(create->size);

    if (page > 0)
        rounded = (create->size + page - 1) / page * page;
    return rounded > PROTOCOL_INTEGER_MAX ? 0 : rounded;
}

static int begin(struct call *call, struct creation *job)
{
    const struct message_create *create = &call->request->create;
    struct caller *caller = call->peer->caller;
    uint64_t bell = create->doorbell ? bell_bytes() : 0;
    struct quota_refusal refusal;
    int r;

    job->broker = call->broker;
    job->new = (struct registry_new){
        .size = create->size,
        .created_at = (uint64_t)time(NULL),
        /* Huge pages always are: see segment_pages.h. */
        .commit = create->commit || create->pages != PROTOCOL_PAGES_DEFAULT,
        .pages = create->pages,
        .numa = create->numa,
        .persist = create->persist,
        .of_file = create->of_file,
        .freezable = create->freezable,
        .unpublished = create->publish_later,
        .owner = caller};
    if (!create->of_file) {
        r = check_pages(call);
        if (r != 1)
            return r;
        job->new.mapped_size = round_up(create);
        if (job->new.mapped_size == 0)
            return refuse_segment(call, SEGMENT_E_NO_MEMORY);
    }
    r = resolve(job, create, &share_ids_only);
    if (r != 0 && r != SHARE_NOBODY) {
        job->outcome = r;
        return refuse_step(call, job);
    }
    if (charge(caller->scope, &job->new, bell, &job->grant_charge, &refusal) ==
        0)
        return 1;
    r = emptying_wait(call);
    return r == 1 ? request_refuse_quota(call, &refusal) : r;
}

int creation_begin(struct call *call)
{
    bool of_file = call->request->create.of_file;
    struct creation *job;
    int r;

    if (of_file && call->peer->caller->is_filing)
        return request_wait(call, &call->peer->caller->filers);
    if (of_file && !has_files(call))
        return request_refuse(call, PROTOCOL_INVALID_ARGUMENT,
                              "handles: one did not come along, or is not to "
                              "a regular file, or the broker has no "
                              "descriptors left");
    job = calloc(1, sizeof(*job));
    if (!job)
        return -1;
    r = begin(call, job);
    if (r == 1)
        return of_file ? look_at_file(call, job) : make_memory(call, job);
    job_free(job);
    return r;
}
