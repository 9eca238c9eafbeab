#include "handoff_posix.h"

#include "closer_posix.h"
#include "handle.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(PROTOCOL_HANDLES_MAX * sizeof(int))];
};

/* The file systems that segments' memory is in; 0: not looked at yet. */
static dev_t memory_devices[2];

static void look_at_memory(void)
{
    struct stat status;
    int fd = memfd_create("segbroker-device", MFD_CLOEXEC);

    if (fd >= 0 && fstat(fd, &status) == 0)
        memory_devices[0] = status.st_dev;
    if (fd >= 0)
        close(fd);
    memory_devices[1] = memory_devices[0];
    if (stat("/dev/shm", &status) == 0)
        memory_devices[1] = status.st_dev;
}

/* Asks the kernel alone: a stranger may serve the file, who must not be asked
 * for anything. */
static bool is_file(int fd, struct statx *status)
{
    return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE,
                 status) == 0 &&
           S_ISREG(status->stx_mode);
}

/* Whether it is memory such as segments are made of. */
static bool is_memory(int fd)
{
    struct statx status;
    dev_t device;

    if (memory_devices[0] == 0)
        look_at_memory();
    if (!is_file(fd, &status))
        return false;
    device = makedev(status.stx_dev_major, status.stx_dev_minor);
    return device == memory_devices[0] || device == memory_devices[1];
}

void handoff_dispose(frame_handle handle)
{
    int fd = (int)handle;

    if (handle == HANDLE_NONE)
        return;
    if (is_memory(fd))
        close(fd);
    else
        closer_take(&fd, 1);
}

static void take_handles(struct msghdr *header,
                         struct connection_handles *taken)
{
    int strange[PROTOCOL_HANDLES_MAX];
    unsigned strange_count = 0;
    struct statx status;
    struct cmsghdr *c;
    int fd;

    for (c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        size_t size = c->cmsg_len - CMSG_LEN(0);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + sizeof(fd) <= size; at += sizeof(fd)) {
            bool is_taken;

            memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
            is_taken = taken->any || is_file(fd, &status);
            if (taken->count < taken->capacity)
                taken->handles[taken->count++] = is_taken ? fd : HANDLE_NONE;
            else
                is_taken = false;
            if (!is_taken)
                strange[strange_count++] = fd;
        }
    }
    if (strange_count > 0)
        closer_take(strange, strange_count);
}

int handoff_receive(int socket, char *bytes, size_t capacity, size_t *size,
                    struct connection_handles *handles)
{
    union control control;
    struct iovec data = {.iov_base = bytes, .iov_len = capacity};
    /* Room for all that can come: the kernel would close the rest here. */
    struct msghdr header = {.msg_iov = &data,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof(control.bytes)};
    ssize_t n;

    handles->count = 0;
    do
        n = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return CONNECTION_E_AGAIN;
    if (n <= 0)
        return CONNECTION_E_GONE;
    *size = (size_t)n;
    handles->truncated = header.msg_flags & MSG_CTRUNC;
    if (header.msg_controllen > 0)
        take_handles(&header, handles);
    return 0;
}

void handoff_wait(int socket, bool writing, int milliseconds)
{
    struct pollfd wait = {.fd = socket, .events = writing ? POLLOUT : POLLIN};

    poll(&wait, 1, milliseconds);
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

int handoff_send(int socket, const char *bytes, size_t size,
                 const frame_handle *handles, unsigned count, size_t *sent)
{
    struct iovec data = {.iov_base = (void *)bytes, .iov_len = size};
    struct msghdr header = {.msg_iov = &data, .msg_iovlen = 1};
    union control control;
    ssize_t n;

    if (count > 0)
        put_handles(&header, &control, handles, count);
    do
        n = sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0) {
        *sent = (size_t)n;
        return 0;
    }
    switch (errno) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
        return CONNECTION_E_AGAIN;
    case ETOOMANYREFS:
        return CONNECTION_E_REFS;
    default:
        return CONNECTION_E_GONE;
    }
}

bool handoff_has_room(int socket)
{
    int unread = 0, room = 0;
    socklen_t size = sizeof(room);

    /* Both count as the system does, who takes a whole buffer for few bytes. */
    return ioctl(socket, TIOCOUTQ, &unread) == 0 &&
           getsockopt(socket, SOL_SOCKET, SO_SNDBUF, &room, &size) == 0 &&
           unread < room / 2;
}

bool handoff_all_read(int socket)
{
    int unread = 0;

    /* On Linux this is SIOCOUTQ: bytes that wait at the receiver count. */
    return ioctl(socket, TIOCOUTQ, &unread) == 0 && unread == 0;
}
