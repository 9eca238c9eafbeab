#include "json.h"

#include "output.h"

#include <inttypes.h>

static void add_quoted(struct text *text, const char *string)
{
    text_adds(text, "\"");
    while (*string) {
        uint32_t point;
        size_t length = text_character(string, &point);
        unsigned char byte = (unsigned char)*string;

        if (byte == '"' || byte == '\\')
            text_addf(text, "\\%c", byte);
        else if (length > 0)
            text_add(text, string, length);
        else if (byte < 0x80)
            text_addf(text, "\\u%04x", byte);
        else
            text_adds(text, "\\ufffd");
        string += length > 0 ? length : 1;
    }
    text_adds(text, "\"");
}

/* What stands before a value. */
static void lead(struct json *json, const char *key)
{
    if (json->comma)
        text_adds(&json->text, ",");
    json->comma = true;
    if (key) {
        add_quoted(&json->text, key);
        text_adds(&json->text, ":");
    }
}

static void begin(struct json *json, const char *key, const char *bracket)
{
    lead(json, key);
    text_adds(&json->text, bracket);
    json->comma = false;
}

static void end(struct json *json, const char *bracket)
{
    text_adds(&json->text, bracket);
    json->comma = true;
}

void json_object_begin(struct json *json, const char *key)
{
    begin(json, key, "{");
}

void json_object_end(struct json *json)
{
    end(json, "}");
}

void json_array_begin(struct json *json, const char *key)
{
    begin(json, key, "[");
}

void json_array_end(struct json *json)
{
    end(json, "]");
}

void json_string(struct json *json, const char *key, const char *value)
{
    if (!value) {
        json_null(json, key);
        return;
    }
    lead(json, key);
    add_quoted(&json->text, value);
}

void json_number(struct json *json, const char *key, uint64_t value)
{
    lead(json, key);
    text_addf(&json->text, "%" PRIu64, value);
}

void json_null(struct json *json, const char *key)
{
    lead(json, key);
    text_adds(&json->text, "null");
}

void json_bool(struct json *json, const char *key, bool value)
{
    lead(json, key);
    text_adds(&json->text, value ? "true" : "false");
}

void json_print(struct json *json)
{
    text_adds(&json->text, "\n");
    output_text(&json->text);
}
