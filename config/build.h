/*
 * A configuration in the making: sections and values as they are read, then
 * either a whole config or the list of what is wrong.
 *
 * A function that answers a sentence (or NULL) says what was expected; the
 * caller knows file, line and text.
 */
#ifndef SEGBROKER_BUILD_H
#define SEGBROKER_BUILD_H

#include "config.h"

#include <stdbool.h>
#include <stddef.h>

struct build;

struct build_value {
    const char *key;
    const char *text;
    unsigned line;
    bool continues; /* the previous line's value, on an indented line */
};

/* Starts with the defaults. NULL when memory is short. */
struct build *build_new(const struct config_host *host);

/* Gives a config or the problems, and frees the build: config_load's answer. */
int build_finish(struct build *build, struct config **config,
                 struct config_problems *problems);

/* A further file: its keys replace those of the files before. */
void build_begin_file(struct build *build);

const char *build_section(struct build *build, const char *name);
/* What follows is in no section, and silently so: it was complained of. */
void build_no_section(struct build *build);
const char *build_value(struct build *build, const struct build_value *value);

/* Notes a problem made of several parts. */
void build_complain(struct build *build, const char *const *parts,
                    size_t count);
void build_out_of_memory(struct build *build);

#endif
