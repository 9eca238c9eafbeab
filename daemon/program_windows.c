/*
 * A child is told its end of the connection, a handle to who started it and
 * the memory for both's notes by the values of inherited handles. It inherits
 * nothing else, and lives on when who started it dies.
 */
#include "program.h"

#include "connection_windows.h"
#include "handle.h"
#include "io_windows.h"
#include "log.h"
#include "service.h"
#include "wide_windows.h"

#include <shellapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 4096, ROLE_SIZE = 80 };

/* What a child inherits, in this order. */
enum { GIVEN_END, GIVEN_STARTER, GIVEN_NOTES, GIVEN_OUT, GIVEN_ERROR, GIVEN };

static const char *const ROLES[] = {[PROGRAM_SUCCESSOR] = "--role=keeper:",
                                    [PROGRAM_BROKER] = "--role=broker:"};

static wchar_t path[PATH_SIZE];
/* The arguments as somebody wrote them, without program and role. */
static const wchar_t *arguments = L"";

static frame_handle joined = HANDLE_NONE;
static struct connection_other starter;

/* ---- this process ---- */

/* Reads `ROLE:LINK:STARTER:NOTES`, all in hexadecimal. */
static bool is_role(const char *argument, enum program_role role)
{
    size_t size = strlen(ROLES[role]);
    unsigned long long end, process, notes;

    if (strncmp(argument, ROLES[role], size) != 0 ||
        sscanf(argument + size, "%llx:%llx:%llx", &end, &process, &notes) != 3)
        return false;
    joined = (frame_handle)end;
    starter = (struct connection_other){.process = (frame_handle)process,
                                        .notes = (frame_handle)notes};
    return true;
}

static enum program_role role_of(const char *argument)
{
    if (is_role(argument, PROGRAM_BROKER))
        return PROGRAM_BROKER;
    if (is_role(argument, PROGRAM_SUCCESSOR))
        return PROGRAM_SUCCESSOR;
    return PROGRAM_KEEPER;
}

/* In UTF-8, and as they were written: the C runtime's are in the user's
 * character set, wildcards expanded. */
static char **own_arguments(int *argc)
{
    wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), argc);
    char **argv = wide ? calloc((size_t)*argc + 1, sizeof(*argv)) : NULL;

    for (int i = 0; argv && i < *argc; i++) {
        argv[i] = wide_to(wide[i]);
        if (!argv[i])
            return NULL;
    }
    LocalFree(wide);
    return argv;
}

/* Behind the first word, which may have quotes and no escapes. */
static const wchar_t *skip_word(const wchar_t *at)
{
    bool quoted = false;

    for (; *at && (quoted || (*at != L' ' && *at != L'\t')); at++)
        if (*at == L'"')
            quoted = !quoted;
    return at + wcsspn(at, L" \t");
}

enum program_role program_init(int *argc, char ***arguments_given)
{
    char **argv = own_arguments(argc);
    enum program_role role = PROGRAM_KEEPER;
    DWORD size = GetModuleFileNameW(NULL, path, PATH_SIZE);

    if (!argv)
        abort(); /* nothing has begun */
    *arguments_given = argv;
    if (size == PATH_SIZE)
        path[0] = L'\0';
    arguments = skip_word(GetCommandLineW());
    if (*argc > 1)
        role = role_of(argv[1]);
    if (role != PROGRAM_KEEPER) {
        memmove(&argv[1], &argv[2], (size_t)(*argc - 1) * sizeof(argv[0]));
        --*argc;
        arguments = skip_word(arguments);
    }
    return role;
}

struct connection *program_join(void)
{
    struct connection *connection;

    if (joined == HANDLE_NONE)
        return NULL;
    connection = connection_join(joined, &starter);
    handle_close(starter.process);
    handle_close(starter.notes);
    joined = HANDLE_NONE;
    return connection;
}

/* ---- a child ---- */

struct program_child {
    HANDLE process;
    HANDLE notes;
    DWORD id;
    HANDLE wait;
    struct io_operation ended;
    volatile LONG has_ended; /* `ended` comes to the loop */
    program_end end;
    void *data;
};

