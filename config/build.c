#include "build.h"

#include "message.h"
#include "protocol.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum section_kind {
    SECTION_NONE, /* before the first one */
    SECTION_BAD,  /* complained of: what is in it is not */
    SECTION_BROKER,
    SECTION_TOTAL,
    SECTION_DEFAULT,
    SECTION_ACCOUNT,
    SECTION_ACCESS
};

/* Where a key was given in this file, so that a second time is seen. */
struct given {
    enum section_kind kind;
    size_t index;
    char key[32];
    unsigned line;
};

struct build {
    const struct config_host *host;
    struct config *config;
    bool (*account_set)[CONFIG_BUDGETS]; /* beside config->accounts */
    enum section_kind kind;
    size_t index; /* of the account or rule */
    struct given *given;
    size_t given_count;
    char *problems;
    size_t problems_size;
    size_t problem_count;
    bool out_of_memory;
    char sentence[240]; /* the last one that was made */
};

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

/* ---- beginning and end ---- */

static const char DEFAULT_GROUP[] = "segbroker";

static void set_defaults(struct config *config, const struct config_host *host)
{
    config->log_level = PROTOCOL_LOG_INFO;
    config->total = (struct config_limits){
        {[CONFIG_SEGMENTS] = 100000,
         [CONFIG_BYTES] = host->memory / 2,
         [CONFIG_SEGMENT_BYTES] = CONFIG_UNLIMITED,
         [CONFIG_GRANTS] = 1000000,
         [CONFIG_CONNECTIONS] = CONFIG_UNLIMITED,
         [CONFIG_REQUESTS_PER_SECOND] = CONFIG_UNLIMITED}};
    config->defaults = (struct config_limits){
        {[CONFIG_SEGMENTS] = 4096,
         [CONFIG_BYTES] = host->memory / 4,
         [CONFIG_SEGMENT_BYTES] = CONFIG_UNLIMITED,
         [CONFIG_GRANTS] = 16384,
         [CONFIG_CONNECTIONS] = 512,
         [CONFIG_REQUESTS_PER_SECOND] = CONFIG_UNLIMITED}};
    config->has_group = host->lookup.group(DEFAULT_GROUP, &config->group) == 0;
}

/* root, who is user 0 wherever there is one. */
static int set_default_administrators(struct config *config)
{
    struct principal *root = calloc(1, sizeof(*root));

    if (!root)
        return -1;
    root->kind = PRINCIPAL_USER;
    config->administrators =
        (struct config_principals){.items = root, .count = 1};
    return 0;
}

struct build *build_new(const struct config_host *host)
{
    struct build *build = calloc(1, sizeof(*build));

    if (!build)
        return NULL;
    build->host = host;
    build->config = calloc(1, sizeof(*build->config));
    if (!build->config || set_default_administrators(build->config) < 0) {
        config_free(build->config);
        free(build);
        return NULL;
    }
    set_defaults(build->config, host);
    return build;
}

static struct config_limits *limits_of(struct build *build)
{
    switch (build->kind) {
    case SECTION_TOTAL:
        return &build->config->total;
    case SECTION_DEFAULT:
        return &build->config->defaults;
    case SECTION_ACCOUNT:
        return &build->config->accounts[build->index].limits;
    default:
        return NULL;
    }
}

/* [default] is known as a whole only now. */
static void fill_accounts(struct build *build)
{
    struct config *config = build->config;

    for (size_t i = 0; i < config->account_count; i++) {
        struct config_account *account = &config->accounts[i];

        for (int b = 0; b < CONFIG_BUDGETS; b++)
            if (!build->account_set[i][b])
                account->limits.limit[b] =
                    account->principal.kind == PRINCIPAL_USER
                        ? config->defaults.limit[b]
                        : CONFIG_UNLIMITED;
    }
}

static int more_specific_first(const void *a, const void *b)
{
    const struct config_rule *x = a, *y = b;

    if (x->exact != y->exact)
        return x->exact ? -1 : 1;
    return x->size > y->size ? -1 : x->size < y->size;
}

int build_finish(struct build *build, struct config **config,
                 struct config_problems *problems)
{
    int r = 0;

