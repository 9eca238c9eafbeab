#include "process.h"

#include "suite.h"

#include <windows.h>

#include <sddl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tlhelp32.h>
#include <winternl.h>

NTSYSAPI NTSTATUS NTAPI NtSuspendProcess(HANDLE process);

enum { CHILDREN = 256, HANDLES_LOOKED_AT = 1024 };

/* Programs that were started and not waited for. */
static struct {
    DWORD id;
    HANDLE process;
} children[CHILDREN];

/* ---- starting and ending ---- */

/* Whoever is in it dies with this process. */
static HANDLE own_job(void)
{
    static HANDLE job;
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {
        .BasicLimitInformation = {.LimitFlags =
                                      JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE}};
    if (!job) {
        job = CreateJobObjectW(NULL, NULL);
        SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits,
                                sizeof(limits));
    }
    return job;
}

static void command_line(char *line, size_t size, const char *const *argv)
{
    size_t used = 0;
    for (; *argv; argv++)
        used += (size_t)snprintf(line + used, size - used, "\"%s\" ", *argv);
    REQUIRE(used < size);
}

static void set_environment(const char *const *environment, bool set)
{
    for (; environment && *environment; environment++) {
        char name[TEST_PATH_MAX];
        char *value;
        test_path(name, "%s", *environment);
        value = strchr(name, '=');
        if (value)
            *value++ = '\0';
        SetEnvironmentVariableA(name, set ? value : NULL);
    }
}

void test_environment(const char *name, const char *value)
{
    SetEnvironmentVariableA(name, value);
}

static HANDLE open_output(const char *path)
{
    SECURITY_ATTRIBUTES inherited = {sizeof(inherited), NULL, TRUE};
    HANDLE file =
        CreateFileA(path, FILE_APPEND_DATA | SYNCHRONIZE,
                    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                    &inherited, OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    REQUIRE(file != INVALID_HANDLE_VALUE);
    return file;
}

static void remember(const PROCESS_INFORMATION *started)
{
    for (int i = 0; i < CHILDREN; i++) {
        if (children[i].process)
            continue;
        children[i].id = started->dwProcessId;
        children[i].process = started->hProcess;
        return;
    }
    FAIL("more than %d children", CHILDREN);
}

test_pid test_spawn(const struct test_spawn *spawn)
{
    STARTUPINFOA start = {.cb = sizeof(start)};
    PROCESS_INFORMATION started;
    char line[4096];
    command_line(line, sizeof(line), spawn->argv);
    set_environment(spawn->environment, true);
    if (spawn->output) {
        start.dwFlags = STARTF_USESTDHANDLES;
        start.hStdOutput = start.hStdError = open_output(spawn->output);
    }
    BOOL good = CreateProcessA(NULL, line, NULL, NULL, TRUE, CREATE_SUSPENDED,
                               NULL, NULL, &start, &started);
    set_environment(spawn->environment, false);
    if (spawn->output)
        CloseHandle(start.hStdOutput);
    if (!good)
        FAIL("cannot start %s: error %lu", line, GetLastError());
    AssignProcessToJobObject(own_job(), started.hProcess);
    ResumeThread(started.hThread);
    CloseHandle(started.hThread);
    remember(&started);
    return (test_pid)started.dwProcessId;
}

static bool in_child;

bool test_in_child(void)
{
    return in_child;
}

void test_be_child(void)
{
    in_child = true;
}

void test_exit(int status)
{
    fflush(NULL);
    ExitProcess((UINT)status);
}

static HANDLE process_of(test_pid pid)
{
    for (int i = 0; i < CHILDREN; i++)
        if (children[i].process && children[i].id == (DWORD)pid)
            return children[i].process;
    return NULL;
}

static void forget(test_pid pid)
{
    for (int i = 0; i < CHILDREN; i++) {
        if (!children[i].process || children[i].id != (DWORD)pid)
            continue;
        CloseHandle(children[i].process);
        children[i].process = NULL;
    }
}

int test_wait(test_pid pid, int ms)
{
    HANDLE process = process_of(pid);
    DWORD status = 0;
    REQUIRE(process != NULL);
    if (WaitForSingleObject(process, (DWORD)ms) != WAIT_OBJECT_0)
        return -1;
    GetExitCodeProcess(process, &status);
    forget(pid);
    return (int)status;
}

int test_join(test_pid pid)
{
    int status = test_wait(pid, 120000);
    if (status >= 0)
        return status;
    test_kill(pid);
    test_wait(pid, 10000);
    FAIL("process %ld hangs", pid);
}

bool test_runs(test_pid pid)
{
    HANDLE process = process_of(pid);
    return process && WaitForSingleObject(process, 0) == WAIT_TIMEOUT;
}

void test_kill(test_pid pid)
{
    HANDLE process = OpenProcess(PROCESS_TERMINATE, FALSE, (DWORD)pid);
    if (process) {
        /* As if a signal had done it. */
        TerminateProcess(process, TEST_SIGNALLED + 9);
        CloseHandle(process);
    }
}

void test_stop(test_pid pid)
{
    HANDLE process = OpenProcess(PROCESS_SUSPEND_RESUME, FALSE, (DWORD)pid);
    if (process) {
        NtSuspendProcess(process);
        CloseHandle(process);
    }
}

int test_run(const struct test_spawn *spawn, char *output, size_t size)
{
    char folder[TEST_PATH_MAX];
    char path[TEST_PATH_MAX];
    test_folder_make(folder);
    test_path(path, "%s/output", folder);
    test_write(path, "");
    struct test_spawn with_output = *spawn;
    with_output.output = path;
    int status = test_join(test_spawn(&with_output));
    test_read(path, output, size);
    test_folder_remove(folder);
    return status;
}

/* ---- facts about a process ---- */

test_pid test_self(void)
{
    return (test_pid)GetCurrentProcessId();
}

const char *test_program(void)
{
    static char path[TEST_PATH_MAX];
    DWORD size = GetModuleFileNameA(NULL, path, sizeof(path));
    REQUIRE(size > 0 && size < sizeof(path));
    return path;
}

uint64_t test_host_memory(void)
{
    MEMORYSTATUSEX status = {.dwLength = sizeof(status)};
    REQUIRE(GlobalMemoryStatusEx(&status));
    return status.ullTotalPhys;
}

static bool get_beginning(test_pid pid, FILETIME *began)
{
    HANDLE process =
        OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, (DWORD)pid);
    FILETIME ended, kernel, user;
    bool found =
        process && GetProcessTimes(process, began, &ended, &kernel, &user) != 0;
    if (process)
        CloseHandle(process);
    return found;
}

