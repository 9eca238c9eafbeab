/*
 * Memory figures come from /proc/meminfo (MemTotal, MemAvailable) and, since
 * a segment's pages are charged to the broker's own cgroup, from every
 * memory.max above it (cgroup v2).
 */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int meminfo = -1;
static unsigned descriptor_limit;
static char cgroup[512]; /* "" where there is no cgroup v2 */

static void find_cgroup(void)
{
    char line[480];
    FILE *file = fopen("/proc/self/cgroup", "re");

    if (!file)
        return;
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, "0::/", 4) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(cgroup, sizeof(cgroup), "/sys/fs/cgroup%s", line + 3);
    }
    fclose(file);
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    descriptor_limit =
        limit.rlim_cur > INT32_MAX ? INT32_MAX : (unsigned)limit.rlim_cur;
}

void host_harden(void)
{
    prctl(PR_SET_DUMPABLE, 0);
}

int host_init(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    sigaction(SIGPIPE, &ignore, NULL);
    /* Growing a segment past `ulimit -f` is an error, not our end. */
    sigaction(SIGXFSZ, &ignore, NULL);
    /* A lease broken between asking and undoing would send this. */
    sigaction(SIGIO, &ignore, NULL);
    raise_descriptor_limit();
    find_cgroup();
    meminfo = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    return meminfo < 0 ? -errno : 0;
}

void host_deinit(void)
{
    if (meminfo >= 0)
        close(meminfo);
    meminfo = -1;
}

void host_exit(int status)
{
    exit(status);
}

void host_hold_signals(bool hold)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &signals, NULL);
}

void host_ignore_watchdog(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    /* abort() ends the process all the same. */
    sigaction(SIGABRT, &ignore, NULL);
}

void host_ignore_signals(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    sigaction(SIGTERM, &ignore, NULL);
    sigaction(SIGINT, &ignore, NULL);
    sigaction(SIGHUP, &ignore, NULL);
}

static uint64_t meminfo_value(const char *key)
{
    char text[4096];
    ssize_t size = pread(meminfo, text, sizeof(text) - 1, 0);
    const char *at;

    if (size <= 0)
        return 0;
    text[size] = '\0';
    at = strstr(text, key);
    return at ? strtoull(at + strlen(key), NULL, 10) * 1024 : 0;
}

/* A cgroup file's number; false for "max" or where there is no such file. */
static bool cgroup_value(const char *folder, const char *file, uint64_t *value)
{
    char path[600], text[32];
    ssize_t size;
    char *end;
    int fd;

    snprintf(path, sizeof(path), "%s/%s", folder, file);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (size <= 0)
        return false;
    text[size] = '\0';
    *value = strtoull(text, &end, 10);
    return end != text;
}

/* Of what a cgroup uses, the page cache that it gives up before it runs
 * short. */
static uint64_t cgroup_cache(const char *folder)
{
    static const char key[] = "\ninactive_file ";
    char path[600], text[8192];
    const char *at;
    ssize_t size;
    int fd;

    snprintf(path, sizeof(path), "%s/memory.stat", folder);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    size = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (size <= 0)
        return 0;
    text[size] = '\0';
    at = strstr(text, key);
    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* The smallest of `value` and what each cgroup above us has: its limit, less
 * what it uses when `less_used`. */
static uint64_t bounded_by_cgroups(uint64_t value, bool less_used)
{
    char folder[sizeof(cgroup)];
    uint64_t limit, used;
    char *slash;

    snprintf(folder, sizeof(folder), "%s", cgroup);
    while (strlen(folder) > strlen("/sys/fs/cgroup/")) {
        if (cgroup_value(folder, "memory.max", &limit)) {
            if (less_used && cgroup_value(folder, "memory.current", &used)) {
                limit += cgroup_cache(folder);
                limit = limit > used ? limit - used : 0;
            }
            if (limit < value)
                value = limit;
        }
        slash = strrchr(folder, '/');
        *slash = '\0';
    }
    return value;
}

uint64_t host_memory_total(void)
{
    return bounded_by_cgroups(meminfo_value("MemTotal:"), false);
}

uint64_t host_memory_available(void)
{
    return bounded_by_cgroups(meminfo_value("MemAvailable:"), true);
}

unsigned host_descriptor_limit(void)
{
    return descriptor_limit;
}

bool host_descriptors_low(unsigned reserve)
{
    /* The kernel gives the lowest free number. */
    int lowest = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

    if (lowest < 0)
        return true;
    close(lowest);
    return (unsigned)lowest + reserve >= descriptor_limit;
}

uint64_t host_process(void)
{
    return (uint64_t)getpid();
}

uint64_t host_parent(void)
{
    return (uint64_t)getppid();
}

bool host_stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;
    char *end;

    if (!stream || fstat(STDERR_FILENO, &status) < 0)
        return false;
    device = strtoull(stream, &end, 10);
    if (*end != ':')
        return false;
    inode = strtoull(end + 1, &end, 10);
    return *end == '\0' && status.st_dev == device && status.st_ino == inode;
}

void host_write_stderr(const char *bytes, size_t size)
{
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    ssize_t written;

    /* A log that cannot be written, or that nobody reads, is nothing to die
     * of. */
    if (poll(&ready, 1, 0) != 1)
        return;
    written = write(STDERR_FILENO, bytes, size);
    (void)written;
}

unsigned host_utc(struct tm *utc)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, utc);
    return (unsigned)(now.tv_nsec / 1000000);
}
