/*
 * What two bare processes take that exchange what a client and the broker do:
 * the same number of bytes over a Unix socket, and a descriptor. Both block.
 *
 *   attach          a request; a reply with a descriptor, which is mapped and
 *                   closed
 *   attach-release  the same, and a line that gives it back, which is not
 *                   answered
 *   attach-epoll    as attach, by a server that waits for many, as a broker
 *                   does
 *   cold            a connection; hello; the same as attach
 *   cold-epoll      as cold, by a server that waits for many
 *   ping, stat      a request and a reply
 *   list            --count requests, with --size bytes of reply each
 *   keeper          a record and a descriptor that nobody answers
 */
#include "station.h"
#include "wire.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { DEFAULT_SIZE = 1 << 20, BUFFER_SIZE = 1 << 18 };

/* As a client and a broker were seen to say it; what other stations say too is
 * in wire.h. */
#define OPEN_REQUEST                                                           \
    "{\"id\":2,\"op\":\"open\",\"name\":\"global/bench/1234/0\","              \
    "\"access\":\"ro\"}\n"
#define RELEASE_REQUEST                                                        \
    "{\"id\":0,\"op\":\"release\",\"grant\":10000,\"quiet\":true}\n"
#define PING_REQUEST "{\"id\":2,\"op\":\"ping\"}\n"
#define PING_REPLY "{\"id\":2,\"ok\":true}\n"
#define STAT_REQUEST                                                           \
    "{\"id\":2,\"op\":\"stat\",\"name\":\"global/bench/1234/0\"}\n"
#define LIST_REQUEST                                                           \
    "{\"id\":2,\"op\":\"list\",\"prefix\":\"global/bench/\","                  \
    "\"after\":1000}\n"

#define STAT_REPLY                                                             \
    "{\"id\":2,\"ok\":true,\"segment\":{\"segment\":1,"                        \
    "\"name\":\"global/bench/1234/0\",\"owner\":\"user:root\","                \
    "\"size\":1048576,\"mapped_size\":1048576,\"state\":\"named\","            \
    "\"may\":\"rw\",\"commit\":true,\"persist\":false,"                        \
    "\"doorbell\":false,\"grants\":1,\"created_at\":1795785734}}\n"
#define RECORD                                                                 \
    "{\"record\":\"keep\",\"handles\":1,\"segment\":1,"                        \
    "\"name\":\"global/bench/1234/0\",\"found\":true,"                         \
    "\"owner\":\"0,0\",\"size\":1048576,\"mapped_size\":1048576,"              \
    "\"created_at\":1795785734,\"commit\":false,\"persist\":false,"            \
    "\"read\":[],\"write\":[]}\n"

struct part {
    const char *request;
    size_t request_size;
    const char *reply;
    size_t reply_size;
    bool handle; /* comes with the reply */
};

#define PART(request, reply, handle)                                           \
    {                                                                          \
        (request), sizeof(request) - 1, (reply), sizeof(reply) - 1, (handle)   \
    }

struct kind {
    const char *name;
    struct part part;
    struct part behind; /* sent without waiting for its reply */
    bool cold;          /* each time on a connection of its own */
    bool epoll;
};

static char buffer[BUFFER_SIZE];
static char long_reply[BUFFER_SIZE];

static const struct kind kinds[] = {
    {.name = "attach", .part = PART(OPEN_REQUEST, WIRE_OPEN_REPLY, true)},
    {.name = "attach-release",
     .part = PART(OPEN_REQUEST, WIRE_OPEN_REPLY, true),
     .behind = PART(RELEASE_REQUEST, "", false)},
    {.name = "attach-epoll",
     .part = PART(OPEN_REQUEST, WIRE_OPEN_REPLY, true),
     .epoll = true},
    {.name = "cold",
     .part = PART(WIRE_HELLO_REQUEST, WIRE_HELLO_REPLY, false),
     .behind = PART(OPEN_REQUEST, WIRE_OPEN_REPLY, true),
     .cold = true},
    {.name = "cold-epoll",
     .part = PART(WIRE_HELLO_REQUEST, WIRE_HELLO_REPLY, false),
     .behind = PART(OPEN_REQUEST, WIRE_OPEN_REPLY, true),
     .cold = true,
     .epoll = true},
    {.name = "ping", .part = PART(PING_REQUEST, PING_REPLY, false)},
    {.name = "stat", .part = PART(STAT_REQUEST, STAT_REPLY, false)},
    {.name = "list", .part = PART(LIST_REQUEST, "", false)},
    {.name = "keeper", .part = PART(RECORD, "", true)},
};

