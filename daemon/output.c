#include "output.h"

#include <stdlib.h>
#include <utlist.h>

/* One message to be: its handles ride on its first byte. */
struct output_chunk {
    struct output_chunk *next;
    struct buffer lines;
    unsigned count; /* of handles not yet sent */
    struct lent *handles[];
};

struct output_pool output_pool(unsigned descriptor_limit)
{
    unsigned connection = descriptor_limit / 16;

    if (connection > PROTOCOL_HANDLES_MAX)
        connection = PROTOCOL_HANDLES_MAX;
    return (struct output_pool){.connection = connection ? connection : 1,
                                .capacity = descriptor_limit / 4};
}

void output_batch_init(struct output_batch *batch,
                       const struct output_pool *pool)
{
    /* Room for one more page of a listing behind a batch nearly full. */
    buffer_init(&batch->lines, OUTPUT_BATCH_BYTES + 2 * PROTOCOL_LINE_MAX);
    batch->count = 0;
    batch->pool = pool;
}

unsigned output_pool_left(const struct output_pool *pool)
{
    return pool->unread < pool->capacity ? pool->capacity - pool->unread : 0;
}

void output_batch_deinit(struct output_batch *batch)
{
    output_batch_clear(batch);
    buffer_deinit(&batch->lines);
}

bool output_batch_is_empty(const struct output_batch *batch)
{
    return batch->lines.size == 0;
}

bool output_batch_is_full(const struct output_batch *batch)
{
    if (batch->lines.size >= OUTPUT_BATCH_BYTES)
        return true;
    return batch->count > 0 &&
           (batch->count + OUTPUT_REPLY_HANDLES > batch->pool->connection ||
            batch->count >= output_pool_left(batch->pool) / 2);
}

int output_batch_attach(struct output_batch *batch,
                        struct connection *connection, struct lent *handle,
                        struct message_handle *named)
{
    int r = connection_attach(connection, handle->handle, batch->count, named);

    if (r < 0)
        return r;
    batch->handles[batch->count++] = lent_ref(handle);
    return 0;
}

void output_batch_detach(struct output_batch *batch,
                         struct connection *connection, unsigned count)
{
    while (batch->count > count) {
        connection_detach(connection);
        lent_unref(batch->handles[--batch->count]);
    }
}

void output_batch_clear(struct output_batch *batch)
{
    buffer_truncate(&batch->lines, 0);
    while (batch->count > 0)
        lent_unref(batch->handles[--batch->count]);
}

static void count_unread(struct output *output,
                         const struct output_target *target, unsigned unread)
{
    target->pool->unread += unread - output->unread;
    output->unread = unread;
}

bool output_settle(struct output *output, const struct output_target *target)
{
    if (!connection_all_read(target->connection))
        return false;
    count_unread(output, target, 0);
    return true;
}

static bool has_room(struct output *output, const struct output_target *target,
                     unsigned count)
{
    const struct output_pool *pool = target->pool;

    if (output->unread == 0)
        return true;
    if (output->unread + count <= pool->connection &&
        count <= output_pool_left(pool))
        return true;
    return output_settle(output, target);
}

/* Sends one message. 0, OUTPUT_WAITS, OUTPUT_HELD_BACK or OUTPUT_E_GONE. */
static int send_once(struct output *output, const struct output_target *target,
                     const struct buffer *lines, struct lent *const *lent,
                     unsigned count, size_t *sent)
{
    frame_handle handles[PROTOCOL_HANDLES_MAX];
    int r;

    if (count > 0 && !has_room(output, target, count))
        return OUTPUT_HELD_BACK;
    for (unsigned i = 0; i < count; i++)
        handles[i] = lent[i]->handle;
    r = connection_send(target->connection, lines->data, lines->size, handles,
                        count, sent);
    switch (r) {
    case 0:
        output->sent += (uint32_t)*sent;
        count_unread(output, target, output->unread + count);
        return 0;
    case CONNECTION_E_AGAIN:
        return OUTPUT_WAITS;
    case CONNECTION_E_REFS:
        return OUTPUT_HELD_BACK;
    default:
        return OUTPUT_E_GONE;
    }
}

static void chunk_drop_handles(struct output_chunk *chunk)
{
    while (chunk->count > 0)
        lent_unref(chunk->handles[--chunk->count]);
}

static struct output_chunk *chunk_free(struct output_chunk *chunk)
{
    chunk_drop_handles(chunk);
    buffer_deinit(&chunk->lines);
    free(chunk);
    return NULL;
}

static struct output_chunk *chunk_new(const struct buffer *lines, size_t from,
                                      struct lent *const *handles,
                                      unsigned count)
{
    struct output_chunk *chunk =
        malloc(sizeof(*chunk) + count * sizeof(handles[0]));

    if (!chunk)
        return NULL;
    chunk->count = 0;
    buffer_init(&chunk->lines, lines->limit);
    if (buffer_add(&chunk->lines, lines->data + from, lines->size - from) < 0)
        return chunk_free(chunk);
    for (; chunk->count < count; chunk->count++)
        chunk->handles[chunk->count] = lent_ref(handles[chunk->count]);
    return chunk;
}

static int queue_batch(struct output *output, const struct output_batch *batch,
                       size_t sent)
{
    /* Handles go with the first byte, and so are not sent twice. */
    struct output_chunk *chunk = chunk_new(&batch->lines, sent, batch->handles,
                                           sent > 0 ? 0 : batch->count);

    if (!chunk)
        return OUTPUT_E_NOMEM;
    LL_APPEND(output->queue, chunk);
    return 0;
}

/* Sends queued chunks: 0 when none is left. */
static int flush_queue(struct output *output,
                       const struct output_target *target)
{
    struct output_chunk *chunk;
    size_t sent;
    int r;

    while ((chunk = output->queue) != NULL) {
        r = send_once(output, target, &chunk->lines, chunk->handles,
                      chunk->count, &sent);
        if (r != 0)
            return r;
        chunk_drop_handles(chunk);
        buffer_consume(&chunk->lines, sent);
        if (chunk->lines.size > 0)
            continue;
        LL_DELETE(output->queue, chunk);
        chunk_free(chunk);
    }
    return 0;
}

/* Sends the batch or queues what does not go. */
static int flush_batch(struct output *output,
                       const struct output_target *target,
                       const struct output_batch *batch)
{
    size_t sent = 0;
    int r = send_once(output, target, &batch->lines, batch->handles,
                      batch->count, &sent);

    if (r < 0 || (r == 0 && sent == batch->lines.size))
        return r;
    if (queue_batch(output, batch, sent) < 0)
        return OUTPUT_E_NOMEM;
    return r == 0 ? OUTPUT_WAITS : r;
}

int output_flush(struct output *output, const struct output_target *target,
                 struct output_batch *batch)
{
    int r = flush_queue(output, target);

    if (r == 0 && !output_batch_is_empty(batch))
        r = flush_batch(output, target, batch);
    else if (r > 0 && !output_batch_is_empty(batch) &&
             queue_batch(output, batch, 0) < 0)
        r = OUTPUT_E_NOMEM;
    output_batch_clear(batch);
    return r;
}

void output_drop(struct output *output)
{
    struct output_chunk *chunk, *next;

    LL_FOREACH_SAFE(output->queue, chunk, next)
    {
        LL_DELETE(output->queue, chunk);
        chunk_free(chunk);
    }
}

void output_deinit(struct output *output, const struct output_target *target)
{
    output_drop(output);
    count_unread(output, target, 0);
}
