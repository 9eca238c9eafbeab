/*
 * What the ways of making segments on POSIX have in common.
 */
#ifndef SEGBROKER_SEGMENT_FILE_H
#define SEGBROKER_SEGMENT_FILE_H

#include "frame.h"

#include <stdbool.h>
#include <stdint.h>

/* An errno as one of segment.h's outcomes. */
int segment_outcome(int error);

/* Whether it is open to such a file: of that size, for that access (O_RDONLY
 * or O_RDWR). */
bool segment_file_is(int fd, uint64_t size, int access);

/* What a segment of a file was made of, out of its parts: which of them is for
 * what. HANDLE_NONE: none. 0, or negative when they are no such parts. */
int segment_file_sort(const frame_handle *parts, unsigned count,
                      frame_handle *write, frame_handle *read);

/* Whether `shown` is open to the same file, for writing too if `writable`. */
bool segment_file_same(int fd, int shown, bool writable);

void segment_close_parts(const frame_handle *parts, unsigned count);

#endif