struct floor {
    struct station_options options;
    struct kind kind;
    int socket;        /* the client's */
    int server_socket; /* the server's, where it takes connections if cold */
    int memory;
    pid_t server;
    struct sockaddr_un address; /* where it takes connections */
    socklen_t address_size;
};

/* ---- the server ---- */

/* Answers what has come in whole. False when the client is gone. */
static bool answer(const struct floor *f, int socket, size_t *got, bool *behind)
{
    const struct part *part;

    for (;;) {
        part = *behind ? &f->kind.behind : &f->kind.part;
        if (*got < part->request_size)
            return true;
        *got -= part->request_size;
        if (part->reply_size > 0 &&
            station_send(socket, part->reply, part->reply_size,
                         part->handle ? f->memory : -1) < 0)
            return false;
        *behind = f->kind.behind.request && !*behind;
    }
}

static int make_epoll(int socket)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = epoll_create1(EPOLL_CLOEXEC);

    if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, socket, &event) < 0)
        station_give_up("epoll: %s", strerror(errno));
    return fd;
}

static ssize_t receive(int epoll, int socket, int *fd)
{
    struct epoll_event event;

    if (epoll >= 0 && epoll_wait(epoll, &event, 1, -1) < 0)
        return station_complain_system("epoll_wait");
    return station_receive(socket, buffer, sizeof(buffer), fd);
}

static void serve(const struct floor *f, int socket)
{
    int epoll = f->kind.epoll ? make_epoll(socket) : -1;
    size_t got = 0;
    bool behind = false;
    ssize_t n;
    int fd;

    while ((n = receive(epoll, socket, &fd)) > 0) {
        if (fd >= 0)
            close(fd);
        got += (size_t)n;
        if (!answer(f, socket, &got, &behind))
            return;
    }
}

static void serve_one(void *data)
{
    const struct floor *f = data;

    close(f->socket);
    serve(f, f->server_socket);
}

/* ---- the server that waits for many connections ---- */

enum { CONNECTIONS_MAX = 64 };

struct progress {
    size_t got;
    bool behind;
};

static void await(int epoll, int socket)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = socket};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) < 0)
        station_give_up("epoll: %s", strerror(errno));
}

static void serve_next(const struct floor *f, int epoll,
                       struct progress progress[CONNECTIONS_MAX])
{
    struct epoll_event event;
    int socket, fd;
    ssize_t n;

    if (epoll_wait(epoll, &event, 1, -1) < 0)
        station_give_up("epoll_wait: %s", strerror(errno));
    socket = event.data.fd;
    if (socket == f->server_socket) {
        socket = accept4(f->server_socket, NULL, NULL, SOCK_CLOEXEC);
        if (socket < 0 || socket >= CONNECTIONS_MAX)
            station_give_up("accept: %s", strerror(errno));
        progress[socket] = (struct progress){0};
        await(epoll, socket);
        return;
    }
    n = station_receive(socket, buffer, sizeof(buffer), &fd);
    progress[socket].got += n > 0 ? (size_t)n : 0;
    if (n <= 0 ||
        !answer(f, socket, &progress[socket].got, &progress[socket].behind))
        close(socket);
}

static void serve_by_epoll(const struct floor *f)
{
    struct progress progress[CONNECTIONS_MAX];
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    await(epoll, f->server_socket);
    for (;;)
        serve_next(f, epoll, progress);
}

static void serve_many(void *data)
{
    const struct floor *f = data;
    int socket;

    if (f->kind.epoll)
        serve_by_epoll(f);
    while ((socket = accept4(f->server_socket, NULL, NULL, SOCK_CLOEXEC)) >=
           0) {
        serve(f, socket);
        close(socket);
    }
    station_complain_system("accept");
}

static void start_warm(struct floor *f)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        station_give_up("socketpair: %s", strerror(errno));
    f->socket = ends[0];
    f->server_socket = ends[1];
    f->server = station_fork(f->options.server_cpu, serve_one, f);
    close(f->server_socket);
}

