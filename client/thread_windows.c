#include "thread.h"

#include <stdlib.h>
#include <windows.h>

uint64_t thread_clock(void)
{
    return GetTickCount64();
}

struct thread_monitor {
    CRITICAL_SECTION lock;
    CONDITION_VARIABLE moved;
};

struct thread_monitor *thread_monitor_new(void)
{
    struct thread_monitor *monitor = malloc(sizeof(*monitor));

    if (!monitor)
        return NULL;
    InitializeCriticalSection(&monitor->lock);
    InitializeConditionVariable(&monitor->moved);
    return monitor;
}

struct thread_monitor *thread_monitor_free(struct thread_monitor *monitor)
{
    if (monitor)
        DeleteCriticalSection(&monitor->lock);
    free(monitor);
    return NULL;
}

void thread_monitor_lock(struct thread_monitor *monitor)
{
    EnterCriticalSection(&monitor->lock);
}

void thread_monitor_unlock(struct thread_monitor *monitor)
{
    LeaveCriticalSection(&monitor->lock);
}

void thread_monitor_wait(struct thread_monitor *monitor, uint64_t deadline)
{
    uint64_t now = thread_clock();
    DWORD left = INFINITE;

    if (deadline != THREAD_NEVER)
        left = deadline <= now                 ? 0
               : deadline - now < INFINITE - 1 ? (DWORD)(deadline - now)
                                               : INFINITE - 1;
    SleepConditionVariableCS(&monitor->moved, &monitor->lock, left);
}

void thread_monitor_wake_all(struct thread_monitor *monitor)
{
    WakeAllConditionVariable(&monitor->moved);
}

struct thread {
    HANDLE handle;
    void (*body)(void *data);
    void *data;
};

static DWORD WINAPI run(void *data)
{
    struct thread *thread = data;

    thread->body(thread->data);
    return 0;
}

struct thread *thread_start(void (*body)(void *data), void *data)
{
    struct thread *thread = malloc(sizeof(*thread));

    if (!thread)
        return NULL;
    thread->body = body;
    thread->data = data;
    thread->handle = CreateThread(NULL, 0, run, thread, 0, NULL);
    if (thread->handle)
        return thread;
    free(thread);
    return NULL;
}

struct thread *thread_join(struct thread *thread)
{
    if (!thread)
        return NULL;
    WaitForSingleObject(thread->handle, INFINITE);
    CloseHandle(thread->handle);
    free(thread);
    return NULL;
}

uintptr_t thread_self(void)
{
    return GetCurrentThreadId();
}

static SRWLOCK process_lock = SRWLOCK_INIT;

void thread_process_lock(void)
{
    AcquireSRWLockExclusive(&process_lock);
}

void thread_process_unlock(void)
{
    ReleaseSRWLockExclusive(&process_lock);
}
