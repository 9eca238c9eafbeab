#include "tracer.h"

#include "suite.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    THREADS_MAX = 64,
    OPTIONS = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL
};

struct traced {
    pid_t id;
    bool counts; /* the system call that it is in */
};

struct tracer {
    pid_t pid;
    unsigned left;
    struct traced threads[THREADS_MAX];
    int count;
};

/* Waiting, looking at clocks and the like leave everything as it was. */
static bool changes_something(uint64_t number)
{
    static const long idle[] = {
        SYS_epoll_wait, SYS_epoll_pwait,    SYS_futex,  SYS_clock_gettime,
        SYS_brk,        SYS_mmap,           SYS_munmap, SYS_madvise,
        SYS_mprotect,   SYS_rt_sigprocmask, SYS_ioctl,  SYS_poll,
        SYS_getrandom,  SYS_lseek};
    for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++) {
        if ((uint64_t)idle[i] == number)
            return false;
    }
    return true;
}

static struct traced *find_thread(struct tracer *tracer, pid_t id)
{
    for (int i = 0; i < tracer->count; i++) {
        if (tracer->threads[i].id == id)
            return &tracer->threads[i];
    }
    REQUIRE(tracer->count < THREADS_MAX);
    tracer->threads[tracer->count] = (struct traced){.id = id};
    return &tracer->threads[tracer->count++];
}

/* Attaches to every thread; false when there was none left to attach to. */
static bool seize(struct tracer *tracer)
{
    char path[64];
    bool any = false;
    snprintf(path, sizeof(path), "/proc/%d/task", tracer->pid);
    DIR *folder = opendir(path);
    if (!folder)
        return false;
    for (struct dirent *entry; (entry = readdir(folder));) {
        pid_t id = (pid_t)strtol(entry->d_name, NULL, 10);
        if (id == 0 || ptrace(PTRACE_SEIZE, id, NULL, (long)OPTIONS) != 0)
            continue;
        any = true;
        find_thread(tracer, id);
        ptrace(PTRACE_INTERRUPT, id, NULL, NULL);
    }
    closedir(folder);
    return any;
}

/* A stop at a system call. True when it was the last step. */
static bool step(struct tracer *tracer, pid_t id)
{
    struct __ptrace_syscall_info info;
    struct traced *thread = find_thread(tracer, id);
    if (ptrace(PTRACE_GET_SYSCALL_INFO, id, sizeof(info), &info) <= 0)
        return false;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
        thread->counts = changes_something(info.entry.nr);
    return thread->counts && --tracer->left == 0;
}

/* Follows all threads to the step, kills, and waits for the end. */
static void follow(struct tracer *tracer)
{
    int status;
    for (;;) {
        pid_t id = waitpid(-1, &status, __WALL);
        if (id < 0 && errno == EINTR)
            continue;
        if (id < 0)
            return;
        if (!WIFSTOPPED(status)) {
            if (id == tracer->pid)
                return;
            continue;
        }
        int signal = WSTOPSIG(status);
        if (signal == (SIGTRAP | 0x80)) {
            signal = 0;
            if (tracer->left > 0 && step(tracer, id))
                kill(tracer->pid, SIGKILL);
        } else if (status >> 16) {
            signal = 0; /* an event, not a signal of its own */
        }
        ptrace(PTRACE_SYSCALL, id, NULL, (long)signal);
    }
}

struct job {
    test_pid pid;
    unsigned step;
};

static void trace(void *data)
{
    struct job *job = data;
    struct tracer tracer = {.pid = (pid_t)job->pid, .left = job->step};
    if (seize(&tracer))
        follow(&tracer);
    test_exit(tracer.left == 0 ? 0 : 1);
}

bool tracer_kill(test_pid pid, unsigned step, int ms)
{
    struct job job = {pid, step};
    test_pid tracer = test_fork(trace, &job);
    int status = test_wait(tracer, ms);
    if (status >= 0)
        return status == 0;
    /* It is killed along with the one that traces it. */
    test_kill(tracer);
    test_join(tracer);
    return false;
}

static void spin(void *unused)
{
    (void)unused;
    for (;;)
        getppid();
}

bool tracer_works(void)
{
    test_pid pid = test_fork(spin, NULL);
    bool works = tracer_kill(pid, 5, 2000);
    test_kill(pid);
    test_join(pid);
    return works;
}
