/*
 * Closing handles of strangers. Closing a file waits for whoever serves it, who
 * may be the stranger itself.
 */
#ifndef SEGBROKER_CLOSER_WINDOWS_H
#define SEGBROKER_CLOSER_WINDOWS_H

#include <windows.h>

/* Closes it on a thread. When threads and room to wait are used up, here. */
void closer_take(HANDLE handle);

#endif
