/*
 * Keys and values of a configuration in the making.
 */
#include "build_state.h"

#include "message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const BROKER_NAMES[BROKER_KEYS] = {
    [BROKER_ADMINISTRATORS] = "administrators",
    [BROKER_GROUP] = "group",
    [BROKER_LOG_LEVEL] = "log_level",
    [BROKER_GRACE] = "grace"};
static const char *const RULE_NAMES[RULE_KEYS] = {[RULE_CREATE] = "create",
                                                  [RULE_WRITE] = "write",
                                                  [RULE_READ] = "read",
                                                  [RULE_LIST] = "list"};

/* ---- keys ---- */

static const char *expected_one_of(struct build *build,
                                   const char *const *names, int count)
{
    build_say_nothing(build);
    build_say(build, "expected one of ");
    for (int i = 0; i < count; i++)
        build_say(build, i > 0 ? ", %s" : "%s", names[i]);
    return build->sentence;
}

/* The keys of a section, and where in the files they were given. */
struct keys {
    const char *const *names;
    int count;
    struct place *places;
};

static struct keys keys_of(struct build *build, const char **budgets)
{
    struct place *places;

    if (build->kind == SECTION_BROKER)
        return (struct keys){BROKER_NAMES, BROKER_KEYS, build->broker};
    if (build->kind == SECTION_ACCESS)
        return (struct keys){RULE_NAMES, RULE_KEYS,
                             build->rules[build->index].keys};
    if (build->kind == SECTION_TOTAL)
        places = build->total;
    else if (build->kind == SECTION_DEFAULT)
        places = build->defaults;
    else
        places = build->accounts[build->index].keys;
    for (int i = 0; i < CONFIG_BUDGETS; i++)
        budgets[i] = config_budget_name((enum config_budget)i);
    return (struct keys){budgets, CONFIG_BUDGETS, places};
}

static const char *find_key(struct build *build, const char *key, unsigned line,
                            int *index)
{
    const char *budgets[CONFIG_BUDGETS];
    struct keys keys = keys_of(build, budgets);
    struct place *place;
    int i = 0;

    while (i < keys.count && strcmp(keys.names[i], key) != 0)
        i++;
    if (i == keys.count)
        return expected_one_of(build, keys.names, keys.count);
    place = &keys.places[i];
    if (place->file == build->file) {
        build_say_nothing(build);
        build_say(build,
                  "expected it once in its section: it stands in line %u",
                  place->line);
        return build->sentence;
    }
    *place = (struct place){build->file, line};
    *index = i;
    return NULL;
}

static int add_principal(struct config_principals *list,
                         const struct principal *principal)
{
    struct principal *items =
        build_grow(list->items, list->count, sizeof(*items));

    if (!items)
        return -1;
    items[list->count++] = *principal;
    list->items = items;
    return 0;
}

/* Reads one item of a list; -1 when memory is short. What is wrong is added
 * to the sentence. */
static int read_item(struct build *build, const char *text, size_t size)
{
    const char *between = build->sentence_size > 0 ? "; " : "";
    struct principal found;
    int r = principal_parse(text, size, &build->host->lookup, &found);

    if (r == 0)
        return add_principal(build->list, &found);
    if (r == PRINCIPAL_NOBODY)
        build_say(build, "%sexpected an account that exists, not %.*s", between,
                  (int)size, text);
    else
        build_say(build,
                  "%sexpected user:NAME, group:NAME or everyone, not %.*s",
                  between, (int)size, text);
    return 0;
}

/* Reads `user:a, group:b`; an empty text is nobody. */
static const char *read_list(struct build *build, const char *text)
{
    build_say_nothing(build);
    while (*(text += strspn(text, ", \t"))) {
        size_t size = strcspn(text, ",");
        size_t item = size;

        while (strchr(" \t", text[item - 1]))
            item--;
        if (read_item(build, text, item) < 0)
            return build_no_memory(build);
        text += size;
    }
    return build->sentence_size > 0 ? build->sentence : NULL;
}

