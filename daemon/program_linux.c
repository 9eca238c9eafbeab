#include "program.h"

#include "handle.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 32, PATH_SIZE = 4096 };

/* The descriptor of the connection to who started it. */
enum { PROGRAM_LINK = 3 };

static const char *const ROLES[] = {
    [PROGRAM_SUCCESSOR] = "--role=keeper", [PROGRAM_BROKER] = "--role=broker"};

/* Descriptors go along with bytes: nobody must be reached for that. */
static const struct connection_other NO_OTHER = {.process = HANDLE_NONE,
                                                 .notes = HANDLE_NONE};

static char path[PATH_SIZE];
/* As somebody gave them, the path in place of the first. */
static char *arguments[ARGUMENTS_MAX + 2];
static unsigned argument_count;

static void remember_path(enum program_role role, const char *first)
{
    size_t size = sizeof(path);

    /* Children are told: theirs may have been replaced by a new one. */
    if (role == PROGRAM_KEEPER || strlen(first) >= sizeof(path)) {
        if (uv_exepath(path, &size) < 0)
            path[0] = '\0';
    } else {
        memcpy(path, first, strlen(first) + 1);
    }
}

static enum program_role role_of(const char *argument)
{
    if (strcmp(argument, ROLES[PROGRAM_BROKER]) == 0)
        return PROGRAM_BROKER;
    if (strcmp(argument, ROLES[PROGRAM_SUCCESSOR]) == 0)
        return PROGRAM_SUCCESSOR;
    return PROGRAM_KEEPER;
}

enum program_role program_init(int *argc, char ***arguments_given)
{
    char **argv = *arguments_given;
    enum program_role role = *argc > 1 ? role_of(argv[1]) : PROGRAM_KEEPER;

    remember_path(role, *argc > 0 ? argv[0] : "");
    if (role != PROGRAM_KEEPER) {
        /* argv ends with NULL, which moves along. */
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
    return connection_join(PROGRAM_LINK, &NO_OTHER);
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

struct connection_other program_other(const struct program_child *child)
{
    (void)child;
    return NO_OTHER;
}

static struct program_child *start(uv_loop_t *loop,
                                   uv_process_options_t *options,
                                   program_end end, void *data)
{
    struct program_child *child = calloc(1, sizeof(*child));
    int r;

    if (!child)
        return NULL;
    child->process.data = child;
    child->end = end;
    child->data = data;
    options->exit_cb = on_child_exit;
    r = uv_spawn(loop, &child->process, options);
    if (r == 0)
        return child;
    log_error("cannot start %s: %s", options->file, uv_strerror(r));
    return program_leave(child);
}

struct program_child *program_start(uv_loop_t *loop, enum program_role role,
                                    frame_handle end, program_end on_end,
                                    void *data)
{
    char *all[ARGUMENTS_MAX + 3] = {path, (char *)ROLES[role]};
    uv_stdio_container_t streams[PROGRAM_LINK + 1];
    uv_process_options_t options = {.file = "/proc/self/exe",
                                    .args = all,
                                    .stdio = streams,
                                    .stdio_count = PROGRAM_LINK + 1};

    memcpy(&all[2], &arguments[1], argument_count * sizeof(arguments[0]));
    for (int fd = 0; fd <= PROGRAM_LINK; fd++) {
        streams[fd].flags = UV_INHERIT_FD;
        streams[fd].data.fd = fd == PROGRAM_LINK ? (int)end : fd;
    }
    return start(loop, &options, on_end, data);
}

struct program_child *program_try(uv_loop_t *loop, program_end end, void *data)
{
    char check[] = "--check";
    char *all[ARGUMENTS_MAX + 3] = {path, check};
    uv_stdio_container_t streams[] = {
        {.flags = UV_IGNORE},
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO}};
    uv_process_options_t options = {
        .file = path, .args = all, .stdio = streams, .stdio_count = 3};

    memcpy(&all[2], &arguments[1], argument_count * sizeof(arguments[0]));
    return start(loop, &options, end, data);
}

bool program_can_replace(void)
{
    return true;
}

void program_replace(void)
{
    execv(path, arguments);
    log_error("cannot become %s: %s", path, strerror(errno));
}
