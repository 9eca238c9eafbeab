/*
 * A loaded configuration: asking it, and freeing it.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

static const char *const BUDGETS[CONFIG_BUDGETS] = {
    [CONFIG_SEGMENTS] = "segments",
    [CONFIG_BYTES] = "bytes",
    [CONFIG_SEGMENT_BYTES] = "segment_bytes",
    [CONFIG_GRANTS] = "grants",
    [CONFIG_CONNECTIONS] = "connections",
    [CONFIG_REQUESTS_PER_SECOND] = "requests_per_second"};

const char *config_budget_name(enum config_budget budget)
{
    return BUDGETS[budget];
}

const struct config_rule *config_rule_for(const struct config *config,
                                          const char *name)
{
    size_t size = strlen(name);

    for (size_t i = 0; i < config->rule_count; i++) {
        const struct config_rule *rule = &config->rules[i];

        if (rule->exact ? size == rule->size : size >= rule->size)
            if (memcmp(rule->pattern, name, rule->size) == 0)
                return rule;
    }
    return NULL;
}

static void free_rule(struct config_rule *rule)
{
    free(rule->pattern);
    free(rule->create.items);
    free(rule->write.items);
    free(rule->read.items);
    free(rule->list.items);
}

struct config *config_free(struct config *config)
{
    if (!config)
        return NULL;
    for (size_t i = 0; i < config->account_count; i++)
        free(config->accounts[i].name);
    for (size_t i = 0; i < config->rule_count; i++)
        free_rule(&config->rules[i]);
    free(config->administrators.items);
    free(config->accounts);
    free(config->rules);
    free(config);
    return NULL;
}

void config_problems_deinit(struct config_problems *problems)
{
    free(problems->text);
    *problems = (struct config_problems){0};
}
