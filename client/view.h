/*
 * Mapping memory, as the system has it.
 */
#ifndef SEGBROKER_VIEW_H
#define SEGBROKER_VIEW_H

#include "frame.h"
#include "segbroker.h"

#include <stdbool.h>
#include <stddef.h>

/* What an offset must be a multiple of: a power of two. */
size_t view_granularity(void);

/* Bytes of a page. */
size_t view_page(void);

/* Bytes of a page of the segment's where they are huge, else 0. */
size_t view_huge_page(const segb_segment *segment);

/* A view that is asked for: inside the segment, and within its access. */
struct view_wish {
    size_t offset;
    size_t length;
    int access;       /* SEGB_RO, SEGB_RW or SEGB_COW */
    bool execute;     /* besides */
    bool whole_pages; /* all of its last page is the view's */
    bool huge;        /* of huge pages: view_map says so */
    void *base;       /* where it shall be; NULL: anywhere */
};

/* As segb_map does, which has checked the wish. SEGB_E_BUSY: the base is
 * taken. */
int view_map(segb_segment *segment, const struct view_wish *wish,
             void **address);

/* A view that there is. */
struct view_facts {
    uintptr_t start;
    uintptr_t end;
    int access;
    bool execute;
};

/* The view that the address lies in; false: none. */
bool view_find(const void *address, struct view_facts *facts);

/* ---- the system's part ---- */

/* What the system has of a view. */
struct view_memory {
    void *address;
    size_t length;
    frame_handle hold; /* what tells the broker of it: see view_attach */
};

/*
 * Maps a wish that begins on the granularity. 0, or a SEGB_E_... code with its
 * sentence. Where the broker counts handles and not views, the view holds one.
 */
int view_attach(frame_handle handle, const struct view_wish *wish,
                struct view_memory *memory);

/* Somebody has unmapped it: gives up what it held. */
void view_forget(const struct view_memory *memory);

/* Writes what was changed in a part of a file's view to the disk. The same. */
int view_flush(char *address, size_t length);

/* Brings a part of a view into memory, for what it may. The same. */
int view_populate(char *address, size_t length, int access, bool of_file);

/* Unmaps it. The same. */
int view_detach(const struct view_memory *memory);

#endif
