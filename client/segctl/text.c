#include "text.h"

#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void end_without_memory(void)
{
    fputs("segctl: out of memory\n", stderr);
    exit(STATUS_FAILED);
}

void *text_allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);

    if (!memory)
        end_without_memory();
    return memory;
}

void *text_grow(void *memory, size_t size)
{
    void *grown = realloc(memory, size);

    if (!grown)
        end_without_memory();
    return grown;
}

void text_deinit(struct text *text)
{
    free(text->bytes);
    *text = (struct text){0};
}

static void reserve(struct text *text, size_t more)
{
    size_t capacity = text->capacity ? text->capacity : 256;

    while (capacity - text->size <= more)
        capacity *= 2;
    if (capacity == text->capacity)
        return;
    text->bytes = text_grow(text->bytes, capacity);
    text->capacity = capacity;
}

void text_add(struct text *text, const char *bytes, size_t size)
{
    reserve(text, size);
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    text->bytes[text->size] = '\0';
}

void text_adds(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

void text_addf(struct text *text, const char *format, ...)
{
    va_list arguments, again;
    int size;

    va_start(arguments, format);
    va_copy(again, arguments);
    size = vsnprintf(NULL, 0, format, arguments);
    if (size > 0) {
        reserve(text, (size_t)size);
        vsnprintf(text->bytes + text->size, (size_t)size + 1, format, again);
        text->size += (size_t)size;
    }
    va_end(again);
    va_end(arguments);
}

/* ---- characters ---- */

/* What the first byte promises: the length, and the least code point that
 * needs it. */
static size_t announced(unsigned char first, uint32_t *point, uint32_t *least)
{
    if (first < 0x80) {
        *point = first;
        *least = 0;
        return 1;
    }
    if (first >= 0xc2 && first < 0xe0) {
        *point = first & 0x1fU;
        *least = 0x80;
        return 2;
    }
    if (first >= 0xe0 && first < 0xf0) {
        *point = first & 0x0fU;
        *least = 0x800;
        return 3;
    }
    if (first >= 0xf0 && first < 0xf5) {
        *point = first & 0x07U;
        *least = 0x10000;
        return 4;
    }
    return 0;
}

size_t text_character(const char *string, uint32_t *point)
{
    const unsigned char *bytes = (const unsigned char *)string;
    uint32_t code = 0, least = 0;
    size_t length = announced(bytes[0], &code, &least);

    if (length == 0)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0U) != 0x80)
            return 0;
        code = code << 6 | (bytes[i] & 0x3fU);
    }
    if (code < least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return 0;
    if (code < 0x20 || (code >= 0x7f && code < 0xa0))
        return 0;
    *point = code;
    return length;
}

void text_add_safe(struct text *text, const char *string)
{
    uint32_t point;

    while (*string) {
        size_t length = text_character(string, &point);

        if (length > 0)
            text_add(text, string, length);
        else
            text_addf(text, "\\x%02x", (unsigned char)*string);
        string += length > 0 ? length : 1;
    }
}

/* ---- amounts ---- */

void text_add_size(struct text *text, uint64_t bytes)
{
    static const char *const units[] = {"B",   "KiB", "MiB", "GiB",
                                        "TiB", "PiB", "EiB"};
    unsigned unit = 0;
    uint64_t whole, rest, tenths;

    while (bytes >> 10 * unit >= 1024)
        unit++;
    whole = bytes >> 10 * unit;
    rest = bytes - (whole << 10 * unit);
    if (rest == 0) {
        text_addf(text, "%u %s", (unsigned)whole, units[unit]);
        return;
    }
    tenths = (rest * 10 + ((UINT64_C(1) << 10 * unit) >> 1)) >> 10 * unit;
    whole += tenths / 10;
    text_addf(text, "%u.%u %s", (unsigned)whole, (unsigned)(tenths % 10),
              units[unit]);
}

void text_add_age(struct text *text, uint64_t seconds)
{
    if (seconds < 60)
        text_addf(text, "%us", (unsigned)seconds);
    else if (seconds < 3600)
        text_addf(text, "%um", (unsigned)(seconds / 60));
    else if (seconds < 86400)
        text_addf(text, "%uh", (unsigned)(seconds / 3600));
    else
        text_addf(text, "%llud", (unsigned long long)(seconds / 86400));
}
