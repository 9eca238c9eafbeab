/*
 * The tree of a plain line: printable ASCII without escapes, whole numbers. So
 * is nearly every line, and reading it must cost little; cJSON reads the
 * others, and says what is wrong with a line.
 */
#ifndef SEGBROKER_PLAIN_H
#define SEGBROKER_PLAIN_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * The tree that json_parse would give, in one piece of memory, for plain_free.
 * NULL when the line is not plain, is not a good object, or memory is short.
 */
cJSON *plain_parse(const char *line, size_t size);

/* Whether it came from plain_parse. */
bool plain_is(const cJSON *tree);
void plain_free(cJSON *tree);

#endif
