/*
 * The registry: every segment with its name, owner and charges, and every
 * grant.
 *
 * An entry lives until its memory is free:
 *
 *   CREATING -> LIVE -> (name or last grant gone) -> DYING -> HELD ->
 *   EMPTYING -> freed
 *
 * DYING lasts until the end of the turn, because a reply that is still being
 * collected may carry the entry's handles. HELD means that no grant is left
 * but some process still has a handle or a view; it is asked again and again.
 * EMPTYING is one that nobody has, while a worker gives much memory back.
 */
#ifndef SEGBROKER_REGISTRY_H
#define SEGBROKER_REGISTRY_H

#include "access.h"
#include "bell.h"
#include "caller.h"
#include "protocol.h"
#include "segment.h"
#include "table.h"
#include "ticket.h"

#include <stdbool.h>
#include <stdint.h>

enum { REGISTRY_E_NOMEM = -1 };

/* A name's key: whose it is, and the name. */
enum { REGISTRY_KEY_MAX = sizeof(uint32_t) + PROTOCOL_NAME_MAX };

enum entry_stage {
    ENTRY_CREATING,
    ENTRY_LIVE,
    ENTRY_DYING,
    ENTRY_HELD,
    ENTRY_EMPTYING
};

struct entry {
    uint64_t id; /* never reused */
    enum entry_stage stage;
    struct segment *memory;
    struct bell *bell; /* NULL: it has none */
    uint64_t size;
    uint64_t mapped_size;
    uint64_t created_at; /* seconds since 1970 UTC */
    char *key;           /* see registry.c; NULL when it never had a name */
    size_t key_size;
    bool is_found; /* by its name */
    bool commit;
    bool persist;
    bool of_file; /* and then not charged for its bytes */
    bool freezable;
    bool is_unpublished; /* only who has a grant may open it */
    enum protocol_pages pages;
    unsigned numa;               /* its node's number and 1; 0: any */
    bool is_revoked;             /* nobody gets it any more */
    enum protocol_frozen frozen; /* see entry_frozen */
    bool is_kept;                /* the keeper knows of it */
    bool is_untold;              /* but not yet what it has become */
    bool is_told;                /* the listener knows of it */
    bool is_awaited;             /* its holders of before may come back */
    struct caller *owner;
    struct access_share share;
    struct tickets tickets;
    uint64_t grants;
    unsigned workers; /* that are at its memory: it is not freed */
    struct quota_charge segments_charge;
    struct quota_charge bytes_charge;
    struct pending *waiters;   /* requests that wait while it is CREATING */
    struct entry *next, *prev; /* among the dying or the held ones */
    UT_hash_handle by_id;
    UT_hash_handle by_name;
};

struct grant {
    uint64_t id;
    struct entry *entry;
    struct holder *holder;
    enum protocol_access access; /* of the handle */
    struct quota_charge charge;
    struct grant *next, *prev; /* of one holder */
    UT_hash_handle hh;
};

/* Who has grants: one connection. */
struct holder {
    struct grant *grants;
    uint64_t count;
};

struct registry;

/* Who gives memory back, and calls registry_entry_emptied then. Without a
 * function it is done at once. */
struct registry_emptier {
    bool (*start)(void *data, struct entry *entry); /* false: it cannot */
    void *data;
};

/* What the keeper is told, before the client is. Without functions nobody is:
 * at the end, when it is the keeper that decides what becomes of all. */
struct registry_keeper {
    int (*keep)(void *data, struct entry *entry); /* negative: not told */
    void (*forget)(void *data, const struct entry *entry);
    void *data;
};

/* Who is told what becomes of entries, in the midst of it: no entry may be
 * changed then. */
struct registry_listener {
    void (*happened)(void *data, const struct entry *entry,
                     enum protocol_event event);
    void *data;
};

struct registry {
    struct callers *callers;
    struct registry_keeper keeper;
    struct registry_emptier emptier;
    struct registry_listener listener; /* without a function: nobody */
    struct entry *by_id;               /* iterates in the order of ids */
    struct entry *by_name;
    struct grant *grants;
    struct entry *dying;
    uint64_t untold; /* of these, the last ones */
    struct entry *held;
    uint64_t held_count;
    uint64_t unasked;  /* of the first held ones: they shall be asked */
    uint64_t emptying; /* entries */
    uint64_t next_segment;
    uint64_t next_grant;
};

void registry_init(struct registry *registry, struct callers *callers);
/* Frees every entry; no grant and no waiter may be left. */
void registry_deinit(struct registry *registry);

/*
 * Adds an entry that is CREATING. It takes a reference to the owner and
 * adopts memory, bell and charges, but only when it answers 0. `name` NULL:
 * unnamed; else no entry may be found by it.
 */
