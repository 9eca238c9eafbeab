/*
 * Huge pages and NUMA nodes of memfds, for segment_linux.c.
 *
 * Huge pages come from a pool of the kernel's. A page that somebody has mapped
 * and that cannot be had kills who touches it, so every segment's are reserved
 * and allocated before anybody has a handle; and never given back to the
 * pool while it lives, as punching a hole would. The kernel does not keep the
 * node of a file of huge pages, as it does for others: they are allocated by a
 * view that has it.
 */
#ifndef SEGBROKER_SEGMENT_PAGES_H
#define SEGBROKER_SEGMENT_PAGES_H

#include "segment.h"

/* For memfd_create. */
unsigned segment_pages_flags(enum protocol_pages pages);

/* Says from which node a file of plain pages has its memory, of which nothing
 * is allocated yet. 0, or an outcome of segment.h. */
int segment_pages_place(int fd, uint64_t size, unsigned numa);

/* Allocates huge pages; before the first of them all are reserved. That may
 * take the kernel long, where its pool grows by itself. The same. */
int segment_pages_commit(int fd, uint64_t offset, uint64_t length,
                         unsigned numa);

/* Zeroes huge pages of that size, which stay where they are. The same. */
int segment_pages_wipe(int fd, uint64_t size, uint64_t page);

#endif
