#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Not every unistd.h has it. */
extern char **environ; /* NOLINT(readability-redundant-declaration) */

static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
enum { PASSED_ON = sizeof(passed_on) / sizeof(passed_on[0]) };

static volatile sig_atomic_t child;

int child_setenv(const char *name, const char *value)
{
    return setenv(name, value, 1) == 0 ? 0 : CHILD_E_FAILED;
}

/* A terminal sends its signals to the whole group, the command among it: only
 * what a process sent to this one alone is passed on. */
static void pass_on(int signal, siginfo_t *info, void *context)
{
    int saved = errno;

    (void)context;
    if (info->si_code <= 0 && child > 0)
        kill((pid_t)child, signal);
    errno = saved;
}

/* Blocks what is passed on; signals that are ignored stay so. */
static void catch_signals(sigset_t *outside)
{
    struct sigaction act = {.sa_sigaction = pass_on,
                            .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction before;
    sigset_t inside;

    sigemptyset(&inside);
    sigemptyset(&act.sa_mask);
    for (int i = 0; i < PASSED_ON; i++)
        sigaddset(&inside, passed_on[i]);
    sigprocmask(SIG_BLOCK, &inside, outside);
    for (int i = 0; i < PASSED_ON; i++) {
        if (sigaction(passed_on[i], NULL, &before) == 0 &&
            before.sa_handler != SIG_IGN)
            sigaction(passed_on[i], &act, NULL);
    }
}

static int spawn(char *const *argv, int fd, int number, const sigset_t *mask,
                 pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int r = posix_spawn_file_actions_init(&actions);

    if (r != 0)
        return r;
    r = posix_spawnattr_init(&attributes);
    if (r != 0)
        goto undo_actions;
    r = posix_spawnattr_setsigmask(&attributes, mask);
    if (r == 0)
        r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, fd, number);
    if (r == 0)
        r = posix_spawnp(pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
undo_actions:
    posix_spawn_file_actions_destroy(&actions);
    return r;
}

/* Waits in two steps, so that no signal is passed on to a process that has
 * taken the number of a child already reaped. */
static int wait_for(pid_t pid, const sigset_t *outside)
{
    siginfo_t info;
    sigset_t inside;
    int status;

    child = pid;
    sigprocmask(SIG_SETMASK, outside, &inside);
    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) != 0) {
        if (errno != EINTR)
            return CHILD_E_FAILED;
    }
    sigprocmask(SIG_SETMASK, &inside, NULL);
    child = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return CHILD_E_FAILED;
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

intptr_t child_number(intptr_t handle, int number)
{
    (void)handle;
    return number;
}

int child_run(char *const *argv, intptr_t handle, int number)
{
    sigset_t outside;
    pid_t pid;
    int r;
    /* A copy elsewhere: duplicating a descriptor onto itself would leave it
     * to be closed at exec. */
    int fd = fcntl((int)handle, F_DUPFD_CLOEXEC, number + 1);

    if (fd < 0)
        return CHILD_E_FAILED;
    catch_signals(&outside);
    r = spawn(argv, fd, number, &outside, &pid);
    close(fd);
    if (r != 0) {
        errno = r;
        return r == ENOENT ? CHILD_E_ABSENT : CHILD_E_FAILED;
    }
    return wait_for(pid, &outside);
}
