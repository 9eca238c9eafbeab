/*
 * Replies on their way out.
 *
 * The replies of one turn are collected in a batch that all connections
 * share, lines and handles together, and leave in one message. What the
 * kernel does not take at once is queued at its connection.
 *
 * A handle that was sent and not yet taken out of the socket counts against
 * the broker's descriptor limit, for all connections together. So there is a
 * pool of unread handles. A connection that has read everything always gets
 * its next message, of a single reply when the pool is used up, so that no
 * crowd of others can starve it. One that has not may go on as far as its own
 * bound and the pool reach; then its replies are held back until it reads.
 */
#ifndef SEGBROKER_OUTPUT_H
#define SEGBROKER_OUTPUT_H

#include "buffer.h"
#include "connection.h"
#include "lent.h"
#include "protocol.h"

#include <stdbool.h>

enum {
    OUTPUT_WAITS = 1,     /* queued until the connection can be written to */
    OUTPUT_HELD_BACK = 2, /* queued: the other side has too many unread */
    OUTPUT_E_GONE = -1,
    OUTPUT_E_NOMEM = -2
};

/* Handles that one reply may have: of memory and a doorbell. */
enum { OUTPUT_REPLY_HANDLES = 1 + PROTOCOL_BELL_HANDLES };

/* Bytes of replies that are worth a message of their own. */
enum { OUTPUT_BATCH_BYTES = 32 * 1024 };

struct output_pool {
    unsigned connection; /* unread handles that one connection may have */
    unsigned capacity;   /* that all together may have */
    unsigned unread;     /* that they have, as far as is known */
};

struct output_batch {
    struct buffer lines;
    struct lent *handles[PROTOCOL_HANDLES_MAX];
    unsigned count;
    const struct output_pool *pool;
};

struct output_chunk;

struct output {
    struct output_chunk *queue;
    uint32_t sent;   /* bytes, and from 0 again: how one sees that it moves */
    unsigned unread; /* handles sent since all was known to be read */
};

/* Handles that may still be sent to who has some unread. */
unsigned output_pool_left(const struct output_pool *pool);

/* The pool that a descriptor limit has room for. */
struct output_pool output_pool(unsigned descriptor_limit);

void output_batch_init(struct output_batch *batch,
                       const struct output_pool *pool);
void output_batch_deinit(struct output_batch *batch);
bool output_batch_is_empty(const struct output_batch *batch);
/* No further reply may be added before it was sent. */
bool output_batch_is_full(const struct output_batch *batch);
void output_batch_clear(struct output_batch *batch);
/* Borrows a handle for the batch that goes over the connection, and names it
 * for its line. There must be room. 0, or negative as connection_attach. */
int output_batch_attach(struct output_batch *batch,
                        struct connection *connection, struct lent *handle,
                        struct message_handle *named);
/* Gives those back that were borrowed for a reply that will not be: from the
 * `count`th on. */
void output_batch_detach(struct output_batch *batch,
                         struct connection *connection, unsigned count);

/* Where output goes to. */
struct output_target {
    struct connection *connection;
    struct output_pool *pool;
};

/*
 * Sends the queue and then the batch, which is empty afterwards in every
 * case. 0 when all went, or an outcome above.
 */
int output_flush(struct output *output, const struct output_target *target,
                 struct output_batch *batch);

/* Takes note of what the other side has read. True when that is all. */
bool output_settle(struct output *output, const struct output_target *target);

/* Drops the queue; handles that were sent stay counted. */
void output_drop(struct output *output);
/* The connection is closed: nothing of it counts any more. */
void output_deinit(struct output *output, const struct output_target *target);

#endif
