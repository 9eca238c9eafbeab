/*
 * From received bytes to lines, bounded, and from received handles to the
 * lines that name them.
 *
 * A line ends with '\n' and has at most PROTOCOL_LINE_MAX bytes. Handles come
 * in batches, one for each message of the transport that carried any; a
 * message may hold many lines. A line names its handles by their index in a
 * batch, and index 0 opens the next batch. So a receiver that lost handles of
 * one batch (it was at its descriptor limit) never takes those of another.
 *
 * Pure: no system calls. Handles are opaque numbers here; the ones that no
 * line claims go to the `dispose` function given at the start.
 */
#ifndef SEGBROKER_FRAME_H
#define SEGBROKER_FRAME_H

#include "buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef intptr_t frame_handle; /* an fd on POSIX, a HANDLE on Windows */

enum {
    FRAME_AGAIN = 0,       /* no whole line is here yet */
    FRAME_LINE = 1,        /* a line was given */
    FRAME_LOST = 2,        /* that handle did not arrive */
    FRAME_E_NOMEM = -1,    /* memory is short; the reader is as it was */
    FRAME_E_TOO_LONG = -2, /* PROTOCOL_LINE_MAX bytes without a newline */
    FRAME_E_TOO_MANY = -3  /* more batches wait than FRAME_BATCHES_MAX */
};

/* Batches that may wait for lines to claim them. */
enum { FRAME_BATCHES_MAX = 16 };

struct frame_batch;

/* Bytes that outlive the lender's buffer. */
struct frame_kept {
    struct buffer bytes;
    uint32_t taken; /* of them, given out as lines */
    uint32_t seen;  /* of them, known to hold no newline not taken */
};

struct frame_reader {
    /* Small: there is one a connection. */
    struct frame_kept *kept; /* NULL while there is nothing in it */
    const char *lent;        /* bytes of the current feed, not yet given out */
    uint32_t lent_size;
    unsigned waiting_count;
    struct frame_batch *current; /* opened by the last index 0 */
    struct frame_batch *waiting; /* first of the unopened ones */
    void (*dispose)(frame_handle handle);
};

/* An empty reader. It owns every handle fed to it until it is claimed. */
void frame_reader_init(struct frame_reader *r,
                       void (*dispose)(frame_handle handle));

/* Disposes of all unclaimed handles and frees everything. */
void frame_reader_deinit(struct frame_reader *r);

/*
 * Lends `size` bytes just received, at most PROTOCOL_LINE_MAX, valid until
 * frame_reader_keep. Whatever was lent before must have been kept, and every
 * whole line have been given out: what a reader keeps is bounded by that.
 */
void frame_reader_feed(struct frame_reader *r, const char *bytes, size_t size);

/*
 * Adds the handles that one transport message carried, in their order;
 * `truncated` when the system says that some were lost (then count may be 0).
 * The reader owns the handles, also when it answers FRAME_E_NOMEM or
 * FRAME_E_TOO_MANY (it disposes of them).
 */
int frame_reader_feed_handles(struct frame_reader *r,
                              const frame_handle *handles, unsigned count,
                              bool truncated);

/*
 * Gives the next line, without its newline: FRAME_LINE, FRAME_AGAIN,
 * FRAME_E_TOO_LONG or FRAME_E_NOMEM. The line is valid until the next call on
 * this reader other than frame_reader_claim. It is not NUL-terminated.
 */
int frame_reader_next(struct frame_reader *r, const char **line, size_t *size);

/* Whether bytes are left that were in no line yet. */
bool frame_reader_has_bytes(const struct frame_reader *r);

/*
 * Copies what is left of the lent bytes, whole lines included, so that the
 * lender may reuse its buffer. 0 or FRAME_E_NOMEM.
 */
int frame_reader_keep(struct frame_reader *r);

/*
 * Disposes of the handles that no line claimed, when every line was given out
 * and no part of one is left. For a side that is sent handles it never asked
 * for. The other side must not: its handles may come before their line.
 */
void frame_reader_drop_unclaimed(struct frame_reader *r);

/*
 * Takes handle `index` for the line given last; see the head of this file.
 * 0 and the caller owns it, or FRAME_LOST.
 */
int frame_reader_claim(struct frame_reader *r, uint64_t index,
                       frame_handle *handle);

#endif
