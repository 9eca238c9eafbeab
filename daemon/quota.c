#include "quota.h"

#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum account_kind { ACCOUNT_TOTAL, ACCOUNT_USER, ACCOUNT_GROUP };

struct account_key {
    uint32_t kind; /* enum account_kind, without padding in the key */
    uint32_t id;
};

struct account {
    struct account_key key;
    char *section;
    const char *source; /* the section that sets its limits */
    struct config_limits limits;
    uint64_t used[CONFIG_BUDGETS];
    double tokens; /* requests that may come at once */
    uint64_t refilled_at;
    UT_hash_handle hh;
};

struct quota {
    const struct config *config;
    struct account *accounts;
    struct account *total;
};

struct quota_scope {
    unsigned refs;
    unsigned count;
    struct account *accounts[]; /* the user's first, the host's last */
};

/* ---- accounts ---- */

static const struct config_account *find_section(const struct config *config,
                                                 const struct account_key *key)
{
    enum principal_kind kind =
        key->kind == ACCOUNT_USER ? PRINCIPAL_USER : PRINCIPAL_GROUP;

    for (size_t i = 0; i < config->account_count; i++)
        if (config->accounts[i].principal.kind == kind &&
            config->accounts[i].principal.id == key->id)
            return &config->accounts[i];
    return NULL;
}

static void set_limits(const struct quota *quota, struct account *account)
{
    const struct config_account *section;

    account->source = account->section;
    if (account->key.kind == ACCOUNT_TOTAL) {
        account->limits = quota->config->total;
        return;
    }
    section = find_section(quota->config, &account->key);
    if (section)
        account->limits = section->limits;
    else if (account->key.kind == ACCOUNT_USER) {
        account->limits = quota->config->defaults;
        account->source = "default";
    } else
        for (int i = 0; i < CONFIG_BUDGETS; i++)
            account->limits.limit[i] = CONFIG_UNLIMITED;
}

static char *section_name(enum account_kind kind, const char *name)
{
    const char *prefix = kind == ACCOUNT_USER    ? "user "
                         : kind == ACCOUNT_GROUP ? "group "
                                                 : "total";
    size_t size = strlen(prefix) + strlen(name) + 1;
    char *section = malloc(size);

    if (section)
        snprintf(section, size, "%s%s", prefix, name);
    return section;
}

static struct account *account_free(struct account *account)
{
    if (account)
        free(account->section);
    free(account);
    return NULL;
}

/* Finds or opens an account; NULL when memory is short. */
static struct account *account_get(struct quota *quota, enum account_kind kind,
                                   uint32_t id, const char *name)
{
    struct account_key key = {.kind = kind, .id = id};
    struct account *account;

    HASH_FIND(hh, quota->accounts, &key, sizeof(key), account);
    if (account)
        return account;
    account = calloc(1, sizeof(*account));
    if (!account)
        return NULL;
    account->key = key;
    account->section = section_name(kind, name);
    if (!account->section)
        return account_free(account);
    set_limits(quota, account);
    HASH_ADD(hh, quota->accounts, key, sizeof(key), account);
    if (!TABLE_HOLDS(hh, account))
        return account_free(account);
    return account;
}

int quota_new(const struct config *config, struct quota **quota)
{
    struct quota *q = calloc(1, sizeof(*q));

    if (!q)
        return QUOTA_E_NOMEM;
    q->config = config;
    q->total = account_get(q, ACCOUNT_TOTAL, 0, "");
    if (!q->total) {
        free(q);
        return QUOTA_E_NOMEM;
    }
    *quota = q;
    return 0;
}

struct quota *quota_free(struct quota *quota)
{
    struct account *account, *next;

    if (!quota)
        return NULL;
    HASH_ITER (hh, quota->accounts, account, next) {
        HASH_DEL(quota->accounts, account);
        account_free(account);
    }
    free(quota);
    return NULL;
}

void quota_configure(struct quota *quota, const struct config *config)
{
    struct account *account, *next;

    quota->config = config;
    HASH_ITER (hh, quota->accounts, account, next)
        set_limits(quota, account);
}

uint64_t quota_used(const struct quota *quota, enum config_budget budget)
{
    return quota->total->used[budget];
}

/* ---- scopes ---- */

static bool applies(const struct config_account *section,
                    const struct identity *identity)
{
    return section->principal.kind == PRINCIPAL_GROUP &&
           identity_is(identity, &section->principal);
}

int quota_scope_new(struct quota *quota, const struct identity *identity,
                    const char *user_name, struct quota_scope **scope)
{
    const struct config *config = quota->config;
    struct quota_scope *s;
    unsigned groups = 0;

    for (size_t i = 0; i < config->account_count; i++)
        groups += applies(&config->accounts[i], identity);
    s = malloc(sizeof(*s) + (groups + 2) * sizeof(s->accounts[0]));
    if (!s)
        return QUOTA_E_NOMEM;
    s->refs = 1;
    s->count = 0;
    s->accounts[s->count++] =
        account_get(quota, ACCOUNT_USER, identity->user, user_name);
    for (size_t i = 0; i < config->account_count; i++)
        if (applies(&config->accounts[i], identity))
            s->accounts[s->count++] = account_get(
                quota, ACCOUNT_GROUP, config->accounts[i].principal.id,
                config->accounts[i].name);
    s->accounts[s->count++] = quota->total;
    for (unsigned i = 0; i < s->count; i++)
        if (!s->accounts[i]) {
            free(s);
            return QUOTA_E_NOMEM;
        }
    *scope = s;
    return 0;
}

