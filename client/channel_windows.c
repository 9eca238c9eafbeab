/*
 * A pipe with a read always under way, so that its end is seen, and one write
 * at most. What the broker said before it went can still be read when nothing
 * can be written any more. Windows cancels what a thread has begun when that
 * ends: another one begins it again. Handles are duplicated into this process
 * by the broker; a reply tells their values.
 */
#include "channel_windows.h"

#include "error.h"
#include "internal.h"
#include "thread.h"

#include <aclapi.h>
#include <limits.h>
#include <sddl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <winternl.h>

#define SYSTEM_PIPE "\\\\.\\pipe\\segbroker"

enum {
    PATH_SIZE = 1024,
    /* What a client may do with the pipe: generic reading and writing but for
     * making instances. */
    PIPE_RIGHTS = 0x12019b,
    PIPE_NAME_MAX = 256,
    BUSY_WAIT_MS = 50,
    END_LOOK_MS = 100
};

struct pipe_channel {
    HANDLE pipe;
    DWORD timeout;
    CRITICAL_SECTION lock;
    OVERLAPPED read;
    OVERLAPPED write;
    bool reads;  /* a read is under way, or done and not taken */
    bool writes; /* the same of a write */
    bool mute;   /* nothing can be written any more */
    bool ended;  /* nothing can be read any more */
    HANDLE end;  /* event: set with `ended` */
    HANDLE notify;
    PTP_WAIT wait; /* on the read's event, for `notify` */
    char *output;
    size_t output_size;
    char input[sizeof(((struct channel_input *)NULL)->bytes)];
};

static struct pipe_channel *channel_of(channel c)
{
    return (struct pipe_channel *)c;
}

/* ---- reading, with the lock held ---- */

static void end(struct pipe_channel *p)
{
    p->ended = true;
    SetEvent(p->end);
    if (p->notify)
        SetEvent(p->notify);
}

static void begin_read(struct pipe_channel *p)
{
    if (p->reads || p->ended)
        return;
    ResetEvent(p->read.hEvent);
    if (ReadFile(p->pipe, p->input, sizeof(p->input), NULL, &p->read) ||
        GetLastError() == ERROR_IO_PENDING) {
        p->reads = true;
        if (p->notify)
            SetThreadpoolWait(p->wait, p->read.hEvent, NULL);
    } else {
        end(p);
    }
}

static void forget_output(struct pipe_channel *p)
{
    p->writes = false;
    free(p->output);
    p->output = NULL;
}

static void begin_write(struct pipe_channel *p)
{
    ResetEvent(p->write.hEvent);
    p->writes =
        WriteFile(p->pipe, p->output, (DWORD)p->output_size, NULL, &p->write) ||
        GetLastError() == ERROR_IO_PENDING;
    if (p->writes)
        return;
    SetEvent(p->write.hEvent);
    forget_output(p);
    p->mute = true;
}

/* Takes what a write that has ended left. */
static void settle_write(struct pipe_channel *p)
{
    DWORD size = 0;

    if (!p->writes || !HasOverlappedIoCompleted(&p->write))
        return;
    if (GetOverlappedResult(p->pipe, &p->write, &size, FALSE)) {
        forget_output(p);
    } else if (GetLastError() == ERROR_OPERATION_ABORTED && size == 0 &&
               !p->mute) {
        begin_write(p);
    } else {
        forget_output(p);
        p->mute = true;
    }
}

static void CALLBACK on_input(PTP_CALLBACK_INSTANCE instance, void *data,
                              PTP_WAIT wait, TP_WAIT_RESULT result)
{
    struct pipe_channel *p = data;

    (void)instance;
    (void)wait;
    (void)result;
    EnterCriticalSection(&p->lock);
    if (p->notify)
        SetEvent(p->notify);
    LeaveCriticalSection(&p->lock);
}

void channel_notify(channel c, HANDLE event)
{
    struct pipe_channel *p = channel_of(c);

    EnterCriticalSection(&p->lock);
    p->notify = event;
    if (event && (p->reads || p->ended))
        SetThreadpoolWait(p->wait, p->read.hEvent, NULL);
    if (event && p->ended)
        SetEvent(event);
    LeaveCriticalSection(&p->lock);
}

/* ---- connecting ---- */

