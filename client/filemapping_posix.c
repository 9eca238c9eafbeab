#include "filemapping_system.h"

#include "filemapping.h"

#include <fcntl.h>
#include <pthread.h>

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

bool filemapping_at_fork(void (*before)(void), void (*in_parent)(void),
                         void (*in_child)(void))
{
    return pthread_atfork(before, in_parent, in_child) == 0;
}
