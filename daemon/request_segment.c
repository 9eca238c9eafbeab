/*
 * The verbs about segments.
 */
#include "creation.h"
#include "handle.h"
#include "request.h"
#include "wait.h"

#include <string.h>
#include <utlist.h>

static int refuse_unknown(struct call *call)
{
    return request_refuse(call, PROTOCOL_NOT_FOUND, "there is no such segment");
}

/* Whom it concerns that a segment is there. Those that are not yet, or are
 * just going, concern nobody. */
static bool is_visible(const struct call *call, const struct entry *entry)
{
    return (entry->stage == ENTRY_LIVE || entry->stage == ENTRY_HELD) &&
           request_rights(call, entry).list;
}

int request_find_target(struct call *call, const struct message_target *target,
                        struct entry **found)
{
    const struct registry *registry = &call->broker->registry;
    struct entry *entry =
        target->name ? registry_find(registry, call->peer->caller, target->name)
                     : registry_find_id(registry, target->segment);
    int r;

    if (target->name && entry && entry->stage == ENTRY_CREATING) {
        r = request_wait(call, &entry->waiters);
        return r < 0 ? r : 1;
    }
    if (!entry || !is_visible(call, entry)) {
        r = refuse_unknown(call);
        return r < 0 ? r : 1;
    }
    *found = entry;
    return 0;
}

int request_find_own(struct call *call, const struct message_target *target,
                     struct entry **found)
{
    int r = request_find_target(call, target, found);

    if (r != 0 || request_rights(call, *found).remove)
        return r;
    r = request_refuse(call, PROTOCOL_ACCESS_DENIED,
                       "only its owner and administrators may %s segment %llu",
                       message_op_name(call->request->op),
                       (unsigned long long)(*found)->id);
    return r < 0 ? r : 1;
}

/* ---- create, open, release ---- */

static bool has_grant(const struct holder *holder, const struct entry *entry)
{
    const struct grant *grant;

    DL_FOREACH (holder->grants, grant)
        if (grant->entry == entry)
            return true;
    return false;
}

static int open_entry(struct call *call, struct entry *entry,
                      enum protocol_access access)
{
    struct access_rights rights = request_rights(call, entry);
    struct quota_refusal refusal;
    struct quota_charge charge;
    struct request_handout handout = {
        .entry = entry, .access = access, .charge = &charge};
    int r;

    if (!(access == PROTOCOL_RW ? rights.write : rights.read))
        return request_refuse(
            call, PROTOCOL_ACCESS_DENIED,
            "%s access to segment %llu: neither its owner nor a rule gives it",
            message_access_name(access), (unsigned long long)entry->id);
    if (entry->stage != ENTRY_LIVE || entry->is_revoked ||
        entry_state(entry) == PROTOCOL_REMOVED)
        return refuse_unknown(call);
    if (entry->is_unpublished && !has_grant(&call->peer->holder, entry))
        return request_refuse_unpublished(call, entry);
    if (request_is_frozen(entry, access))
        return request_refuse_frozen(call, entry);
    r = quota_charge(call->peer->caller->scope, CONFIG_GRANTS, 1, &charge,
                     &refusal);
    if (r != 0)
        return request_refuse_quota(call, &refusal);
    r = request_hand_out(call, &handout);
    if (r == 0)
        call->broker->counters.opened++;
    return r < 0 ? r : 0;
}

static bool is_global(const char *name)
{
    return strncmp(name, PROTOCOL_GLOBAL_PREFIX,
                   strlen(PROTOCOL_GLOBAL_PREFIX)) == 0;
}

/* The name is taken. */
int request_create_existing(struct call *call, struct entry *entry)
{
    const struct message_create *create = &call->request->create;

    if (entry->stage == ENTRY_CREATING)
        return request_wait(call, &entry->waiters);
    if (!is_visible(call, entry))
        return request_refuse(call, PROTOCOL_ACCESS_DENIED,
                              "the name is taken by somebody else");
    if (create->fail_if_exists)
        return request_refuse(call, PROTOCOL_EXISTS,
                              "the name is taken, by segment %llu",
                              (unsigned long long)entry->id);
    return open_entry(call, entry, create->access);
}