/* Whether the SID is what the token says in `class`: an SID too. */
static bool is_own(PSID sid, TOKEN_INFORMATION_CLASS class)
{
    union {
        PSID sid;
        char bytes[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
    } own;
    DWORD size;

    return GetTokenInformation(GetCurrentProcessToken(), class, &own,
                               sizeof(own), &size) &&
           EqualSid(sid, own.sid);
}

static bool is_service(PSID owner)
{
    char sid[SECURITY_MAX_SID_SIZE];
    wchar_t domain[64];
    DWORD size = sizeof(sid), domain_size = 64;
    SID_NAME_USE use;

    return LookupAccountNameW(NULL, L"NT SERVICE\\segbroker", sid, &size,
                              domain, &domain_size, &use) &&
           EqualSid(owner, sid);
}

/* Whether a pipe's owner could be a broker that this user may trust: the
 * system, administrators, the service, or the user. Anybody else may have taken
 * the name first. */
static bool is_trusted_owner(PSID owner)
{
    if (IsWellKnownSid(owner, WinLocalSystemSid) ||
        IsWellKnownSid(owner, WinBuiltinAdministratorsSid))
        return true;
    return is_own(owner, TokenUser) || is_own(owner, TokenOwner) ||
           is_service(owner);
}

static int check_owner(HANDLE pipe, const char *path)
{
    PSECURITY_DESCRIPTOR descriptor;
    char *text = NULL;
    PSID owner;
    int r = 0;

    if (GetSecurityInfo(pipe, SE_KERNEL_OBJECT, OWNER_SECURITY_INFORMATION,
                        &owner, NULL, NULL, NULL, &descriptor) != 0)
        return error_set(SEGB_E_ACCESS_DENIED,
                         "%s does not say whose it is: no broker", path);
    if (!owner || !is_trusted_owner(owner)) {
        if (owner && !ConvertSidToStringSidA(owner, &text))
            text = NULL;
        r = error_set(SEGB_E_ACCESS_DENIED,
                      "%s belongs to %s, which is neither the service nor you",
                      path, text ? text : "nobody");
        LocalFree(text);
    }
    LocalFree(descriptor);
    return r;
}

static wchar_t *widen(const char *text)
{
    int size =
        MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    wchar_t *wide = size > 0 ? malloc((size_t)size * sizeof(*wide)) : NULL;

    if (wide)
        MultiByteToWideChar(CP_UTF8, 0, text, -1, wide, size);
    return wide;
}

static int connect_failure(const char *path, DWORD error)
{
    switch (error) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_NAME:
    case ERROR_BAD_PATHNAME:
        return error_set(SEGB_E_NO_BROKER, "no broker serves at %s", path);
    case ERROR_ACCESS_DENIED:
        return error_set(SEGB_E_ACCESS_DENIED, "%s cannot be reached", path);
    case ERROR_PIPE_BUSY:
    case ERROR_SEM_TIMEOUT:
        return error_set(SEGB_E_TIMEOUT,
                         "the broker at %s did not take the connection in time",
                         path);
    default:
        return error_set(SEGB_E_SYSTEM, "connecting to %s: error %lu", path,
                         error);
    }
}

/* Opens the pipe; one that is busy is waited for. */
static HANDLE open_pipe(const wchar_t *wide, DWORD rights, DWORD level,
                        int timeout, DWORD *error)
{
    uint64_t end =
        timeout < 0 ? THREAD_NEVER : thread_clock() + (uint64_t)timeout;
    HANDLE pipe;

    for (;;) {
        pipe = CreateFileW(wide, rights, 0, NULL, OPEN_EXISTING,
                           FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | level,
                           NULL);
        *error = GetLastError();
        if (pipe != INVALID_HANDLE_VALUE)
            return pipe;
        if (*error != ERROR_PIPE_BUSY || thread_clock() >= end)
            return NULL;
        /* It fails at once while a broker is being replaced. */
        if (!WaitNamedPipeW(wide, BUSY_WAIT_MS) &&
            GetLastError() != ERROR_SEM_TIMEOUT)
            Sleep(5);
    }
}

static void free_channel(struct pipe_channel *p)
{
    if (p->wait)
        CloseThreadpoolWait(p->wait);
    if (p->end)
        CloseHandle(p->end);
    if (p->read.hEvent)
        CloseHandle(p->read.hEvent);
    if (p->write.hEvent)
        CloseHandle(p->write.hEvent);
    DeleteCriticalSection(&p->lock);
    free(p->output);
    free(p);
}

/* Adopts the pipe. NULL when memory is short. */
static struct pipe_channel *new_channel(HANDLE pipe, int timeout)
{
    struct pipe_channel *p = calloc(1, sizeof(*p));

    if (!p) {
        CloseHandle(pipe);
        return NULL;
    }
    p->pipe = pipe;
    p->timeout = timeout < 0 ? INFINITE : (DWORD)timeout;
    InitializeCriticalSection(&p->lock);
    p->end = CreateEventW(NULL, TRUE, FALSE, NULL);
    p->read.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    p->write.hEvent = CreateEventW(NULL, TRUE, TRUE, NULL);
    p->wait = CreateThreadpoolWait(on_input, p, NULL);
    if (p->end && p->read.hEvent && p->write.hEvent && p->wait) {
        EnterCriticalSection(&p->lock);
        begin_read(p);
        LeaveCriticalSection(&p->lock);
        return p;
    }
    CloseHandle(pipe);
    free_channel(p);
    return NULL;
}

