#include "filemapping_system.h"

#include "filemapping.h"

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

/* There is none. */
bool filemapping_at_fork(void (*before)(void), void (*in_parent)(void),
                         void (*in_child)(void))
{
    (void)before;
    (void)in_parent;
    (void)in_child;
    return true;
}
