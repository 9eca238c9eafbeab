/*
 * A growing string, and the ways that names and amounts are written.
 *
 * Output is put together in memory before a byte of it is written, so that a
 * listing that fails midway prints nothing. Without memory there is nothing
 * this program could do: it says so and ends.
 */
#ifndef SEGCTL_TEXT_H
#define SEGCTL_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct text {
    char *bytes; /* NUL-terminated; NULL while nothing was added */
    size_t size; /* without the NUL */
    size_t capacity;
};

/* Frees the bytes and leaves an empty text. */
void text_deinit(struct text *text);

void text_add(struct text *text, const char *bytes, size_t size);
void text_adds(struct text *text, const char *string);
__attribute__((format(printf, 2, 3))) void text_addf(struct text *text,
                                                     const char *format, ...);

/* Adds a string with control characters and invalid UTF-8 as \xNN, so that
 * no name can play tricks on a terminal. */
void text_add_safe(struct text *text, const char *string);

/* Adds `64 KiB`, `1.5 GiB`; without a fraction where there is none. */
void text_add_size(struct text *text, uint64_t bytes);

/* Adds how long ago a time was: `5s`, `12m`, `3h`, `9d`. */
void text_add_age(struct text *text, uint64_t seconds);

/* The bytes of the character at `string`, 1 to 4; 0 when it is no valid UTF-8
 * or a control character. `point` gets its code. */
size_t text_character(const char *string, uint32_t *point);

/* Allocates or ends the program. */
void *text_allocate(size_t count, size_t size);
void *text_grow(void *memory, size_t size);

#endif
