/*
 * Handles of the Win32 calls, and the connection that they keep.
 *
 * A handle is a number: a place in a table, and how often that place was given
 * away before. So whatever a program hands in, a handle that was closed too, is
 * looked up and never followed.
 */
#ifndef SEGBROKER_FILEMAPPING_HANDLE_H
#define SEGBROKER_FILEMAPPING_HANDLE_H

#include "filemapping.h"
#include "segbroker.h"

#include <stdbool.h>

/* What handles are to: a mapping or a file. */
struct filemapping_object {
    unsigned references;   /* handles, and calls under way */
    segb_segment *segment; /* NULL: it is a file */
    intptr_t file;         /* -1: it is a mapping */
    DWORD rights;          /* FILE_MAP_READ, ...: the most that a handle has */
};

/* An object with one reference, which is the caller's. NULL: out of memory,
 * and segment or file stay the caller's. */
struct filemapping_object *filemapping_object_new(segb_segment *segment,
                                                  intptr_t file, DWORD rights);
/* Closes segment or file with the last reference. */
void filemapping_object_unref(struct filemapping_object *object);

/* A handle, which takes the caller's reference. NULL: out of memory, and the
 * reference stays the caller's. */
HANDLE filemapping_handle_add(struct filemapping_object *object, DWORD rights);

/* A reference to what the handle is to, and what the handle may; NULL: it is
 * none. */
struct filemapping_object *filemapping_handle_get(HANDLE handle, DWORD *rights);

/* Gives the handle up; false: it is none. */
bool filemapping_handle_remove(HANDLE handle);

/* The connection of this process, for who makes a segment; 0 or SEGB_E_....
 * Each is given back: by who made none, or with the segment's object. */
int filemapping_client_take(segb_client **client);
void filemapping_client_give_back(void);

#endif
