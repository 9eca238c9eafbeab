/*
 * Attaching: open a segment, map it, unmap it and close it.
 *
 *   library  by libsegbroker
 *   raw      by hand: fixed bytes, and the release line that the library sends
 *   cold     by libsegbroker, on a connection of its own each time
 *   floor    no broker: a bare process that answers the same number of bytes
 *            with a descriptor
 *   floor-release  the same, and it reads and answers a release line too
 */
#include "station.h"

#include "client/segbroker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { DEFAULT_SIZE = 1 << 20, LINE_SIZE = 512 };

/* What a broker was seen to answer, for the floors. */
static const char open_reply[] =
    "{\"id\":1,\"ok\":true,\"grant\":1,\"segment\":1,\"created\":false,"
    "\"size\":1048576,\"mapped_size\":1048576,\"access\":\"ro\","
    "\"handles\":{\"memory\":0}}\n";
static const char release_reply[] = "{\"id\":1,\"ok\":true}\n";

struct attach {
    struct station_options options;
    char name[64];
    segb_client *owner; /* holds the segment */
    segb_segment *held;
    segb_client *client;
    int fd; /* of a raw connection, or a floor's */
    pid_t server;
    char request[LINE_SIZE];
    size_t request_size;
    char release[LINE_SIZE];
    char reply[LINE_SIZE];
};

static int fail(const char *what, int code)
{
    return station_complain("%s: %s %s", what, segb_strerror(code),
                            segb_last_detail());
}

static segb_client *connect_library(const struct attach *a)
{
    segb_connect_options options = {.struct_size = sizeof(options),
                                    .socket = a->options.socket};
    segb_client *client = NULL;
    int r = segb_connect(&options, &client);

    if (r < 0)
        fail("connect", r);
    return client;
}

static void hold_segment(struct attach *a)
{
    int r;

    if (!a->options.socket)
        station_give_up("%s needs --socket", a->options.kind);
    snprintf(a->name, sizeof(a->name), "global/bench/%ld", (long)getpid());
    a->owner = connect_library(a);
    if (!a->owner)
        exit(1);
    r = segb_create(a->owner, a->name, a->options.size, NULL, &a->held);
    if (r < 0)
        station_give_up("create: %s %s", segb_strerror(r), segb_last_detail());
}

static void end(void *data)
{
    struct attach *a = data;

    segb_disconnect(a->client);
    segb_close(a->held);
    segb_disconnect(a->owner);
    if (a->fd >= 0)
        close(a->fd);
    if (a->server > 0)
        station_join(a->server);
}

/* ---- the library ---- */

static int attach_library(const struct attach *a, segb_client *client)
{
    segb_segment *segment;
    void *memory;
    int r = segb_open(client, a->name, NULL, &segment);

    if (r < 0)
        return fail("open", r);
    r = segb_map(segment, 0, 0, SEGB_RO, &memory);
    if (r == 0)
        r = segb_unmap(memory);
    segb_close(segment);
    return r < 0 ? fail("map", r) : 0;
}

static int once_library(void *data)
{
    struct attach *a = data;
    return attach_library(a, a->client);
}

static int once_cold(void *data)
{
    struct attach *a = data;
    segb_client *client = connect_library(a);
    int r = client ? attach_library(a, client) : -1;
    segb_disconnect(client);
    return r;
}

/* ---- by hand ---- */

static int map_once(int fd, size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED)
        return station_complain_system("mmap");
    munmap(memory, size);
    close(fd);
    return 0;
}

/* Reads until there is the reply to the open, behind that to a release. */
static int receive_reply(struct attach *a, int *fd)
{
    size_t size = 0;

    *fd = -1;
    while (*fd < 0) {
        ssize_t n = station_receive(a->fd, a->reply + size,
                                    sizeof(a->reply) - 1 - size, fd);
        if (n <= 0)
            return station_complain("the server hung up");
        size += (size_t)n;
    }
    a->reply[size] = '\0';
    return 0;
}