/* At an address that the kernel chooses, so that no file is left. */
static void start_cold(struct floor *f)
{
    f->address = (struct sockaddr_un){.sun_family = AF_UNIX};
    f->address_size = sizeof(f->address);
    f->socket = -1;
    f->server_socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(f->server_socket, (struct sockaddr *)&f->address,
             sizeof(f->address.sun_family)) < 0 ||
        getsockname(f->server_socket, (struct sockaddr *)&f->address,
                    &f->address_size) < 0 ||
        listen(f->server_socket, SOMAXCONN) < 0)
        station_give_up("a listening socket: %s", strerror(errno));
    f->server = station_fork(f->options.server_cpu, serve_many, f);
    close(f->server_socket);
}

static void start(struct floor *f)
{
    f->memory = memfd_create("bench", MFD_CLOEXEC);
    if (f->memory < 0 || ftruncate(f->memory, (off_t)f->options.size) < 0)
        station_give_up("memory: %s", strerror(errno));
    if (f->kind.cold)
        start_cold(f);
    else
        start_warm(f);
}

static void end(void *data)
{
    struct floor *f = data;

    if (f->kind.cold)
        kill(f->server, SIGTERM);
    else
        close(f->socket);
    close(f->memory);
    station_join(f->server);
}

/* ---- the client ---- */

static int send_request(const struct floor *f, const struct part *part)
{
    return station_send(f->socket, part->request, part->request_size, -1);
}

static int attach(const struct floor *f, const struct part *part)
{
    int fd;

    if (send_request(f, part) < 0)
        return -1;
    if (station_receive(f->socket, buffer, sizeof(buffer), &fd) <= 0 || fd < 0)
        return station_complain("the server has ended");
    return station_map_descriptor(fd, f->options.size, PROT_READ);
}

static int once_attach(void *data)
{
    const struct floor *f = data;
    int r = attach(f, &f->kind.part);

    if (r == 0 && f->kind.behind.request)
        r = send_request(f, &f->kind.behind);
    return r;
}

static int exchange(const struct floor *f, const struct part *part)
{
    ssize_t n;
    int fd;

    if (send_request(f, part) < 0)
        return -1;
    for (size_t got = 0; got < part->reply_size; got += (size_t)n) {
        n = station_receive(f->socket, buffer, sizeof(buffer), &fd);
        if (n <= 0)
            return station_complain("the server has ended");
    }
    return 0;
}

static int once_exchange(void *data)
{
    const struct floor *f = data;
    int r = 0;

    for (uint64_t i = 0; i < f->options.count && r == 0; i++)
        r = exchange(f, &f->kind.part);
    return r;
}

static int once_cold(void *data)
{
    struct floor *f = data;
    int r;

    f->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(f->socket, (struct sockaddr *)&f->address, f->address_size) < 0)
        r = station_complain_system("connect");
    else
        r = exchange(f, &f->kind.part);
    if (r == 0)
        r = attach(f, &f->kind.behind);
    close(f->socket);
    return r;
}

static int once_keeper(void *data)
{
    const struct floor *f = data;
    return station_send(f->socket, f->kind.part.request,
                        f->kind.part.request_size, f->memory);
}

int main(int argc, char **argv)
{
    struct floor f = {.options = station_options(argc, argv)};
    struct station station = {.end = end, .data = &f};
    const size_t count = sizeof(kinds) / sizeof(kinds[0]);
    size_t i = 0;

    while (i < count && strcmp(kinds[i].name, f.options.kind) != 0)
        i++;
    if (i == count)
        station_give_up("unknown kind `%s`", f.options.kind);
    f.kind = kinds[i];
    if (strcmp(f.kind.name, "list") == 0) {
        f.kind.part.reply = long_reply;
        f.kind.part.reply_size = (size_t)f.options.size;
    }
    if (f.kind.part.reply_size > sizeof(long_reply))
        station_give_up("--size: at most %zu", sizeof(long_reply));
    if (f.options.size == 0)
        f.options.size = DEFAULT_SIZE;
    if (f.options.count == 0)
        f.options.count = 1;
    start(&f);
    if (strcmp(f.kind.name, "keeper") == 0)
        station.once = once_keeper;
    else if (f.kind.cold)
        station.once = once_cold;
    else
        station.once = f.kind.part.handle ? once_attach : once_exchange;
    return station_run(&station);
}
