/*
 * Any bytes as a configuration: loaded whole, or refused with problems that
 * can be shown; and its rules asked for any name.
 */
#include "config.h"
#include "utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Names of an even number of bytes exist; some of them are the same account. */
static int find(const char *name, uint32_t *id)
{
    size_t size = strlen(name);

    *id = (uint32_t)size;
    return size % 2 == 0 ? 0 : 1;
}

static const struct config_host host = {
    .lookup = {find, find, principal_decimal},
    .memory = (UINT64_C(1) << 34) + 1};

static void require(int holds)
{
    if (!holds)
        __builtin_trap();
}

static void check_problems(const struct config_problems *problems)
{
    const char *line = problems->text;
    size_t lines = 0;

    for (; *line; lines++) {
        size_t size = strcspn(line, "\n");

        require(line[size] == '\n');
        require(utf8_valid(line, size) && !utf8_has_control(line, size));
        line += size + 1;
    }
    require(lines == (problems->count > CONFIG_PROBLEMS_MAX
                          ? CONFIG_PROBLEMS_MAX + 1
                          : problems->count));
}

static void check_list(const struct config_principals *list)
{
    require(list->count == 0 || list->items != NULL);
    for (size_t i = 0; i < list->count; i++)
        require(list->items[i].kind <= PRINCIPAL_EVERYONE);
}

static void check_accounts(const struct config *config)
{
    for (size_t i = 0; i < config->account_count; i++)
        for (size_t k = 0; k < i; k++) {
            const struct principal *a = &config->accounts[i].principal;
            const struct principal *b = &config->accounts[k].principal;

            require(a->kind != b->kind || a->id != b->id);
        }
}

static void check_rules(const struct config *config)
{
    for (size_t i = 0; i < config->rule_count; i++) {
        const struct config_rule *rule = &config->rules[i];

        require(strlen(rule->pattern) == rule->size && rule->size <= 200);
        require(strncmp(rule->pattern, "global/", 7) == 0);
        require(!strchr(rule->pattern, '*'));
        /* No rule before it may take its own name from an exact one. */
        if (rule->exact)
            require(config_rule_for(config, rule->pattern) == rule);
        else
            require(config_rule_for(config, rule->pattern) <= rule);
        check_list(&rule->create);
        check_list(&rule->write);
        check_list(&rule->read);
        check_list(&rule->list);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct config *config = NULL;
    struct config_problems problems;
    char name[201] = "global/";
    int r = config_load_text((const char *)bytes, size, "f", &host, &config,
                             &problems);

    if (r == 0) {
        require(config && !problems.text && problems.count == 0);
        check_list(&config->administrators);
        check_accounts(config);
        check_rules(config);
        memcpy(name + 7, bytes, size < 193 ? size : 193);
        config_rule_for(config, name);
        config_rule_for(config, name + 7);
    } else {
        require(r == CONFIG_INVALID && !config && problems.count > 0);
        check_problems(&problems);
    }
    config_free(config);
    config_problems_deinit(&problems);
    return 0;
}
