#include "channel.h"

#include "error.h"
#include "internal.h"
#include "thread.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SYSTEM_SOCKET "/run/segbroker/broker.sock"

/* ---- connecting ---- */

static int set_timeout(int fd, int timeout)
{
    struct timeval limit = {0};

    if (timeout > 0) {
        limit.tv_sec = timeout / 1000;
        limit.tv_usec = (timeout % 1000) * 1000;
    }
    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
           /* It bounds connect(), which waits while the backlog is full. */
           setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static int connect_failure(const char *path)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED:
        return error_set(SEGB_E_NO_BROKER, "no broker serves at %s: %s", path,
                         strerror(errno));
    case EACCES:
    case EPERM:
        return error_set(SEGB_E_ACCESS_DENIED, "%s cannot be reached: %s", path,
                         strerror(errno));
    case EAGAIN:
        return error_set(SEGB_E_TIMEOUT,
                         "the broker at %s did not take the connection in time",
                         path);
    default:
        return error_set(SEGB_E_SYSTEM, "connecting to %s: %s", path,
                         strerror(errno));
    }
}

static int connect_to(const char *path, int timeout, channel *connected)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, r;

    if (strlen(path) >= sizeof(address.sun_path))
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "socket: a path may have at most %zu bytes: %s",
                         sizeof(address.sun_path) - 1, path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_set(SEGB_E_SYSTEM, "socket: %s", strerror(errno));
    if (set_timeout(fd, timeout) != 0) {
        r = error_set(SEGB_E_SYSTEM, "setsockopt: %s", strerror(errno));
        goto undo_socket;
    }
    do
        r = connect(fd, (struct sockaddr *)&address, sizeof(address));
    while (r < 0 && errno == EINTR);
    if (r < 0) {
        r = connect_failure(path);
        goto undo_socket;
    }
    *connected = fd;
    return 0;
undo_socket:
    close(fd);
    return r;
}

/* A variable that is set and not empty. Not in a program that has more rights
 * than who started it: he would choose its broker, and so its memory. */
static const char *environment(const char *name)
{
    const char *value = getenv(name);

    if (getuid() != geteuid() || getgid() != getegid())
        return NULL;
    return value && *value ? value : NULL;
}

/* The default places, in their order; `path` is for the one that served. */
static int connect_default(int timeout, channel *connected, char *path,
                           size_t size)
{
    const char *named = environment("SEGBROKER_SOCKET");
    const char *runtime = environment("XDG_RUNTIME_DIR");
    char user[PATH_MAX] = "";
    int r;

    snprintf(path, size, "%s", named ? named : SYSTEM_SOCKET);
    if (named)
        return connect_to(named, timeout, connected);
    if (runtime)
        snprintf(user, sizeof(user), "%s/segbroker/broker.sock", runtime);
    if (!runtime || strlen(user) >= sizeof((struct sockaddr_un){0}.sun_path))
        return connect_to(path, timeout, connected);
    r = connect_to(user, timeout, connected);
    if (r == SEGB_E_NO_BROKER) {
        r = connect_to(path, timeout, connected);
        if (r == SEGB_E_NO_BROKER)
            error_set(r, "no broker serves at %s, and none at %s", user, path);
    } else {
        snprintf(path, size, "%s", user);
    }
    return r;
}

int channel_connect(const char *address, int timeout, channel *connected,
                    char **connected_to)
{
    char path[PATH_MAX];
    channel c = CHANNEL_NONE;
    int r;

    if (address) {
        snprintf(path, sizeof(path), "%s", address);
        r = connect_to(address, timeout, &c);
    } else {
        r = connect_default(timeout, &c, path, sizeof(path));
    }
    if (r < 0)
        return r;
    *connected_to = strdup(path);
    if (!*connected_to) {
        channel_close(c);
        return error_note(SEGB_E_SYSTEM, "out of memory");
    }
    *connected = c;
    return 0;
}

int channel_connect_again(const char *address, int timeout, channel *connected)
{
    return connect_to(address, timeout, connected);
}

channel channel_close(channel c)
{
    if (c >= 0)
        close((int)c);
    return CHANNEL_NONE;
}

void channel_shutdown(channel c)
{
    shutdown((int)c, SHUT_RDWR);
}

/* ---- bytes ---- */

