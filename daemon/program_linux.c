#include "program.h"

#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 32, PATH_SIZE = 4096 };

static const char *const ROLES[] = {
    [PROGRAM_SUCCESSOR] = "--role=keeper", [PROGRAM_BROKER] = "--role=broker"};

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

enum program_role program_init(int *argc, char **argv)
{
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

static int start(uv_loop_t *loop, const uv_process_options_t *options,
                 uv_process_t *process)
{
    int r = uv_spawn(loop, process, options);

    if (r == 0)
        return 0;
    log_error("cannot start %s: %s", options->file, uv_strerror(r));
    /* libuv made a handle of it all the same. */
    uv_close((uv_handle_t *)process, NULL);
    return -1;
}

int program_start(uv_loop_t *loop, enum program_role role, int connection,
                  uv_process_t *process, uv_exit_cb on_exit)
{
    char *all[ARGUMENTS_MAX + 3] = {path, (char *)ROLES[role]};
    uv_stdio_container_t streams[PROGRAM_LINK + 1];
    uv_process_options_t options = {.file = "/proc/self/exe",
                                    .args = all,
                                    .exit_cb = on_exit,
                                    .stdio = streams,
                                    .stdio_count = PROGRAM_LINK + 1};

    memcpy(&all[2], &arguments[1], argument_count * sizeof(arguments[0]));
    for (int fd = 0; fd <= PROGRAM_LINK; fd++) {
        streams[fd].flags = UV_INHERIT_FD;
        streams[fd].data.fd = fd == PROGRAM_LINK ? connection : fd;
    }
    return start(loop, &options, process);
}

int program_try(uv_loop_t *loop, uv_process_t *process, uv_exit_cb on_exit)
{
    char version[] = "--version";
    char *all[] = {path, version, NULL};
    uv_process_options_t options = {
        .file = path, .args = all, .exit_cb = on_exit};

    return start(loop, &options, process);
}

void program_replace(void)
{
    execv(path, arguments);
    log_error("cannot become %s: %s", path, strerror(errno));
}
