#include "frame.h"

#include "protocol.h"

#include <stdlib.h>
#include <string.h>

struct frame_batch {
    struct frame_batch *next;
    unsigned count;
    frame_handle handles[]; /* claimed ones are NO_HANDLE */
};

enum { NO_HANDLE = -1 };

void frame_reader_init(struct frame_reader *r,
                       void (*dispose)(frame_handle handle))
{
    *r = (struct frame_reader){.dispose = dispose};
    buffer_init(&r->kept, 2 * PROTOCOL_LINE_MAX);
}

/* ---- handles ---- */

static void drop_batch(struct frame_reader *r, struct frame_batch *batch)
{
    if (!batch)
        return;
    for (unsigned i = 0; i < batch->count; i++)
        if (batch->handles[i] != NO_HANDLE)
            r->dispose(batch->handles[i]);
    free(batch);
}

static void drop_handles(struct frame_reader *r)
{
    struct frame_batch *batch;

    drop_batch(r, r->current);
    r->current = NULL;
    while ((batch = r->waiting) != NULL) {
        r->waiting = batch->next;
        drop_batch(r, batch);
    }
    r->waiting_count = 0;
}

void frame_reader_deinit(struct frame_reader *r)
{
    drop_handles(r);
    buffer_deinit(&r->kept);
    r->kept_taken = 0;
    r->lent_size = 0;
}

int frame_reader_feed_handles(struct frame_reader *r,
                              const frame_handle *handles, unsigned count,
                              bool truncated)
{
    struct frame_batch *batch = NULL, **end = &r->waiting;
    bool full = r->waiting_count >= FRAME_BATCHES_MAX;

    if (count == 0 && !truncated)
        return 0;
    if (!full)
        batch = malloc(sizeof(*batch) + count * sizeof(handles[0]));
    if (!batch) {
        for (unsigned i = 0; i < count; i++)
            r->dispose(handles[i]);
        return full ? FRAME_E_TOO_MANY : FRAME_E_NOMEM;
    }
    batch->next = NULL;
    batch->count = count;
    if (count > 0)
        memcpy(batch->handles, handles, count * sizeof(handles[0]));
    while (*end)
        end = &(*end)->next;
    *end = batch;
    r->waiting_count++;
    return 0;
}

static void open_next_batch(struct frame_reader *r)
{
    drop_batch(r, r->current);
    r->current = r->waiting;
    if (!r->current)
        return;
    r->waiting = r->current->next;
    r->waiting_count--;
}

int frame_reader_claim(struct frame_reader *r, uint64_t index,
                       frame_handle *handle)
{
    struct frame_batch *batch;

    if (index == 0)
        open_next_batch(r);
    batch = r->current;
    if (!batch || index >= batch->count || batch->handles[index] == NO_HANDLE)
        return FRAME_LOST;
    *handle = batch->handles[index];
    batch->handles[index] = NO_HANDLE;
    return 0;
}

/* ---- lines ---- */

void frame_reader_feed(struct frame_reader *r, const char *bytes, size_t size)
{
    r->lent = bytes;
    r->lent_size = size;
}

/* Gives `size` bytes as a line, if they are not too many. */
static int give(const char *bytes, size_t size, const char **line,
                size_t *line_size)
{
    if (size >= PROTOCOL_LINE_MAX)
        return FRAME_E_TOO_LONG;
    *line = bytes;
    *line_size = size;
    return FRAME_LINE;
}

/* Moves lent bytes, up to the first newline, behind the kept ones. */
static int complete_kept(struct frame_reader *r)
{
    const char *end = memchr(r->lent, '\n', r->lent_size);
    size_t size = end ? (size_t)(end - r->lent) + 1 : r->lent_size;

    if (r->kept.size - r->kept_taken + size > PROTOCOL_LINE_MAX)
        return FRAME_E_TOO_LONG;
    if (buffer_add(&r->kept, r->lent, size) < 0)
        return FRAME_E_NOMEM;
    r->lent += size;
    r->lent_size -= size;
    return 0;
}

/* The next line of the kept bytes; FRAME_AGAIN when they hold none. */
static int next_kept(struct frame_reader *r, const char **line, size_t *size)
{
    const char *from = r->kept.data + r->kept_taken;
    size_t left = r->kept.size - r->kept_taken;
    const char *end = left ? memchr(from, '\n', left) : NULL;

    if (!end)
        return left >= PROTOCOL_LINE_MAX ? FRAME_E_TOO_LONG : FRAME_AGAIN;
    r->kept_taken += (size_t)(end - from) + 1;
    return give(from, (size_t)(end - from), line, size);
}

static int next_lent(struct frame_reader *r, const char **line, size_t *size)
{
    const char *from = r->lent;
    const char *end = r->lent_size ? memchr(from, '\n', r->lent_size) : NULL;

    if (!end)
        return r->lent_size >= PROTOCOL_LINE_MAX ? FRAME_E_TOO_LONG
                                                 : FRAME_AGAIN;
    r->lent += (end - from) + 1;
    r->lent_size -= (size_t)(end - from) + 1;
    return give(from, (size_t)(end - from), line, size);
}

int frame_reader_next(struct frame_reader *r, const char **line, size_t *size)
{
    int answer;

    if (r->kept_taken == r->kept.size) {
        buffer_deinit(&r->kept);
        r->kept_taken = 0;
        return next_lent(r, line, size);
    }
    answer = next_kept(r, line, size);
    if (answer != FRAME_AGAIN || r->lent_size == 0)
        return answer;
    /* A line that began in an earlier feed: it must lie in one piece. */
    buffer_consume(&r->kept, r->kept_taken);
    r->kept_taken = 0;
    answer = complete_kept(r);
    return answer < 0 ? answer : next_kept(r, line, size);
}

int frame_reader_keep(struct frame_reader *r)
{
    buffer_consume(&r->kept, r->kept_taken);
    r->kept_taken = 0;
    if (buffer_add(&r->kept, r->lent, r->lent_size) < 0)
        return FRAME_E_NOMEM;
    r->lent_size = 0;
    if (r->kept.size == 0)
        buffer_deinit(&r->kept);
    return 0;
}

void frame_reader_drop_unclaimed(struct frame_reader *r)
{
    if (r->kept.size == 0 && r->lent_size == 0)
        drop_handles(r);
}
