/*
 * What the Win32 calls need of the system.
 */
#ifndef SEGBROKER_FILEMAPPING_SYSTEM_H
#define SEGBROKER_FILEMAPPING_SYSTEM_H

#include <stdbool.h>
#include <stdint.h>

/* Whether views may be made to execute. */
bool filemapping_can_execute(void);

/* Duplicates a descriptor or a HANDLE; -1 when it is none. */
intptr_t filemapping_copy_file(intptr_t file);

/* Has these called around every fork, where there is one. False: no memory. */
bool filemapping_at_fork(void (*before)(void), void (*in_parent)(void),
                         void (*in_child)(void));

#endif