static void stop_waiting(struct program_child *child)
{
    /* Returns when no callback runs any more. */
    if (child->wait)
        UnregisterWaitEx(child->wait, INVALID_HANDLE_VALUE);
    child->wait = NULL;
}

static struct program_child *child_free(struct program_child *child)
{
    stop_waiting(child);
    if (child->process)
        CloseHandle(child->process);
    if (child->notes)
        CloseHandle(child->notes);
    io_unref();
    free(child);
    return NULL;
}

static void on_ended(struct io_operation *operation)
{
    struct program_child *child =
        CONTAINING_RECORD(operation, struct program_child, ended);
    program_end end = child->end;
    void *data = child->data;
    DWORD status = 0;

    GetExitCodeProcess(child->process, &status);
    child_free(child);
    if (end)
        end(data, status, 0);
}

static void CALLBACK on_process_end(void *data, BOOLEAN timed_out)
{
    struct program_child *child = data;

    (void)timed_out;
    InterlockedExchange(&child->has_ended, 1);
    io_post(&child->ended);
}

struct program_child *program_forget(struct program_child *child)
{
    /* It must still be waited for. */
    if (child)
        child->end = NULL;
    return NULL;
}

struct program_child *program_leave(struct program_child *child)
{
    if (!child)
        return NULL;
    stop_waiting(child);
    child->end = NULL;
    return child->has_ended ? NULL : child_free(child);
}

uint64_t program_process(const struct program_child *child)
{
    return child->id;
}

struct connection_other program_other(const struct program_child *child)
{
    return (struct connection_other){.process = (frame_handle)child->process,
                                     .notes = (frame_handle)child->notes,
                                     .is_starter = true};
}

static struct program_child *child_new(uv_loop_t *loop, program_end end,
                                       void *data)
{
    struct program_child *child = calloc(1, sizeof(*child));

    if (!child || io_ref(loop) < 0) {
        free(child);
        return NULL;
    }
    child->ended.done = on_ended;
    child->end = end;
    child->data = data;
    child->notes = connection_new_notes();
    return child->notes ? child : child_free(child);
}

/* ---- starting it ---- */

/* For the child alone; NULL where this process has none. */
static HANDLE inheritable(HANDLE handle, DWORD rights)
{
    HANDLE copy = NULL;

    if (!DuplicateHandle(GetCurrentProcess(), handle, GetCurrentProcess(),
                         &copy, rights, TRUE,
                         rights ? 0 : DUPLICATE_SAME_ACCESS))
        return NULL;
    return copy;
}

/* Where a service has none, Windows may say INVALID_HANDLE_VALUE, which as a
 * handle to duplicate means this process. */
static HANDLE inheritable_standard(DWORD which)
{
    HANDLE handle = GetStdHandle(which);

    return handle == INVALID_HANDLE_VALUE ? NULL : inheritable(handle, 0);
}

static void gather(HANDLE given[GIVEN], frame_handle end, HANDLE notes)
{
    given[GIVEN_END] = inheritable((HANDLE)end, 0);
    given[GIVEN_STARTER] =
        inheritable(GetCurrentProcess(), PROCESS_DUP_HANDLE | SYNCHRONIZE);
    given[GIVEN_NOTES] = inheritable(notes, 0);
    given[GIVEN_OUT] = inheritable_standard(STD_OUTPUT_HANDLE);
    given[GIVEN_ERROR] = inheritable_standard(STD_ERROR_HANDLE);
}

static void scatter(HANDLE given[GIVEN])
{
    for (int i = 0; i < GIVEN; i++)
        if (given[i])
            CloseHandle(given[i]);
}

/* For free(); NULL when memory is short. */
static wchar_t *write_command(enum program_role role, HANDLE given[GIVEN])
{
    size_t size = wcslen(path) + wcslen(arguments) + ROLE_SIZE;
    wchar_t *line = malloc(size * sizeof(*line));

    if (line)
        _snwprintf(line, size, L"\"%ls\" %hs%llx:%llx:%llx %ls", path,
                   ROLES[role], (unsigned long long)(uintptr_t)given[GIVEN_END],
                   (unsigned long long)(uintptr_t)given[GIVEN_STARTER],
                   (unsigned long long)(uintptr_t)given[GIVEN_NOTES],
                   arguments);
    return line;
}

