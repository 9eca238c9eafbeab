/*
 * Names of the Win32 calls as the broker knows them.
 */
#ifndef SEGBROKER_FILEMAPPING_NAME_H
#define SEGBROKER_FILEMAPPING_NAME_H

#include "filemapping.h"
#include "protocol.h"

/* A name of a segment; "": none was given, or an empty one. */
struct filemapping_name {
    char text[PROTOCOL_NAME_MAX + 1];
};

/* Both take NULL. ERROR_SUCCESS, or the code that Windows has for it. */
DWORD filemapping_name_ansi(LPCSTR name, struct filemapping_name *made);
DWORD filemapping_name_wide(LPCWSTR name, struct filemapping_name *made);

#endif
