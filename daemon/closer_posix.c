#include "closer_posix.h"

#include "log.h"

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES_MAX = 32, WAITING_MAX = 4096 };

/* Processes that close something, or did. */
static pid_t processes[PROCESSES_MAX];
static unsigned process_count;

/* Descriptors that no process is free to close. */
static int waiting[WAITING_MAX];
static unsigned waiting_count;

static void reap(void)
{
    unsigned i = 0;

    while (i < process_count) {
        if (waitpid(processes[i], NULL, WNOHANG | __WALL) == 0)
            i++;
        else
            processes[i] = processes[--process_count];
    }
}

/* In the other process, whose memory is this one's as it was: nothing but
 * system calls. */
static void close_all(const int *fds, unsigned count)
{
    syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    for (unsigned i = 0; i < count; i++)
        syscall(SYS_close, fds[i]);
    syscall(SYS_exit_group, 0);
}

/* Whether another process closes them. */
static bool hand_over(const int *fds, unsigned count)
{
    sigset_t all, before;
    long process;

    if (process_count == PROCESSES_MAX)
        return false;
    /* A signal to the whole group is not the other's to handle. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    process = syscall(SYS_clone, CLONE_FILES, 0, 0, 0, 0);
    if (process == 0)
        close_all(fds, count);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (process < 0)
        return false;
    processes[process_count++] = (pid_t)process;
    return true;
}

static void add_waiting(const int *fds, unsigned count)
{
    static bool told;

    if (!told)
        log_warning("descriptors of clients cannot be closed: their owners "
                    "do not let them");
    told = true;
    for (unsigned i = 0; i < count; i++) {
        if (waiting_count < WAITING_MAX)
            waiting[waiting_count++] = fds[i];
        else
            close(fds[i]);
    }
}

void closer_take(const int *fds, unsigned count)
{
    reap();
    if (waiting_count > 0 && hand_over(waiting, waiting_count))
        waiting_count = 0;
    if (count > 0 && !hand_over(fds, count))
        add_waiting(fds, count);
}

void closer_take_socket(int fd)
{
    int unread = 0;

    /* Nothing more can come from here on. */
    shutdown(fd, SHUT_RD);
    if (ioctl(fd, FIONREAD, &unread) == 0 && unread > 0)
        closer_take(&fd, 1);
    else
        close(fd);
}
