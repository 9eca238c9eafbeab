/*
 * FILE_MAP_... as callers put it together.
 */
#ifndef SEGBROKER_FILEMAPPING_ACCESS_H
#define SEGBROKER_FILEMAPPING_ACCESS_H

#include "filemapping.h"

/*
 * Takes an access apart into FILE_MAP_READ, _WRITE, _COPY and _EXECUTE.
 * ERROR_SUCCESS, or ERROR_NOT_SUPPORTED where there is more in it, or nothing.
 */
DWORD filemapping_access_parse(DWORD access, DWORD *kinds);

/* What a handle may that is asked for with that access; results as above. */
DWORD filemapping_access_rights(DWORD access, DWORD *rights);

#endif
