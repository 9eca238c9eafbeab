/*
 * Errors of the Win32 calls, and what the library's are in their words.
 */
#ifndef SEGBROKER_FILEMAPPING_ERROR_H
#define SEGBROKER_FILEMAPPING_ERROR_H

#include "filemapping.h"

/* The code for a negative SEGB_E_...; ERROR_SUCCESS for 0. */
DWORD filemapping_error_of(int code);

/* Sets this thread's last error, and gives NULL, as calls for a pointer do. */
void *filemapping_fail(DWORD error);

#endif