static int send_message(channel c, const struct msghdr *header, size_t *sent)
{
    ssize_t n;

    do
        n = sendmsg((int)c, header, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    /* Too many handles under way is a matter of time too. */
    if (n < 0)
        return errno == EAGAIN || errno == ETOOMANYREFS ? CHANNEL_AGAIN
                                                        : CHANNEL_E_GONE;
    *sent = (size_t)n;
    return 0;
}

int channel_send(channel c, const char *bytes, size_t size, size_t *sent)
{
    struct iovec data = {.iov_base = (void *)bytes, .iov_len = size};
    struct msghdr header = {.msg_iov = &data, .msg_iovlen = 1};

    return send_message(c, &header, sent);
}

int channel_send_handles(channel c, const char *bytes, size_t size,
                         const frame_handle *handles, unsigned count,
                         size_t *sent)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(MESSAGE_HANDLES_MAX * sizeof(int))];
    } control = {0};
    struct iovec data = {.iov_base = (void *)bytes, .iov_len = size};
    struct msghdr header = {.msg_iov = &data,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = CMSG_SPACE(count * sizeof(int))};

    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(count * sizeof(int));
    for (unsigned i = 0; i < count; i++) {
        int fd = (int)handles[i];

        memcpy(CMSG_DATA(&control.head) + i * sizeof(fd), &fd, sizeof(fd));
    }
    return send_message(c, &header, sent);
}

static void take_handles(struct msghdr *header, struct channel_input *input)
{
    struct cmsghdr *c;
    int fd;

    for (c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        size_t size = c->cmsg_len - CMSG_LEN(0);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + sizeof(fd) <= size; at += sizeof(fd)) {
            memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
            input->handles[input->count++] = fd;
        }
    }
}

static int receive(channel c, struct channel_input *input, int flags)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(PROTOCOL_HANDLES_MAX * sizeof(int))];
    } control;
    struct iovec data = {.iov_base = input->bytes,
                         .iov_len = sizeof(input->bytes)};
    struct msghdr header = {.msg_iov = &data,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg((int)c, &header, flags | MSG_CMSG_CLOEXEC);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? CHANNEL_AGAIN
                                                 : CHANNEL_E_GONE;
    input->size = (size_t)n;
    input->count = 0;
    input->truncated = header.msg_flags & MSG_CTRUNC;
    take_handles(&header, input);
    if (n > 0)
        return 0;
    for (unsigned i = 0; i < input->count; i++)
        channel_close_handle(input->handles[i]);
    return CHANNEL_E_GONE;
}

int channel_receive(channel c, struct channel_input *input)
{
    return receive(c, input, MSG_DONTWAIT);
}

int channel_receive_wait(channel c, struct channel_input *input)
{
    return receive(c, input, 0);
}

/* Milliseconds until then, as poll() wants them. */
static int time_left(uint64_t deadline)
{
    uint64_t now = thread_clock();

    if (deadline == THREAD_NEVER)
        return -1;
    if (deadline <= now)
        return 0;
    return deadline - now > INT_MAX ? INT_MAX : (int)(deadline - now);
}

int channel_wait(channel c, bool writing, uint64_t deadline)
{
    struct pollfd wait = {.fd = (int)c,
                          .events = (short)(POLLIN | (writing ? POLLOUT : 0))};
    int n, ready = 0;

    do
        n = poll(&wait, 1, time_left(deadline));
    while ((n < 0 && errno == EINTR) || (n == 0 && time_left(deadline) != 0));
    if (wait.revents & ~POLLOUT)
        ready |= CHANNEL_READABLE;
    if (wait.revents & ~POLLIN)
        ready |= CHANNEL_WRITABLE;
    return n > 0 ? ready : 0;
}

void channel_wait_end(channel c)
{
    /* Without asking for anything one is told of the end alone. */
    struct pollfd wait = {.fd = (int)c};

    while (poll(&wait, 1, -1) < 0 && errno == EINTR)
        ;
}

/* ---- handles ---- */

void channel_close_handle(frame_handle handle)
{
    close((int)handle);
}

int channel_claim(struct frame_reader *reader,
                  const struct message_handle *named, frame_handle *handle)
{
    if (named->form != MESSAGE_HANDLE_INDEX)
        return FRAME_LOST;
    return frame_reader_claim(reader, named->number, handle);
}

struct message_handle channel_name(frame_handle handle, unsigned index)
{
    (void)handle;
    return (struct message_handle){MESSAGE_HANDLE_INDEX, index};
}

int channel_handle_size(frame_handle handle, uint64_t *size)
{
    struct stat status;

    if (fstat((int)handle, &status) < 0 || status.st_size < 0)
        return CHANNEL_E_SIZE;
    *size = (uint64_t)status.st_size;
    return 0;
}
