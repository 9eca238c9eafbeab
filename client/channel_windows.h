/*
 * What only the watch asks of channels on Windows.
 */
#ifndef SEGBROKER_CHANNEL_WINDOWS_H
#define SEGBROKER_CHANNEL_WINDOWS_H

#include "channel.h"

#include <windows.h>

/* Sets the event whenever something has come, from now on; NULL: no more. */
void channel_notify(channel c, HANDLE event);

#endif
