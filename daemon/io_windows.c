#include "io_windows.h"

#include <winternl.h>

enum { ENTRIES = 64, WAKE_NS = 10000000 };

static struct {
    HANDLE port;
    CRITICAL_SECTION lock;
    CONDITION_VARIABLE moved;
    struct io_operation *first; /* those handed over and not yet done */
    struct io_operation **last;
    uv_async_t wake;
    bool has_loop;  /* `wake` is one of its handles */
    bool is_served; /* by the loop; who nobody refers to ends unheard */
    unsigned references;
} io;

/* ---- the port's thread ---- */

static void hand_over(const OVERLAPPED_ENTRY *entry)
{
    struct io_operation *o = (struct io_operation *)entry->lpOverlapped;
    /* The low half is an NTSTATUS; what it means to us is failed or not. */
    bool failed = (LONG)o->overlapped.Internal < 0;

    o->error = failed ? RtlNtStatusToDosError((LONG)o->overlapped.Internal) : 0;
    o->size = entry->dwNumberOfBytesTransferred;
    o->next = NULL;
    *io.last = o;
    io.last = &o->next;
}

static DWORD WINAPI serve_port(void *unused)
{
    OVERLAPPED_ENTRY entries[ENTRIES];
    ULONG count;

    (void)unused;
    while (GetQueuedCompletionStatusEx(io.port, entries, ENTRIES, &count,
                                       INFINITE, FALSE)) {
        EnterCriticalSection(&io.lock);
        for (ULONG i = 0; i < count; i++)
            hand_over(&entries[i]);
        WakeAllConditionVariable(&io.moved);
        if (io.is_served)
            uv_async_send(&io.wake);
        LeaveCriticalSection(&io.lock);
    }
    return 0;
}

static int start_port(void)
{
    HANDLE thread;

    if (io.port)
        return 0;
    InitializeCriticalSection(&io.lock);
    InitializeConditionVariable(&io.moved);
    io.last = &io.first;
    io.port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    if (!io.port)
        return -1;
    thread = CreateThread(NULL, 0, serve_port, NULL, 0, NULL);
    if (!thread) {
        CloseHandle(io.port);
        io.port = NULL;
        return -1;
    }
    CloseHandle(thread);
    return 0;
}

/* ---- the loop's thread ---- */

/* Takes out what `link` leads to. */
static struct io_operation *take(struct io_operation **link)
{
    struct io_operation *o = *link;

    *link = o->next;
    if (io.last == &o->next)
        io.last = link;
    return o;
}

static void finish(struct io_operation *operation)
{
    operation->pending = false;
    operation->done(operation);
}

static void on_wake(uv_async_t *wake)
{
    uint64_t began = uv_hrtime();
    struct io_operation *o;

    for (;;) {
        EnterCriticalSection(&io.lock);
        o = io.first ? take(&io.first) : NULL;
        LeaveCriticalSection(&io.lock);
        if (!o)
            return;
        finish(o);
        /* Timers, workers and whoever waits for a turn come in between. */
        if (uv_hrtime() - began >= WAKE_NS) {
            uv_async_send(wake);
            return;
        }
    }
}

static void serve_from_loop(bool served)
{
    EnterCriticalSection(&io.lock);
    io.is_served = served;
    LeaveCriticalSection(&io.lock);
}

int io_ref(uv_loop_t *loop)
{
    if (start_port() < 0)
        return -1;
    if (io.references > 0) {
        io.references++;
        return 0;
    }
    if (io.has_loop)
        uv_ref((uv_handle_t *)&io.wake);
    else if (uv_async_init(loop, &io.wake, on_wake) < 0)
        return -1;
    io.has_loop = true;
    io.references = 1;
    serve_from_loop(true);
    /* Something may have been handed over while nobody served. */
    uv_async_send(&io.wake);
    return 0;
}

void io_unref(void)
{
    if (--io.references > 0)
        return;
    serve_from_loop(false);
    uv_unref((uv_handle_t *)&io.wake);
}

int io_bind(HANDLE handle)
{
    if (start_port() < 0)
        return -1;
    return CreateIoCompletionPort(handle, io.port, 0, 0) ? 0 : -1;
}

void io_begin(struct io_operation *operation)
{
    HANDLE event = operation->overlapped.hEvent;

    memset(&operation->overlapped, 0, sizeof(operation->overlapped));
    operation->overlapped.hEvent = event;
    operation->pending = true;
}

int io_began(struct io_operation *operation, BOOL called)
{
    /* What ended at once comes to the port all the same. */
    if (called || GetLastError() == ERROR_IO_PENDING)
        return 0;
    operation->error = GetLastError();
    operation->pending = false;
    return -1;
}

void io_post(struct io_operation *operation)
{
    PostQueuedCompletionStatus(io.port, 0, 0, &operation->overlapped);
}

static bool take_that(struct io_operation *operation)
{
    struct io_operation **link = &io.first;

    while (*link && *link != operation)
        link = &(*link)->next;
    if (!*link)
        return false;
    take(link);
    return true;
}

bool io_wait(struct io_operation *operation, DWORD milliseconds)
{
    ULONGLONG end = GetTickCount64() + milliseconds, now;
    bool ended;

    if (!operation->pending)
        return true;
    EnterCriticalSection(&io.lock);
    while (!(ended = take_that(operation)) && (now = GetTickCount64()) < end)
        SleepConditionVariableCS(&io.moved, &io.lock, (DWORD)(end - now));
    LeaveCriticalSection(&io.lock);
    if (ended)
        finish(operation);
    return ended;
}
