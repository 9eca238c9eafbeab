#include "buffer.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 256 };

void buffer_init(struct buffer *b, size_t limit)
{
    *b = (struct buffer){.limit = limit};
}

void buffer_deinit(struct buffer *b)
{
    free(b->data);
    buffer_init(b, b->limit);
}

/* A capacity of at least `size`, which is within the limit. */
static size_t next_capacity(const struct buffer *b, size_t size)
{
    size_t capacity = b->capacity ? b->capacity : FIRST_CAPACITY;

    while (capacity < size) {
        if (capacity > b->limit / 2)
            return b->limit;
        capacity *= 2;
    }
    return capacity < b->limit ? capacity : b->limit;
}

int buffer_reserve(struct buffer *b, size_t n)
{
    size_t capacity;
    char *data;

    if (n <= b->capacity - b->size)
        return 0;
    if (n > b->limit - b->size)
        return BUFFER_E_FULL;
    capacity = next_capacity(b, b->size + n);
    data = realloc(b->data, capacity);
    if (!data)
        return BUFFER_E_NOMEM;
    b->data = data;
    b->capacity = capacity;
    return 0;
}

int buffer_add(struct buffer *b, const void *bytes, size_t n)
{
    int r = buffer_reserve(b, n);

    if (r < 0)
        return r;
    if (n > 0)
        memcpy(b->data + b->size, bytes, n);
    b->size += n;
    return 0;
}

void buffer_consume(struct buffer *b, size_t n)
{
    b->size -= n;
    if (b->size > 0 && n > 0)
        memmove(b->data, b->data + n, b->size);
}

void buffer_truncate(struct buffer *b, size_t size)
{
    if (size < b->size)
        b->size = size;
}
