/*
 * A small JSON writer into a text.
 *
 * Keys are NULL inside arrays and for the outermost value.
 */
#ifndef SEGCTL_JSON_H
#define SEGCTL_JSON_H

#include "text.h"

#include <stdbool.h>
#include <stdint.h>

struct json {
    struct text text;
    bool comma; /* the next value has one before it */
};

void json_object_begin(struct json *json, const char *key);
void json_object_end(struct json *json);
void json_array_begin(struct json *json, const char *key);
void json_array_end(struct json *json);
/* `value` NULL writes null. Bytes that are no UTF-8 become U+FFFD. */
void json_string(struct json *json, const char *key, const char *value);
void json_number(struct json *json, const char *key, uint64_t value);
void json_null(struct json *json, const char *key);
void json_bool(struct json *json, const char *key, bool value);

/* Writes the finished value and a newline to stdout and frees it. */
void json_print(struct json *json);

#endif
