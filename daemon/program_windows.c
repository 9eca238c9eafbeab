/*
 * A child is told its end of the connection, and a handle to who started it,
 * by the values of inherited handles.
 */
#include "program.h"

#include "handle.h"
#include "log.h"
#include "wide_windows.h"

#include <shellapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARGUMENTS_MAX = 32, PATH_SIZE = 4096, ROLE_SIZE = 80 };

static const char *const ROLES[] = {[PROGRAM_SUCCESSOR] = "--role=keeper:",
                                    [PROGRAM_BROKER] = "--role=broker:"};

static char path[PATH_SIZE];
/* As somebody gave them, the path in place of the first. */
static char *arguments[ARGUMENTS_MAX + 2];
static unsigned argument_count;

static frame_handle joined = HANDLE_NONE;
static frame_handle starter = HANDLE_NONE;

/* Reads `ROLE:LINK:STARTER`, both in hexadecimal. */
static bool is_role(const char *argument, enum program_role role)
{
    size_t size = strlen(ROLES[role]);
    unsigned long long link, process;

    if (strncmp(argument, ROLES[role], size) != 0 ||
        sscanf(argument + size, "%llx:%llx", &link, &process) != 2)
        return false;
    joined = (frame_handle)link;
    starter = (frame_handle)process;
    /* Nobody whom this process starts shall have them. */
    SetHandleInformation((HANDLE)joined, HANDLE_FLAG_INHERIT, 0);
    SetHandleInformation((HANDLE)starter, HANDLE_FLAG_INHERIT, 0);
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

enum program_role program_init(int *argc, char ***arguments_given)
{
    char **argv = own_arguments(argc);
    enum program_role role = PROGRAM_KEEPER;
    size_t size = sizeof(path);

    if (!argv)
        abort(); /* nothing has begun */
    *arguments_given = argv;
    if (*argc > 1)
        role = role_of(argv[1]);
    if (uv_exepath(path, &size) < 0)
        path[0] = '\0';
    if (role != PROGRAM_KEEPER) {
        memmove(&argv[1], &argv[2], (size_t)(*argc - 1) * sizeof(argv[0]));
        --*argc;
    }
    arguments[argument_count++] = path;
    for (int i = 1; i < *argc && i < ARGUMENTS_MAX; i++)
        arguments[argument_count++] = argv[i];
    return role;
}

struct connection *program_join(void)
{
    struct connection *connection;

    if (joined == HANDLE_NONE)
        return NULL;
    connection = connection_join(joined, starter);
    handle_close(starter);
    joined = starter = HANDLE_NONE;
    return connection;
}

/* ---- children ---- */

struct program_child {
    uv_process_t process;
    program_end end;
    void *data;
};

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_child_exit(uv_process_t *process, int64_t status, int signal)
{
    struct program_child *child = process->data;

    uv_close((uv_handle_t *)process, on_closed);
    if (child->end)
        child->end(child->data, status, signal);
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
    if (child)
        uv_close((uv_handle_t *)&child->process, on_closed);
    return NULL;
}

uint64_t program_process(const struct program_child *child)
{
    return (uint64_t)child->process.pid;
}

frame_handle program_handle(const struct program_child *child)
{
    return (frame_handle)child->process.process_handle;
}

static struct program_child *spawn(uv_loop_t *loop, char **all,
                                   program_end end, void *data)
{
    uv_stdio_container_t streams[] = {
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = 1},
        {.flags = UV_INHERIT_FD, .data.fd = 2}};
    uv_process_options_t options = {.file = path,
                                    .args = all,
                                    .stdio = streams,
                                    .stdio_count = 3,
                                    .exit_cb = on_child_exit,
                                    .flags = UV_PROCESS_WINDOWS_HIDE};
    struct program_child *child = calloc(1, sizeof(*child));
    int r;

    if (!child)
        return NULL;
    child->process.data = child;
    child->end = end;
    child->data = data;
    r = uv_spawn(loop, &child->process, &options);
    if (r == 0)
        return child;
    log_error("cannot start %s: %s", path, uv_strerror(r));
    return program_leave(child);
}

struct program_child *program_start(uv_loop_t *loop, enum program_role role,
                                    frame_handle end, program_end on_end,
                                    void *data)
{
    char word[ROLE_SIZE];
    char *all[ARGUMENTS_MAX + 3] = {path, word};
    struct program_child *child = NULL;
    HANDLE self;

    memcpy(&all[2], &arguments[1], argument_count * sizeof(arguments[0]));
    if (!DuplicateHandle(GetCurrentProcess(), GetCurrentProcess(),
                         GetCurrentProcess(), &self,
                         PROCESS_DUP_HANDLE | SYNCHRONIZE, TRUE, 0)) {
        log_error("cannot start %s: %s", path, wide_error(GetLastError()));
        return NULL;
    }
    snprintf(word, sizeof(word), "%s%llx:%llx", ROLES[role],
             (unsigned long long)end, (unsigned long long)(uintptr_t)self);
    if (SetHandleInformation((HANDLE)end, HANDLE_FLAG_INHERIT,
                             HANDLE_FLAG_INHERIT))
        child = spawn(loop, all, on_end, data);
    CloseHandle(self);
    return child;
}

struct program_child *program_try(uv_loop_t *loop, program_end end, void *data)
{
    char check[] = "--check";
    char *all[ARGUMENTS_MAX + 3] = {path, check};

    memcpy(&all[2], &arguments[1], argument_count * sizeof(arguments[0]));
    return spawn(loop, all, end, data);
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
