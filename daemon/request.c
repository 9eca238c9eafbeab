#include "request.h"

#include "group.h"
#include "handle.h"
#include "log.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVER_NAME "segbroker/" SEGBROKER_VERSION

/* ---- refusing ---- */

/* Cuts what snprintf may have left of a character at the end. */
static void trim_text(char *text)
{
    size_t size = strlen(text);

    while (size > 0 && !utf8_valid(text, size))
        text[--size] = '\0';
}

static void note_problem(struct peer *peer,
                         const struct message_problem *problem)
{
    peer->broker->counters.refused[problem->error]++;
    log_debug("client %llu: %s: %s", (unsigned long long)peer->id,
              message_error_name(problem->error), problem->text);
}

static int answer_problem(struct call *call,
                          const struct message_problem *problem,
                          const struct message_budget *detail)
{
    note_problem(call->peer, problem);
    if (call->group)
        return group_refuse(call, problem, detail);
    return message_error_write(peer_reply(call->peer), problem, detail);
}

int request_refuse(struct call *call, enum protocol_error error,
                   const char *format, ...)
{
    struct message_problem problem = {
        .has_id = true, .id = call->request->id, .error = error};
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(problem.text, sizeof(problem.text), format, arguments);
    va_end(arguments);
    trim_text(problem.text);
    return answer_problem(call, &problem, NULL);
}

static bool is_size(enum config_budget budget)
{
    return budget == CONFIG_BYTES || budget == CONFIG_SEGMENT_BYTES;
}

/* Writes "6 MiB" or "6". Sizes lose at most a tenth of their unit. */
static void write_amount(char *text, size_t size, enum config_budget budget,
                         uint64_t amount)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)amount;
    int unit = 0;

    if (!is_size(budget)) {
        snprintf(text, size, "%llu", (unsigned long long)amount);
        return;
    }
    for (; value >= 1024 && unit < 4; unit++)
        value /= 1024;
    if (value == (double)(uint64_t)value)
        snprintf(text, size, "%.0f %s", value, units[unit]);
    else
        snprintf(text, size, "%.1f %s", value, units[unit]);
}

static void write_refusal(const struct quota_refusal *refusal, char *text,
                          size_t size)
{
    const char *budget = config_budget_name(refusal->budget);
    char used[32], limit[32], asked[32];

    write_amount(used, sizeof(used), refusal->budget, refusal->used);
    write_amount(limit, sizeof(limit), refusal->budget, refusal->limit);
    write_amount(asked, sizeof(asked), refusal->budget, refusal->asked);
    if (refusal->budget == CONFIG_SEGMENT_BYTES)
        snprintf(text, size,
                 "%s: one segment may have %s, %s asked "
                 "(set by %s in [%s])",
                 budget, limit, asked, budget, refusal->source);
    else if (refusal->budget == CONFIG_REQUESTS_PER_SECOND)
        snprintf(text, size, "%s: at most %s (set by %s in [%s])", budget,
                 limit, budget, refusal->source);
    else
        snprintf(text, size, "%s: %s of %s used, %s asked (set by %s in [%s])",
                 budget, used, limit, asked, budget, refusal->source);
    trim_text(text);
}

void request_explain_quota(const struct quota_refusal *refusal,
                           struct message_problem *problem,
                           struct message_budget *detail)
{
    *problem = (struct message_problem){
        .error = refusal->budget == CONFIG_REQUESTS_PER_SECOND
                     ? PROTOCOL_RATE_LIMITED
                     : PROTOCOL_QUOTA_EXCEEDED};
    write_refusal(refusal, problem->text, sizeof(problem->text));
    *detail =
        (struct message_budget){.section = refusal->section,
                                .budget = config_budget_name(refusal->budget),
                                .used = refusal->used,
                                .limit = refusal->limit,
                                .asked = refusal->asked};
}

int request_given_back(struct call *call)
{
    if (call->request->quiet)
        return 0;
    return message_ok_write(peer_reply(call->peer), call->request->id);
}