/* A service's manager starts another keeper when this one dies, and nobody
 * may hold the lock then: its broker goes with it. */
static bool bind_to_this(HANDLE process)
{
    static HANDLE job;
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {
        .BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE};

    if (!service_is_managed())
        return true;
    if (!job)
        job = CreateJobObjectW(NULL, NULL);
    return job &&
           SetInformationJobObject(job, JobObjectExtendedLimitInformation,
                                   &limits, sizeof(limits)) &&
           AssignProcessToJobObject(job, process);
}

/* Creates the process, which stands still yet. */
static bool create(wchar_t *line, HANDLE given[GIVEN],
                   PROCESS_INFORMATION *made)
{
    char room[256];
    SIZE_T size = sizeof(room);
    HANDLE list[GIVEN];
    size_t count = 0;
    STARTUPINFOEXW start = {.StartupInfo = {.cb = sizeof(start),
                                            .dwFlags = STARTF_USESTDHANDLES,
                                            .hStdOutput = given[GIVEN_OUT],
                                            .hStdError = given[GIVEN_ERROR]},
                            .lpAttributeList =
                                (LPPROC_THREAD_ATTRIBUTE_LIST)(void *)room};
    BOOL created;

    for (int i = 0; i < GIVEN; i++)
        if (given[i])
            list[count++] = given[i];
    if (!InitializeProcThreadAttributeList(start.lpAttributeList, 1, 0, &size))
        return false;
    created = UpdateProcThreadAttribute(start.lpAttributeList, 0,
                                        PROC_THREAD_ATTRIBUTE_HANDLE_LIST, list,
                                        count * sizeof(list[0]), NULL, NULL) &&
              CreateProcessW(path, line, NULL, NULL, TRUE,
                             EXTENDED_STARTUPINFO_PRESENT | CREATE_SUSPENDED,
                             NULL, NULL, &start.StartupInfo, made);
    DeleteProcThreadAttributeList(start.lpAttributeList);
    return created;
}

static bool run(struct program_child *child, enum program_role role,
                HANDLE given[GIVEN])
{
    wchar_t *line = write_command(role, given);
    PROCESS_INFORMATION made;
    bool started;

    if (!line || !create(line, given, &made)) {
        free(line);
        return false;
    }
    free(line);
    child->process = made.hProcess;
    child->id = made.dwProcessId;
    io_begin(&child->ended);
    started =
        bind_to_this(made.hProcess) &&
        RegisterWaitForSingleObject(&child->wait, made.hProcess, on_process_end,
                                    child, INFINITE, WT_EXECUTEONLYONCE) &&
        ResumeThread(made.hThread) != (DWORD)-1;
    if (!started)
        TerminateProcess(made.hProcess, 1);
    CloseHandle(made.hThread);
    return started;
}

struct program_child *program_start(uv_loop_t *loop, enum program_role role,
                                    frame_handle end, program_end on_end,
                                    void *data)
{
    struct program_child *child = child_new(loop, on_end, data);
    HANDLE given[GIVEN];

    if (!child) {
        log_error("cannot start the %s: memory is short",
                  role == PROGRAM_BROKER ? "broker" : "keeper");
        return NULL;
    }
    gather(given, end, child->notes);
    if (!run(child, role, given)) {
        log_error("cannot start the %s: %s",
                  role == PROGRAM_BROKER ? "broker" : "keeper",
                  wide_error(GetLastError()));
        child = program_leave(child);
    }
    scatter(given);
    return child;
}

struct program_child *program_try(uv_loop_t *loop, program_end end, void *data)
{
    (void)loop;
    (void)end;
    (void)data;
    program_replace();
    return NULL;
}

bool program_can_replace(void)
{
    /* A process cannot become another program here. */
    return false;
}

void program_replace(void)
{
    log_error("a process cannot become another program on this system");
}
