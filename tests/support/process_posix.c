#include "process.h"

#include "suite.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static bool in_child;

/* ---- starting and ending ---- */

/* A child that cannot go on, before exec. */
static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "test child: %s: %s\n", what, strerror(errno));
    fflush(stderr);
    _exit(126);
}

static void die_with_parent(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
        give_up("parent is gone");
}

static void limit(int resource, uint64_t value)
{
    struct rlimit both = {value, value};
    if (value && setrlimit(resource, &both))
        give_up("setrlimit");
}

static void write_whole(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        give_up(path);
    close(fd);
}

static void enter_own_users(void)
{
    char map[64];
    uid_t user = geteuid();
    gid_t group = getegid();
    if (unshare(CLONE_NEWUSER))
        give_up("unshare");
    write_whole("/proc/self/setgroups", "deny");
    snprintf(map, sizeof(map), "0 %u 1", (unsigned)user);
    write_whole("/proc/self/uid_map", map);
    snprintf(map, sizeof(map), "0 %u 1", (unsigned)group);
    write_whole("/proc/self/gid_map", map);
}

static void drop(uint32_t user, uint32_t group)
{
    gid_t groups[1] = {group};
    if (setgroups(group ? 1 : 0, groups) || setresgid(user, user, user) ||
        setresuid(user, user, user))
        give_up("setresuid");
    /* Else /proc/self belongs to root, and a refused open there would prove
     * nothing about the file. */
    if (prctl(PR_SET_DUMPABLE, 1))
        give_up("prctl");
}

static void set_environment(const char *const *environment)
{
    for (; environment && *environment; environment++) {
        if (strchr(*environment, '=')) {
            if (putenv(strdup(*environment)))
                give_up("putenv");
        } else {
            unsetenv(*environment);
        }
    }
}

void test_environment(const char *name, const char *value)
{
    REQUIRE_INT(value ? setenv(name, value, 1) : unsetenv(name), 0);
}

static void name_journal(void)
{
    struct stat facts;
    char value[64];
    if (fstat(STDERR_FILENO, &facts))
        give_up("fstat");
    snprintf(value, sizeof(value), "%ju:%ju", (uintmax_t)facts.st_dev,
             (uintmax_t)facts.st_ino);
    if (setenv("JOURNAL_STREAM", value, 1))
        give_up("setenv");
}

static _Noreturn void execute(const struct test_spawn *spawn, pid_t parent)
{
    int program = open(spawn->argv[0], O_RDONLY | O_CLOEXEC);
    if (spawn->output) {
        int fd = open(spawn->output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                      0644);
        if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 ||
            dup2(fd, STDERR_FILENO) < 0)
            give_up(spawn->output);
    }
    unsetenv("JOURNAL_STREAM");
    set_environment(spawn->environment);
    if (spawn->journal)
        name_journal();
    limit(RLIMIT_FSIZE, spawn->file_size);
    if (spawn->own_users)
        enter_own_users();
    if (spawn->user)
        drop(spawn->user, 0);
    die_with_parent(parent);
    limit(RLIMIT_NOFILE, spawn->descriptors);
    execv(spawn->argv[0], (char *const *)spawn->argv);
    /* The build folder may be closed to that user; the open file is not. */
    if (program >= 0)
        fexecve(program, (char *const *)spawn->argv, environ);
    give_up(spawn->argv[0]);
}

test_pid test_spawn(const struct test_spawn *spawn)
{
    pid_t self = getpid();
    fflush(NULL);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0)
        execute(spawn, self);
    return pid;
}

test_pid test_fork(void (*body)(void *data), void *data)
{
    pid_t self = getpid();
    fflush(NULL);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid != 0)
        return pid;
    in_child = true;
    die_with_parent(self);
    body(data);
    test_exit(0);
}

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
    _exit(status);
}

