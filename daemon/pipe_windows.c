#include "pipe_windows.h"

#include "host_windows.h"
#include "log.h"
#include "wide_windows.h"

#include <windows.h>

#include <sddl.h>
#include <stdlib.h>
#include <uv.h>

enum { BUFFER_SIZE = 64 * 1024, PAIR_BUFFER_SIZE = 1024 * 1024 };

/* FILE_GENERIC_READ and FILE_GENERIC_WRITE without the right to create
 * instances, which shares its bit with appending, and which the broker alone
 * has. */
static const wchar_t CLIENT_RIGHTS[] =
    L"D:(D;;GA;;;NU)(A;;0x12019b;;;AU)(A;;0x12019b;;;SY)(A;;0x12019b;;;BA)"
    L"(A;;GA;;;%ls)";
static const wchar_t OWN_RIGHTS[] = L"D:P(A;;GA;;;SY)(A;;GA;;;%ls)";
static const wchar_t PREFIX[] = L"\\\\.\\pipe\\";

wchar_t *pipe_path(const char *path)
{
    wchar_t *wide = wide_from(path);
    size_t prefix = wcslen(PREFIX);

    if (wide && wcsncmp(wide, PREFIX, prefix) == 0 && wcslen(wide) > prefix &&
        wcslen(wide) < MAX_PATH)
        return wide;
    free(wide);
    return NULL;
}

/* Fills the user's own SID in. NULL when memory is short. For LocalFree. */
static wchar_t *write_rights(const wchar_t *format)
{
    wchar_t *self = host_user_sid();
    size_t size;
    wchar_t *text;

    if (!self)
        return NULL;
    size = wcslen(format) + wcslen(self) + 1;
    text = LocalAlloc(LPTR, size * sizeof(*text));
    if (text)
        _snwprintf(text, size, format, self);
    LocalFree(self);
    return text;
}

wchar_t *pipe_rights(void)
{
    return write_rights(CLIENT_RIGHTS);
}

static int make_attributes(const wchar_t *format, SECURITY_ATTRIBUTES *made)
{
    wchar_t *text = write_rights(format);
    BOOL converted;

    *made = (SECURITY_ATTRIBUTES){.nLength = sizeof(*made)};
    if (!text)
        return -1;
    converted = ConvertStringSecurityDescriptorToSecurityDescriptorW(
        text, SDDL_REVISION_1, &made->lpSecurityDescriptor, NULL);
    LocalFree(text);
    return converted ? 0 : -1;
}

static HANDLE create(const wchar_t *path, DWORD mode, DWORD instances,
                     DWORD buffer, const wchar_t *rights)
{
    SECURITY_ATTRIBUTES attributes;
    HANDLE pipe;
    DWORD error;

    if (make_attributes(rights, &attributes) < 0)
        return NULL;
    pipe =
        CreateNamedPipeW(path, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | mode,
                         PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT |
                             PIPE_REJECT_REMOTE_CLIENTS,
                         instances, buffer, buffer, 0, &attributes);
    error = GetLastError();
    LocalFree(attributes.lpSecurityDescriptor);
    SetLastError(error);
    return pipe == INVALID_HANDLE_VALUE ? NULL : pipe;
}

HANDLE pipe_create(const wchar_t *path, bool first)
{
    return create(path, first ? FILE_FLAG_FIRST_PIPE_INSTANCE : 0,
                  PIPE_UNLIMITED_INSTANCES, BUFFER_SIZE, CLIENT_RIGHTS);
}

HANDLE pipe_connect(const wchar_t *path)
{
    HANDLE pipe = CreateFileW(path, GENERIC_READ | GENERIC_WRITE, 0, NULL,
                              OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);

    return pipe == INVALID_HANDLE_VALUE ? NULL : pipe;
}

int pipe_pair(HANDLE ends[2])
{
    wchar_t path[96];
    uint64_t secret[2];

    if (uv_random(NULL, NULL, secret, sizeof(secret), 0, NULL) < 0)
        return -1;
    _snwprintf(path, 96, L"%lssegbroker-link-%lu-%016llx%016llx", PREFIX,
               GetCurrentProcessId(), secret[0], secret[1]);
    ends[0] = create(path, FILE_FLAG_FIRST_PIPE_INSTANCE, 1, PAIR_BUFFER_SIZE,
                     OWN_RIGHTS);
    if (!ends[0])
        return -1;
    ends[1] = pipe_connect(path);
    if (ends[1])
        return 0;
    CloseHandle(ends[0]);
    return -1;
}

/* Anybody could fill the log with it: once is enough to say. */
static void log_unserved(ULONG id, const char *why)
{
    static bool told;
    DWORD error = GetLastError();

    if (told)
        return;
    told = true;
    log_warning("client process %lu is not served, further ones are not "
                "mentioned: %s: %s",
                id, why, wide_error(error));
}

HANDLE pipe_client_process(HANDLE pipe)
{
    HANDLE process;
    ULONG id = 0;

    if (!GetNamedPipeClientProcessId(pipe, &id) ||
        !ImpersonateNamedPipeClient(pipe)) {
        log_unserved(id, "Windows does not say who it is");
        return NULL;
    }
    process = OpenProcess(PROCESS_DUP_HANDLE |
                              PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE,
                          FALSE, id);
    if (!process)
        log_unserved(id, "it lets nobody duplicate its handles");
    /* As somebody else nothing may go on. */
    if (!RevertToSelf())
        abort();
    return process;
}
