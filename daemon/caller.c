#include "caller.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void callers_init(struct callers *callers, struct quota *quota)
{
    *callers = (struct callers){.quota = quota};
}

static void caller_free(struct caller *caller)
{
    quota_scope_unref(caller->scope);
    identity_deinit(&caller->identity);
    free(caller->text);
    free(caller->key);
    free(caller);
}

void callers_deinit(struct callers *callers)
{
    struct caller *caller, *next;

    HASH_ITER (hh, callers->table, caller, next) {
        HASH_DEL(callers->table, caller);
        caller_free(caller);
    }
}

static uint32_t *make_key(const struct identity *identity)
{
    size_t size = identity->group_count * sizeof(uint32_t);
    uint32_t *key = malloc(sizeof(uint32_t) + size);

    if (!key)
        return NULL;
    key[0] = identity->user;
    memcpy(key + 1, identity->groups, size);
    return key;
}

static size_t key_size(const struct identity *identity)
{
    return (1 + identity->group_count) * sizeof(uint32_t);
}

/* Adopts key and identity. */
static int add_caller(struct callers *callers, uint32_t *key,
                      struct identity *identity, struct caller **caller)
{
    struct caller *c = calloc(1, sizeof(*c));
    char name[IDENTITY_ID_MAX];

    if (!c) {
        free(key);
        identity_deinit(identity);
        return CALLER_E_NOMEM;
    }
    c->identity = *identity;
    c->key = key;
    identity_user_name(identity->user, name, sizeof(name));
    snprintf(c->label, sizeof(c->label), "user:%s", name);
    if (quota_scope_new(callers->quota, &c->identity, name, &c->scope) < 0)
        goto undo_caller;
    HASH_ADD_KEYPTR(hh, callers->table, c->key, key_size(&c->identity), c);
    if (!TABLE_HOLDS(hh, c))
        goto undo_caller;
    callers->unused++;
    *caller = c;
    return 0;

undo_caller:
    caller_free(c);
    return CALLER_E_NOMEM;
}

int callers_get(struct callers *callers, struct identity *identity,
                struct caller **caller)
{
    uint32_t *key = make_key(identity);
    struct caller *found;
    int r;

    if (!key) {
        identity_deinit(identity);
        return CALLER_E_NOMEM;
    }
    HASH_FIND(hh, callers->table, key, key_size(identity), found);
    if (found) {
        free(key);
        identity_deinit(identity);
    } else {
        r = add_caller(callers, key, identity, &found);
        if (r < 0)
            return r;
    }
    if (found->refs == 0)
        callers->unused--;
    *caller = caller_ref(found);
    return 0;
}

int callers_configure(struct callers *callers)
{
    struct caller *caller, *next;
    struct quota_scope *scope;

    HASH_ITER (hh, callers->table, caller, next) {
        if (quota_scope_new(callers->quota, &caller->identity,
                            caller->label + strlen("user:"), &scope) < 0)
            return CALLER_E_NOMEM;
        quota_scope_unref(caller->scope);
        caller->scope = scope;
    }
    return 0;
}

struct callers_user callers_of_user(const struct callers *callers,
                                    const struct caller *caller)
{
    struct callers_user sum = {0};
    const struct caller *other;

    for (other = callers->table; other; other = other->hh.next) {
        if (other->identity.user != caller->identity.user)
            continue;
        sum.waits += other->waits;
        sum.watches += other->watches;
    }
    return sum;
}

const char *caller_text(struct caller *caller)
{
    if (!caller->text)
        caller->text = identity_write(&caller->identity);
    return caller->text;
}

struct caller *caller_ref(struct caller *caller)
{
    caller->refs++;
    return caller;
}

static void drop_oldest_unused(struct callers *callers)
{
    struct caller *caller, *next;

    HASH_ITER (hh, callers->table, caller, next) {
        if (caller->refs > 0)
            continue;
        HASH_DEL(callers->table, caller);
        caller_free(caller);
        callers->unused--;
        return;
    }
}

struct caller *callers_unref(struct callers *callers, struct caller *caller)
{
    if (!caller || --caller->refs > 0)
        return NULL;
    callers->unused++;
    if (callers->unused > CALLERS_UNUSED_MAX)
        drop_oldest_unused(callers);
    return NULL;
}
