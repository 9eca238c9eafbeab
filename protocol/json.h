/*
 * From lines to checked trees, for the decoders of this folder. Nobody else
 * includes this: what leaves the decoders is typed.
 */
#ifndef SEGBROKER_JSON_H
#define SEGBROKER_JSON_H

#include "message.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The tree of a line that is one good object, for json_free. Else NULL and
 * what is wrong, or NULL where memory is short.
 */
cJSON *json_parse(const char *line, size_t size, const char **problem);
void json_free(cJSON *tree);

/* The same by cJSON alone, as it is for a line that is not plain. */
cJSON *json_parse_any(const char *line, size_t size, const char **problem);

/* A member of an object; NULL when it is absent or null. */
const cJSON *json_member(const cJSON *object, const char *key);

/* 0 and the value when it is an exact integer within bounds, else -1. */
int json_integer_of(const cJSON *item, uint64_t low, uint64_t high,
                    uint64_t *value);

/* A member that must be there: 0 and its value, or -1. */
int json_get_integer(const cJSON *object, const char *key, uint64_t *value);
int json_get_string(const cJSON *object, const char *key, const char **value);
int json_get_bool(const cJSON *object, const char *key, bool *value);
int json_get_handle(const cJSON *object, const char *key,
                    struct message_handle *handle);

/* Members that are there only where they say something, `pages` and `numa`: 0
 * and what they, or their absence, say (message.h), or -1. */
int json_get_pages(const cJSON *object, enum protocol_pages *pages);
int json_get_node(const cJSON *object, unsigned *numa);

#endif
