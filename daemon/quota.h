/*
 * Quotas: how much of what each account may take, and what it has taken.
 *
 * An account is the host as a whole ([total]), one user, or all members of a
 * group together. A scope is the set of accounts that one caller is charged
 * to. A charge is taken before the resource and remembers its scope, so that
 * it is undone where it was made, whatever was reloaded in between.
 */
#ifndef SEGBROKER_QUOTA_H
#define SEGBROKER_QUOTA_H

#include "config.h"
#include "identity.h"

#include <stdint.h>

enum {
    QUOTA_FULL = 1, /* some budget has no room; see the refusal */
    QUOTA_E_NOMEM = -1
};

struct quota;
struct quota_scope;

/* Empty while scope is NULL. */
struct quota_charge {
    struct quota_scope *scope;
    enum config_budget budget;
    uint64_t amount;
};

struct quota_refusal {
    const char *section; /* "user alice"; lives as long as the quota */
    const char *source;  /* the section that sets the limit: "default" */
    enum config_budget budget;
    uint64_t used;
    uint64_t limit;
    uint64_t asked;
};

/* One row of an inventory. */
struct quota_row {
    const char *section;
    enum config_budget budget;
    uint64_t used;
    uint64_t limit; /* CONFIG_UNLIMITED */
};

/* The quota keeps looking at the config until quota_configure or free. */
int quota_new(const struct config *config, struct quota **quota);
struct quota *quota_free(struct quota *quota);

/* Takes new limits into force. What is charged stays charged. */
void quota_configure(struct quota *quota, const struct config *config);

/* How much is charged to the host for a budget. */
uint64_t quota_used(const struct quota *quota, enum config_budget budget);

/* The accounts that apply to a caller now. `user_name` is for messages. */
int quota_scope_new(struct quota *quota, const struct identity *identity,
                    const char *user_name, struct quota_scope **scope);
struct quota_scope *quota_scope_ref(struct quota_scope *scope);
struct quota_scope *quota_scope_unref(struct quota_scope *scope);

/*
 * Takes `amount` of a counted budget from every account of the scope, or from
 * none: 0 and a charge, or QUOTA_FULL and the refusal.
 */
int quota_charge(struct quota_scope *scope, enum config_budget budget,
                 uint64_t amount, struct quota_charge *charge,
                 struct quota_refusal *refusal);

/* Takes it whatever the limits say: of what was there before the broker. */
void quota_charge_again(struct quota_scope *scope, enum config_budget budget,
                        uint64_t amount, struct quota_charge *charge);

/* Gives it back and empties it; an empty one is fine. */
void quota_undo(struct quota_charge *charge);

/* Whether one segment may have that many bytes. 0 or QUOTA_FULL. */
int quota_allows_segment(const struct quota_scope *scope, uint64_t bytes,
                         struct quota_refusal *refusal);

/*
 * Counts a request at `now` (milliseconds, any origin) against the rates: a
 * bucket of one second's worth, refilled evenly. 0 or QUOTA_FULL.
 */
int quota_take_request(struct quota_scope *scope, uint64_t now,
                       struct quota_refusal *refusal);

/*
 * Row number `index` of the inventory: of the accounts of one scope, or of
 * all accounts where scope is NULL. `now` is loop time in milliseconds. False
 * behind the last.
 */
bool quota_row(const struct quota *quota, const struct quota_scope *scope,
               uint64_t now, uint64_t index, struct quota_row *row);

#endif
