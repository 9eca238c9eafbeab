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
}

/* ---- kept bytes ---- */

static bool need_kept(struct frame_reader *r)
{
    if (r->kept)
        return true;
    r->kept = calloc(1, sizeof(*r->kept));
    if (r->kept)
        buffer_init(&r->kept->bytes, 2 * PROTOCOL_LINE_MAX);
    return r->kept;
}

static void drop_kept(struct frame_reader *r)
{
    if (r->kept)
        buffer_deinit(&r->kept->bytes);
    free(r->kept);
    r->kept = NULL;
}

/* Of them, those that are in no line yet. */
static size_t kept_left(const struct frame_reader *r)
{
    return r->kept ? r->kept->bytes.size - r->kept->taken : 0;
}

static void forget_taken(struct frame_reader *r)
{
    struct frame_kept *kept = r->kept;

    if (!kept)
        return;
    buffer_consume(&kept->bytes, kept->taken);
    kept->seen -= kept->taken;
    kept->taken = 0;
    /* A connection that waits for its next line holds no memory. */
    if (kept->bytes.size == 0)
        drop_kept(r);
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
    drop_kept(r);
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
    r->lent_size = (uint32_t)size;
}

/*
 * Looks for the first line of `size` bytes, of which `seen` hold no newline.
 * FRAME_LINE and its length, FRAME_AGAIN or FRAME_E_TOO_LONG.
 */
static int find_line(const char *bytes, size_t size, size_t seen,
                     size_t *length)
{
    const char *end =
        size > seen ? memchr(bytes + seen, '\n', size - seen) : NULL;

    *length = end ? (size_t)(end - bytes) : size;
    if (*length >= PROTOCOL_LINE_MAX)
        return FRAME_E_TOO_LONG;
    return end ? FRAME_LINE : FRAME_AGAIN;
}

static int next_kept(struct frame_reader *r, const char **line, size_t *size)
{
    struct frame_kept *kept = r->kept;
    const char *from = kept->bytes.data + kept->taken;
    size_t length;
    int answer =
        find_line(from, kept_left(r), kept->seen - kept->taken, &length);

    if (answer == FRAME_AGAIN)
        kept->seen = (uint32_t)kept->bytes.size;
    if (answer != FRAME_LINE)
        return answer;
    *line = from;
    *size = length;
    kept->taken += (uint32_t)length + 1;
    kept->seen = kept->taken;
    return FRAME_LINE;
}

static int next_lent(struct frame_reader *r, const char **line, size_t *size)
{
    size_t length;
    int answer = find_line(r->lent, r->lent_size, 0, &length);

    if (answer != FRAME_LINE)
        return answer;
    *line = r->lent;
    *size = length;
    r->lent += length + 1;
    r->lent_size -= (uint32_t)length + 1;
    return FRAME_LINE;
}

/* Moves lent bytes, up to the first newline, behind the kept part of a line,
 * so that it lies in one piece. */
static int complete_kept(struct frame_reader *r)
{
    size_t length;
    int answer = find_line(r->lent, r->lent_size, 0, &length);
    size_t moved = length + (answer == FRAME_LINE);

    if (r->kept->bytes.size + moved > PROTOCOL_LINE_MAX)
        return FRAME_E_TOO_LONG;
    if (buffer_add(&r->kept->bytes, r->lent, moved) < 0)
        return FRAME_E_NOMEM;
    r->lent += moved;
    r->lent_size -= (uint32_t)moved;
    return 0;
}

int frame_reader_next(struct frame_reader *r, const char **line, size_t *size)
{
    int answer = FRAME_AGAIN;

    if (kept_left(r) > 0)
        answer = next_kept(r, line, size);
    if (answer != FRAME_AGAIN)
        return answer;
    forget_taken(r);
    if (!r->kept)
        return next_lent(r, line, size);
    if (r->lent_size == 0)
        return FRAME_AGAIN;
    answer = complete_kept(r);
    return answer < 0 ? answer : next_kept(r, line, size);
}

int frame_reader_keep(struct frame_reader *r)
{
    if (r->lent_size > 0 || kept_left(r) == 0)
        forget_taken(r);
    if (r->lent_size == 0)
        return 0;
    if (!need_kept(r) || buffer_add(&r->kept->bytes, r->lent, r->lent_size) < 0)
        return FRAME_E_NOMEM;
    r->lent_size = 0;
    return 0;
}

bool frame_reader_has_bytes(const struct frame_reader *r)
{
    return kept_left(r) > 0 || r->lent_size > 0;
}

void frame_reader_drop_unclaimed(struct frame_reader *r)
{
    if (!frame_reader_has_bytes(r))
        drop_handles(r);
}
