/*
 * A thread is resumed for one instruction at a time (PTRACE_SINGLESTEP), and
 * what it is about to do is counted by its address. A system call is one
 * instruction too.
 */
#include "stepper.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    THREADS_MAX = 16,
    PLACES = 1 << 16, /* a power of two, and never half full */
    CLOCK_SIZE = 2 * 4096,
    IDLE_MS = 10000,
    OPTIONS = PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL
};

/* Instructions done at one address. */
struct place {
    uint64_t address;
    uint64_t count;
    bool calls; /* the system */
};

struct stepper {
    pid_t pid;
    pid_t threads[THREADS_MAX];
    int count;
    int memory;         /* of the process; -1: none is held */
    FILE *steps;        /* NULL: they are not asked for */
    bool refused;       /* by the kernel, which lets nobody trace it */
    uint64_t own_clock; /* where the kernel's part of it is */
    struct place places[PLACES];
};

struct stepper *stepper_new(void)
{
    struct stepper *stepper = calloc(1, sizeof(*stepper));

    if (stepper)
        stepper->memory = -1;
    return stepper;
}

struct stepper *stepper_free(struct stepper *stepper)
{
    free(stepper);
    return NULL;
}

/* ---- waiting until it waits ---- */

/* Calls for each thread while that answers true. */
static bool all_threads(pid_t pid, bool (*ask)(void *data, pid_t thread),
                        void *data)
{
    char path[64];
    bool all = true;
    DIR *folder;

    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    folder = opendir(path);
    if (!folder)
        return false;
    for (struct dirent *entry; all && (entry = readdir(folder));) {
        pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);

        all = thread == 0 || ask(data, thread);
    }
    closedir(folder);
    return all;
}

/* The letter that /proc has for it is S: it waits for something. */
static bool waits(void *unused, pid_t thread)
{
    char path[64], text[512];
    const char *name_end;
    ssize_t size;
    int fd;

    (void)unused;
    snprintf(path, sizeof(path), "/proc/%d/stat", thread);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (size <= 0)
        return false;
    text[size] = '\0';
    name_end = strrchr(text, ')');
    return name_end && name_end[1] == ' ' && name_end[2] == 'S';
}

bool stepper_wait_idle(test_pid pid)
{
    return TEST_UNTIL(IDLE_MS, all_threads((pid_t)pid, waits, NULL));
}

/* ---- counting ---- */

#if defined(__x86_64__)
static const unsigned char CALL[] = {0x0f, 0x05};
#elif defined(__aarch64__)
static const unsigned char CALL[] = {0x01, 0x00, 0x00, 0xd4};
#else
#error "add what a system call's instruction looks like on this processor"
#endif

static bool is_call(const struct stepper *stepper, uint64_t address)
{
    unsigned char code[sizeof(CALL)];

    return pread(stepper->memory, code, sizeof(code), (off_t)address) ==
               (ssize_t)sizeof(code) &&
           memcmp(code, CALL, sizeof(code)) == 0;
}

static struct place *place_of(struct stepper *stepper, uint64_t address)
{
    size_t at = (address * UINT64_C(0x9e3779b97f4a7c15)) >> 48;

    while (stepper->places[at].count > 0 &&
           stepper->places[at].address != address)
        at = (at + 1) % PLACES;
    return &stepper->places[at];
}

/* The kernel's code for reading the clock (vDSO) lies in the process. It reads
 * again when the clock ticks meanwhile, so it takes once more, once less. */
static uint64_t find_clock(pid_t pid)
{
    uint64_t pair[2], found = 0;
    char path[64];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    while (found == 0 && fread(pair, sizeof(pair), 1, file) == 1) {
        if (pair[0] == AT_SYSINFO_EHDR)
            found = pair[1];
    }
    fclose(file);
    return found;
}

static void count(struct stepper *stepper, pid_t thread)
{
    struct __ptrace_syscall_info info;
    struct place *place;

    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(info), &info) <= 0)
        return;
    if (info.instruction_pointer - stepper->own_clock < CLOCK_SIZE)
        return;
    if (stepper->steps)
        fprintf(stepper->steps, "%d %" PRIx64 " %" PRIx64 "\n", thread,
                (uint64_t)info.instruction_pointer,
                (uint64_t)info.stack_pointer);
    place = place_of(stepper, info.instruction_pointer);
    if (place->count++ > 0)
        return;
    place->address = info.instruction_pointer;
    place->calls = is_call(stepper, place->address);
}

static void step(struct stepper *stepper, pid_t thread, int signal)
{
    count(stepper, thread);
    ptrace(PTRACE_SINGLESTEP, thread, NULL, (long)signal);
}

/* ---- holding it ---- */