    if (build->out_of_memory)
        r = CONFIG_E_NOMEM;
    else if (build->problem_count > 0)
        r = CONFIG_INVALID;
    fill_accounts(build);
    if (build->config->rule_count > 0)
        qsort(build->config->rules, build->config->rule_count,
              sizeof(struct config_rule), more_specific_first);
    *problems = (struct config_problems){build->problems, build->problem_count};
    if (r == 0)
        *config = build->config;
    else
        config_free(build->config);
    free(build->account_set);
    free(build->given);
    free(build);
    return r;
}

static void free_list(struct config_principals *list)
{
    free(list->items);
}

struct config *config_free(struct config *config)
{
    if (!config)
        return NULL;
    free_list(&config->administrators);
    for (size_t i = 0; i < config->account_count; i++)
        free(config->accounts[i].name);
    for (size_t i = 0; i < config->rule_count; i++) {
        free(config->rules[i].pattern);
        free_list(&config->rules[i].create);
        free_list(&config->rules[i].write);
        free_list(&config->rules[i].read);
        free_list(&config->rules[i].list);
    }
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

/* ---- problems ---- */

void build_out_of_memory(struct build *build)
{
    build->out_of_memory = true;
}

static void append(struct build *build, const char *text)
{
    size_t size = strlen(text);
    char *larger = realloc(build->problems, build->problems_size + size + 1);

    if (!larger) {
        build_out_of_memory(build);
        return;
    }
    memcpy(larger + build->problems_size, text, size + 1);
    build->problems = larger;
    build->problems_size += size;
}

void build_complain(struct build *build, const char *const *parts, size_t count)
{
    if (++build->problem_count > CONFIG_PROBLEMS_MAX)
        return;
    for (size_t i = 0; i < count; i++)
        append(build, parts[i]);
    append(build, "\n");
}

/* A sentence with something filled in; valid until the next one. */
static const char *sentence(struct build *build, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static const char *sentence(struct build *build, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(build->sentence, sizeof(build->sentence), format, arguments);
    va_end(arguments);
    return build->sentence;
}

static const char *no_memory(struct build *build)
{
    build_out_of_memory(build);
    return "out of memory";
}

/* Room for one more item at the end of an array. NULL, array untouched, when
 * memory is short. */
static void *grow(void *array, size_t count, size_t size)
{
    return realloc(array, (count + 1) * size);
}

/* ---- sections ---- */

static const char *add_account(struct build *build,
                               const struct principal *principal,
                               const char *name)
{
    struct config *config = build->config;
    struct config_account *accounts =
        grow(config->accounts, config->account_count, sizeof(*accounts));
    bool(*set)[CONFIG_BUDGETS];

    if (!accounts)
        return no_memory(build);
    config->accounts = accounts;
    set = grow(build->account_set, config->account_count, sizeof(*set));
    if (!set)
        return no_memory(build);
    build->account_set = set;
    memset(set[config->account_count], 0, sizeof(*set));
    build->index = config->account_count;
    accounts[build->index] =
        (struct config_account){.principal = *principal, .name = strdup(name)};
    config->account_count++;
    return accounts[build->index].name ? NULL : no_memory(build);
}

static const char *open_account(struct build *build, const char *prefix,
                                const char *name)
{
    const struct config *config = build->config;
    char text[256];
    struct principal principal;
    int r;

    snprintf(text, sizeof(text), "%s:%s", prefix, name);
    r = principal_parse(text, strlen(text), &build->host->lookup, &principal);
    if (r != 0)
        return sentence(build, "there is no %s of that name", prefix);
    for (size_t i = 0; i < config->account_count; i++) {
        if (config->accounts[i].principal.kind != principal.kind ||
            config->accounts[i].principal.id != principal.id)
            continue;
        if (strcmp(config->accounts[i].name, name) != 0)
            return sentence(build, "that account has a section already, %s",
                            config->accounts[i].name);
        build->kind = SECTION_ACCOUNT;
        build->index = i;
        return NULL;
    }
    build->kind = SECTION_ACCOUNT;
    return add_account(build, &principal, name);
}

static const char *pattern_problem(const char *pattern, size_t size)
{
    size_t prefix = strlen(PROTOCOL_GLOBAL_PREFIX);

    if (strncmp(pattern, PROTOCOL_GLOBAL_PREFIX, prefix) != 0)
        return "expected a pattern that begins with global/: all other names "
               "are their users' own";
    if (size == prefix && pattern[size] == '*')
        return NULL;
    if (memchr(pattern, '*', size))
        return "expected * only at the pattern's end";
    return message_name_problem(pattern, size);
}

static const char *open_access(struct build *build, const char *pattern)
{
    struct config *config = build->config;
    size_t size = strlen(pattern);
    bool exact = size == 0 || pattern[size - 1] != '*';
    struct config_rule *rules;
    const char *what;

    size -= exact ? 0 : 1;
    what = pattern_problem(pattern, size);
    if (what)
        return what;
    build->kind = SECTION_ACCESS;
    for (build->index = 0; build->index < config->rule_count; build->index++) {
        const struct config_rule *rule = &config->rules[build->index];

        if (rule->exact == exact && rule->size == size &&
            memcmp(rule->pattern, pattern, size) == 0)
            return NULL;
    }
    rules = grow(config->rules, config->rule_count, sizeof(*rules));
    if (!rules)
        return no_memory(build);
    config->rules = rules;
    rules[build->index] = (struct config_rule){
        .pattern = strndup(pattern, size), .size = size, .exact = exact};
    config->rule_count++;
    return rules[build->index].pattern ? NULL : no_memory(build);
}

/* What stands behind `word` and white space, else NULL. */
static const char *behind(const char *name, const char *word)
{
    size_t size = strlen(word);

    if (strncmp(name, word, size) != 0 || !strchr(" \t", name[size]) ||
        name[size] == '\0')
        return NULL;
    return name + size + strspn(name + size, " \t");
}

static const char *open_section(struct build *build, const char *name)
{
    const char *rest;

    if (strcmp(name, "broker") == 0)
        build->kind = SECTION_BROKER;
    else if (strcmp(name, "total") == 0)
        build->kind = SECTION_TOTAL;
    else if (strcmp(name, "default") == 0)
        build->kind = SECTION_DEFAULT;
    else if ((rest = behind(name, "user")) != NULL)
        return open_account(build, "user", rest);
    else if ((rest = behind(name, "group")) != NULL)
        return open_account(build, "group", rest);
    else if ((rest = behind(name, "access")) != NULL)
        return open_access(build, rest);
    else
        return "expected [broker], [total], [default], [user NAME], "
               "[group NAME] or [access PATTERN]";
    return NULL;
}

void build_no_section(struct build *build)
{
    build->kind = SECTION_BAD;
}

const char *build_section(struct build *build, const char *name)
{
    const char *what;

    build_no_section(build);
    build->index = 0;
    what = open_section(build, name);
    if (what)
        build_no_section(build);
    return what;
}

void build_begin_file(struct build *build)
{
    build->kind = SECTION_NONE;
    build->given_count = 0;
}

/* ---- values ---- */

/* Notes that a key is given here. A sentence when it was given before. */
static const char *note_given(struct build *build,
                              const struct build_value *value)
{
    struct given *given;

    for (size_t i = 0; i < build->given_count; i++) {
        given = &build->given[i];
        if (given->kind != build->kind || given->index != build->index ||
            strcmp(given->key, value->key) != 0)
            continue;
        return sentence(build, "it stands in this section already, line %u",
                        given->line);
    }
    given = grow(build->given, build->given_count, sizeof(*given));
    if (!given)
        return no_memory(build);
    build->given = given;
    given += build->given_count++;
    *given = (struct given){
        .kind = build->kind, .index = build->index, .line = value->line};
    snprintf(given->key, sizeof(given->key), "%s", value->key);
    return NULL;
}

static const char *add_principal(struct build *build,
                                 struct config_principals *list,
                                 const char *text, size_t size)
{
    struct principal found, *items;
    int r = principal_parse(text, size, &build->host->lookup, &found);

    if (r == PRINCIPAL_NOBODY)
        return sentence(build, "there is no account %.*s", (int)size, text);
    if (r != 0)
        return sentence(build,
                        "expected user:NAME, group:NAME or everyone, not %.*s",
                        (int)size, text);
    items = grow(list->items, list->count, sizeof(*items));
    if (!items)
        return no_memory(build);
    items[list->count++] = found;
    list->items = items;
    return NULL;
}

/* Reads `user:a, group:b`; an empty text is nobody. */
static const char *read_list(struct build *build,
                             const struct build_value *value,
                             struct config_principals *list)
{
    const char *at = value->text;
    const char *what;

    if (!value->continues) {
        free(list->items);
        *list = (struct config_principals){.set = true};
    }
    /* inih takes comments off first lines, not off those that go on. */
    while (*(at += strspn(at, ", \t")) && *at != ';') {
        size_t size = strcspn(at, ", \t");

        what = add_principal(build, list, at, size);
        if (what)
            return what;
        at += size;
    }
    return NULL;
}

static const char *read_group(struct build *build, const char *text)
{
    struct config *config = build->config;
    struct principal found;
    char principal[256];

    snprintf(principal, sizeof(principal), "group:%s", text);
    if (principal_parse(principal, strlen(principal), &build->host->lookup,
                        &found) != 0)
        return "expected the name of a group that exists";
    config->has_group = true;
    config->group = found.id;
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

static const char *read_broker(struct build *build,
                               const struct build_value *value)
{
    if (strcmp(value->key, "administrators") == 0)
        return read_list(build, value, &build->config->administrators);
    if (strcmp(value->key, "group") == 0)
        return read_group(build, value->text);
    if (strcmp(value->key, "log_level") == 0)
        return read_level(build, value->text);
    return "expected administrators, group or log_level";
}

static const char *read_limit(struct build *build,
                              const struct build_value *value)
{
    struct config_limits *limits = limits_of(build);
    uint64_t *limit;
    int budget = 0;

    while (budget < CONFIG_BUDGETS && strcmp(BUDGETS[budget], value->key) != 0)
        budget++;
    if (budget == CONFIG_BUDGETS)
        return "expected segments, bytes, segment_bytes, grants, connections "
               "or requests_per_second";
    limit = &limits->limit[budget];
    if (build->kind == SECTION_ACCOUNT)
        build->account_set[build->index][budget] = true;
    if (budget == CONFIG_BYTES || budget == CONFIG_SEGMENT_BYTES)
        return config_size_parse(value->text, build->host->memory, limit) == 0
                   ? NULL
                   : "expected a size: 4096, 64KiB, 2G, 50% or unlimited";
    return config_count_parse(value->text, limit) == 0
               ? NULL
               : "expected a number or unlimited";
}

static const char *read_rule(struct build *build,
                             const struct build_value *value)
{
    struct config_rule *rule = &build->config->rules[build->index];

    if (strcmp(value->key, "create") == 0)
        return read_list(build, value, &rule->create);
    if (strcmp(value->key, "write") == 0)
        return read_list(build, value, &rule->write);
    if (strcmp(value->key, "read") == 0)
        return read_list(build, value, &rule->read);
    if (strcmp(value->key, "list") == 0)
        return read_list(build, value, &rule->list);
    return "expected create, write, read or list";
}

static bool is_list(const struct build *build, const char *key)
{
    return build->kind == SECTION_ACCESS ||
           (build->kind == SECTION_BROKER &&
            strcmp(key, "administrators") == 0);
}

const char *build_value(struct build *build, const struct build_value *value)
{
    const char *what = NULL;

    if (build->kind == SECTION_BAD)
        return NULL;
    if (build->kind == SECTION_NONE)
        return "expected a section first: [broker], [total], ...";
    if (value->continues && !is_list(build, value->key))
        return "expected KEY = VALUE: only lists go on in an indented line";
    if (!value->continues)
        what = note_given(build, value);
    if (what)
        return what;
    if (build->kind == SECTION_BROKER)
        return read_broker(build, value);
    if (build->kind == SECTION_ACCESS)
        return read_rule(build, value);
    return read_limit(build, value);
}
