/*
 * Mapping memory, as the system has it.
 */
#ifndef SEGBROKER_VIEW_H
#define SEGBROKER_VIEW_H

#include "frame.h"

#include <stddef.h>

/* What an offset must be a multiple of: a power of two. */
size_t view_granularity(void);

/* What the system has of a view. */
struct view_memory {
    void *address;
    size_t length;
    frame_handle hold; /* what tells the broker of it: see view_attach */
};

/*
 * Maps; access is SEGB_RO, SEGB_RW or SEGB_COW. 0, or a SEGB_E_... code with
 * its sentence. Where the broker counts handles and not views, the view holds
 * one.
 */
int view_attach(frame_handle handle, size_t offset, size_t length, int access,
                struct view_memory *memory);

/* Somebody has unmapped it: gives up what it held. */
void view_forget(const struct view_memory *memory);

/* Writes what was changed in a part of a file's view to the disk. The same. */
int view_flush(char *address, size_t length);

/* Unmaps it. The same. */
int view_detach(const struct view_memory *memory);

#endif
