/*
 * Nodes of memory (NUMA), by their numbers: which there are, and what is free
 * on one.
 *
 * Contract for numa_linux.c and numa_windows.c.
 */
#ifndef SEGBROKER_NUMA_H
#define SEGBROKER_NUMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether there is such a node, with memory that this process may have. */
bool numa_has(unsigned node);

/* Writes which there are: "0-1,3". Cut to the size. */
void numa_write(char *text, size_t size);

/* Bytes that could be allocated there now without pushing anybody out, as far
 * as the system tells. May be called from any thread. */
uint64_t numa_available(unsigned node);

#endif
