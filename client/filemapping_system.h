/*
 * What the Win32 calls need of the system.
 */
#ifndef SEGBROKER_FILEMAPPING_SYSTEM_H
#define SEGBROKER_FILEMAPPING_SYSTEM_H

#include "filemapping.h"
#include "segbroker.h"

#include <stdbool.h>

/* Whether views may be made to execute. */
bool filemapping_can_execute(void);

/* Duplicates a descriptor or a HANDLE; -1 when it is none. */
intptr_t filemapping_copy_file(intptr_t file);

/*
 * What the broker is given of a file: itself as `write` where `writes`, and in
 * any case one for reading alone as `read`, which is the caller's to close. A
 * code of Windows: ERROR_ACCESS_DENIED where the file was not opened so.
 */
DWORD filemapping_file_parts(intptr_t file, bool writes, segb_file *parts);

/* Has these called around every fork, where there is one. False: no memory. */
bool filemapping_at_fork(void (*before)(void), void (*in_parent)(void),
                         void (*in_child)(void));

#endif