/* Numbers are used again: who is older is another one's orphan. */
static bool is_younger(test_pid pid, const FILETIME *than)
{
    FILETIME began;
    return get_beginning(pid, &began) && CompareFileTime(&began, than) >= 0;
}

test_pid test_child_of(test_pid pid)
{
    HANDLE list = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    PROCESSENTRY32 entry = {.dwSize = sizeof(entry)};
    FILETIME began = {0};
    test_pid child = 0;
    get_beginning(pid, &began);
    for (BOOL more = Process32First(list, &entry); more && !child;
         more = Process32Next(list, &entry)) {
        if (entry.th32ParentProcessID == (DWORD)pid &&
            is_younger((test_pid)entry.th32ProcessID, &began))
            child = (test_pid)entry.th32ProcessID;
    }
    CloseHandle(list);
    return child;
}

/* Whether an own handle is a section or a pipe; threads, events and the like
 * come and go with the system's own work. */
static bool counts(HANDLE handle)
{
    union {
        UNICODE_STRING name;
        char bytes[512];
    } type;
    if (NtQueryObject(handle, ObjectTypeInformation, &type, sizeof(type),
                      NULL) < 0)
        return false;
    return wcsncmp(type.name.Buffer, L"Section", 7) == 0 ||
           (wcsncmp(type.name.Buffer, L"File", 4) == 0 &&
            GetFileType(handle) == FILE_TYPE_PIPE);
}

int test_process_descriptors(test_pid pid)
{
    int count = 0;
    if (pid == test_self()) {
        for (intptr_t i = 1; i < HANDLES_LOOKED_AT; i++)
            count += counts((HANDLE)(4 * i));
        return count;
    }
    HANDLE process =
        OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, (DWORD)pid);
    DWORD handles = 0;
    if (!process)
        return -1;
    if (!GetProcessHandleCount(process, &handles))
        handles = (DWORD)-1;
    CloseHandle(process);
    return (int)handles;
}

int64_t test_process_memory(test_pid pid)
{
    (void)pid;
    return -1;
}

int64_t test_process_cpu_ms(test_pid pid)
{
    FILETIME created, ended, kernel, user;
    HANDLE process =
        OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, (DWORD)pid);
    BOOL good =
        process && GetProcessTimes(process, &created, &ended, &kernel, &user);
    if (process)
        CloseHandle(process);
    if (!good)
        return -1;
    return ((int64_t)kernel.dwLowDateTime + user.dwLowDateTime) / 10000;
}

void test_process_pin(test_pid pid, bool any)
{
    (void)pid;
    (void)any;
}

uint64_t test_limit_descriptors(uint64_t limit)
{
    (void)limit;
    return UINT64_MAX;
}

/* ---- identities ---- */

bool test_is_root(void)
{
    return false; /* nobody can turn into others here */
}