int request_create(struct call *call)
{
    const char *name = call->request->create.name;
    struct entry *entry;

    if (name) {
        entry =
            registry_find(&call->broker->registry, call->peer->caller, name);
        if (entry)
            return request_create_existing(call, entry);
        if (is_global(name) &&
            !access_may_create(call->broker->config,
                               &call->peer->caller->identity, name))
            return request_refuse(call, PROTOCOL_ACCESS_DENIED,
                                  "creating this global/ name is not yours "
                                  "(set by create in [access ...], or group "
                                  "in [broker])");
    }
    return creation_begin(call);
}

bool request_open_is_timely(const struct call *call)
{
    const struct entry *entry =
        registry_find(&call->broker->registry, call->peer->caller,
                      call->request->open.target.name);

    return entry && is_visible(call, entry) &&
           (!entry->is_unpublished || has_grant(&call->peer->holder, entry));
}

int request_open(struct call *call)
{
    struct entry *entry;
    int r;

    if (call->request->open.wait_ms > 0 && !request_open_is_timely(call))
        return wait_begin(call);
    r = request_find_target(call, &call->request->open.target, &entry);
    if (r != 0)
        return r < 0 ? r : 0;
    return open_entry(call, entry, call->request->open.access);
}

int request_release(struct call *call)
{
    struct registry *registry = &call->broker->registry;
    struct grant *grant = registry_find_grant(registry, &call->peer->holder,
                                              call->request->release);

    if (!grant)
        return request_refuse(call, PROTOCOL_NOT_FOUND,
                              "this connection has no grant %llu",
                              (unsigned long long)call->request->release);
    registry_release(registry, grant);
    return request_given_back(call);
}

/* A limit that was lowered must not take the segment away from a client that
 * had it before the broker died: one grant it gets back in any case. */
static int charge_reclaimed(struct call *call, const struct entry *entry,
                            struct quota_charge *charge,
                            struct quota_refusal *refusal)
{
    struct quota_scope *scope = call->peer->caller->scope;
    int r = quota_charge(scope, CONFIG_GRANTS, 1, charge, refusal);

    if (r == 0 || !entry->is_awaited || has_grant(&call->peer->holder, entry))
        return r;
    quota_charge_again(scope, CONFIG_GRANTS, 1, charge);
    return 0;
}

/* What a client that shows its handle gets back. */
static int reclaim(struct call *call, struct entry *entry)
{
    struct registry *registry = &call->broker->registry;
    struct message_grant reply = {.segment = entry->id,
                                  .size = entry->size,
                                  .mapped_size = entry->mapped_size,
                                  .access = call->request->reclaim.access,
                                  .of_file = entry->of_file,
                                  .pages = entry->pages};
    struct quota_refusal refusal;
    struct quota_charge charge;
    struct grant *grant;

    if (charge_reclaimed(call, entry, &charge, &refusal) != 0)
        return request_refuse_quota(call, &refusal);
    if (registry_grant(registry, entry, &call->peer->holder, &charge, &grant) <
        0) {
        quota_undo(&charge);
        return request_refuse(call, PROTOCOL_INTERNAL, "out of memory");
    }
    grant->access = reply.access;
    registry_entry_reclaimed(registry, entry);
    call->broker->counters.reclaimed++;
    reply.grant = grant->id;
    return message_grant_write(peer_reply(call->peer), call->request->id,
                               &reply);
}

int request_reclaim(struct call *call)
{
    struct entry *entry = registry_find_id(&call->broker->registry,
                                           call->request->reclaim.segment);
    bool writable = call->request->reclaim.access == PROTOCOL_RW;
    frame_handle handle = call->handles[MESSAGE_SHOWN];
    bool is_proof;

    if (handle == HANDLE_NONE)
        return request_refuse(call, PROTOCOL_TOO_MANY_HANDLES,
                              "no handle to memory came along, or the broker "
                              "has no descriptors left");
    is_proof = entry && entry->stage != ENTRY_CREATING &&
               entry->stage != ENTRY_EMPTYING && !entry->is_revoked &&
               segment_is(entry->memory, handle, writable);
    if (!is_proof)
        return request_refuse(
            call, PROTOCOL_NOT_FOUND,
            "that handle is not %s access to segment %llu",
            message_access_name(call->request->reclaim.access),
            (unsigned long long)call->request->reclaim.segment);
    return reclaim(call, entry);
}