static int open_checked(const wchar_t *wide, const char *path, DWORD rights,
                        DWORD level, int timeout, HANDLE *pipe)
{
    DWORD error;
    int r;

    *pipe = open_pipe(wide, rights, level, timeout, &error);
    if (!*pipe)
        return connect_failure(path, error);
    r = check_owner(*pipe, path);
    if (r < 0)
        CloseHandle(*pipe);
    return r;
}

/* Looks first whose pipe it is, as nobody: who has taken the name may act as
 * whom he lets himself be called by. */
static int open_trusted(const wchar_t *wide, const char *path, int timeout,
                        HANDLE *pipe)
{
    int r = open_checked(wide, path, READ_CONTROL | SYNCHRONIZE,
                         SECURITY_ANONYMOUS, timeout, pipe);

    if (r < 0)
        return r;
    CloseHandle(*pipe);
    return open_checked(wide, path, PIPE_RIGHTS, SECURITY_IMPERSONATION,
                        timeout, pipe);
}

static int connect_to(const char *path, int timeout, channel *connected)
{
    wchar_t *wide = widen(path);
    struct pipe_channel *p;
    HANDLE pipe;
    int r;

    if (strlen(path) > PIPE_NAME_MAX) {
        free(wide);
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "socket: a pipe's name may have at most %d bytes: %s",
                         PIPE_NAME_MAX, path);
    }
    r = wide && wcsncmp(wide, L"\\\\.\\pipe\\", 9) == 0
            ? open_trusted(wide, path, timeout, &pipe)
            : connect_failure(path, ERROR_INVALID_NAME);
    free(wide);
    if (r < 0)
        return r;
    p = new_channel(pipe, timeout);
    if (!p)
        return error_note(SEGB_E_SYSTEM, "out of memory");
    *connected = (channel)p;
    return 0;
}

/* $SEGBROKER_SOCKET where it is set, else the system's pipe. */
static void default_path(char *path, size_t size)
{
    wchar_t wide[PATH_SIZE / 4];
    DWORD length =
        GetEnvironmentVariableW(L"SEGBROKER_SOCKET", wide, PATH_SIZE / 4);

    if (length == 0 || length >= PATH_SIZE / 4 ||
        WideCharToMultiByte(CP_UTF8, 0, wide, -1, path, (int)size, NULL,
                            NULL) == 0)
        snprintf(path, size, "%s", SYSTEM_PIPE);
}

int channel_connect(const char *address, int timeout, channel *connected,
                    char **connected_to)
{
    char path[PATH_SIZE];
    channel c = CHANNEL_NONE;
    int r;

    if (address)
        snprintf(path, sizeof(path), "%s", address);
    else
        default_path(path, sizeof(path));
    r = connect_to(path, timeout, &c);
    if (r < 0)
        return r;
    *connected_to = _strdup(path);
    if (!*connected_to) {
        channel_close(c);
        return error_note(SEGB_E_SYSTEM, "out of memory");
    }
    *connected = c;
    return 0;
}

int channel_connect_again(const char *address, int timeout, channel *connected)
{
    return connect_to(address, timeout, connected);
}

/* ---- the end ---- */

static void wait_cancelled(struct pipe_channel *p, OVERLAPPED *operation)
{
    DWORD size;

    CancelIoEx(p->pipe, operation);
    GetOverlappedResult(p->pipe, operation, &size, TRUE);
}

channel channel_close(channel c)
{
    struct pipe_channel *p = channel_of(c);

    if (c == CHANNEL_NONE)
        return CHANNEL_NONE;
    channel_notify(c, NULL);
    SetThreadpoolWait(p->wait, NULL, NULL);
    WaitForThreadpoolWaitCallbacks(p->wait, TRUE);
    if (p->reads)
        wait_cancelled(p, &p->read);
    if (p->writes)
        wait_cancelled(p, &p->write);
    CloseHandle(p->pipe);
    free_channel(p);
    return CHANNEL_NONE;
}

void channel_shutdown(channel c)
{
    struct pipe_channel *p = channel_of(c);

    EnterCriticalSection(&p->lock);
    end(p);
    LeaveCriticalSection(&p->lock);
}

void channel_wait_end(channel c)
{
    struct pipe_channel *p = channel_of(c);
    HANDLE read = p->read.hEvent;

    /* What was read and nobody takes hides the end behind it. */
    while (WaitForSingleObject(p->end, END_LOOK_MS) == WAIT_TIMEOUT)
        if (WaitForSingleObject(read, 0) == WAIT_OBJECT_0)
            return;
}

