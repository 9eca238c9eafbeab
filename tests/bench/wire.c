#include "wire.h"

#include "station.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096, DESCRIPTORS_MAX = 253 };

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    if (size >= sizeof(address.sun_path))
        station_give_up("%s: too long for a socket's path", path);
    memcpy(address.sun_path, path, size);
    return address;
}

int wire_listen(const char *path)
{
    struct sockaddr_un address = address_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        station_give_up("socket: %s", strerror(errno));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        station_give_up("bind to %s: %s", path, strerror(errno));
    if (listen(fd, BACKLOG) < 0)
        station_give_up("listen on %s: %s", path, strerror(errno));
    return fd;
}

void wire_send(int socket, const void *bytes, size_t size)
{
    wire_send_with(socket, bytes, size, -1);
}

void wire_send_with(int socket, const void *bytes, size_t size, int descriptor)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (descriptor >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
    }
    while (part.iov_len > 0) {
        ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            station_give_up("send: %s", strerror(errno));
        part.iov_base = (char *)part.iov_base + sent;
        part.iov_len -= (size_t)sent;
        message.msg_control = NULL;
        message.msg_controllen = 0;
    }
}

/* Of several descriptors the last is kept. */
static void take_descriptors(struct msghdr *message, int *descriptor)
{
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            if (*descriptor >= 0)
                close(*descriptor);
            memcpy(descriptor, CMSG_DATA(header) + i * sizeof(int),
                   sizeof(int));
        }
    }
}

ssize_t wire_receive(int socket, void *bytes, size_t size, int *descriptor)
{
    _Alignas(
        struct cmsghdr) char control[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
    struct iovec part = {.iov_base = bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    ssize_t got;
    do
        got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN)
        return -1;
    if (got < 0)
        station_give_up("receive: %s", strerror(errno));
    if (message.msg_flags & MSG_CTRUNC)
        station_give_up("a descriptor was lost: this process has too many");
    if (message.msg_controllen > 0)
        take_descriptors(&message, descriptor);
    return got;
}

void wire_line(int socket, char *text, size_t size)
{
    size_t have = 0;
    int descriptor = -1;
    do {
        ssize_t got =
            wire_receive(socket, text + have, size - 1 - have, &descriptor);
        if (got <= 0)
            station_give_up("no answer: the other side has hung up");
        have += (size_t)got;
    } while (text[have - 1] != '\n' && have + 1 < size);
    text[have] = '\0';
    if (descriptor >= 0)
        close(descriptor);
    if (strstr(text, "\"ok\":false"))
        station_give_up("refused: %s", text);
}

int wire_connect(const char *path)
{
    char answer[4096];
    int socket = station_connect_socket(path);
    wire_send(socket, WIRE_HELLO_REQUEST, sizeof(WIRE_HELLO_REQUEST) - 1);
    wire_line(socket, answer, sizeof(answer));
    return socket;
}

uint64_t wire_number(const char *text, const char *name)
{
    char key[64];
    const char *found = NULL;
    snprintf(key, sizeof(key), "\"%s\":", name);
    for (const char *at = text; (at = strstr(at, key)) != NULL; at++)
        found = at;
    if (!found)
        station_give_up("no %s in the answer: %s", name, text);
    return strtoull(found + strlen(key), NULL, 10);
}