int request_refuse_quota(struct call *call, const struct quota_refusal *refusal)
{
    struct message_problem problem;
    struct message_budget detail;

    request_explain_quota(refusal, &problem, &detail);
    problem.has_id = true;
    problem.id = call->request->id;
    return answer_problem(call, &problem, &detail);
}

/* ---- waiting ---- */

struct pending *request_take(struct call *call, struct pending **list, int *r)
{
    struct pending *pending;

    if (call->peer->pending_count >= PEER_PENDING_MAX) {
        *r = request_refuse(call, PROTOCOL_BUSY,
                            "%d requests of this connection wait already",
                            PEER_PENDING_MAX);
        return NULL;
    }
    if (call->peer->pending_principals >= PEER_PRINCIPALS_MAX) {
        *r = request_refuse(call, PROTOCOL_BUSY,
                            "requests of this connection that wait have %u "
                            "principals in their share lists already",
                            call->peer->pending_principals);
        return NULL;
    }
    pending = pending_new(call->peer, call->request, call->handles, list);
    *r = pending ? 0 : -1;
    call->taken = pending != NULL;
    if (pending) {
        pending->group = call->group;
        pending->item = call->item;
    }
    return pending;
}

int request_wait(struct call *call, struct pending **list)
{
    int r;

    request_take(call, list, &r);
    return r;
}

/* ---- what verbs share ---- */

bool request_by_administrator(const struct call *call)
{
    return access_is_administrator(call->broker->config,
                                   &call->peer->caller->identity);
}

struct access_rights request_rights(const struct call *call,
                                    const struct entry *entry)
{
    struct access_object object = entry_object(entry);

    return access_rights(call->broker->config, &call->peer->caller->identity,
                         &object);
}

bool request_is_frozen(const struct entry *entry, enum protocol_access access)
{
    return access == PROTOCOL_RW && entry_frozen(entry) != PROTOCOL_FROZEN_NO;
}

int request_refuse_frozen(struct call *call, const struct entry *entry)
{
    return request_refuse(call, PROTOCOL_ACCESS_DENIED,
                          "rw access to segment %llu: it is frozen",
                          (unsigned long long)entry->id);
}

int request_refuse_gone(struct call *call, const struct entry *entry)
{
    return request_refuse(call, PROTOCOL_NOT_FOUND,
                          "nobody can open segment %llu any more",
                          (unsigned long long)entry->id);
}

int request_refuse_unpublished(struct call *call, const struct entry *entry)
{
    return request_refuse(call, PROTOCOL_BUSY,
                          "segment %llu is not published yet: its creator "
                          "has not called publish",
                          (unsigned long long)entry->id);
}

/* What a grant gives. */
struct handles {
    struct lent *memory;
    struct lent *bell[PROTOCOL_BELL_HANDLES];
    int bell_count;
};

static int find_handles(const struct grant *grant, struct handles *handles)
{
    struct entry *entry = grant->entry;
    int r = segment_handle(entry->memory, grant->access == PROTOCOL_RW,
                           &handles->memory);

    handles->bell_count = 0;
    if (r == 0 && entry->bell) {
        r = bell_handles(entry->bell, handles->bell);
        handles->bell_count = r;
    }
    return r < 0 ? r : 0;
}

/* Takes all along, or none. */
static int attach(struct call *call, const struct handles *handles,
                  struct message_grant *reply)
{
    struct output_batch *batch = &call->broker->peers.batch;
    struct connection *connection = call->peer->connection;
    unsigned before = batch->count;
    int r =
        output_batch_attach(batch, connection, handles->memory, &reply->memory);

    for (int i = 0; r == 0 && i < handles->bell_count; i++)
        r = output_batch_attach(batch, connection, handles->bell[i],
                                &reply->bell[i]);
    if (r < 0)
        output_batch_detach(batch, connection, before);
    return r;
}

