#include "connection.h"

#include "closer_posix.h"
#include "handle.h"
#include "handoff_posix.h"

#include <stdlib.h>
#include <sys/socket.h>

/* Small, because there may be many that do nothing. */
struct connection {
    uv_poll_t poll; /* its data is what the functions are given */
    union {
        connection_ready ready;
        void (*closed)(void *data); /* once it is closing */
    };
    int fd;
    bool started;
};

static struct connection *connection_new(frame_handle handle)
{
    struct connection *c = calloc(1, sizeof(*c));

    if (c)
        c->fd = (int)handle;
    else
        handle_close(handle);
    return c;
}

struct connection *connection_accept(frame_handle handle)
{
    return connection_new(handle);
}

struct connection *connection_join(frame_handle handle,
                                   const struct connection_other *other)
{
    (void)other;
    return connection_new(handle);
}

int connection_start(struct connection *connection, uv_loop_t *loop,
                     connection_ready ready, void *data)
{
    if (uv_poll_init(loop, &connection->poll, connection->fd) < 0)
        return -1;
    connection->poll.data = data;
    connection->ready = ready;
    connection->started = true;
    return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct connection *c = (struct connection *)poll;

    if (status < 0)
        c->ready(poll->data, 0);
    else if (events & UV_WRITABLE)
        c->ready(poll->data, CONNECTION_WRITABLE);
    else
        c->ready(poll->data, CONNECTION_READABLE);
}

void connection_watch(struct connection *connection, unsigned event)
{
    if (!connection->started)
        return;
    if (event == 0)
        uv_poll_stop(&connection->poll);
    else
        uv_poll_start(&connection->poll,
                      event == CONNECTION_READABLE ? UV_READABLE : UV_WRITABLE,
                      on_poll);
}

static void finish_closing(struct connection *connection)
{
    /* Not before: libuv must not meet the number again while it polls it. */
    closer_take_socket(connection->fd);
    if (connection->closed)
        connection->closed(connection->poll.data);
    free(connection);
}

static void on_closed(uv_handle_t *handle)
{
    finish_closing((struct connection *)handle);
}

struct connection *connection_close(struct connection *connection,
                                    void (*closed)(void *data), void *data)
{
    if (!connection)
        return NULL;
    connection->closed = closed;
    connection->poll.data = data;
    if (connection->started)
        uv_close((uv_handle_t *)&connection->poll, on_closed);
    else
        finish_closing(connection);
    return NULL;
}

frame_handle connection_handle(const struct connection *connection)
{
    return connection->fd;
}

int connection_receive(struct connection *connection, char *bytes,
                       size_t capacity, size_t *size,
                       struct connection_handles *handles)
{
    return handoff_receive(connection->fd, bytes, capacity, size, handles);
}

void connection_dispose(frame_handle handle)
{
    handoff_dispose(handle);
}

int connection_claim(struct connection *connection, struct frame_reader *reader,
                     const struct message_handle *named, frame_handle *handle)
{
    (void)connection;
    if (named->form != MESSAGE_HANDLE_INDEX)
        return FRAME_LOST;
    return frame_reader_claim(reader, named->number, handle);
}

int connection_attach(struct connection *connection, frame_handle handle,
                      unsigned index, struct message_handle *named)
{
    (void)connection;
    (void)handle;
    *named = (struct message_handle){MESSAGE_HANDLE_INDEX, index};
    return 0;
}

void connection_detach(struct connection *connection)
{
    /* Nothing has gone anywhere yet. */
    (void)connection;
}

int connection_send(struct connection *connection, const char *bytes,
                    size_t size, const frame_handle *handles, unsigned count,
                    size_t *sent)
{
    return handoff_send(connection->fd, bytes, size, handles, count, sent);
}

void connection_wait(struct connection *connection, bool writing,
                     int milliseconds)
{
    handoff_wait(connection->fd, writing, milliseconds);
}

bool connection_is_sent(const struct connection *connection)
{
    /* What sendmsg took is the kernel's. */
    (void)connection;
    return true;
}

bool connection_has_room(const struct connection *connection)
{
    return handoff_has_room(connection->fd);
}

bool connection_all_read(const struct connection *connection)
{
    return handoff_all_read(connection->fd);
}

void connection_finish(struct connection *connection)
{
    shutdown(connection->fd, SHUT_RDWR);
}

bool connection_ends_with_process(void)
{
    return false; /* closer_posix.c */
}

int connection_pair(frame_handle ends[2])
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -1;
    ends[0] = fds[0];
    ends[1] = fds[1];
    return 0;
}
