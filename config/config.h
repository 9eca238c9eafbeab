/*
 * The administrator's configuration: one INI file and its drop-ins.
 *
 * Loading is all or nothing, and reports everything that is wrong at once.
 * A loaded config never changes. This file's .c is the only one that names
 * inih.
 *
 * Files: PATH, then every `*.conf` in the folder `conf.d` beside PATH, in
 * byte order of their names; a later value replaces an earlier one, also a
 * list. Within one file a key stands once in its section.
 */
#ifndef SEGBROKER_CONFIG_H
#define SEGBROKER_CONFIG_H

#include "principal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is counted and limited. The names are config_budget_name's. */
enum config_budget {
    CONFIG_SEGMENTS,
    CONFIG_BYTES,
    CONFIG_SEGMENT_BYTES, /* the largest single segment */
    CONFIG_GRANTS,
    CONFIG_CONNECTIONS,
    CONFIG_REQUESTS_PER_SECOND,
    CONFIG_BUDGETS
};

#define CONFIG_UNLIMITED UINT64_MAX

struct config_limits {
    uint64_t limit[CONFIG_BUDGETS];
};

/* A [user NAME] or [group NAME] section. A key that it lacks is taken from
 * [default] for users; for groups it is unlimited. */
struct config_account {
    struct principal principal;
    char *name; /* as written behind `user ` or `group ` */
    struct config_limits limits;
};

struct config_principals {
    struct principal *items;
    size_t count;
    bool set; /* the key stands in the file, perhaps with an empty list */
};

/* An [access PATTERN] section. `*` may stand once, at the pattern's end. */
struct config_rule {
    char *pattern; /* without the final `*` */
    size_t size;   /* of pattern, in bytes */
    bool exact;    /* no `*`: the whole name must equal it */
    struct config_principals create;
    struct config_principals write;
    struct config_principals read;
    struct config_principals list;
};

struct config {
    struct config_principals administrators; /* default: the host's */
    bool has_group; /* the service group exists; its id: */
    uint32_t group;
    uint64_t grace; /* ms that names wait for who held them */
    int log_level;  /* enum protocol_log_level's order: 0 error .. 3 debug */
    struct config_limits total;
    struct config_limits defaults;
    struct config_account *accounts;
    size_t account_count;
    struct config_rule *rules; /* most specific first */
    size_t rule_count;
};

/* Of a host, where the file names none. */
enum { CONFIG_ADMINISTRATORS_MAX = 2 };

/* What the file cannot know. */
struct config_host {
    struct principal_lookup lookup;
    uint64_t memory; /* bytes: what 100% means */
    /* Who administers the host: user:root. */
    struct principal administrators[CONFIG_ADMINISTRATORS_MAX];
    size_t administrator_count;
};

/* Everything that was wrong, one message a line: `FILE:LINE: what`. */
struct config_problems {
    char *text; /* NULL when nothing was wrong */
    size_t count;
};

/* Most problems that one load reports; further ones are only counted. */
enum { CONFIG_PROBLEMS_MAX = 100 };

enum {
    CONFIG_INVALID = 1, /* see the problems */
    CONFIG_E_NOMEM = -1
};

/*
 * Loads PATH and its drop-ins; `path` NULL gives the defaults. 0 and a config
 * for config_free, or CONFIG_INVALID (an unreadable file too), or
 * CONFIG_E_NOMEM. `problems` must be deinited in every case.
 */
int config_load(const char *path, const struct config_host *host,
                struct config **config, struct config_problems *problems);

/*
 * The same from memory, for tests and fuzzing: no drop-ins; `label` stands
 * for the file's name in messages.
 */
int config_load_text(const char *text, size_t size, const char *label,
                     const struct config_host *host, struct config **config,
                     struct config_problems *problems);

/* Frees a config; NULL is fine. Returns NULL. */
struct config *config_free(struct config *config);

void config_problems_deinit(struct config_problems *problems);

/* "segments", "bytes", "segment_bytes", ... */
const char *config_budget_name(enum config_budget budget);

/*
 * The most specific rule whose pattern matches a `global/` name, or NULL. An
 * exact pattern beats any with `*`, a longer one beats a shorter.
 */
const struct config_rule *config_rule_for(const struct config *config,
                                          const char *name);

/*
 * Reads a size: `4096`, `64KiB`, `64K`, `2GiB`, `2G`, ... (powers of 1024, up
 * to T), `50%` of `whole`, `unlimited`. Fractions are refused, and so is
 * anything over 2^53-1. 0, or 1 when it is none of these.
 */
int config_size_parse(const char *text, uint64_t whole, uint64_t *size);

/* Reads a plain number up to 2^53-1, or `unlimited`. 0, or 1. */
int config_count_parse(const char *text, uint64_t *count);

/* Reads a time in milliseconds, at most an hour: `500ms`, `10s`, `2min`. 0, or
 * 1. */
int config_duration_parse(const char *text, uint64_t *milliseconds);

#endif
