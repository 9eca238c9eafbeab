#include "handoff.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(PROTOCOL_HANDLES_MAX * sizeof(int))];
};

int handoff_receive(int connection, char *bytes, size_t capacity, size_t *size)
{
    ssize_t n;

    do
        n = recv(connection, bytes, capacity, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return HANDOFF_E_AGAIN;
    if (n <= 0)
        return HANDOFF_E_GONE;
    *size = (size_t)n;
    return 0;
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
    shutdown(connection, SHUT_RDWR);
}

void handoff_close(frame_handle handle)
{
    close((int)handle);
}
