/*
 * A segment: the memory object itself, without name, owner or rules.
 *
 * Contract for segment_linux.c (memfd, the last-holder test) and
 * segment_posix.c (shm_open, the fallback).
 */
#ifndef SEGBROKER_SEGMENT_H
#define SEGBROKER_SEGMENT_H

#include "lent.h"
#include "protocol.h"

#include <stdbool.h>
#include <stdint.h>

struct segment;

enum { SEGMENT_PARTS_MAX = 2 };

/* Outcomes, all negative; the memory or handle was not made. */
enum {
    SEGMENT_E_NO_MEMORY = -1,
    SEGMENT_E_DESCRIPTORS = -2, /* the broker or the host has none left */
    SEGMENT_E_SYSTEM = -3,
    SEGMENT_E_BUSY = -4,    /* somebody has a view that can write */
    SEGMENT_E_SEALED = -5,  /* a holder has set seals of his own */
    SEGMENT_E_ACCESS = -6,  /* of a file that was not given for that access */
    SEGMENT_E_NO_PAGES = -7 /* too few huge pages are free */
};

enum segment_use {
    SEGMENT_FREE,   /* nobody but the broker has a handle or a view */
    SEGMENT_IN_USE, /* somebody has */
    SEGMENT_UNKNOWN /* this system cannot tell: let the grants decide */
};

/* What segments promise here, for `features`. */
struct segment_promises {
    bool sealed_size;     /* nobody can grow or shrink one */
    bool exact_lifetime;  /* segment_use knows of handles and views */
    bool handle_lifetime; /* it knows of handles alone */
    bool freezes;         /* nobody can write to one that is frozen */
    bool pages[PROTOCOL_PAGES_KINDS]; /* it knows of such pages */
    bool numa;                        /* memory comes from the node asked for */
};

/* Tries out what this system can do. Called once, before all others. */
void segment_init(void);
struct segment_promises segment_promises(void);

/* What huge pages need, as the end of a sentence. */
const char *segment_pages_need(enum protocol_pages pages);

/* `size` rounded up to whole pages of the system's, or 0 when that is too large
 * a number. */
uint64_t segment_mapped_size(uint64_t size);

/* How one shall be made. */
struct segment_plan {
    uint64_t mapped_size;
    bool commit;               /* all of it will be committed */
    bool freezable;            /* its seals are left open for segment_freeze */
    bool of_file;              /* segment_adopt: it is of a file */
    enum protocol_pages pages; /* mapped_size is a multiple of; if they are
                                  huge, all will be committed */
    unsigned numa;             /* its node's number and 1; 0: any */
};

/* A zeroed segment, of which nothing is allocated yet. */
int segment_new(const struct segment_plan *plan, struct segment **segment);

/* One of a file that is open for reading and writing, for reading only, or
 * both (else HANDLE_NONE). On POSIX the descriptors become the segment's, which
 * hands them out as they are; on Windows the section has the file, and `size`
 * bytes of it. */
int segment_of_file(frame_handle write, frame_handle read, uint64_t size,
                    struct segment **segment);

/* Gives the memory back that nobody uses any more: whoever holds it in a way
 * that does not count keeps no pages, but those of a frozen one. */
void segment_empty(struct segment *segment);

/* How many bytes that would give back. */
uint64_t segment_filled(const struct segment *segment);

/*
 * Takes writing from those who will have a handle or view (FUTURE), or from
 * everybody (YES). Where the system cannot, FUTURE is left to who gives handles
 * out, and YES must not be asked. May run in another thread.
 */
int segment_freeze(struct segment *segment, enum protocol_frozen frozen);

/* How far the system itself has it frozen. */
enum protocol_frozen segment_frozen(const struct segment *segment);

/* Makes all of it zeros, for everybody who has it. May run in another
 * thread. Frozen ones cannot be: SEGMENT_E_SYSTEM. */
int segment_wipe(struct segment *segment, uint64_t mapped_size);

/* Closes the broker's handles. NULL is fine. Returns NULL. */
struct segment *segment_free(struct segment *segment);

/*
 * Handles that make the same segment in another process, or in the next one;
 * they stay the segment's. How many.
 */
unsigned segment_parts(const struct segment *segment,
                       frame_handle parts[SEGMENT_PARTS_MAX]);

/*
 * The segment of such handles, which become its own, and are closed when it
 * fails. SEGMENT_E_SYSTEM when they are not those of such a segment.
 */
int segment_adopt(const frame_handle *parts, unsigned count,
                  const struct segment_plan *plan, struct segment **segment);

/* Whether a handle that somebody shows is to this very memory, and, when
 * `writable`, can write it. */
bool segment_is(const struct segment *segment, frame_handle handle,
                bool writable);

/*
 * Allocates the memory of a part, so that touching it cannot fail. May run in
 * another thread while this one leaves the segment alone.
 */
int segment_commit(struct segment *segment, uint64_t offset, uint64_t length);

/*
 * A handle to give away, for reading only or for both. It is lent to the
 * segment too, until segment_forget_handles.
 */
int segment_handle(struct segment *segment, bool writable,
                   struct lent **handle);

/* Gives back the handles that segment_handle keeps. */
void segment_forget_handles(struct segment *segment);

/* Who has it, beside the keeper where it is `kept`. Only true after
 * segment_forget_handles; a reply that is on its way with a handle has it
 * too. */
enum segment_use segment_use(struct segment *segment, bool kept);

#endif