int test_wait(test_pid pid, int ms)
{
    int status = 0;
    pid_t ended = 0;
    if (!TEST_UNTIL(ms, (ended = waitpid((pid_t)pid, &status, WNOHANG)) != 0))
        return -1;
    REQUIRE_INT(ended, pid);
    if (WIFSIGNALED(status))
        return TEST_SIGNALLED + WTERMSIG(status);
    return WEXITSTATUS(status);
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
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT))
        return false;
    return info.si_pid == 0;
}

void test_signal(test_pid pid, int signal)
{
    REQUIRE(pid > 1);
    kill((pid_t)pid, signal);
}

void test_terminate(test_pid pid)
{
    test_signal(pid, SIGTERM);
}

void test_kill(test_pid pid)
{
    test_signal(pid, SIGKILL);
}

void test_stop(test_pid pid)
{
    test_signal(pid, SIGSTOP);
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
    return getpid();
}

const char *test_program(void)
{
    static char path[TEST_PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
    REQUIRE(size > 0 && (size_t)size < sizeof(path) - 1);
    path[size] = '\0';
    return path;
}

uint64_t test_host_memory(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

test_pid test_child_of(test_pid pid)
{
    char path[64];
    long child = 0;
    snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", pid, pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fgets(path, sizeof(path), file))
        child = strtol(path, NULL, 10);
    fclose(file);
    return child;
}

/* Whether it is an epoll descriptor that watches nothing. */
static bool is_idle_watch(test_pid pid, const char *number)
{
    char path[320];
    char text[128] = "";
    snprintf(path, sizeof(path), "/proc/%ld/fd/%s", pid, number);
    if (readlink(path, text, sizeof(text) - 1) < 0 ||
        strcmp(text, "anon_inode:[eventpoll]") != 0)
        return false;
    snprintf(path, sizeof(path), "/proc/%ld/fdinfo/%s", pid, number);
    FILE *file = fopen(path, "re");
    bool idle = file;
    while (file && fgets(text, sizeof(text), file))
        idle = idle && strncmp(text, "tfd:", 4) != 0;
    if (file)
        fclose(file);
    return idle;
}

int test_process_descriptors(test_pid pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%ld/fd", pid);
    DIR *folder = opendir(path);
    if (!folder)
        return -1;
    int count = pid == getpid() ? -1 : 0; /* the one that looks */
    for (struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.' && !is_idle_watch(pid, entry->d_name);
    closedir(folder);
    return count;
}

/* The number behind `key` in /proc/PID/status, or -1. */
static int64_t status_value(test_pid pid, const char *key)
{
    char path[64];
    char line[256];
    int64_t value = -1;
    snprintf(path, sizeof(path), "/proc/%ld/status", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    while (value < 0 && fgets(line, sizeof(line), file)) {
        if (strncmp(line, key, strlen(key)) == 0)
            value = strtoll(line + strlen(key), NULL, 10);
    }
    fclose(file);
    return value;
}

int64_t test_process_memory(test_pid pid)
{
    int64_t kib = status_value(pid, "RssAnon:");
    return kib < 0 ? -1 : kib * 1024;
}

int64_t test_process_cpu_ms(test_pid pid)
{
    enum { TIME_FIELDS_BEHIND = 11 }; /* between the state and utime */
    char path[64];
    char line[1024] = "";
    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    char *got = fgets(line, sizeof(line), file);
    fclose(file);
    char *field = got ? strrchr(line, ')') : NULL;
    if (!field)
        return -1;
    field += sizeof(") S") - 1;
    for (int i = 1; i < TIME_FIELDS_BEHIND; i++)
        strtoll(field, &field, 10);
    unsigned long long user = strtoull(field, &field, 10);
    unsigned long long system = strtoull(field, &field, 10);
    return (int64_t)(user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

void test_process_pin(test_pid pid, bool any)
{
    static cpu_set_t before;
    static bool known;
    cpu_set_t one;
    int first = 0;
    if (!known)
        known = sched_getaffinity(0, sizeof(before), &before) == 0;
    if (!known)
        return;
    while (!CPU_ISSET(first, &before))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    sched_setaffinity((pid_t)pid, sizeof(one), any ? &before : &one);
}

uint64_t test_limit_descriptors(uint64_t wanted)
{
    struct rlimit both;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &both) == 0);
    uint64_t before = both.rlim_cur;
    both.rlim_cur = wanted && wanted < both.rlim_max ? wanted : both.rlim_max;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &both) == 0);
    return before;
}

/* ---- identities ---- */

bool test_is_root(void)
{
    return getuid() == 0;
}

const char *test_user(void)
{
    static char text[16];
    snprintf(text, sizeof(text), "%u", (unsigned)getuid());
    return text;
}

const char *test_group(void)
{
    static char text[16];
    snprintf(text, sizeof(text), "%u", (unsigned)getgid());
    return text;
}

const char *test_other_user(void)
{
    return "12346";
}

void test_act_as(uint32_t user, uint32_t group)
{
    gid_t groups[1] = {group};
    test_act_as_self();
    REQUIRE(setgroups(group ? 1 : 0, groups) == 0);
    REQUIRE(setegid(user) == 0);
    REQUIRE(seteuid(user) == 0);
}

void test_act_as_self(void)
{
    if (geteuid() == getuid())
        return;
    REQUIRE(seteuid(getuid()) == 0);
    REQUIRE(setegid(getgid()) == 0);
    REQUIRE(setgroups(0, NULL) == 0);
    prctl(PR_SET_DUMPABLE, 1);
}

void test_become(uint32_t user, uint32_t group)
{
    REQUIRE(in_child);
    pid_t parent = getppid();
    drop(user, group);
    die_with_parent(parent);
}

static void own_users_body(void *data)
{
    (void)data;
    enter_own_users();
}

bool test_can_own_users(void)
{
    return test_join(test_fork(own_users_body, NULL)) == 0;
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
    const char *base = getenv("TMPDIR");
    test_path(path, "%s/t-XXXXXX", base && *base ? base : "/tmp");
    REQUIRE(mkdtemp(path) != NULL);
    REQUIRE(chmod(path, 0755) == 0);
}

void test_folder_add(const char *path, uint32_t user, unsigned mode)
{
    REQUIRE(mkdir(path, 0700) == 0);
    REQUIRE(chmod(path, mode) == 0);
    if (user)
        REQUIRE(chown(path, user, user) == 0);
}

static void remove_entries(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    REQUIRE(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder));) {
        const char *inner = entry->d_name;
        if (strcmp(inner, ".") == 0 || strcmp(inner, "..") == 0)
            continue;
        if (unlinkat(fd, inner, 0) == 0)
            continue;
        REQUIRE(errno == EISDIR || errno == EPERM);
        remove_entries(fd, inner);
    }
    closedir(folder);
    REQUIRE(unlinkat(parent, name, AT_REMOVEDIR) == 0);
}

void test_folder_remove(const char *path)
{
    remove_entries(AT_FDCWD, path);
}

int test_folder_entries(const char *path)
{
    DIR *folder = opendir(path);
    REQUIRE(folder != NULL);
    int count = -2; /* . and .. */
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

bool test_exists(const char *path)
{
    struct stat facts;
    return lstat(path, &facts) == 0;
}

void test_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    REQUIRE(fd >= 0);
    REQUIRE(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

void test_read(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    size_t have = 0;
    ssize_t got;
    while (have < size - 1 &&
           (got = read(fd, text + have, size - 1 - have)) > 0)
        have += (size_t)got;
    text[have] = '\0';
    close(fd);
}

/* ---- time ---- */

int64_t test_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t test_clock_us(void)
{
    return test_clock_ns() / 1000;
}

void test_pause_us(unsigned us)
{
    struct timespec pause = {us / 1000000, us % 1000000 * 1000L};
    nanosleep(&pause, NULL);
}

void test_pause(void)
{
    test_pause_us(2000);
}
