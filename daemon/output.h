/*
 * Replies on their way out.
 *
 * The replies of one turn are collected in a batch that all connections
 * share, lines and handles together, and leave in one message. What the
 * kernel does not take at once is queued at its connection.
 *
 * A handle that was sent and not yet taken out of the socket counts against
 * the broker's descriptor limit, for all connections together. So each
 * connection, and each caller with all its connections, may have only so many
 * handles unread; above that its replies are held back until it reads.
 */
#ifndef SEGBROKER_OUTPUT_H
#define SEGBROKER_OUTPUT_H

#include "buffer.h"
#include "caller.h"
#include "frame.h"
#include "protocol.h"

#include <stdbool.h>

enum {
    OUTPUT_WAITS = 1,     /* queued until the connection can be written to */
    OUTPUT_HELD_BACK = 2, /* queued: the other side has too many unread */
    OUTPUT_E_GONE = -1,
    OUTPUT_E_NOMEM = -2
};

/* Bytes of replies that are worth a message of their own. */
enum { OUTPUT_BATCH_BYTES = 32 * 1024 };

struct output_batch {
    struct buffer lines;
    frame_handle handles[PROTOCOL_HANDLES_MAX]; /* borrowed */
    unsigned count;
    unsigned capacity; /* handles that one message may carry */
};

struct output_limits {
    unsigned connection; /* unread handles of one connection */
    unsigned caller;     /* of all connections of one caller */
};

struct output_chunk;

struct output {
    struct output_chunk *queue;
    uint64_t sent;   /* bytes, ever: how one sees that it moves */
    unsigned unread; /* handles sent since all was known to be read */
};

/* The bounds that follow from a descriptor limit. */
struct output_limits output_limits(unsigned descriptor_limit);

void output_batch_init(struct output_batch *batch,
                       const struct output_limits *limits);
void output_batch_deinit(struct output_batch *batch);
bool output_batch_is_empty(const struct output_batch *batch);
/* No further reply may be added before it was sent. */
bool output_batch_is_full(const struct output_batch *batch);
void output_batch_clear(struct output_batch *batch);
/* Adds a handle and gives its index for the line. There must be room. */
unsigned output_batch_attach(struct output_batch *batch, frame_handle handle);

/* Where output goes to. */
struct output_target {
    int connection;
    struct caller *caller;
    const struct output_limits *limits;
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
void output_deinit(struct output *output, struct caller *caller);

#endif
