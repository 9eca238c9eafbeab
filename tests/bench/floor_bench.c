/*
 * What two bare processes take that exchange what a client and the broker do:
 * the same number of bytes over a Unix socket, and a descriptor. Both block.
 *
 *   attach   a request; a reply with a descriptor, which is mapped and closed
 *   attach-release  the same, and a line that gives it back, whose answer is
 *            read with the next reply
 *   ping, stat      a request and a reply
 *   list     --count requests, with --size bytes of reply each
 *   keeper   a record and a descriptor that nobody answers
 */
#include "station.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DEFAULT_SIZE = 1 << 20, BUFFER_SIZE = 1 << 18 };

/* As a client and a broker were seen to say it. */
#define OPEN_REQUEST                                                           \
    "{\"id\":2,\"op\":\"open\",\"name\":\"global/bench/1234/0\","              \
    "\"access\":\"ro\"}\n"
#define OPEN_REPLY                                                             \
    "{\"id\":2,\"ok\":true,\"grant\":2,\"segment\":1,\"created\":false,"       \
    "\"size\":1048576,\"mapped_size\":1048576,\"access\":\"ro\","              \
    "\"handles\":{\"memory\":0}}\n"
#define RELEASE_REQUEST "{\"id\":3,\"op\":\"release\",\"grant\":2}\n"
#define RELEASE_REPLY "{\"id\":3,\"ok\":true}\n"
#define PING_REQUEST "{\"id\":2,\"op\":\"ping\"}\n"
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
};

static char buffer[BUFFER_SIZE];
static char long_reply[BUFFER_SIZE];

static const struct kind kinds[] = {
    {"attach", PART(OPEN_REQUEST, OPEN_REPLY, true), {0}},
    {"attach-release", PART(OPEN_REQUEST, OPEN_REPLY, true),
     PART(RELEASE_REQUEST, RELEASE_REPLY, false)},
    {"ping", PART(PING_REQUEST, RELEASE_REPLY, false), {0}},
    {"stat", PART(STAT_REQUEST, STAT_REPLY, false), {0}},
    {"list", PART(LIST_REQUEST, "", false), {0}},
    {"keeper", PART(RECORD, "", true), {0}},
};

struct floor {
    struct station_options options;
    struct kind kind;
    int socket;        /* the client's */
    int server_socket; /* the server's */
    int memory;
    pid_t server;
};

/* ---- the server ---- */

/* Answers what has come in whole. False when the client is gone. */
static bool answer(const struct floor *f, size_t *got, bool *behind)
{
    const struct part *part;

    for (;;) {
        part = *behind ? &f->kind.behind : &f->kind.part;
        if (*got < part->request_size)
            return true;
        *got -= part->request_size;
        if (part->reply_size > 0 &&
            station_send(f->server_socket, part->reply, part->reply_size,
                         part->handle ? f->memory : -1) < 0)
            return false;
        *behind = f->kind.behind.request && !*behind;
    }
}

static void serve(void *data)
{
    const struct floor *f = data;
    size_t got = 0;
    bool behind = false;
    ssize_t n;
    int fd;

    close(f->socket);
    while ((n = station_receive(f->server_socket, buffer, sizeof(buffer),
                                &fd)) > 0) {
        if (fd >= 0)
            close(fd);
        got += (size_t)n;
        if (!answer(f, &got, &behind))
            return;
    }
}

static void start(struct floor *f)
{
    int ends[2];

    f->memory = memfd_create("bench", MFD_CLOEXEC);
    if (f->memory < 0 || ftruncate(f->memory, (off_t)f->options.size) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        station_give_up("the server: %s", strerror(errno));
    f->socket = ends[0];
    f->server_socket = ends[1];
    f->server = station_fork(f->options.server_cpu, serve, f);
    close(f->server_socket);
}

static void end(void *data)
{
    struct floor *f = data;

    close(f->socket);
    close(f->memory);
    station_join(f->server);
}

/* ---- the client ---- */

static int send_request(const struct floor *f, const struct part *part)
{
    return station_send(f->socket, part->request, part->request_size, -1);
}

static int once_attach(void *data)
{
    const struct floor *f = data;
    int fd = -1;

    if (send_request(f, &f->kind.part) < 0)
        return -1;
    /* What comes before the descriptor answers the last release. */
    while (fd < 0) {
        if (station_receive(f->socket, buffer, sizeof(buffer), &fd) <= 0)
            return station_complain("the server has ended");
    }
    if (station_map_descriptor(fd, f->options.size, PROT_READ) < 0)
        return -1;
    return f->kind.behind.request ? send_request(f, &f->kind.behind) : 0;
}

static int once_exchange(void *data)
{
    const struct floor *f = data;
    ssize_t n;
    int fd;

    for (uint64_t i = 0; i < f->options.count; i++) {
        if (send_request(f, &f->kind.part) < 0)
            return -1;
        for (size_t got = 0; got < f->kind.part.reply_size; got += (size_t)n) {
            n = station_receive(f->socket, buffer, sizeof(buffer), &fd);
            if (n <= 0)
                return station_complain("the server has ended");
        }
    }
    return 0;
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
    else
        station.once = f.kind.part.handle ? once_attach : once_exchange;
    return station_run(&station);
}
