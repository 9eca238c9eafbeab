#include "filemapping_system.h"

#include "filemapping.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>

static _Thread_local DWORD last_error;

DWORD SegGetLastError(void)
{
    return last_error;
}

void SegSetLastError(DWORD error)
{
    last_error = error;
}

/* The kernel says at each view whether it may. */
bool filemapping_can_execute(void)
{
    return true;
}

intptr_t filemapping_copy_file(intptr_t file)
{
    return fcntl((int)file, F_DUPFD_CLOEXEC, 0);
}

/* The same file, for reading alone; -1 where it may not be opened again. */
static int reopen(int file)
{
    char path[32];

    snprintf(path, sizeof(path), "/dev/fd/%d", file);
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

DWORD filemapping_file_parts(intptr_t file, bool writes, segb_file *parts)
{
    int mode = fcntl((int)file, F_GETFL) & O_ACCMODE;

    if (mode != O_RDWR && (writes || mode != O_RDONLY))
        return ERROR_ACCESS_DENIED;
    parts->write = writes ? file : -1;
    if (mode == O_RDONLY)
        parts->read = filemapping_copy_file(file);
    else
        parts->read = reopen((int)file);
    /* Who writes can do without. */
    return writes || parts->read != -1 ? ERROR_SUCCESS : ERROR_ACCESS_DENIED;
}

bool filemapping_at_fork(void (*before)(void), void (*in_parent)(void),
                         void (*in_child)(void))
{
    return pthread_atfork(before, in_parent, in_child) == 0;
}
