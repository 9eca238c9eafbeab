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

static int grow(struct buffer *b, size_t size)
{
    size_t capacity = b->capacity ? b->capacity : FIRST_CAPACITY;
    char *data;

    while (capacity < size)
        capacity *= 2;
    if (capacity > b->limit)
        capacity = b->limit;
    data = realloc(b->data, capacity);
    if (!data)
        return BUFFER_E_NOMEM;
    b->data = data;
    b->capacity = capacity;
    return 0;
}

int buffer_add(struct buffer *b, const void *bytes, size_t n)
{
    if (n > b->limit - b->size)
        return BUFFER_E_FULL;
    if (n > b->capacity - b->size && grow(b, b->size + n) < 0)
        return BUFFER_E_NOMEM;
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
