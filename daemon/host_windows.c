#include "host.h"

#include "host_windows.h"

#include <windows.h>

#include <io.h>
#include <sddl.h>
#include <stdio.h>
#include <stdlib.h>
#include <winternl.h>

/* Handles of a process have no limit that one meets; libuv and the rest
 * count in ints. */
enum { HANDLE_LIMIT = 1 << 24 };

bool host_is_wine(void)
{
    HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");

    return ntdll && GetProcAddress(ntdll, "wine_get_version");
}

wchar_t *host_user_sid(void)
{
    union {
        TOKEN_USER user;
        char bytes[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
    } found;
    wchar_t *text = NULL;
    HANDLE token;
    DWORD size;

    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
        return NULL;
    if (GetTokenInformation(token, TokenUser, &found, sizeof(found), &size) &&
        !ConvertSidToStringSidW(found.user.User.Sid, &text))
        text = NULL;
    CloseHandle(token);
    return text;
}

void host_harden(void)
{
    PROCESS_MITIGATION_EXTENSION_POINT_DISABLE_POLICY policy = {
        .DisableExtensionPoints = 1};

    /* No libraries of others by hooks and input methods; an older system has
     * no such policy. */
    SetProcessMitigationPolicy(ProcessExtensionPointDisablePolicy, &policy,
                               sizeof(policy));
    SetDefaultDllDirectories(LOAD_LIBRARY_SEARCH_SYSTEM32);
}

int host_init(void)
{
    /* A failure is an error to be answered, and no window. */
    SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX |
                 SEM_NOOPENFILEERRORBOX);
    return 0;
}

void host_deinit(void)
{
}

void host_exit(int status)
{
    fflush(NULL);
    /* Nothing of what others do at a process's end concerns us, and threads
     * that wait in the system would be waited for. */
    TerminateProcess(GetCurrentProcess(), (UINT)status);
    abort();
}

void host_hold_signals(bool hold)
{
    /* The service manager's and the console's words wait in libuv's queue. */
    (void)hold;
}

void host_ignore_watchdog(void)
{
    /* Nobody sends such a signal here. */
}

static BOOL WINAPI ignore(DWORD event)
{
    (void)event;
    return TRUE;
}

void host_ignore_signals(void)
{
    SetConsoleCtrlHandler(ignore, TRUE);
}

static MEMORYSTATUSEX memory(void)
{
    MEMORYSTATUSEX status = {.dwLength = sizeof(status)};

    GlobalMemoryStatusEx(&status);
    return status;
}

uint64_t host_memory_total(void)
{
    return memory().ullTotalPhys;
}

uint64_t host_memory_available(void)
{
    MEMORYSTATUSEX status = memory();

    /* What may still be committed counts the paging file in. */
    return status.ullAvailPhys < status.ullAvailPageFile
               ? status.ullAvailPhys
               : status.ullAvailPageFile;
}

unsigned host_descriptor_limit(void)
{
    return HANDLE_LIMIT;
}

bool host_descriptors_low(unsigned reserve)
{
    DWORD count;

    return GetProcessHandleCount(GetCurrentProcess(), &count) &&
           count + reserve >= HANDLE_LIMIT;
}

uint64_t host_process(void)
{
    return GetCurrentProcessId();
}

static uint64_t started_at(HANDLE process)
{
    FILETIME created, ended, kernel, user;

    if (!GetProcessTimes(process, &created, &ended, &kernel, &user))
        return UINT64_MAX;
    return (uint64_t)created.dwHighDateTime << 32 | created.dwLowDateTime;
}

uint64_t host_parent(void)
{
    PROCESS_BASIC_INFORMATION own;
    HANDLE parent;
    DWORD id;
    bool is_it;

    if (NtQueryInformationProcess(GetCurrentProcess(), ProcessBasicInformation,
                                  &own, sizeof(own), NULL) < 0)
        return 0;
    /* The number stays when the process is gone, and is given to others. */
    id = (DWORD)(uintptr_t)own.InheritedFromUniqueProcessId;
    parent = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, id);
    if (!parent)
        return 0;
    is_it = started_at(parent) <= started_at(GetCurrentProcess());
    CloseHandle(parent);
    return is_it ? id : 0;
}

bool host_stderr_is_journal(void)
{
    return false;
}

void host_write_stderr(const char *bytes, size_t size)
{
    /* A log that cannot be written is nothing to die of. */
    int written = _write(2, bytes, (unsigned)size);

    (void)written;
}

unsigned host_utc(struct tm *utc)
{
    SYSTEMTIME now;

    GetSystemTime(&now);
    *utc = (struct tm){.tm_year = now.wYear - 1900,
                       .tm_mon = now.wMonth - 1,
                       .tm_mday = now.wDay,
                       .tm_hour = now.wHour,
                       .tm_min = now.wMinute,
                       .tm_sec = now.wSecond};
    return now.wMilliseconds;
}
