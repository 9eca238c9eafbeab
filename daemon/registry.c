/*
 * A name's key is its namespace in four bytes and then the name itself: the
 * owner's user number, or 2^32-1 (no user's) for `global/` names.
 */
#include "registry.h"

#include "share.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* Of what a turn leaves, at a time. */
enum { COLLECT_NS = 1000000 };

/* So much memory takes a turn or two to give back, more a worker. */
enum { EMPTIED_AT_ONCE = 8 * 1024 * 1024 };

enum { NAMESPACE_SIZE = sizeof(uint32_t) };

static const uint32_t HOST_WIDE = UINT32_MAX;

static bool is_global(const char *name)
{
    return strncmp(name, PROTOCOL_GLOBAL_PREFIX,
                   strlen(PROTOCOL_GLOBAL_PREFIX)) == 0;
}

/* Writes a key and returns its size; `key` has room for the longest. */
static size_t write_key(char *key, uint32_t user, const char *name)
{
    uint32_t space = is_global(name) ? HOST_WIDE : user;
    size_t size = strlen(name);

    memcpy(key, &space, NAMESPACE_SIZE);
    memcpy(key + NAMESPACE_SIZE, name, size); /* NOLINT: no string */
    return NAMESPACE_SIZE + size;
}

size_t registry_key(char *key, const struct caller *caller, const char *name)
{
    return write_key(key, caller->identity.user, name);
}

const char *registry_key_name(const char *key)
{
    return key + NAMESPACE_SIZE;
}

const char *entry_name(const struct entry *entry)
{
    return entry->key ? registry_key_name(entry->key) : NULL;
}

enum protocol_state entry_state(const struct entry *entry)
{
    if (entry->grants == 0 && !entry->is_found)
        return PROTOCOL_HELD;
    if (!entry->key)
        return PROTOCOL_UNNAMED;
    return entry->is_found ? PROTOCOL_NAMED : PROTOCOL_REMOVED;
}

enum protocol_frozen entry_frozen(const struct entry *entry)
{
    enum protocol_frozen system = PROTOCOL_FROZEN_NO;

    if (entry->freezable)
        system = segment_frozen(entry->memory);
    return system > entry->frozen ? system : entry->frozen;
}

struct access_object entry_object(const struct entry *entry)
{
    const char *name = entry_name(entry);

    return (struct access_object){.global_name =
                                      name && is_global(name) ? name : NULL,
                                  .owner = entry->owner->identity.user,
                                  .share = &entry->share};
}

void registry_init(struct registry *registry, struct callers *callers)
{
    *registry = (struct registry){
        .callers = callers, .next_segment = 1, .next_grant = 1};
}

/* ---- entries ---- */

/* Of what was never there for others nobody is told. */
static void announce(const struct registry *registry, const struct entry *entry,
                     enum protocol_event event)
{
    if (entry->is_told && registry->listener.happened)
        registry->listener.happened(registry->listener.data, entry, event);
}

static void entry_free(struct registry *registry, struct entry *entry)
{
    announce(registry, entry, PROTOCOL_GONE);
    HASH_DELETE(by_id, registry->by_id, entry); /* NOLINT: uthash */
    if (entry->is_kept && registry->keeper.forget)
        registry->keeper.forget(registry->keeper.data, entry);
    segment_free(entry->memory);
    bell_free(entry->bell);
    quota_undo(&entry->segments_charge);
    quota_undo(&entry->bytes_charge);
    callers_unref(registry->callers, entry->owner);
    share_deinit(&entry->share);
    tickets_clear(&entry->tickets);
    free(entry->key);
    free(entry);
}

void registry_deinit(struct registry *registry)
{
    struct entry *entry, *next;

    HASH_CLEAR(by_name, registry->by_name);
    HASH_ITER (by_id, registry->by_id, entry, next)
        entry_free(registry, entry);
}

static int add_name(struct registry *registry, struct entry *entry,
                    const char *name, bool removed)
{
    /* The NUL lies behind the key, so that the name can be printed. */
    entry->key = malloc(NAMESPACE_SIZE + strlen(name) + 1);
    if (!entry->key)
        return REGISTRY_E_NOMEM;
    entry->key_size = write_key(entry->key, entry->owner->identity.user, name);
    entry->key[entry->key_size] = '\0';
    if (removed)
        return 0;
    HASH_ADD_KEYPTR(by_name, registry->by_name, entry->key, entry->key_size,
                    entry);
    if (!TABLE_HOLDS(by_name, entry)) {
        free(entry->key);
        return REGISTRY_E_NOMEM;
    }
    entry->is_found = true;
    return 0;
}