static int refuse_handle(struct call *call, int r)
{
    if (r == SEGMENT_E_DESCRIPTORS)
        r = request_refuse(call, PROTOCOL_TOO_MANY_HANDLES,
                           "the broker has no descriptors left");
    else if (r == SEGMENT_E_ACCESS)
        r = request_refuse(call, PROTOCOL_ACCESS_DENIED,
                           "the segment's file was not given for that access "
                           "by who made it");
    else
        r = request_refuse(call, PROTOCOL_INTERNAL,
                           "the segment's handle cannot be made");
    return r < 0 ? r : 1;
}

/* Of many, the reply may be full of handles. */
static int refuse_more_handles(struct call *call)
{
    int r = request_refuse(call, PROTOCOL_TOO_MANY_HANDLES,
                           "one answer of the broker has at most %u handles",
                           call->broker->peers.pool.connection);

    return r < 0 ? r : 1;
}

static int attach_grant(struct call *call, const struct grant *grant,
                        struct message_grant *reply)
{
    const struct output_batch *batch = &call->broker->peers.batch;
    struct handles handles;
    int r = find_handles(grant, &handles);

    if (r == 0 && batch->count > 0 &&
        batch->count + 1 + (unsigned)handles.bell_count >
            batch->pool->connection)
        return refuse_more_handles(call);
    if (r == 0 && attach(call, &handles, reply) == 0)
        return 0;
    return refuse_handle(call, r);
}

int request_attach(struct call *call, uint64_t id, bool created,
                   struct message_grant *reply)
{
    struct registry *registry = &call->broker->registry;
    struct grant *grant =
        registry_find_grant(registry, &call->peer->holder, id);
    const struct entry *entry;
    int r;

    if (!grant) {
        r = request_refuse(call, PROTOCOL_NOT_FOUND,
                           "there is no such segment any more");
        return r < 0 ? r : 1;
    }
    entry = grant->entry;
    *reply = (struct message_grant){.grant = grant->id,
                                    .segment = entry->id,
                                    .created = created,
                                    .size = entry->size,
                                    .mapped_size = entry->mapped_size,
                                    .access = grant->access,
                                    .of_file = entry->of_file,
                                    .pages = entry->pages};
    /* One of many may have waited for the others. */
    if (request_is_frozen(entry, grant->access))
        r = request_refuse_frozen(call, entry) < 0 ? -1 : 1;
    else
        r = attach_grant(call, grant, reply);
    if (r != 0)
        registry_release(registry, grant);
    return r;
}

int request_hand_out(struct call *call, const struct request_handout *handout)
{
    struct registry *registry = &call->broker->registry;
    struct message_grant reply;
    struct grant *grant;
    int r;

    if (registry_grant(registry, handout->entry, &call->peer->holder,
                       handout->charge, &grant) < 0) {
        quota_undo(handout->charge);
        return refuse_handle(call, 0);
    }
    grant->access = handout->access;
    if (call->group)
        return group_grant(call, grant, handout->created);
    r = request_attach(call, grant->id, handout->created, &reply);
    return r == 0 ? message_grant_write(peer_reply(call->peer),
                                        call->request->id, &reply)
                  : r;
}

/* ---- hello, ping ---- */

static int welcome(struct call *call)
{
    const struct caller *caller = call->peer->caller;
    struct segment_promises promises = segment_promises();
    const char *features[14];
    struct message_welcome reply = {.version = PROTOCOL_VERSION,
                                    .server = SERVER_NAME,
                                    .you = caller->label,
                                    .administrator =
                                        request_by_administrator(call),
                                    .features = features};

    if (promises.sealed_size)
        features[reply.feature_count++] = "sealed-size";
    if (promises.exact_lifetime)
        features[reply.feature_count++] = "exact-lifetime";
    if (promises.handle_lifetime)
        features[reply.feature_count++] = "handle-lifetime";
    if (promises.freezes)
        features[reply.feature_count++] = "freeze";
    features[reply.feature_count++] = "freeze-future";
    features[reply.feature_count++] = "doorbell";
    features[reply.feature_count++] = "items";
    features[reply.feature_count++] = "publish";
    features[reply.feature_count++] = "wait";
    features[reply.feature_count++] = "watch";
    if (promises.pages[PROTOCOL_PAGES_2M])
        features[reply.feature_count++] = "huge-2M";
    if (promises.pages[PROTOCOL_PAGES_1G])
        features[reply.feature_count++] = "huge-1G";
    if (promises.numa)
        features[reply.feature_count++] = "numa";
    /* Who has the broker's rights opens the memory in its own way. */
    if (caller->identity.user != identity_self() && caller->identity.user != 0)
        features[reply.feature_count++] = "enforced-ro";
    return message_welcome_write(peer_reply(call->peer), call->request->id,
                                 &reply);
}