int request_remove(struct call *call)
{
    struct entry *entry;
    int r = request_find_own(call, &call->request->target, &entry);

    if (r != 0)
        return r < 0 ? r : 0;
    if (!entry->is_found)
        return request_refuse(call, PROTOCOL_NOT_FOUND,
                              "segment %llu has no name",
                              (unsigned long long)entry->id);
    registry_entry_remove(&call->broker->registry, entry);
    return message_ok_write(peer_reply(call->peer), call->request->id);
}

int request_publish(struct call *call)
{
    struct entry *entry;
    int r = request_find_own(call, &call->request->target, &entry);

    if (r != 0)
        return r < 0 ? r : 0;
    if (entry->stage != ENTRY_LIVE)
        return request_refuse_gone(call, entry);
    if (registry_entry_publish(&call->broker->registry, entry) < 0)
        return request_refuse(call, PROTOCOL_INTERNAL, "out of memory");
    return message_ok_write(peer_reply(call->peer), call->request->id);
}

/* ---- stat, list ---- */

static struct message_segment describe(const struct call *call,
                                       const struct entry *entry)
{
    struct access_rights rights = request_rights(call, entry);
    enum protocol_frozen frozen = entry_frozen(entry);

    return (struct message_segment){
        .segment = entry->id,
        .name = entry_name(entry),
        .owner = entry->owner->label,
        .size = entry->size,
        .mapped_size = entry->mapped_size,
        .state = entry_state(entry),
        .may_read = rights.read,
        .may_write = rights.write && !frozen,
        .commit = entry->commit,
        .persist = entry->persist,
        .doorbell = entry->bell != NULL,
        .grants = entry->grants,
        .created_at = entry->created_at,
        .of_file = entry->of_file,
        .tickets = tickets_count(&entry->tickets, ticket_clock()),
        .freezable = entry->freezable,
        .frozen = frozen,
        .unpublished = entry->is_unpublished,
        .pages = entry->pages,
        .numa = entry->numa};
}

int request_stat(struct call *call)
{
    struct message_segment description;
    struct entry *entry;
    int r = request_find_target(call, &call->request->target, &entry);

    if (r != 0)
        return r < 0 ? r : 0;
    description = describe(call, entry);
    return message_stat_write(peer_reply(call->peer), call->request->id,
                              &description);
}

static bool is_listed(const struct call *call, const struct entry *entry)
{
    const char *prefix = call->request->list.prefix;
    const char *name = entry_name(entry);

    if (prefix && (!name || strncmp(name, prefix, strlen(prefix)) != 0))
        return false;
    return is_visible(call, entry);
}

/* Of segments that are not listed a page passes over so many. */
enum { SKIPPED_MAX = 1000 };

int request_list(struct call *call)
{
    const struct message_page *page = &call->request->list.page;
    const struct registry *registry = &call->broker->registry;
    struct message_segment description;
    struct message_pager pager;
    struct entry *entry;
    uint64_t last = page->after, next = 0;
    unsigned skipped = 0;
    int r = message_page_begin(&pager, peer_reply(call->peer),
                               call->request->id, PROTOCOL_LIST);

    if (r < 0)
        return r;
    for (entry = registry_after(registry, last); entry;
         entry = entry->by_id.next) {
        if (!is_listed(call, entry)) {
            last = entry->id;
            if (++skipped < SKIPPED_MAX)
                continue;
            next = last;
            break;
        }
        description = describe(call, entry);
        if (pager.rows == page->limit ||
            message_page_add_segment(&pager, &description) < 0) {
            next = last;
            break;
        }
        last = entry->id;
    }
    return message_page_end(&pager, next);
}
