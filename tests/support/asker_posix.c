#include "asker.h"

#include "suite.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_MS = 20000 };

static void drop_message(struct asker *asker)
{
    if (asker->has_reply)
        message_reply_deinit(&asker->reply);
    asker->has_reply = false;
}

static void drop_reply(struct asker *asker)
{
    drop_message(asker);
    if (asker->bell >= 0)
        close(asker->bell);
    asker->bell = -1;
}

static int send_line(struct asker *asker, const char *line, int fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec data = {.iov_base = (void *)line, .iov_len = strlen(line)};
    struct msghdr header = {.msg_iov = &data, .msg_iovlen = 1};
    if (fd >= 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof(control.bytes);
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
    }
    ssize_t sent = sendmsg(asker->connection, &header, MSG_NOSIGNAL);
    return sent == (ssize_t)strlen(line) ? ANSWERED : LOST;
}

/* The memory's and, behind it, the doorbell's. */
static int take_descriptors(struct msghdr *header, int *bell)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(header);
    int fd = -1;
    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        return -1;
    memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    if (c->cmsg_len == CMSG_LEN(2 * sizeof(fd)))
        memcpy(bell, CMSG_DATA(c) + sizeof(fd), sizeof(fd));
    return fd;
}

/* Receives what there is. Events may come between answers, so that there may be
 * several lines; descriptors are the next answer's. */
static int receive(struct asker *asker, int *fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct pollfd wait = {.fd = asker->connection, .events = POLLIN};
    struct iovec data = {.iov_base = asker->received + asker->size,
                         .iov_len = sizeof(asker->received) - asker->size};
    struct msghdr header = {.msg_iov = &data,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof(control.bytes)};
    if (poll(&wait, 1, ANSWER_MS) != 1)
        FAIL("client %u: no answer, and no end either", asker->number);
    ssize_t n = recvmsg(asker->connection, &header, MSG_CMSG_CLOEXEC);
    int came = n > 0 ? take_descriptors(&header, &asker->bell) : -1;
    if (came >= 0)
        *fd = came;
    if (n <= 0)
        return LOST;
    asker->size += (size_t)n;
    return ANSWERED;
}

static int read_line(struct asker *asker, int *fd)
{
    const char *end;
    while (!(end = memchr(asker->received, '\n', asker->size)))
        if (receive(asker, fd) != ANSWERED)
            return LOST;
    size_t size = (size_t)(end - asker->received);
    memcpy(asker->line, asker->received, size);
    asker->line[size] = '\0';
    asker->size -= size + 1;
    memmove(asker->received, end + 1, asker->size);
    return ANSWERED;
}

/* The next line that is no event. */
static int read_reply(struct asker *asker, int *fd)
{
    *fd = -1;
    do {
        drop_message(asker);
        if (read_line(asker, fd) != ANSWERED) {
            if (*fd >= 0)
                close(*fd);
            return LOST;
        }
        REQUIRE_INT(message_reply_decode(asker->line, strlen(asker->line),
                                         &asker->reply),
                    0);
        asker->has_reply = true;
    } while (asker->reply.is_event);
    return ANSWERED;
}

int asker_ask(struct asker *asker, int *came, int with, const char *format, ...)
{
    char body[1024];
    char line[1200];
    int fd;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(body, sizeof(body), format, arguments);
    va_end(arguments);
    snprintf(line, sizeof(line), "{\"id\":%ju,%s}\n",
             (uintmax_t)++asker->last_id, body);
    drop_reply(asker);
    if (send_line(asker, line, with) != ANSWERED ||
        read_reply(asker, &fd) != ANSWERED)
        return LOST;
    REQUIRE_INT(asker->reply.id, asker->last_id);
    if (came)
        *came = fd;
    else if (fd >= 0)
        close(fd);
    return ANSWERED;
}

void asker_connect(struct asker *asker, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (asker->connection >= 0)
        close(asker->connection);
    REQUIRE(strlen(path) < sizeof(address.sun_path));
    memcpy(address.sun_path, path, strlen(path) + 1);
    asker->size = 0;
    asker->connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(asker->connection >= 0);
    REQUIRE(connect(asker->connection, (struct sockaddr *)&address,
                    sizeof(address)) == 0);
}