static int run_hello(struct call *call)
{
    struct peer *peer = call->peer;
    const char *name = call->request->hello.client;

    if (peer->state != PEER_NEW)
        return request_refuse(call, PROTOCOL_BAD_REQUEST,
                              "hello was said already");
    if (call->request->hello.version != PROTOCOL_VERSION)
        return request_refuse(call, PROTOCOL_UNSUPPORTED_VERSION,
                              "this broker speaks version %d",
                              PROTOCOL_VERSION);
    if (name) {
        peer->name = strdup(name);
        if (!peer->name)
            return -1;
    }
    peer->state = PEER_READY;
    return welcome(call);
}

static int run_ping(struct call *call)
{
    return message_ok_write(peer_reply(call->peer), call->request->id);
}

/* ---- dispatch ---- */

static const struct {
    request_verb run;
    bool for_administrators;
} VERBS[PROTOCOL_OPS] = {
    [PROTOCOL_HELLO] = {run_hello, false},
    [PROTOCOL_CREATE] = {request_create, false},
    [PROTOCOL_OPEN] = {request_open, false},
    [PROTOCOL_RELEASE] = {request_release, false},
    [PROTOCOL_RECLAIM] = {request_reclaim, false},
    [PROTOCOL_OFFER] = {request_offer, false},
    [PROTOCOL_REDEEM] = {request_redeem, false},
    [PROTOCOL_REMOVE] = {request_remove, false},
    [PROTOCOL_FREEZE] = {request_freeze, false},
    [PROTOCOL_PUBLISH] = {request_publish, false},
    [PROTOCOL_STAT] = {request_stat, false},
    [PROTOCOL_LIST] = {request_list, false},
    [PROTOCOL_WATCH] = {watch_begin, false},
    [PROTOCOL_UNWATCH] = {watch_end, false},
    [PROTOCOL_USAGE] = {request_usage, false},
    [PROTOCOL_PING] = {run_ping, false},
    [PROTOCOL_STATS] = {request_stats, true},
    [PROTOCOL_CLIENTS] = {request_clients, true},
    [PROTOCOL_REVOKE] = {request_revoke, true},
    [PROTOCOL_RELOAD] = {request_reload, true},
    [PROTOCOL_LOG_LEVEL] = {request_log_level, true},
    [PROTOCOL_RESTART] = {request_restart, true},
    [PROTOCOL_SHUTDOWN] = {request_shutdown, true},
};

/* Takes the handles that came along. */
static void claim(struct call *call)
{
    const struct message_request *request = call->request;

    for (int i = 0; i < MESSAGE_HANDLES_MAX; i++)
        if (request->handles[i].form == MESSAGE_HANDLE_NONE ||
            connection_claim(call->peer->connection, &call->peer->reader,
                             &request->handles[i], &call->handles[i]) != 0)
            call->handles[i] = HANDLE_NONE;
}

static void dispose_handles(struct call *call)
{
    for (int i = 0; i < MESSAGE_HANDLES_MAX; i++)
        connection_dispose(call->handles[i]);
}

static int run(struct call *call)
{
    enum protocol_op op = call->request->op;

    if (call->peer->state == PEER_NEW && op != PROTOCOL_HELLO)
        return request_refuse(call, PROTOCOL_BAD_REQUEST, "hello comes first");
    if (VERBS[op].for_administrators && !request_by_administrator(call))
        return request_refuse(call, PROTOCOL_ACCESS_DENIED,
                              "%s is for administrators (set by "
                              "administrators in [broker])",
                              message_op_name(op));
    claim(call);
    return VERBS[op].run(call);
}

