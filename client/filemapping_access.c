#include "filemapping_access.h"

#include "filemapping_system.h"

DWORD filemapping_access_parse(DWORD access, DWORD *kinds)
{
    DWORD known =
        FILE_MAP_READ | FILE_MAP_WRITE | FILE_MAP_COPY | FILE_MAP_EXECUTE;

    /* All has the bit of a copy in it, and means none. */
    if ((access & FILE_MAP_ALL_ACCESS) == FILE_MAP_ALL_ACCESS)
        access = (access & ~(DWORD)FILE_MAP_ALL_ACCESS) | FILE_MAP_READ |
                 FILE_MAP_WRITE;
    if (access == 0 || (access & ~known) != 0)
        return ERROR_NOT_SUPPORTED;
    if ((access & FILE_MAP_EXECUTE) && !filemapping_can_execute())
        return ERROR_NOT_SUPPORTED;
    *kinds = access;
    return ERROR_SUCCESS;
}

DWORD filemapping_access_rights(DWORD access, DWORD *rights)
{
    DWORD kinds;
    DWORD error = filemapping_access_parse(access, &kinds);

    if (error)
        return error;
    /* A private view needs to read, and no more. */
    if (kinds & FILE_MAP_COPY)
        kinds = (kinds & ~(DWORD)FILE_MAP_COPY) | FILE_MAP_READ;
    *rights = kinds;
    return ERROR_SUCCESS;
}
