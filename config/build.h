/*
 * A configuration in the making: sections, keys and values as they are read.
 *
 * A function that answers a sentence says what was expected, or NULL when all
 * is well; the caller knows file, line and text. A sentence is valid until the
 * next call.
 */
#ifndef SEGBROKER_BUILD_H
#define SEGBROKER_BUILD_H

#include "config.h"

#include <stdbool.h>

struct build;

/* Starts with the defaults. NULL when memory is short. */
struct build *build_new(const struct config_host *host);

/* Frees the build, and gives what was built. */
struct config *build_finish(struct build *build);

/* Frees both. NULL is fine. */
void build_free(struct build *build);

/* Memory was short somewhere: the config is not whole. */
bool build_failed(const struct build *build);

/* A further file: its keys replace those of the files before. */
void build_begin_file(struct build *build);

const char *build_section(struct build *build, const char *name, unsigned line);
const char *build_value(struct build *build, const char *key, const char *text,
                        unsigned line);
/* An indented line: more of the last key's value. */
const char *build_more(struct build *build, const char *text);

/* The section, or the value, was complained of: what belongs to it is silently
 * left out. */
void build_bad_section(struct build *build);
void build_bad_value(struct build *build);

#endif
