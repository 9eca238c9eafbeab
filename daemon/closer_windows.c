#include "closer_windows.h"

#include <stdbool.h>

enum { THREADS_MAX = 32, WAITING_MAX = 4096 };

static SRWLOCK lock = SRWLOCK_INIT; /* of all below */
static HANDLE waiting[WAITING_MAX];
static unsigned waiting_count;
static unsigned thread_count;

/* NULL: none waits, and the thread that asks is no longer counted. */
static HANDLE take_waiting(void)
{
    HANDLE handle = NULL;

    AcquireSRWLockExclusive(&lock);
    if (waiting_count > 0)
        handle = waiting[--waiting_count];
    else
        thread_count--;
    ReleaseSRWLockExclusive(&lock);
    return handle;
}

static DWORD WINAPI close_waiting(void *unused)
{
    HANDLE handle;

    (void)unused;
    while ((handle = take_waiting()) != NULL)
        CloseHandle(handle);
    return 0;
}

static bool add_waiting(HANDLE handle, bool *needs_thread)
{
    bool fits;

    AcquireSRWLockExclusive(&lock);
    fits = waiting_count < WAITING_MAX;
    if (fits)
        waiting[waiting_count++] = handle;
    *needs_thread = thread_count < THREADS_MAX;
    if (*needs_thread)
        thread_count++;
    ReleaseSRWLockExclusive(&lock);
    return fits;
}

static void start_thread(void)
{
    HANDLE thread = CreateThread(NULL, 0, close_waiting, NULL, 0, NULL);

    if (thread) {
        CloseHandle(thread);
        return;
    }
    /* What waits goes with the next one. */
    AcquireSRWLockExclusive(&lock);
    thread_count--;
    ReleaseSRWLockExclusive(&lock);
}

void closer_take(HANDLE handle)
{
    bool needs_thread;
    bool fits = add_waiting(handle, &needs_thread);

    if (needs_thread)
        start_thread();
    if (!fits)
        CloseHandle(handle);
}
