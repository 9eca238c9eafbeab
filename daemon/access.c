#include "access.h"

static bool is_any(const struct identity *caller,
                   const struct principal *principals, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (identity_is(caller, &principals[i]))
            return true;
    return false;
}

static bool is_listed(const struct identity *caller,
                      const struct config_principals *list)
{
    return is_any(caller, list->items, list->count);
}

bool access_is_administrator(const struct config *config,
                             const struct identity *caller)
{
    return caller->user == identity_self() ||
           is_listed(caller, &config->administrators);
}

bool access_may_create(const struct config *config,
                       const struct identity *caller, const char *name)
{
    const struct config_rule *rule = config_rule_for(config, name);

    if (rule && rule->create.set)
        return is_listed(caller, &rule->create);
    return access_is_administrator(config, caller) ||
           (config->has_group && identity_in_group(caller, config->group));
}

/* A list that the administrator wrote replaces the creator's. */
static bool may_write(const struct identity *caller,
                      const struct config_rule *rule,
                      const struct access_share *share)
{
    if (rule && rule->write.set)
        return is_listed(caller, &rule->write);
    return is_any(caller, share->write, share->write_count);
}

/* Writing includes reading, so either list lets a reader in. */
static bool may_read(const struct identity *caller,
                     const struct config_rule *rule,
                     const struct access_share *share)
{
    if (rule && (rule->read.set || rule->write.set))
        return is_listed(caller, &rule->read) ||
               is_listed(caller, &rule->write);
    return is_any(caller, share->read, share->read_count) ||
           is_any(caller, share->write, share->write_count);
}

struct access_rights access_rights(const struct config *config,
                                   const struct identity *caller,
                                   const struct access_object *object)
{
    const struct config_rule *rule = NULL;
    struct access_rights rights = {true, true, true, true};

    if (caller->user == object->owner)
        return rights;
    if (object->global_name)
        rule = config_rule_for(config, object->global_name);
    rights.read = may_read(caller, rule, object->share);
    rights.write = rights.read && may_write(caller, rule, object->share);
    rights.remove = access_is_administrator(config, caller);
    rights.list = rights.read || rights.remove ||
                  (rule && is_listed(caller, &rule->list));
    return rights;
}
