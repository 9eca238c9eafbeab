/*
 * The writer of JSON lines, for this folder: it is told each field, so it
 * needs no tree; integers, words and strings are all there is. In a header,
 * because a reply's cost is the broker's.
 */
#ifndef SEGBROKER_WRITER_H
#define SEGBROKER_WRITER_H

#include "buffer.h"
#include "message.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* A line being written: straight into the buffer, whose size is set when the
 * line is whole. The first failure stays; what follows is ignored. */
struct writer {
    struct buffer *out;
    char *at;
    size_t room; /* bytes behind `at` */
    int failure;
    bool comma; /* the next field follows another */
};

/* Makes room for n bytes; false when there is none. */
static inline bool make_room(struct writer *w, size_t n)
{
    struct buffer *out = w->out;
    size_t written = out->data ? (size_t)(w->at - out->data) - out->size : 0;

    if (w->failure == 0)
        w->failure = buffer_reserve(out, written + n);
    if (w->failure != 0) {
        w->room = 0;
        return false;
    }
    w->at = out->data + out->size + written;
    w->room = out->capacity - out->size - written;
    return true;
}

static inline struct writer begin(struct buffer *out)
{
    struct writer w = {.out = out};

    if (out->data) {
        w.at = out->data + out->size;
        w.room = out->capacity - out->size;
    }
    return w;
}

/* All or nothing. */
static inline int finish(struct writer *w)
{
    if (w->failure == 0 && w->at)
        w->out->size = (size_t)(w->at - w->out->data);
    return w->failure;
}

static inline void put(struct writer *w, const char *bytes, size_t size)
{
    if (size == 0 || (size > w->room && !make_room(w, size)))
        return;
    memcpy(w->at, bytes, size);
    w->at += size;
    w->room -= size;
}

static inline void put_byte(struct writer *w, char byte)
{
    put(w, &byte, 1);
}

static inline void put_integer(struct writer *w, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    put(w, digits + at, sizeof(digits) - at);
}

static inline void put_escape(struct writer *w, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    static const char plain[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    const char *found = memchr(plain, byte, sizeof(plain) - 1);
    char escape[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};

    if (found) {
        escape[1] = letters[found - plain];
        put(w, escape, 2);
    } else {
        put(w, escape, sizeof(escape));
    }
}

static inline void put_string(struct writer *w, const char *text)
{
    const char *from = text;

    put_byte(w, '"');
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte >= 0x20 && byte != '"' && byte != '\\')
            continue;
        put(w, from, (size_t)(text - from));
        put_escape(w, byte);
        from = text + 1;
    }
    put(w, from, (size_t)(text - from));
    put_byte(w, '"');
}

static inline void put_key(struct writer *w, const char *key)
{
    size_t size = strlen(key), most = size + sizeof(",\"\":") - 1;
    char *at;

    if (most > w->room && !make_room(w, most))
        return;
    at = w->at;
    *at = ',';
    at += w->comma;
    w->comma = true;
    *at++ = '"';
    memcpy(at, key, size); /* NOLINT: a quote ends it */
    at += size;
    *at++ = '"';
    *at++ = ':';
    w->room -= (size_t)(at - w->at);
    w->at = at;
}

static inline void put_word(struct writer *w, const char *word)
{
    put(w, word, strlen(word));
}

static inline void field_integer(struct writer *w, const char *key,
                                 uint64_t value)
{
    put_key(w, key);
    put_integer(w, value);
}

static inline void field_string(struct writer *w, const char *key,
                                const char *text)
{
    put_key(w, key);
    if (text)
        put_string(w, text);
    else
        put_word(w, "null");
}

static inline void field_bool(struct writer *w, const char *key, bool value)
{
    put_key(w, key);
    put_word(w, value ? "true" : "false");
}

static inline void put_hexadecimal(struct writer *w, uint64_t value)
{
    static const char hex[] = "0123456789abcdef";
    char digits[16];
    size_t at = sizeof(digits);

    do {
        digits[--at] = hex[value & 15];
        value >>= 4;
    } while (value > 0);
    put(w, digits + at, sizeof(digits) - at);
}

/* There must be one. */
static inline void field_handle(struct writer *w, const char *key,
                                const struct message_handle *handle)
{
    put_key(w, key);
    if (handle->form == MESSAGE_HANDLE_INDEX) {
        put_integer(w, handle->number);
        return;
    }
    put_word(w, "\"0x");
    put_hexadecimal(w, handle->number);
    put_byte(w, '"');
}

static inline void open_brace(struct writer *w, char brace)
{
    put_byte(w, brace);
    w->comma = false;
}

static inline void close_brace(struct writer *w, char brace)
{
    put_byte(w, brace);
    w->comma = true;
}

static inline void field_strings(struct writer *w, const char *key,
                                 const char *const *items, unsigned count)
{
    put_key(w, key);
    open_brace(w, '[');
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            put_byte(w, ',');
        put_string(w, items[i]);
    }
    close_brace(w, ']');
}

static inline int end_line(struct writer *w)
{
    put(w, "}\n", 2);
    return finish(w);
}

/* What is asked of pages, where something is (message.h). */
static inline void field_pages(struct writer *w, enum protocol_pages pages,
                               unsigned numa)
{
    if (pages != PROTOCOL_PAGES_DEFAULT)
        field_string(w, "pages", message_pages_name(pages));
    if (numa)
        field_integer(w, "numa", numa - 1);
}

#endif