static int once_raw(void *data)
{
    struct attach *a = data;
    const char *grant;
    int fd, n;

    if (station_send(a->fd, a->request, a->request_size, -1) < 0 ||
        receive_reply(a, &fd) < 0 || map_once(fd, a->options.size) < 0)
        return -1;
    grant = strstr(a->reply, "\"grant\":");
    if (!grant)
        return station_complain("no grant in the reply: %s", a->reply);
    grant += strlen("\"grant\":");
    n = snprintf(a->release, sizeof(a->release),
                 "{\"id\":3,\"op\":\"release\",\"grant\":%.*s}\n",
                 (int)strspn(grant, "0123456789"), grant);
    return station_send(a->fd, a->release, (size_t)n, -1);
}

static void write_request(struct attach *a)
{
    a->request_size = (size_t)snprintf(
        a->request, sizeof(a->request),
        "{\"id\":2,\"op\":\"open\",\"name\":\"%s\",\"access\":\"ro\"}\n",
        a->name);
}

static void connect_raw(struct attach *a)
{
    static const char hello[] = "{\"id\":1,\"op\":\"hello\",\"version\":1}\n";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char welcome[4096];
    int fd;

    snprintf(address.sun_path, sizeof(address.sun_path), "%s",
             a->options.socket);
    a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(a->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        station_give_up("%s: %s", a->options.socket, strerror(errno));
    if (station_send(a->fd, hello, sizeof(hello) - 1, -1) < 0 ||
        station_receive(a->fd, welcome, sizeof(welcome), &fd) <= 0)
        station_give_up("the broker does not say hello");
    write_request(a);
}

/* ---- the floor ---- */

struct server {
    int socket;
    int client; /* the other end, which is not its own */
    int memory;
};

/* Both ends are blocking, and know how many bytes come. */
static void serve(void *data)
{
    const struct server *s = data;
    char request[LINE_SIZE];
    ssize_t n;
    int fd;

    close(s->client);
    while ((n = station_receive(s->socket, request, sizeof(request), &fd)) >
           0) {
        const char *release = memmem(request, (size_t)n, "release", 7);
        const char *open = memmem(request, (size_t)n, "open", 4);
        if (release && station_send(s->socket, release_reply,
                                    sizeof(release_reply) - 1, -1) < 0)
            return;
        if (open && station_send(s->socket, open_reply, sizeof(open_reply) - 1,
                                 s->memory) < 0)
            return;
    }
}

static void start_server(struct attach *a)
{
    struct server server;
    int ends[2];

    server.memory = memfd_create("bench", MFD_CLOEXEC);
    if (server.memory < 0 ||
        ftruncate(server.memory, (off_t)a->options.size) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        station_give_up("the floor's server: %s", strerror(errno));
    server.socket = ends[0];
    server.client = ends[1];
    a->server = station_fork(a->options.server_cpu, serve, &server);
    close(ends[0]);
    close(server.memory);
    a->fd = ends[1];
    snprintf(a->name, sizeof(a->name), "global/bench/%ld", (long)getpid());
    write_request(a);
}

static int once_floor(void *data)
{
    struct attach *a = data;
    int fd;

    if (station_send(a->fd, a->request, a->request_size, -1) < 0 ||
        receive_reply(a, &fd) < 0)
        return -1;
    return map_once(fd, a->options.size);
}

int main(int argc, char **argv)
{
    struct attach a = {.options = station_options(argc, argv), .fd = -1};
    struct station station = {.end = end, .data = &a};
    const char *kind = a.options.kind;

    if (a.options.size == 0)
        a.options.size = DEFAULT_SIZE;
    if (strncmp(kind, "floor", 5) == 0) {
        start_server(&a);
        station.once = strcmp(kind, "floor") == 0 ? once_floor : once_raw;
        return station_run(&station);
    }
    hold_segment(&a);
    if (strcmp(kind, "library") == 0) {
        a.client = connect_library(&a);
        station.once = once_library;
        if (!a.client)
            return 1;
    } else if (strcmp(kind, "raw") == 0) {
        connect_raw(&a);
        station.once = once_raw;
    } else if (strcmp(kind, "cold") == 0) {
        station.once = once_cold;
    } else {
        station_give_up("unknown kind `%s`", kind);
    }
    return station_run(&station);
}