struct quota_scope *quota_scope_ref(struct quota_scope *scope)
{
    scope->refs++;
    return scope;
}

struct quota_scope *quota_scope_unref(struct quota_scope *scope)
{
    if (scope && --scope->refs == 0)
        free(scope);
    return NULL;
}

/* ---- charges ---- */

static int refuse(const struct account *account, enum config_budget budget,
                  uint64_t used, uint64_t asked, struct quota_refusal *refusal)
{
    *refusal = (struct quota_refusal){.section = account->section,
                                      .source = account->source,
                                      .budget = budget,
                                      .used = used,
                                      .limit = account->limits.limit[budget],
                                      .asked = asked};
    return QUOTA_FULL;
}

static bool has_room(const struct account *account, enum config_budget budget,
                     uint64_t amount)
{
    uint64_t used = account->used[budget];
    uint64_t limit = account->limits.limit[budget];

    /* A reload may have put the limit below what is used. */
    return used <= limit && amount <= limit - used;
}

void quota_charge_again(struct quota_scope *scope, enum config_budget budget,
                        uint64_t amount, struct quota_charge *charge)
{
    for (unsigned i = 0; i < scope->count; i++)
        scope->accounts[i]->used[budget] += amount;
    *charge = (struct quota_charge){
        .scope = quota_scope_ref(scope), .budget = budget, .amount = amount};
}

int quota_charge(struct quota_scope *scope, enum config_budget budget,
                 uint64_t amount, struct quota_charge *charge,
                 struct quota_refusal *refusal)
{
    for (unsigned i = 0; i < scope->count; i++) {
        const struct account *account = scope->accounts[i];

        if (!has_room(account, budget, amount))
            return refuse(account, budget, account->used[budget], amount,
                          refusal);
    }
    quota_charge_again(scope, budget, amount, charge);
    return 0;
}

void quota_undo(struct quota_charge *charge)
{
    struct quota_scope *scope = charge->scope;

    if (!scope)
        return;
    for (unsigned i = 0; i < scope->count; i++)
        scope->accounts[i]->used[charge->budget] -= charge->amount;
    *charge = (struct quota_charge){0};
    quota_scope_unref(scope);
}

int quota_allows_segment(const struct quota_scope *scope, uint64_t bytes,
                         struct quota_refusal *refusal)
{
    for (unsigned i = 0; i < scope->count; i++) {
        const struct account *account = scope->accounts[i];

        if (bytes > account->limits.limit[CONFIG_SEGMENT_BYTES])
            return refuse(account, CONFIG_SEGMENT_BYTES, 0, bytes, refusal);
    }
    return 0;
}

static bool is_rated(const struct account *account)
{
    return account->limits.limit[CONFIG_REQUESTS_PER_SECOND] !=
           CONFIG_UNLIMITED;
}

static void refill(struct account *account, uint64_t now)
{
    double rate = (double)account->limits.limit[CONFIG_REQUESTS_PER_SECOND];
    double elapsed = (double)(now - account->refilled_at) / 1000.0;

    if (account->refilled_at == 0 || elapsed > 1.0)
        elapsed = 1.0;
    account->refilled_at = now;
    account->tokens += elapsed * rate;
    if (account->tokens > rate)
        account->tokens = rate;
}

static uint64_t tokens_used(const struct account *account)
{
    uint64_t limit = account->limits.limit[CONFIG_REQUESTS_PER_SECOND];
    uint64_t left = (uint64_t)account->tokens;

    if (!is_rated(account) || account->refilled_at == 0 || left > limit)
        return 0;
    return limit - left;
}

int quota_take_request(struct quota_scope *scope, uint64_t now,
                       struct quota_refusal *refusal)
{
    for (unsigned i = 0; i < scope->count; i++) {
        struct account *account = scope->accounts[i];

        if (!is_rated(account))
            continue;
        refill(account, now);
        if (account->tokens < 1.0)
            return refuse(account, CONFIG_REQUESTS_PER_SECOND,
                          tokens_used(account), 1, refusal);
    }
    for (unsigned i = 0; i < scope->count; i++)
        if (is_rated(scope->accounts[i]))
            scope->accounts[i]->tokens -= 1.0;
    return 0;
}

/* ---- inventory ---- */

static struct account *account_at(const struct quota *quota,
                                  const struct quota_scope *scope,
                                  uint64_t index)
{
    struct account *account;

    if (scope)
        return index < scope->count ? scope->accounts[index] : NULL;
    for (account = quota->accounts; account && index > 0; index--)
        account = account->hh.next;
    return account;
}

bool quota_row(const struct quota *quota, const struct quota_scope *scope,
               uint64_t now, uint64_t index, struct quota_row *row)
{
    struct account *account = account_at(quota, scope, index / CONFIG_BUDGETS);
    enum config_budget budget = (enum config_budget)(index % CONFIG_BUDGETS);

    if (!account)
        return false;
    if (is_rated(account))
        refill(account, now);
    *row = (struct quota_row){.section = account->section,
                              .budget = budget,
                              .used = budget == CONFIG_REQUESTS_PER_SECOND
                                          ? tokens_used(account)
                                          : account->used[budget],
                              .limit = account->limits.limit[budget]};
    return true;
}