int registry_add(struct registry *registry, const struct registry_new *new,
                 struct entry **entry)
{
    struct entry *e = calloc(1, sizeof(*e));

    if (!e)
        return REGISTRY_E_NOMEM;
    *e = (struct entry){.id = new->id ? new->id : registry->next_segment,
                        .memory = new->memory,
                        .bell = new->bell,
                        .size = new->size,
                        .mapped_size = new->mapped_size,
                        .created_at = new->created_at,
                        .commit = new->commit,
                        .persist = new->persist,
                        .of_file = new->of_file,
                        .freezable = new->freezable,
                        .is_unpublished = new->unpublished,
                        .pages = new->pages,
                        .numa = new->numa,
                        .owner = new->owner,
                        .segments_charge = new->segments_charge,
                        .bytes_charge = new->bytes_charge};
    if (new->name && add_name(registry, e, new->name, new->removed) < 0)
        goto undo_entry;
    HASH_ADD(by_id, registry->by_id, id, sizeof(e->id), e);
    if (!TABLE_HOLDS(by_id, e))
        goto undo_name;
    if (e->id >= registry->next_segment)
        registry->next_segment = e->id + 1;
    caller_ref(e->owner);
    *entry = e;
    return 0;

undo_name:
    if (e->is_found)
        HASH_DELETE(by_name, registry->by_name, e);
    free(e->key);
undo_entry:
    free(e);
    return REGISTRY_E_NOMEM;
}

static int keep(struct registry *registry, struct entry *entry)
{
    if (registry->keeper.keep &&
        registry->keeper.keep(registry->keeper.data, entry) < 0)
        return REGISTRY_E_NOMEM;
    return 0;
}

/* Tells the keeper what has become of it, where that waits to be told. */
static void tell_keeper(struct registry *registry, struct entry *entry)
{
    if (!entry->is_untold)
        return;
    entry->is_untold = false;
    if (entry->stage == ENTRY_DYING)
        registry->untold--;
    keep(registry, entry);
}

void registry_tell(struct registry *registry)
{
    struct entry *entry = registry->dying;

    while (registry->untold > 0) {
        entry = entry->prev; /* the first one's is the last */
        tell_keeper(registry, entry);
    }
}

int registry_entry_ready(struct registry *registry, struct entry *entry)
{
    int r;

    entry->stage = ENTRY_LIVE;
    /* One of the dying may have had its name. */
    registry_tell(registry);
    r = keep(registry, entry);
    if (r < 0)
        return r;
    entry->is_told = true;
    announce(registry, entry, PROTOCOL_CREATED);
    return 0;
}

int registry_entry_changed(struct registry *registry, struct entry *entry)
{
    return keep(registry, entry);
}

int registry_entry_frozen(struct registry *registry, struct entry *entry)
{
    int r = keep(registry, entry);

    announce(registry, entry, PROTOCOL_FROZEN);
    return r;
}

int registry_entry_publish(struct registry *registry, struct entry *entry)
{
    int r;

    if (!entry->is_unpublished)
        return 0;
    entry->is_unpublished = false;
    r = keep(registry, entry);
    if (r < 0)
        entry->is_unpublished = true;
    else
        announce(registry, entry, PROTOCOL_PUBLISHED);
    return r;
}

void registry_entry_restored(struct entry *entry)
{
    entry->stage = ENTRY_LIVE;
    entry->is_kept = true;
    entry->is_told = true;
    entry->is_awaited = true;
}

/* Nobody holds a grant and no name leads here: let it go at the turn's end.
 * Until then the keeper need not hear of it, unless somebody else does: that
 * it is gone is mostly all that there is to tell. */
static void begin_dying(struct registry *registry, struct entry *entry)
{
    if (entry->stage == ENTRY_DYING)
        return;
    entry->stage = ENTRY_DYING;
    /* Who is let in by a ticket must find somebody: not even after the
     * broker's death may it lead to what has gone. */
    if (entry->is_kept && entry->tickets.count > 0)
        entry->is_untold = true;
    tickets_clear(&entry->tickets);
    registry->untold += entry->is_untold;
    DL_APPEND(registry->dying, entry);
}

static void leave_dying(struct registry *registry, struct entry *entry)
{
    registry->untold -= entry->is_untold;
    DL_DELETE(registry->dying, entry);
}

void registry_entry_remove(struct registry *registry, struct entry *entry)
{
    if (entry->is_found) {
        HASH_DELETE(by_name, registry->by_name, entry);
        entry->is_found = false;
        /* Else the name would be back after the broker's death. */
        entry->is_untold = entry->is_kept;
        announce(registry, entry, PROTOCOL_NAME_REMOVED);
    }
    if (entry->grants == 0)
        begin_dying(registry, entry);
    else
        tell_keeper(registry, entry);
}