static bool is_refusal(int error)
{
    return error == EPERM || error == EACCES;
}

static bool take_thread(void *data, pid_t thread)
{
    struct stepper *stepper = data;
    int status;

    if (stepper->count == THREADS_MAX)
        return false;
    if (ptrace(PTRACE_SEIZE, thread, NULL, (long)OPTIONS) != 0) {
        stepper->refused = is_refusal(errno);
        return false;
    }
    if (ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) != 0 ||
        waitpid(thread, &status, __WALL) != thread || !WIFSTOPPED(status))
        return false;
    stepper->threads[stepper->count++] = thread;
    return true;
}

enum stepper_taken stepper_take(struct stepper *stepper, test_pid pid)
{
    char path[64];

    stepper->pid = (pid_t)pid;
    stepper->count = 0;
    snprintf(path, sizeof(path), "/proc/%d/mem", stepper->pid);
    stepper->memory = open(path, O_RDONLY | O_CLOEXEC);
    if (stepper->memory < 0)
        return is_refusal(errno) ? STEPPER_REFUSED : STEPPER_BUSY;
    stepper->own_clock = find_clock(stepper->pid);
    if (stepper_wait_idle(pid) &&
        all_threads(stepper->pid, take_thread, stepper))
        return STEPPER_TAKEN;
    return stepper->refused ? STEPPER_REFUSED : STEPPER_BUSY;
}

/* Stops a thread that waits. The step into that wait is reported once it is
 * over, as a signal that would end the process if it came after us. */
static bool stop_waiting(pid_t thread)
{
    int status;

    return ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) == 0 &&
           waitpid(thread, &status, __WALL) == thread && WIFSTOPPED(status) &&
           ptrace(PTRACE_SINGLESTEP, thread, NULL, NULL) == 0 &&
           waitpid(thread, &status, __WALL) == thread && WIFSTOPPED(status);
}

void stepper_leave(struct stepper *stepper)
{
    for (int i = 0; i < stepper->count; i++) {
        pid_t thread = stepper->threads[i];

        /* One that has stopped already is let go as it is. */
        if (ptrace(PTRACE_DETACH, thread, NULL, NULL) != 0 &&
            stop_waiting(thread))
            ptrace(PTRACE_DETACH, thread, NULL, NULL);
    }
    stepper->count = 0;
    if (stepper->memory >= 0)
        close(stepper->memory);
    stepper->memory = -1;
}

static bool holds(const struct stepper *stepper, pid_t thread)
{
    for (int i = 0; i < stepper->count; i++) {
        if (stepper->threads[i] == thread)
            return true;
    }
    return false;
}

/* A thread that the process has begun meanwhile is held from its beginning. */
static void add_thread(struct stepper *stepper, pid_t thread)
{
    if (!holds(stepper, thread) && stepper->count < THREADS_MAX)
        stepper->threads[stepper->count++] = thread;
}

static bool all_wait(const struct stepper *stepper)
{
    for (int i = 0; i < stepper->count; i++) {
        if (!waits(NULL, stepper->threads[i]))
            return false;
    }
    return true;
}

/* What a stop says besides "one instruction done"; 0 for that and for what
 * is ptrace's own. */
static int signal_of(int status)
{
    return status >> 16 || WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
}

bool stepper_follow(struct stepper *stepper, test_pid driver)
{
    bool over = false;
    int status;

    for (int i = 0; i < stepper->count; i++)
        step(stepper, stepper->threads[i], 0);
    for (;;) {
        pid_t id =
            waitpid(-1, &status, __WALL | WUNTRACED | (over ? WNOHANG : 0));

        if (id < 0 && errno == EINTR)
            continue;
        if (id < 0)
            return false;
        if (id == 0 && (driver == stepper->pid || all_wait(stepper)))
            return true;
        if (id == 0)
            sched_yield(); /* it is about to wait, or to stop */
        else if (!WIFSTOPPED(status) && (id == stepper->pid || id == driver))
            return false;
        else if (id == driver && WSTOPSIG(status) == SIGSTOP)
            over = true;
        else if (WIFSTOPPED(status)) {
            add_thread(stepper, id);
            step(stepper, id, signal_of(status));
        }
    }
}

/* ---- what was counted ---- */

uint64_t stepper_instructions(const struct stepper *stepper)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < PLACES; i++)
        sum += stepper->places[i].count;
    return sum;
}

uint64_t stepper_calls(const struct stepper *stepper)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < PLACES; i++) {
        if (stepper->places[i].calls)
            sum += stepper->places[i].count;
    }
    return sum;
}

void stepper_write_steps(struct stepper *stepper, FILE *steps)
{
    stepper->steps = steps;
}
