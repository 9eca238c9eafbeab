#include "handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(PROTOCOL_HANDLES_MAX * sizeof(int))];
};

static void take_handles(struct msghdr *header, struct handoff_message *message)
{
    struct cmsghdr *c;
    int fd;

    for (c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        size_t size = c->cmsg_len - CMSG_LEN(0);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + sizeof(fd) <= size; at += sizeof(fd)) {
            memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
            message->handles[message->count++] = fd;
        }
    }
}

int handoff_receive(int connection, char *bytes, size_t capacity,
                    struct handoff_message *message)
{
    struct iovec data = {.iov_base = bytes, .iov_len = capacity};
    union control control;
    struct msghdr header = {.msg_iov = &data,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof(control.bytes)};
    ssize_t n;

    do
        n = recvmsg(connection, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? HANDOFF_E_AGAIN : HANDOFF_E_GONE;
    message->size = (size_t)n;
    message->count = 0;
    message->truncated = header.msg_flags & MSG_CTRUNC;
    take_handles(&header, message);
    if (n > 0)
        return 0;
    for (unsigned i = 0; i < message->count; i++)
        handoff_close(message->handles[i]);
    return HANDOFF_E_GONE;
}

static void put_handles(struct msghdr *header, union control *control,
                        const frame_handle *handles, unsigned count)
{
    struct cmsghdr *c;

    header->msg_control = control->bytes;
    header->msg_controllen = CMSG_SPACE(count * sizeof(int));
    c = CMSG_FIRSTHDR(header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (unsigned i = 0; i < count; i++) {
        int fd = (int)handles[i];

        memcpy(CMSG_DATA(c) + i * sizeof(fd), &fd, sizeof(fd));
    }
}

int handoff_send(int connection, const char *bytes, size_t size,
                 const frame_handle *handles, unsigned count, size_t *sent)
{
    struct iovec data = {.iov_base = (void *)bytes, .iov_len = size};
    struct msghdr header = {.msg_iov = &data, .msg_iovlen = 1};
    union control control;
    ssize_t n;

    if (count > 0)
        put_handles(&header, &control, handles, count);
    do
        n = sendmsg(connection, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0) {
        *sent = (size_t)n;
        return 0;
    }
    switch (errno) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
        return HANDOFF_E_AGAIN;
    case ETOOMANYREFS:
        return HANDOFF_E_REFS;
    default:
        return HANDOFF_E_GONE;
    }
}

bool handoff_all_read(int connection)
{
    int unread = 0;

    /* On Linux this is SIOCOUTQ: bytes that wait at the receiver count. */
    return ioctl(connection, TIOCOUTQ, &unread) == 0 && unread == 0;
}

void handoff_finish(int connection)
{
    shutdown(connection, SHUT_WR);
}

void handoff_close(frame_handle handle)
{
    close((int)handle);
}

int handoff_duplicate(frame_handle handle, frame_handle *copy)
{
    int fd = fcntl((int)handle, F_DUPFD_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    *copy = fd;
    return 0;
}
