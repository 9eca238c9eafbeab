/*
 * A growable byte buffer with a hard upper bound.
 */
#ifndef SEGBROKER_BUFFER_H
#define SEGBROKER_BUFFER_H

#include <stddef.h>

/* Both negative: nothing was added and the buffer is as it was. */
enum { BUFFER_E_NOMEM = -1, BUFFER_E_FULL = -2 };

struct buffer {
    char *data; /* NULL while nothing was ever added; not NUL-terminated */
    size_t size;
    size_t capacity;
    size_t limit;
};

/* An empty buffer that refuses to hold more than `limit` bytes. */
void buffer_init(struct buffer *b, size_t limit);

/* Frees the bytes and leaves an empty buffer with the same limit. */
void buffer_deinit(struct buffer *b);

/* Makes room for n more bytes behind the last one. 0, BUFFER_E_FULL or
 * BUFFER_E_NOMEM. */
int buffer_reserve(struct buffer *b, size_t n);

/* Copies n bytes to the end. 0, BUFFER_E_FULL or BUFFER_E_NOMEM. */
int buffer_add(struct buffer *b, const void *bytes, size_t n);

/* Drops the first n bytes, n <= size. */
void buffer_consume(struct buffer *b, size_t n);

/* Drops all bytes behind the first `size`, so that an append is undone. */
void buffer_truncate(struct buffer *b, size_t size);

#endif
