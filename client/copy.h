/*
 * Copies in and out of a segment's handle, as the system has them: what is not
 * there any more is an error, and no signal.
 */
#ifndef SEGBROKER_COPY_H
#define SEGBROKER_COPY_H

#include "frame.h"

#include <stddef.h>

/* 0, or a SEGB_E_... code with its sentence. */
int copy_out(frame_handle handle, size_t offset, void *bytes, size_t length);
int copy_in(frame_handle handle, size_t offset, const void *bytes,
            size_t length);

/* A part of a file of pages of that size. */
struct copy_range {
    int fd;
    size_t offset;
    size_t length;
    size_t page;
};

/* copy_in by a view (Linux). */
int copy_in_view(const struct copy_range *range, const void *bytes);

#endif
