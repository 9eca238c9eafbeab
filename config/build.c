#include "build_state.h"

#include "message.h"
#include "protocol.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char DEFAULT_GROUP[] = "segbroker";

/* ---- beginning and end ---- */

static void set_defaults(struct config *config, const struct config_host *host)
{
    config->log_level = PROTOCOL_LOG_INFO;
    config->grace = 10 * 1000;
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

static int set_default_administrators(struct config *config,
                                      const struct config_host *host)
{
    struct principal *items = malloc(sizeof(host->administrators));

    if (!items)
        return -1;
    memcpy(items, host->administrators, sizeof(host->administrators));
    config->administrators = (struct config_principals){
        .items = items, .count = host->administrator_count};
    return 0;
}

struct build *build_new(const struct config_host *host)
{
    struct build *build = calloc(1, sizeof(*build));

    if (!build)
        return NULL;
    build->host = host;
    build->config = calloc(1, sizeof(*build->config));
    if (!build->config || set_default_administrators(build->config, host) < 0) {
        build_free(build);
        return NULL;
    }
    set_defaults(build->config, host);
    return build;
}

void build_free(struct build *build)
{
    if (!build)
        return;
    config_free(build->config);
    free(build->accounts);
    free(build->rules);
    free(build);
}

/* [default] is known as a whole only at the end. */
static void fill_account(struct config_account *account,
                         const struct account_places *places,
                         const struct config_limits *defaults)
{
    for (int i = 0; i < CONFIG_BUDGETS; i++)
        if (places->keys[i].file == 0)
            account->limits.limit[i] = account->principal.kind == PRINCIPAL_USER
                                           ? defaults->limit[i]
                                           : CONFIG_UNLIMITED;
}

static int more_specific_first(const void *a, const void *b)
{
    const struct config_rule *x = a, *y = b;

    if (x->exact != y->exact)
        return x->exact ? -1 : 1;
    return x->size > y->size ? -1 : x->size < y->size;
}

struct config *build_finish(struct build *build)
{
    struct config *config = build->config;

    for (size_t i = 0; i < config->account_count; i++)
        fill_account(&config->accounts[i], &build->accounts[i],
                     &config->defaults);
    if (config->rule_count > 0)
        qsort(config->rules, config->rule_count, sizeof(*config->rules),
              more_specific_first);
    build->config = NULL;
    build_free(build);
    return config;
}

bool build_failed(const struct build *build)
{
    return build->out_of_memory;
}

void build_begin_file(struct build *build)
{
    build->file++;
    build->kind = SECTION_NONE;
}

/* ---- what both halves use ---- */

void build_say_nothing(struct build *build)
{
    build->sentence_size = 0;
    build->sentence[0] = '\0';
}

void build_say(struct build *build, const char *format, ...)
{
    size_t room = sizeof(build->sentence) - build->sentence_size;
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(build->sentence + build->sentence_size, room, format,
                     arguments);
    va_end(arguments);
    if (size > 0)
        build->sentence_size += (size_t)size < room ? (size_t)size : room - 1;
}

const char *build_no_memory(struct build *build)
{
    build->out_of_memory = true;
    return "out of memory";
}

void *build_grow(void *array, size_t count, size_t size)
{
    return realloc(array, (count + 1) * size);
}

/* ---- sections ---- */

/* Room for one more account, both here and in the config. */
static int grow_accounts(struct build *build)
{
    struct config *config = build->config;
    size_t count = config->account_count;
    struct config_account *accounts =
        build_grow(config->accounts, count, sizeof(*accounts));
    struct account_places *places;

    if (!accounts)
        return -1;
    config->accounts = accounts;
    places = build_grow(build->accounts, count, sizeof(*places));
    if (!places)
        return -1;
    build->accounts = places;
    return 0;
}

static const char *add_account(struct build *build,
                               const struct principal *principal,
                               const char *name, unsigned line)
{
    struct config *config = build->config;
    size_t at = config->account_count;
    char *copy = strdup(name);

    if (!copy || grow_accounts(build) < 0) {
        free(copy);
        return build_no_memory(build);
    }
    config->accounts[at] =
        (struct config_account){.principal = *principal, .name = copy};
    build->accounts[at] =
        (struct account_places){.section = {build->file, line}};
    config->account_count++;
    return NULL;
}

/* An account that has a section already. In a further file its name may be
 * written in another way, which then counts; in one file that is a mistake. */
static const char *reopen_account(struct build *build, const char *kind,
                                  const char *name, unsigned line)
{
    struct config_account *account = &build->config->accounts[build->index];
    struct place *place = &build->accounts[build->index].section;
    char *copy;

    if (strcmp(account->name, name) != 0) {
        if (place->file == build->file) {
            build_say_nothing(build);
            build_say(build,
                      "expected one section for this %s: it is [%s %s] of "
                      "line %u",
                      kind, kind, account->name, place->line);
            return build->sentence;
        }
        copy = strdup(name);
        if (!copy)
            return build_no_memory(build);
        free(account->name);
        account->name = copy;
    }
    if (place->file != build->file)
        *place = (struct place){build->file, line};
    return NULL;
}

static const char *open_account(struct build *build, enum principal_kind kind,
                                const char *name, unsigned line)
{
    static const char *const words[] = {
        [PRINCIPAL_USER] = "user", [PRINCIPAL_GROUP] = "group"};
    const struct config *config = build->config;
    struct principal found;
    char text[512];
    int size = snprintf(text, sizeof(text), "%s:%s", words[kind], name);

    if ((size_t)size >= sizeof(text) ||
        principal_parse(text, (size_t)size, &build->host->lookup, &found) != 0)
        return kind == PRINCIPAL_USER ? "expected a user that exists"
                                      : "expected a group that exists";
    build->kind = SECTION_ACCOUNT;
    for (build->index = 0; build->index < config->account_count; build->index++)
        if (config->accounts[build->index].principal.kind == kind &&
            config->accounts[build->index].principal.id == found.id)
            return reopen_account(build, words[kind], name, line);
    return add_account(build, &found, name, line);
}

static const char *pattern_problem(const char *pattern, size_t size)
{
    size_t prefix = strlen(PROTOCOL_GLOBAL_PREFIX);

    if (strncmp(pattern, PROTOCOL_GLOBAL_PREFIX, prefix) != 0)
        return "expected a pattern that begins with global/: all other names "
               "are their users' own";
    if (memchr(pattern, '*', size))
        return "expected * only at the pattern's end";
    if (size == prefix && pattern[size] == '*')
        return NULL;
    return message_name_problem(pattern, size);
}

/* Room for one more rule, both here and in the config. */
static int grow_rules(struct build *build)
{
    struct config *config = build->config;
    size_t count = config->rule_count;
    struct config_rule *rules =
        build_grow(config->rules, count, sizeof(*rules));
    struct rule_places *places;

    if (!rules)
        return -1;
    config->rules = rules;
    places = build_grow(build->rules, count, sizeof(*places));
    if (!places)
        return -1;
    build->rules = places;
    return 0;
}

static const char *add_rule(struct build *build, const char *pattern,
                            size_t size, bool exact)
{
    struct config *config = build->config;
    size_t at = config->rule_count;
    char *copy = malloc(size + 1);

    if (!copy || grow_rules(build) < 0) {
        free(copy);
        return build_no_memory(build);
    }
    memcpy(copy, pattern, size);
    copy[size] = '\0';
    config->rules[at] =
        (struct config_rule){.pattern = copy, .size = size, .exact = exact};
    build->rules[at] = (struct rule_places){0};
    config->rule_count++;
    return NULL;
}

static const char *open_access(struct build *build, const char *pattern)
{
    const struct config *config = build->config;
    size_t size = strlen(pattern);
    bool exact = size == 0 || pattern[size - 1] != '*';
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
    return add_rule(build, pattern, size, exact);
}

/* What stands behind `word` and white space, else NULL. */
static const char *behind(const char *name, const char *word)
{
    size_t size = strlen(word), spaces;

    if (strncmp(name, word, size) != 0)
        return NULL;
    spaces = strspn(name + size, " \t");
    return spaces > 0 ? name + size + spaces : NULL;
}

static const char *open_section(struct build *build, const char *name,
                                unsigned line)
{
    const char *rest;

    if (strcmp(name, "broker") == 0)
        build->kind = SECTION_BROKER;
    else if (strcmp(name, "total") == 0)
        build->kind = SECTION_TOTAL;
    else if (strcmp(name, "default") == 0)
        build->kind = SECTION_DEFAULT;
    else if ((rest = behind(name, "user")) != NULL)
        return open_account(build, PRINCIPAL_USER, rest, line);
    else if ((rest = behind(name, "group")) != NULL)
        return open_account(build, PRINCIPAL_GROUP, rest, line);
    else if ((rest = behind(name, "access")) != NULL)
        return open_access(build, rest);
    else
        return "expected [broker], [total], [default], [user NAME], "
               "[group NAME] or [access PATTERN]";
    return NULL;
}

void build_bad_section(struct build *build)
{
    build->kind = SECTION_BAD;
}

const char *build_section(struct build *build, const char *name, unsigned line)
{
    const char *what = open_section(build, name, line);

    if (what)
        build_bad_section(build);
    return what;
}
