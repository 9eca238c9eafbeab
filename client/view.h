/*
 * Mapping memory, as the system has it.
 */
#ifndef SEGBROKER_VIEW_H
#define SEGBROKER_VIEW_H

#include "frame.h"

#include <stddef.h>

/* What an offset must be a multiple of: a power of two. */
size_t view_granularity(void);

/* Maps; access is SEGB_RO, SEGB_RW or SEGB_COW. 0, or a SEGB_E_... code with
 * its sentence. */
int view_attach(frame_handle handle, size_t offset, size_t length, int access,
                void **address);

/* Unmaps all that view_attach mapped. The same. */
int view_detach(void *address, size_t length);

#endif
