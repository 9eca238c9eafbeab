/*
 * What the two halves of the building share: build.c has sections, the
 * sentences and both ends; build_value.c has keys and values.
 */
#ifndef SEGBROKER_BUILD_STATE_H
#define SEGBROKER_BUILD_STATE_H

#include "build.h"

#include <stddef.h>

enum broker_key {
    BROKER_ADMINISTRATORS,
    BROKER_GROUP,
    BROKER_LOG_LEVEL,
    BROKER_GRACE,
    BROKER_KEYS
};
enum rule_key { RULE_CREATE, RULE_WRITE, RULE_READ, RULE_LIST, RULE_KEYS };

enum section_kind {
    SECTION_NONE, /* before the first one */
    SECTION_BAD,
    SECTION_BROKER,
    SECTION_TOTAL,
    SECTION_DEFAULT,
    SECTION_ACCOUNT,
    SECTION_ACCESS
};

/* Where a thing stood last. File 0: nowhere yet. */
struct place {
    unsigned file;
    unsigned line;
};

struct account_places {
    struct place section;
    struct place keys[CONFIG_BUDGETS];
};

struct rule_places {
    struct place keys[RULE_KEYS];
};

struct build {
    const struct config_host *host;
    struct config *config;
    unsigned file; /* from 1 */
    enum section_kind kind;
    size_t index;                    /* of the account or rule */
    struct config_principals *list;  /* of the last key, when it has one */
    bool bad_value;                  /* the last key's */
    struct account_places *accounts; /* beside config->accounts */
    struct rule_places *rules;       /* beside config->rules */
    struct place broker[BROKER_KEYS];
    struct place total[CONFIG_BUDGETS];
    struct place defaults[CONFIG_BUDGETS];
    bool out_of_memory;
    char sentence[512];
    size_t sentence_size;
};

/* Begins a sentence. */
void build_say_nothing(struct build *build);
/* Adds to the sentence, as far as there is room. */
void build_say(struct build *build, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Notes that memory is short, and gives a sentence. */
const char *build_no_memory(struct build *build);

/* Room for one more item at the array's end; NULL, array as it was, when
 * memory is short. */
void *build_grow(void *array, size_t count, size_t size);

#endif