/* Whether somebody may still come back: who has nothing of it cannot. */
static bool is_awaited(struct entry *entry)
{
    if (!entry->is_awaited)
        return false;
    return segment_use(entry->memory, entry->is_kept) != SEGMENT_FREE;
}

/* Whether its name needs no grant. Nobody could get one to what its creator has
 * left behind unpublished. */
static bool persists(const struct entry *entry)
{
    return entry->persist && entry->is_found && !entry->is_unpublished;
}

/* What becomes of an entry that nobody has a grant to. */
static void let_go(struct registry *registry, struct entry *entry)
{
    if (!persists(entry) && !is_awaited(entry))
        registry_entry_remove(registry, entry);
}

struct entry *registry_find(const struct registry *registry,
                            const struct caller *caller, const char *name)
{
    char key[REGISTRY_KEY_MAX];
    struct entry *entry;
    size_t size;

    if (strlen(name) > PROTOCOL_NAME_MAX)
        return NULL;
    size = registry_key(key, caller, name);
    HASH_FIND(by_name, registry->by_name, key, size, entry);
    return entry;
}

struct entry *registry_find_id(const struct registry *registry, uint64_t id)
{
    struct entry *entry;

    HASH_FIND(by_id, registry->by_id, &id, sizeof(id), entry);
    return entry;
}

struct entry *registry_after(const struct registry *registry, uint64_t id)
{
    struct entry *entry = registry_find_id(registry, id);

    if (entry)
        return entry->by_id.next;
    /* That one has gone meanwhile: look for its successor. */
    entry = registry->by_id;
    while (entry && entry->id <= id)
        entry = entry->by_id.next;
    return entry;
}

/* ---- grants ---- */

int registry_grant(struct registry *registry, struct entry *entry,
                   struct holder *holder, struct quota_charge *charge,
                   struct grant **grant)
{
    struct grant *g = malloc(sizeof(*g));

    if (!g)
        return REGISTRY_E_NOMEM;
    *g = (struct grant){.id = registry->next_grant,
                        .entry = entry,
                        .holder = holder,
                        .charge = *charge};
    HASH_ADD(hh, registry->grants, id, sizeof(g->id), g);
    if (!TABLE_HOLDS(hh, g)) {
        free(g);
        return REGISTRY_E_NOMEM;
    }
    registry->next_grant++;
    *charge = (struct quota_charge){0};
    DL_APPEND(holder->grants, g);
    holder->count++;
    entry->grants++;
    *grant = g;
    return 0;
}

struct grant *registry_find_grant(const struct registry *registry,
                                  const struct holder *holder, uint64_t id)
{
    struct grant *grant;

    HASH_FIND(hh, registry->grants, &id, sizeof(id), grant);
    return grant && grant->holder == holder ? grant : NULL;
}

static void forget_handles(struct entry *entry)
{
    segment_forget_handles(entry->memory);
    if (entry->bell)
        bell_forget_handles(entry->bell);
}

void registry_release(struct registry *registry, struct grant *grant)
{
    struct entry *entry = grant->entry;

    HASH_DEL(registry->grants, grant); /* NOLINT: uthash */
    DL_DELETE(grant->holder->grants, grant);
    grant->holder->count--;
    quota_undo(&grant->charge);
    free(grant);
    if (--entry->grants > 0)
        return;
    /* One that persists shall cost no more descriptors than it must. */
    forget_handles(entry);
    let_go(registry, entry);
}

void registry_release_all(struct registry *registry, struct holder *holder)
{
    while (holder->grants)
        registry_release(registry, holder->grants);
}

int registry_entry_revoke(struct registry *registry, struct entry *entry)
{
    struct grant *grant, *next;
    int r;

    entry->is_revoked = true;
    entry->is_awaited = false;
    tickets_clear(&entry->tickets);
    r = keep(registry, entry);
    if (entry->stage == ENTRY_LIVE)
        registry_entry_remove(registry, entry);
    HASH_ITER (hh, registry->grants, grant, next)
        if (grant->entry == entry)
            registry_release(registry, grant);
    return r;
}

/* ---- the end of entries ---- */

/* Also of a page alone: it is charged to its owner like the memory. */
static bool is_bell_free(struct entry *entry)
{
    enum segment_use use;

    if (!entry->bell)
        return true;
    use = bell_use(entry->bell, entry->is_kept);
    if (use == SEGMENT_FREE)
        bell_empty(entry->bell);
    return use != SEGMENT_IN_USE;
}

