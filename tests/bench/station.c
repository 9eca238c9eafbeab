#include "station.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WARM_UP_SHARE = 10 };

/* ---- failures ---- */

static void complain(const char *format, va_list arguments)
{
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

int station_complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    complain(format, arguments);
    va_end(arguments);
    return -1;
}

int station_complain_system(const char *what)
{
    return station_complain("%s: %s", what, strerror(errno));
}

void station_give_up(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    complain(format, arguments);
    va_end(arguments);
    exit(1);
}

/* ---- the command line ---- */

static uint64_t number(const char *name, const char *text)
{
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end || *text == '-')
        station_give_up("--%s: expected a number, not `%s`", name, text);
    return value;
}

struct station_options station_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"socket", required_argument, NULL, 's'},
        {"name", required_argument, NULL, 'n'},
        {"size", required_argument, NULL, 'b'},
        {"count", required_argument, NULL, 'c'},
        {"server-cpu", required_argument, NULL, 'p'},
        {0}};
    struct station_options options = {.server_cpu = STATION_NO_CPU};
    int which, option;

    while ((option = getopt_long(argc, argv, "", known, &which)) != -1) {
        if (option == 's')
            options.socket = optarg;
        else if (option == 'n')
            options.name = optarg;
        else if (option == 'b')
            options.size = number(known[which].name, optarg);
        else if (option == 'c')
            options.count = number(known[which].name, optarg);
        else if (option == 'p')
            options.server_cpu = (int)number(known[which].name, optarg);
        else
            exit(1);
    }
    if (optind != argc - 1)
        station_give_up("usage: %s KIND [--OPTION VALUE]...",
                        program_invocation_short_name);
    options.kind = argv[optind];
    return options;
}

/* ---- rounds ---- */

int64_t station_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int operate(const struct station *station, int64_t *taken)
{
    if (station->before && station->before(station->data) != 0)
        return -1;
    int64_t began = station_clock();
    int r = station->once(station->data);
    *taken = station_clock() - began;
    if (r == 0 && station->after)
        r = station->after(station->data);
    return r;
}

static int play(const struct station *station, size_t count)
{
    int64_t *taken = calloc(count, sizeof(*taken));
    int r = 0;

    if (!taken)
        return station_complain("out of memory");
    /* The first ones of a turn find the caches full of somebody else's. */
    for (size_t i = 0; i < count / WARM_UP_SHARE && r == 0; i++)
        r = operate(station, &taken[0]);
    for (size_t i = 0; i < count && r == 0; i++)
        r = operate(station, &taken[i]);
    for (size_t i = 0; i < count && r == 0; i++)
        printf("%" PRId64 "%c", taken[i], i + 1 < count ? ' ' : '\n');
    fflush(stdout);
    free(taken);
    return r;
}

int station_run(const struct station *station)
{
    char line[32];
    int r = 0;

    puts("ready");
    fflush(stdout);
    while (r == 0 && fgets(line, sizeof(line), stdin)) {
        size_t count = strtoul(line, NULL, 10);
        if (count == 0)
            r = station_complain("expected a number of operations, not `%s`",
                                 line);
        else
            r = play(station, count);
    }
    if (station->end)
        station->end(station->data);
    return r == 0 ? 0 : 1;
}

/* ---- the broker ---- */

int station_check(const char *what, int code)
{
    if (code == 0)
        return 0;
    return station_complain("%s: %s (%s)", what, segb_strerror(code),
                            segb_last_detail());
}

static segb_client *connect_so(const struct station_options *options, int lazy)
{
    segb_connect_options how = {.struct_size = sizeof(how),
                                .socket = options->socket,
                                .close_lazily = lazy};
    segb_client *client = NULL;

    if (!options->socket)
        station_give_up("%s needs --socket", options->kind);
    station_check("connect", segb_connect(&how, &client));
    return client;
}

segb_client *station_connect(const struct station_options *options)
{
    return connect_so(options, 0);
}

segb_client *station_connect_lazy(const struct station_options *options)
{
    return connect_so(options, 1);
}

void station_name(char name[STATION_NAME_MAX], unsigned number)
{
    snprintf(name, STATION_NAME_MAX, "global/bench/%ld/%u", (long)getpid(),
             number);
}

int station_map(segb_segment *segment, int access)
{
    void *memory;
    int r = station_check("map", segb_map(segment, 0, 0, access, &memory));

    return r == 0 ? station_check("unmap", segb_unmap(memory)) : r;
}

/* ---- processes ---- */

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (cpu != STATION_NO_CPU && sched_setaffinity(0, sizeof(set), &set))
        station_give_up("CPU %d: %s", cpu, strerror(errno));
}

pid_t station_fork(int cpu, void (*body)(void *data), void *data)
{
    pid_t parent = getpid();
    fflush(NULL);
    pid_t child = fork();

    if (child < 0)
        station_give_up("fork: %s", strerror(errno));
    if (child > 0)
        return child;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
        _exit(1);
    pin(cpu);
    body(data);
    _exit(0);
}

void station_join(pid_t child)
{
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
}

int station_map_descriptor(int fd, size_t size, int protection)
{
    void *memory = mmap(NULL, size, protection, MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED)
        return station_complain_system("mmap");
    munmap(memory, size);
    close(fd);
    return 0;
}

/* ---- bytes and a descriptor ---- */

int station_connect_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        station_give_up("%s: %s", path, strerror(errno));
    return fd;
}

union control {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
};

int station_send(int socket, const void *bytes, size_t size, int fd)
{
    union control control = {
        .head = {CMSG_LEN(sizeof(fd)), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec data = {(void *)bytes, size};
    struct msghdr header = {.msg_iov = &data, .msg_iovlen = 1};

    if (fd >= 0) {
        memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof(control.bytes);
    }
    if (sendmsg(socket, &header, MSG_NOSIGNAL) == (ssize_t)size)
        return 0;
    return station_complain_system("sendmsg");
}

ssize_t station_receive(int socket, void *bytes, size_t size, int *fd)
{
    union control control;
    struct iovec data = {bytes, size};
    struct msghdr header = {.msg_iov = &data,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
    struct cmsghdr *head = n < 0 ? NULL : CMSG_FIRSTHDR(&header);

    *fd = -1;
    /* The other end left without reading all: that is an end too. */
    if (n < 0 && errno == ECONNRESET)
        return 0;
    if (n < 0)
        return station_complain_system("recvmsg");
    if (head && head->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(head), sizeof(*fd));
    return n;
}
