#include "filemapping_system.h"

#include "filemapping.h"

#include <winternl.h>

DWORD SegGetLastError(void)
{
    return GetLastError();
}

void SegSetLastError(DWORD error)
{
    SetLastError(error);
}

/* The broker's sections are for reading and writing. */
bool filemapping_can_execute(void)
{
    return false;
}

intptr_t filemapping_copy_file(intptr_t file)
{
    HANDLE copy;

    if (!DuplicateHandle(GetCurrentProcess(), (HANDLE)file, GetCurrentProcess(),
                         &copy, 0, FALSE, DUPLICATE_SAME_ACCESS))
        return -1;
    return (intptr_t)copy;
}

/* What the handle may: 0 when it is none. */
static DWORD rights_of(HANDLE file)
{
    PUBLIC_OBJECT_BASIC_INFORMATION facts = {0};

    if (NtQueryObject(file, ObjectBasicInformation, &facts, sizeof(facts),
                      NULL) < 0)
        return 0;
    return facts.GrantedAccess;
}

DWORD filemapping_file_parts(intptr_t file, bool writes, segb_file *parts)
{
    DWORD needed = writes ? FILE_READ_DATA | FILE_WRITE_DATA : FILE_READ_DATA;
    HANDLE reader;

    if ((rights_of((HANDLE)file) & needed) != needed ||
        !DuplicateHandle(GetCurrentProcess(), (HANDLE)file, GetCurrentProcess(),
                         &reader, FILE_GENERIC_READ, FALSE, 0))
        return ERROR_ACCESS_DENIED;
    parts->write = writes ? file : -1;
    parts->read = (intptr_t)reader;
    return ERROR_SUCCESS;
}

/* There is none. */
bool filemapping_at_fork(void (*before)(void), void (*in_parent)(void),
                         void (*in_child)(void))
{
    (void)before;
    (void)in_parent;
    (void)in_child;
    return true;
}