static enum segment_use use_of(struct entry *entry)
{
    enum segment_use use;

    if (entry->workers > 0)
        return SEGMENT_IN_USE;
    forget_handles(entry);
    use = segment_use(entry->memory, entry->is_kept);
    return use == SEGMENT_IN_USE || is_bell_free(entry) ? use : SEGMENT_IN_USE;
}

/* Whether a worker takes it over. */
static bool is_emptied_later(struct registry *registry, struct entry *entry)
{
    if (entry->of_file || entry->mapped_size <= EMPTIED_AT_ONCE ||
        segment_filled(entry->memory) <= EMPTIED_AT_ONCE ||
        !registry->emptier.start ||
        !registry->emptier.start(registry->emptier.data, entry))
        return false;
    entry->stage = ENTRY_EMPTYING;
    tell_keeper(registry, entry);
    registry->emptying++;
    return true;
}

void registry_entry_emptied(struct registry *registry, struct entry *entry)
{
    registry->emptying--;
    entry_free(registry, entry);
}

static void add_held(struct registry *registry, struct entry *entry)
{
    entry->stage = ENTRY_HELD;
    tell_keeper(registry, entry);
    DL_APPEND(registry->held, entry);
    registry->held_count++;
}

static void remove_held(struct registry *registry, struct entry *entry)
{
    DL_DELETE(registry->held, entry);
    registry->held_count--;
}

/* NULL when none must be looked at. */
static struct entry *next_to_ask(struct registry *registry)
{
    struct entry *entry = registry->dying;

    if (entry) {
        leave_dying(registry, entry);
        return entry;
    }
    /* Some may have been reclaimed since they were counted. */
    if (!registry->held)
        registry->unasked = 0;
    if (registry->unasked == 0)
        return NULL;
    registry->unasked--;
    entry = registry->held;
    remove_held(registry, entry);
    return entry;
}

void registry_ask_held(struct registry *registry)
{
    registry->unasked = registry->held_count;
}

/* Lets go of it, unless somebody has it. */
static void collect(struct registry *registry, struct entry *entry)
{
    enum segment_use use = use_of(entry);

    if (use == SEGMENT_IN_USE) {
        add_held(registry, entry);
        return;
    }
    if (use == SEGMENT_FREE && is_emptied_later(registry, entry))
        return;
    if (use == SEGMENT_FREE)
        segment_empty(entry->memory);
    entry_free(registry, entry);
}

bool registry_is_collecting(const struct registry *registry)
{
    return registry->dying || registry->emptying > 0;
}

bool registry_collect(struct registry *registry)
{
    uint64_t began = uv_hrtime();
    struct entry *entry;

    while ((entry = next_to_ask(registry)) != NULL) {
        collect(registry, entry);
        if (uv_hrtime() - began > COLLECT_NS)
            break;
    }
    return registry->dying || registry->unasked > 0;
}

void registry_entry_reclaimed(struct registry *registry, struct entry *entry)
{
    if (entry->stage == ENTRY_HELD)
        remove_held(registry, entry);
    else if (entry->stage == ENTRY_DYING)
        leave_dying(registry, entry);
    entry->stage = ENTRY_LIVE;
    tell_keeper(registry, entry);
}

static int compare_ids(const struct entry *a, const struct entry *b)
{
    return a->id < b->id ? -1 : a->id > b->id;
}

void registry_sort(struct registry *registry)
{
    HASH_SRT(by_id, registry->by_id, compare_ids);
}

void registry_end_grace(struct registry *registry)
{
    struct entry *entry;

    for (entry = registry->by_id; entry; entry = entry->by_id.next) {
        if (!entry->is_awaited)
            continue;
        entry->is_awaited = false;
        if (entry->stage == ENTRY_LIVE && entry->grants == 0)
            let_go(registry, entry);
    }
}

bool registry_ask_awaited(struct registry *registry)
{
    struct entry *entry;
    bool any = false;

    for (entry = registry->by_id; entry; entry = entry->by_id.next) {
        if (!entry->is_awaited || entry->stage != ENTRY_LIVE ||
            entry->grants > 0 || persists(entry))
            continue;
        any = true;
        if (is_awaited(entry))
            continue;
        entry->is_awaited = false;
        let_go(registry, entry);
    }
    return any;
}

uint64_t registry_segments(const struct registry *registry)
{
    return HASH_CNT(by_id, registry->by_id);
}

uint64_t registry_held(const struct registry *registry)
{
    return registry->held_count;
}

uint64_t registry_grants(const struct registry *registry)
{
    return HASH_COUNT(registry->grants);
}