struct registry_new {
    const char *name;
    bool removed; /* the name was taken away; it is only remembered */
    struct segment *memory;
    struct bell *bell; /* NULL: it has none */
    uint64_t size;
    uint64_t mapped_size;
    uint64_t id;         /* 0: the next one */
    uint64_t created_at; /* seconds since 1970 UTC */
    bool commit;
    bool persist;
    bool of_file;
    bool freezable;
    bool unpublished;
    enum protocol_pages pages;
    unsigned numa;
    struct caller *owner;
    struct quota_charge segments_charge;
    struct quota_charge bytes_charge;
};
int registry_add(struct registry *registry, const struct registry_new *new,
                 struct entry **entry);

/* The entry has what it promised: it is kept, and can be opened and listed. 0,
 * or REGISTRY_E_NOMEM when the keeper could not be told of it. */
int registry_entry_ready(struct registry *registry, struct entry *entry);

/* Something that must not be lost has changed: tells the keeper. 0 or
 * REGISTRY_E_NOMEM. */
int registry_entry_changed(struct registry *registry, struct entry *entry);

/* Fewer can change its bytes: as changed. */
int registry_entry_frozen(struct registry *registry, struct entry *entry);

/* From now on others can open it too; once more changes nothing. 0, or
 * REGISTRY_E_NOMEM when the keeper could not be told. */
int registry_entry_publish(struct registry *registry, struct entry *entry);

/* An entry of before, which is kept already, is there again. Its name and
 * memory wait for those who held it, until registry_end_grace. */
void registry_entry_restored(struct entry *entry);

/* All were restored. */
void registry_sort(struct registry *registry);

/* Entries that nobody came back for lose their names, unless they persist. */
void registry_end_grace(struct registry *registry);

/* Lets go of those that nobody has any more, so that nobody can come back for
 * them. Whether others are awaited still. */
bool registry_ask_awaited(struct registry *registry);

/* A holder of before is back, or comes late: its entry may be held only. The
 * entry is live again. */
void registry_entry_reclaimed(struct registry *registry, struct entry *entry);

/* Takes the name away; an entry without grants is DYING then. One that is
 * CREATING must have no waiters left. */
void registry_entry_remove(struct registry *registry, struct entry *entry);

/* Takes name, tickets and grants away, for good: who shows a handle gets
 * nothing. 0, or REGISTRY_E_NOMEM when the keeper could not be told. */
int registry_entry_revoke(struct registry *registry, struct entry *entry);

/* By name as `caller` says it, or by id. NULL when there is none. */
struct entry *registry_find(const struct registry *registry,
                            const struct caller *caller, const char *name);
struct entry *registry_find_id(const struct registry *registry, uint64_t id);

/* The first entry behind an id, in the order of ids; NULL behind the last. */
struct entry *registry_after(const struct registry *registry, uint64_t id);

/* Makes a grant and adopts the charge. 0 or REGISTRY_E_NOMEM. */
int registry_grant(struct registry *registry, struct entry *entry,
                   struct holder *holder, struct quota_charge *charge,
                   struct grant **grant);
/* The holder's grant of that number, or NULL. */
struct grant *registry_find_grant(const struct registry *registry,
                                  const struct holder *holder, uint64_t id);
void registry_release(struct registry *registry, struct grant *grant);
/* Releases all that a holder has. */
void registry_release_all(struct registry *registry, struct holder *holder);

/* Tells the keeper what has become of the dying entries: before anybody else
 * hears of it. */
void registry_tell(struct registry *registry);

/* All held entries shall be asked again. */
void registry_ask_held(struct registry *registry);
/* Frees the dying entries, and the held ones that shall be asked, that nobody
 * has; for a millisecond, at the end of a turn. Whether some are left that it
 * did not come to. */
bool registry_collect(struct registry *registry);

/* The entry's memory was given back, which it was EMPTYING for. Frees it. */
void registry_entry_emptied(struct registry *registry, struct entry *entry);

/* Whether entries that nobody has are not freed yet. */
bool registry_is_collecting(const struct registry *registry);

uint64_t registry_segments(const struct registry *registry);
uint64_t registry_held(const struct registry *registry);
uint64_t registry_grants(const struct registry *registry);

/* Writes the key of a name that is none too long, as the caller says it, and
 * returns its size. */
size_t registry_key(char *key, const struct caller *caller, const char *name);
/* The name in a key that a NUL stands behind. */
const char *registry_key_name(const char *key);

/* The name as its owner says it; NULL when it never had one. */
const char *entry_name(const struct entry *entry);
enum protocol_state entry_state(const struct entry *entry);
/* By the system's word where it has one: who holds an rw handle of a freezable
 * segment can freeze it without asking. */
enum protocol_frozen entry_frozen(const struct entry *entry);
/* What access rules look at. */
struct access_object entry_object(const struct entry *entry);

#endif
