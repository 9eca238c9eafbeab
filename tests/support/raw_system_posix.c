#include "raw_system.h"

#include "suite.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int raw_system_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    REQUIRE(strlen(path) < sizeof(address.sun_path));
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

void raw_system_close(int connection)
{
    close(connection);
}

bool raw_system_wait(int connection, bool writing, int ms)
{
    struct pollfd one = {.fd = connection,
                         .events = writing ? POLLOUT : POLLIN};
    int r;
    do
        r = poll(&one, 1, ms);
    while (r < 0 && errno == EINTR);
    return r > 0;
}

long raw_system_send(int connection, const void *bytes, size_t size)
{
    ssize_t sent = send(connection, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0)
        return sent;
    return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

long raw_system_send_with(int connection, const void *bytes, size_t size,
                          const int *handles, unsigned count)
{
    _Alignas(struct cmsghdr) char
        control[CMSG_SPACE(RAW_BATCH_MAX * sizeof(int))] = {0};
    struct iovec iov = {.iov_base = (void *)bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), handles, count * sizeof(int));
    return sendmsg(connection, &message, MSG_NOSIGNAL);
}

static void keep_batch(struct raw *raw, const struct cmsghdr *header)
{
    size_t bytes = header->cmsg_len - CMSG_LEN(0);
    struct raw_batch *batch = calloc(1, sizeof(*batch));
    struct raw_batch **end = &raw->waiting;
    REQUIRE(batch != NULL && bytes <= sizeof(batch->descriptors));
    batch->count = (unsigned)(bytes / sizeof(int));
    memcpy(batch->descriptors, CMSG_DATA(header), bytes);
    while (*end)
        end = &(*end)->next;
    *end = batch;
}

void raw_system_receive(struct raw *raw)
{
    _Alignas(
        struct cmsghdr) char control[CMSG_SPACE(RAW_BATCH_MAX * sizeof(int))];
    struct iovec iov = {.iov_base = raw->data + raw->size,
                        .iov_len = raw->capacity - raw->size};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    ssize_t got = recvmsg(raw->fd, &message, MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR)
        return;
    if (got <= 0) {
        raw->ended = true;
        return;
    }
    raw->size += (size_t)got;
    raw->truncated |= (message.msg_flags & MSG_CTRUNC) != 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
            keep_batch(raw, header);
    }
}

/* Index 0 opens the next batch; see PROTOCOL.md. */
int raw_system_claim(struct raw *raw, const struct message_handle *named)
{
    REQUIRE_INT(named->form, MESSAGE_HANDLE_INDEX);
    if (named->number == 0) {
        raw_batch_free(raw->current);
        raw->current = raw->waiting;
        if (raw->waiting)
            raw->waiting = raw->waiting->next;
    }
    if (!raw->current || named->number >= raw->current->count)
        return -1;
    int fd = raw->current->descriptors[named->number];
    raw->current->descriptors[named->number] = -1;
    return fd;
}

void raw_system_note(struct raw *raw, const struct message_reply *reply)
{
    /* Batches know what is in them. */
    (void)raw;
    (void)reply;
}

struct message_handle raw_system_name(int handle)
{
    (void)handle;
    return (struct message_handle){MESSAGE_HANDLE_INDEX, 0};
}
