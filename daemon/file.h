/*
 * Files that clients have opened, as what segments are made of.
 *
 * Whoever serves such a file may take any time over every question: only a
 * thread that nobody waits for asks any (filing.h).
 */
#ifndef SEGBROKER_FILE_H
#define SEGBROKER_FILE_H

#include "protocol.h"
#include "segment.h"

#include <stdbool.h>
#include <stdint.h>

/* Why a file will not do. */
struct file_problem {
    enum protocol_error error;
    const char *text;
};

struct file_plan {
    frame_handle write; /* for reading and writing; HANDLE_NONE: none */
    frame_handle read;  /* for reading only; the same file; or HANDLE_NONE */
    uint32_t user;      /* who shows them */
    enum protocol_access access; /* that is asked for: `rw` makes it larger */
    bool commit;                 /* what it grows by is allocated */
    uint64_t size;               /* bytes; 0: all that it has */
    struct segment *segment;     /* what was made of it */
};

/*
 * Makes a segment of a file, which is made larger only when all else was good.
 * NULL and the segment, and the size that it has; or the problem. The plan's
 * handles are the segment's or closed, in every case.
 */
const struct file_problem *file_prepare(struct file_plan *plan);

/* ---- what all systems have in common (file.c) ---- */

extern const struct file_problem file_no_write;
extern const struct file_problem file_failed;

/* Settles how many bytes a segment of a file of `size` bytes has: where those
 * are more, the file is to be made larger. */
const struct file_problem *file_fit(struct file_plan *plan, uint64_t size);

#endif
