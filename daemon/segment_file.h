/*
 * What the ways of making segments on POSIX have in common.
 */
#ifndef SEGBROKER_SEGMENT_FILE_H
#define SEGBROKER_SEGMENT_FILE_H

#include "segment.h"

#include <stdbool.h>
#include <stdint.h>

/* An errno as one of segment.h's outcomes. */
int segment_outcome(int error);

/* Whether it is open to such a file: of that size, for that access (O_RDONLY
 * or O_RDWR). */
bool segment_file_is(int fd, uint64_t size, int access);

/*
 * Lends the descriptors that a segment is made of, HANDLE_NONE (then NULL)
 * where it has none. 0; or SEGMENT_E_NO_MEMORY, and they stay the caller's.
 */
int segment_file_lend(frame_handle write, frame_handle read,
                      struct lent **writable, struct lent **readable);

/* The handles of these; how many. */
unsigned segment_file_parts(const struct lent *writable,
                            const struct lent *readable, frame_handle *parts);

/* segment_adopt, of the parts of a file's segment. */
int segment_file_adopt(const frame_handle *parts, unsigned count,
                       struct segment **segment);

/* Whether `shown` is open to the same file, for writing too if `writable`. */
bool segment_file_same(int fd, int shown, bool writable);

void segment_close_parts(const frame_handle *parts, unsigned count);

#endif