/* ---- bytes ---- */

int channel_send(channel c, const char *bytes, size_t size, size_t *sent)
{
    struct pipe_channel *p = channel_of(c);
    int r = 0;

    EnterCriticalSection(&p->lock);
    settle_write(p);
    if (p->ended || p->mute)
        r = CHANNEL_E_GONE;
    else if (p->writes || !(p->output = malloc(size)))
        r = CHANNEL_AGAIN;
    if (r == 0) {
        memcpy(p->output, bytes, size);
        p->output_size = size;
        begin_write(p);
        r = p->writes ? 0 : CHANNEL_E_GONE;
    }
    LeaveCriticalSection(&p->lock);
    if (r == 0)
        *sent = size;
    return r;
}

int channel_send_handles(channel c, const char *bytes, size_t size,
                         const frame_handle *handles, unsigned count,
                         size_t *sent)
{
    /* The broker fetches them. */
    (void)handles;
    (void)count;
    return channel_send(c, bytes, size, sent);
}

int channel_receive(channel c, struct channel_input *input)
{
    struct pipe_channel *p = channel_of(c);
    DWORD size = 0;
    int r = CHANNEL_AGAIN;

    input->count = 0;
    input->truncated = false;
    EnterCriticalSection(&p->lock);
    begin_read(p);
    if (p->reads && HasOverlappedIoCompleted(&p->read)) {
        p->reads = false;
        if (GetOverlappedResult(p->pipe, &p->read, &size, FALSE) && size > 0) {
            memcpy(input->bytes, p->input, size);
            input->size = size;
            r = 0;
            begin_read(p);
        } else if (GetLastError() == ERROR_OPERATION_ABORTED && !p->ended) {
            begin_read(p);
        } else {
            end(p);
        }
    }
    if (r != 0 && p->ended)
        r = CHANNEL_E_GONE;
    LeaveCriticalSection(&p->lock);
    return r;
}

/* Waits for a read, a write or the end, whatever is asked for. */
static void wait_for(struct pipe_channel *p, bool writing, DWORD milliseconds)
{
    HANDLE events[] = {p->end, p->read.hEvent, p->write.hEvent};

    WaitForMultipleObjects(writing ? 3 : 2, events, FALSE, milliseconds);
}

int channel_receive_wait(channel c, struct channel_input *input)
{
    int r = channel_receive(c, input);

    if (r != CHANNEL_AGAIN)
        return r;
    wait_for(channel_of(c), false, channel_of(c)->timeout);
    return channel_receive(c, input);
}

static DWORD time_left(uint64_t deadline)
{
    uint64_t now = thread_clock();

    if (deadline == THREAD_NEVER)
        return INFINITE;
    if (deadline <= now)
        return 0;
    return deadline - now > INT_MAX ? INT_MAX : (DWORD)(deadline - now);
}

int channel_wait(channel c, bool writing, uint64_t deadline)
{
    struct pipe_channel *p = channel_of(c);
    int ready = 0;

    wait_for(p, writing, time_left(deadline));
    EnterCriticalSection(&p->lock);
    settle_write(p);
    if (p->ended || (p->reads && HasOverlappedIoCompleted(&p->read)))
        ready |= CHANNEL_READABLE;
    if (writing && (p->ended || p->mute || !p->writes))
        ready |= CHANNEL_WRITABLE;
    LeaveCriticalSection(&p->lock);
    return ready;
}

/* ---- handles ---- */

void channel_close_handle(frame_handle handle)
{
    CloseHandle((HANDLE)handle);
}

int channel_claim(struct frame_reader *reader,
                  const struct message_handle *named, frame_handle *handle)
{
    (void)reader;
    if (named->form != MESSAGE_HANDLE_VALUE)
        return FRAME_LOST;
    *handle = (frame_handle)named->number;
    return 0;
}

struct message_handle channel_name(frame_handle handle, unsigned index)
{
    (void)index;
    return (struct message_handle){MESSAGE_HANDLE_VALUE, (uint64_t)handle};
}

/* SECTION_BASIC_INFORMATION, class 0. */
struct section_information {
    void *base;
    ULONG attributes;
    LARGE_INTEGER size;
};

NTSYSAPI NTSTATUS NTAPI NtQuerySection(HANDLE section, int class, void *found,
                                       SIZE_T size, SIZE_T *returned);

int channel_handle_size(frame_handle handle, uint64_t *size)
{
    struct section_information found;

    if (NtQuerySection((HANDLE)handle, 0, &found, sizeof(found), NULL) < 0)
        return CHANNEL_E_SIZE;
    *size = (uint64_t)found.size.QuadPart;
    return 0;
}
