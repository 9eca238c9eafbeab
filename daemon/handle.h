/*
 * A handle of the system's: a descriptor on POSIX, a HANDLE on Windows.
 */
#ifndef SEGBROKER_HANDLE_H
#define SEGBROKER_HANDLE_H

#include "frame.h"

/* No handle. */
enum { HANDLE_NONE = -1 };

/* Takes HANDLE_NONE too. */
void handle_close(frame_handle handle);

#endif