static const char *begin_list(struct build *build,
                              struct config_principals *list, const char *text)
{
    free(list->items);
    *list = (struct config_principals){.set = true};
    build->list = list;
    return read_list(build, text);
}

static const char *read_group(struct build *build, const char *text)
{
    char principal[512];
    struct principal found;
    int size = snprintf(principal, sizeof(principal), "group:%s", text);

    if ((size_t)size >= sizeof(principal) ||
        principal_parse(principal, (size_t)size, &build->host->lookup,
                        &found) != 0)
        return "expected a group that exists";
    build->config->has_group = true;
    build->config->group = found.id;
    return NULL;
}

static const char *read_level(struct build *build, const char *text)
{
    enum protocol_log_level level;

    if (message_level_parse(text, &level) < 0)
        return "expected error, warning, info or debug";
    build->config->log_level = (int)level;
    return NULL;
}

static const char *read_broker(struct build *build, enum broker_key key,
                               const char *text)
{
    if (key == BROKER_ADMINISTRATORS)
        return begin_list(build, &build->config->administrators, text);
    if (key == BROKER_GROUP)
        return read_group(build, text);
    if (key == BROKER_LOG_LEVEL)
        return read_level(build, text);
    return config_duration_parse(text, &build->config->grace) == 0
               ? NULL
               : "expected a time up to an hour, such as 500ms, 10s or 2min";
}

static const char *read_rule(struct build *build, enum rule_key key,
                             const char *text)
{
    struct config_rule *rule = &build->config->rules[build->index];
    struct config_principals *const lists[RULE_KEYS] = {
        [RULE_CREATE] = &rule->create,
        [RULE_WRITE] = &rule->write,
        [RULE_READ] = &rule->read,
        [RULE_LIST] = &rule->list};

    return begin_list(build, lists[key], text);
}

static const char *read_limit(struct build *build, enum config_budget budget,
                              const char *text)
{
    struct config *config = build->config;
    uint64_t *limit;

    if (build->kind == SECTION_TOTAL)
        limit = &config->total.limit[budget];
    else if (build->kind == SECTION_DEFAULT)
        limit = &config->defaults.limit[budget];
    else
        limit = &config->accounts[build->index].limits.limit[budget];
    if (budget == CONFIG_BYTES || budget == CONFIG_SEGMENT_BYTES)
        return config_size_parse(text, build->host->memory, limit) == 0
                   ? NULL
                   : "expected a size below 8192T, such as 4096, 64KiB, 2G, "
                     "50% (of the memory), or unlimited";
    return config_count_parse(text, limit) == 0
               ? NULL
               : "expected a whole number below 2^53, or unlimited";
}

static const char *read_value(struct build *build, int key, const char *text)
{
    if (build->kind == SECTION_BROKER)
        return read_broker(build, (enum broker_key)key, text);
    if (build->kind == SECTION_ACCESS)
        return read_rule(build, (enum rule_key)key, text);
    return read_limit(build, (enum config_budget)key, text);
}

const char *build_value(struct build *build, const char *key, const char *text,
                        unsigned line)
{
    const char *what;
    int index;

    build_bad_value(build);
    if (build->kind == SECTION_BAD)
        return NULL;
    if (build->kind == SECTION_NONE)
        return "expected a section first, such as [broker]";
    what = find_key(build, key, line, &index);
    if (what)
        return what;
    build->bad_value = false;
    return read_value(build, index, text);
}

const char *build_more(struct build *build, const char *text)
{
    if (build->bad_value)
        return NULL;
    if (!build->list) {
        build_bad_value(build);
        return "expected \"key = value\" without white space before it: only "
               "a list goes on in an indented line";
    }
    return read_list(build, text);
}

void build_bad_value(struct build *build)
{
    build->bad_value = true;
    build->list = NULL;
}