void test_act_as(uint32_t user, uint32_t group)
{
    (void)group;
    FAIL("cannot act as user %u", (unsigned)user);
}

void test_act_as_self(void)
{
}

const char *test_user(void)
{
    static char text[TEST_PATH_MAX];
    DWORD size = sizeof(text);
    REQUIRE(GetUserNameA(text, &size));
    return text;
}

const char *test_group(void)
{
    static char text[TEST_PATH_MAX];
    static union {
        TOKEN_GROUPS groups;
        char bytes[8192];
    } own;
    DWORD size;
    REQUIRE(GetTokenInformation(GetCurrentProcessToken(), TokenGroups, &own,
                                sizeof(own), &size));
    REQUIRE(own.groups.GroupCount > 0);
    char *sid;
    REQUIRE(ConvertSidToStringSidA(own.groups.Groups[0].Sid, &sid));
    test_path(text, "%s", sid);
    LocalFree(sid);
    return text;
}

const char *test_other_user(void)
{
    return "S-1-5-19"; /* the account of local services */
}

bool test_can_own_users(void)
{
    return false;
}

/* ---- folders and files ---- */

void test_path(char path[TEST_PATH_MAX], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(path, TEST_PATH_MAX, format, arguments);
    va_end(arguments);
    REQUIRE(size > 0 && size < TEST_PATH_MAX);
}

void test_folder_make(char path[TEST_PATH_MAX])
{
    static unsigned turn;
    char base[MAX_PATH];
    REQUIRE(GetTempPathA(sizeof(base), base) > 0);
    test_path(path, "%st-%lu-%u", base, GetCurrentProcessId(), ++turn);
    REQUIRE(CreateDirectoryA(path, NULL));
}

void test_folder_add(const char *path, uint32_t user, unsigned mode)
{
    (void)user;
    (void)mode;
    REQUIRE(CreateDirectoryA(path, NULL));
}

/* Calls `act` for each entry of a folder; how many there were. */
static int each_entry(const char *path,
                      void (*act)(const char *entry, bool folder))
{
    char pattern[TEST_PATH_MAX];
    WIN32_FIND_DATAA found;
    int count = 0;
    test_path(pattern, "%s/*", path);
    HANDLE search = FindFirstFileA(pattern, &found);
    REQUIRE(search != INVALID_HANDLE_VALUE);
    do {
        char entry[TEST_PATH_MAX];
        if (strcmp(found.cFileName, ".") == 0 ||
            strcmp(found.cFileName, "..") == 0)
            continue;
        test_path(entry, "%s/%s", path, found.cFileName);
        count++;
        if (act)
            act(entry, found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY);
    } while (FindNextFileA(search, &found));
    FindClose(search);
    return count;
}

static void remove_entry(const char *entry, bool folder)
{
    if (folder)
        test_folder_remove(entry);
    else
        REQUIRE(TEST_UNTIL(20000, DeleteFileA(entry)));
}

static void print_entry(const char *entry, bool folder)
{
    (void)folder;
    fprintf(stderr, "still there: %s\n", entry);
}

static void print_processes(void)
{
    HANDLE list = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    PROCESSENTRY32 entry = {.dwSize = sizeof(entry)};
    for (BOOL more = Process32First(list, &entry); more;
         more = Process32Next(list, &entry))
        fprintf(stderr, "process %lu of %lu: %ls\n", entry.th32ProcessID,
                entry.th32ParentProcessID, entry.szExeFile);
    CloseHandle(list);
}

void test_folder_remove(const char *path)
{
    each_entry(path, remove_entry);
    if (TEST_UNTIL(20000, RemoveDirectoryA(path)))
        return;
    /* Whoever has it open should have ended. */
    each_entry(path, print_entry);
    print_processes();
    FAIL("%s cannot be removed", path);
}

int test_folder_entries(const char *path)
{
    return each_entry(path, NULL);
}

bool test_exists(const char *path)
{
    return GetFileAttributesA(path) != INVALID_FILE_ATTRIBUTES;
}

void test_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    REQUIRE(file != NULL);
    REQUIRE(fwrite(text, 1, strlen(text), file) == strlen(text));
    REQUIRE(fclose(file) == 0);
}

void test_read(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "rb");
    REQUIRE(file != NULL);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

/* ---- time ---- */

int64_t test_clock_ns(void)
{
    LARGE_INTEGER count, frequency;
    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&frequency);
    return (int64_t)((double)count.QuadPart * 1e9 / (double)frequency.QuadPart);
}

int64_t test_clock_us(void)
{
    return test_clock_ns() / 1000;
}

void test_pause_us(unsigned us)
{
    Sleep((us + 999) / 1000);
}

void test_pause(void)
{
    test_pause_us(2000);
}
