/*
 * A caller: one identity, shared by all its connections, with the accounts
 * that it is charged to.
 *
 * Callers are kept for a while after their last connection, so that the
 * account database is not asked again for each of a series of short ones.
 */
#ifndef SEGBROKER_CALLER_H
#define SEGBROKER_CALLER_H

#include "identity.h"
#include "quota.h"
#include "table.h"
#include "ticket.h"

struct caller {
    struct identity identity;
    char label[sizeof("user:") + IDENTITY_ID_MAX]; /* "user:alice" */
    struct quota_scope *scope;
    struct ticket_guesses guesses;
    char *text;             /* see caller_text */
    bool is_filing;         /* a thread looks at a file of his */
    struct pending *filers; /* requests that wait for that to be over */
    unsigned waits;         /* opens that wait for names */
    unsigned watches;
    struct watcher *watchers; /* of its connections (watch.h) */
    struct caller *next_watching, *prev_watching;
    unsigned refs;
    uint32_t *key; /* user, then groups */
    UT_hash_handle hh;
};

struct callers {
    struct quota *quota;
    struct caller *table;
    unsigned unused; /* callers without a reference */
};

enum { CALLERS_UNUSED_MAX = 256, CALLER_E_NOMEM = -1 };

void callers_init(struct callers *callers, struct quota *quota);
/* Every reference must have been given back. */
void callers_deinit(struct callers *callers);

/* Adopts the identity, also on failure. 0 and a reference, or negative. */
int callers_get(struct callers *callers, struct identity *identity,
                struct caller **caller);
/* Asks the quota anew which accounts apply. 0, or negative when memory is
 * short (then some callers keep the accounts that they had). */
int callers_configure(struct callers *callers);

/* What a user waits for and watches in all, whatever groups he has at hand. */
struct callers_user {
    unsigned waits;
    unsigned watches;
};
struct callers_user callers_of_user(const struct callers *callers,
                                    const struct caller *caller);

/* The identity as identity_write puts it, written once: every record of a
 * segment has its owner's. It stays the caller's; NULL when memory is short. */
const char *caller_text(struct caller *caller);

struct caller *caller_ref(struct caller *caller);
/* NULL is fine. Returns NULL. */
struct caller *callers_unref(struct callers *callers, struct caller *caller);

#endif
