/*
 * A server that does nothing but answer: the floor for many connections. To a
 * hello what the broker says, and to all that comes behind it what the broker
 * says to an open, with a descriptor: a quiet release before it, in the same
 * message, gets no answer.
 *
 *   answers  --socket PATH: where it serves; ends with its input
 */
#include "station.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SEGMENT_SIZE = 1 << 20, DESCRIPTORS_MAX = 1 << 20, EVENTS = 256 };

/* By descriptor: it has said hello. */
static bool greeted[DESCRIPTORS_MAX];

static void add(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        station_give_up("epoll_ctl: %s", strerror(errno));
}

static void accept_one(int epoll, int listening)
{
    int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED))
        return;
    if (fd < 0 || fd >= DESCRIPTORS_MAX)
        station_give_up("accept: %s", strerror(errno));
    greeted[fd] = false;
    add(epoll, fd);
}

static void answer(int fd, int memory)
{
    char request[4096];
    ssize_t got = recv(fd, request, sizeof(request), 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        close(fd);
    else if (greeted[fd])
        wire_send_with(fd, WIRE_OPEN_REPLY, sizeof(WIRE_OPEN_REPLY) - 1,
                       memory);
    else
        wire_send(fd, WIRE_HELLO_REPLY, sizeof(WIRE_HELLO_REPLY) - 1);
    greeted[fd] = true;
}

static int make_memory(void)
{
    int memory = memfd_create("bare", MFD_CLOEXEC);
    if (memory < 0 || ftruncate(memory, SEGMENT_SIZE) < 0)
        station_give_up("memfd: %s", strerror(errno));
    return memory;
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    struct station_options options = station_options(argc, argv);
    if (!options.socket)
        station_give_up("%s needs --socket", options.kind);
    int memory = make_memory();
    int listening = wire_listen(options.socket);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    add(epoll, listening);
    add(epoll, STDIN_FILENO);
    puts("ready");
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == STDIN_FILENO)
                return 0;
            if (fd == listening)
                accept_one(epoll, listening);
            else
                answer(fd, memory);
        }
    }
}