/* Who gives back is not refused: it would stay taken. */
static bool gives_back(const struct call *call)
{
    enum protocol_op op = call->request->op;

    return call->peer->state == PEER_READY &&
           (op == PROTOCOL_RELEASE || op == PROTOCOL_UNWATCH);
}

/* Serves a request that could be read, or says what was wrong with it. */
static int admit(struct call *call, const struct message_problem *problem)
{
    struct quota_refusal refusal;
    int r = quota_take_request(call->peer->caller->scope,
                               uv_now(&call->broker->loop), &refusal);

    if (r == QUOTA_FULL && (problem || !gives_back(call)))
        return request_refuse_quota(call, &refusal);
    return problem ? answer_problem(call, problem, NULL) : run(call);
}

int request_serve_item(struct call *call, unsigned item)
{
    struct message_request request;
    struct message_problem problem;
    struct call one = {.broker = call->broker,
                       .peer = call->peer,
                       .request = &request,
                       .handles = {HANDLE_NONE, HANDLE_NONE},
                       .group = call->group,
                       .item = item};
    int r = message_request_next_item(call->request, &request, &problem);

    return admit(&one, r == 0 ? NULL : &problem);
}

static void end_malformed(struct peer *peer,
                          const struct message_problem *problem)
{
    peer->broker->counters.malformed++;
    note_problem(peer, problem);
    if (message_error_write(peer_reply(peer), problem, NULL) < 0)
        peer_close(peer);
    else
        peer_finish(peer);
}

void request_serve(struct peer *peer, const char *line, size_t size)
{
    struct message_request request;
    struct message_problem problem;
    struct call call = {.broker = peer->broker,
                        .peer = peer,
                        .request = &request,
                        .handles = {HANDLE_NONE, HANDLE_NONE}};
    int r = message_request_decode(line, size, &request, &problem);

    peer->requests++;
    peer->broker->counters.requests++;
    if (r == MESSAGE_MALFORMED) {
        end_malformed(peer, &problem);
        return;
    }
    if (r == MESSAGE_REFUSED) {
        request = (struct message_request){.id = problem.id};
        r = admit(&call, &problem);
    } else if (r == 0) {
        /* Of many each is counted. */
        if (request.item_count > 0 && peer->state == PEER_READY)
            r = group_begin(&call);
        else
            r = admit(&call, NULL);
        dispose_handles(&call);
        if (!call.taken)
            message_request_deinit(&request);
    }
    if (r < 0)
        peer_close(peer);
}

struct call request_call(struct pending *pending)
{
    return (struct call){.broker = pending->peer->broker,
                         .peer = pending->peer,
                         .request = &pending->request,
                         .handles = {HANDLE_NONE, HANDLE_NONE},
                         .group = pending->group,
                         .item = pending->item};
}

void request_resume_with(struct pending *pending, request_verb verb, void *data)
{
    struct peer *peer = pending->peer;
    struct message_request request = pending->request;
    struct call call = request_call(pending);
    int r;

    call.request = &request;
    call.data = data;
    for (int i = 0; i < MESSAGE_HANDLES_MAX; i++) {
        call.handles[i] = pending->handles[i];
        pending->handles[i] = HANDLE_NONE;
    }
    pending->request.document = NULL;
    pending_free(pending);
    r = verb(&call);
    dispose_handles(&call);
    if (!call.taken)
        message_request_deinit(&request);
    if (r < 0)
        peer_close(peer);
    else
        peer_flush(peer);
}

void request_resume(struct pending *pending)
{
    request_resume_with(pending, VERBS[pending->request.op].run, NULL);
}

void request_resume_woken(struct broker *broker)
{
    while (broker->woken)
        request_resume(broker->woken);
}

void request_resume_filers(struct broker *broker, struct caller *caller)
{
    while (caller->filers && !caller->is_filing) {
        pending_move(caller->filers, &broker->woken);
        request_resume_woken(broker);
    }
}
