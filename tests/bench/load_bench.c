/*
 * Attaches over many connections, one request under way on each: what one
 * operation of this station does is a whole batch of them. Memory is not mapped
 * here: this is about the server.
 *
 *   attach  --socket, --name of the segment, --count of connections, --size of
 *           a batch
 *   open    the same, and nothing is given back
 */
#include "station.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { ANSWER_MAX = 1024, EVENTS = 256 };

struct connection {
    int fd;
    int descriptor; /* that came with the answer; -1: none yet */
    uint64_t grant; /* to be given back with the next request; 0: none */
    size_t have;    /* of the answer */
    char answer[ANSWER_MAX];
};

struct load {
    const char *name;
    bool releases;
    int epoll;
    size_t count;
    size_t batch;
    size_t asked; /* in this batch */
    size_t answered;
    struct connection *connections;
};

/* The former grant goes back with the next request, as in the library when
 * client and broker share a processor. */
static void ask(struct load *load, struct connection *connection)
{
    char request[512];
    int size = 0;
    if (connection->grant != 0)
        size = snprintf(request, sizeof(request),
                        "{\"id\":0,\"op\":\"release\",\"grant\":%ju,"
                        "\"quiet\":true}\n",
                        (uintmax_t)connection->grant);
    size +=
        snprintf(request + size, sizeof(request) - (size_t)size,
                 "{\"id\":3,\"op\":\"open\",\"name\":\"%s\"}\n", load->name);
    connection->have = 0;
    load->asked++;
    wire_send(connection->fd, request, (size_t)size);
}

static void receive(struct load *load, struct connection *connection)
{
    char *text = connection->answer;
    ssize_t got = wire_receive(connection->fd, text + connection->have,
                               ANSWER_MAX - 1 - connection->have,
                               &connection->descriptor);
    if (got < 0)
        return;
    if (got == 0)
        station_give_up("a connection was ended by the server");
    connection->have += (size_t)got;
    text[connection->have] = '\0';
    if (connection->descriptor < 0 && strstr(text, "\"ok\":false"))
        station_give_up("refused: %s", text);
    if (connection->descriptor < 0 || text[connection->have - 1] != '\n')
        return;
    close(connection->descriptor);
    connection->descriptor = -1;
    if (load->releases)
        connection->grant = wire_number(text, "grant");
    load->answered++;
    if (load->asked < load->batch)
        ask(load, connection);
}

static int run_batch(void *data)
{
    struct load *load = data;
    struct epoll_event events[EVENTS];
    load->asked = load->answered = 0;
    for (size_t i = 0; i < load->count; i++)
        ask(load, &load->connections[i]);
    while (load->answered < load->asked) {
        int count = epoll_wait(load->epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++)
            receive(load, events[i].data.ptr);
    }
    return 0;
}

static void open_connections(struct load *load, const char *path)
{
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    load->connections = calloc(load->count, sizeof(load->connections[0]));
    if (load->epoll < 0 || !load->connections)
        station_give_up("%zu connections: %s", load->count, strerror(errno));
    for (size_t i = 0; i < load->count; i++) {
        struct connection *connection = &load->connections[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        connection->descriptor = -1;
        connection->fd = wire_connect(path);
        fcntl(connection->fd, F_SETFL, O_NONBLOCK);
        if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, connection->fd, &event) < 0)
            station_give_up("epoll_ctl: %s", strerror(errno));
    }
}

int main(int argc, char **argv)
{
    struct load load = {0};
    struct station_options options = station_options(argc, argv);
    load.releases = strcmp(options.kind, "attach") == 0;
    load.name = options.name;
    load.count = options.count;
    load.batch = options.size;
    if (!load.name || !options.socket || load.count == 0)
        station_give_up("%s needs --socket, --name and --count", options.kind);
    if (load.batch < load.count)
        station_give_up("a batch is at least one request on each connection");
    open_connections(&load, options.socket);
    struct station station = {.once = run_batch, .data = &load};
    int r = station_run(&station);
    for (size_t i = 0; i < load.count; i++)
        close(load.connections[i].fd);
    close(load.epoll);
    free(load.connections);
    return r;
}
