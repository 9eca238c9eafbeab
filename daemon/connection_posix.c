#include "connection.h"

#include "closer_posix.h"
#include "handle.h"
#include "handoff_posix.h"
#include "loop_linux.h"

#include <stdlib.h>
#include <sys/socket.h>

_Static_assert((int)CONNECTION_READABLE == (int)LOOP_READABLE &&
                   (int)CONNECTION_WRITABLE == (int)LOOP_WRITABLE,
               "one's events are the other's");

/* Small, because there may be many that do nothing. */
struct connection {
    struct loop_watch watch; /* first; of its socket */
    union {
        connection_ready ready;     /* NULL before it is started */
        void (*closed)(void *data); /* once it is closing */
    };
    void *data; /* what these are given */
};

static int socket_of(const struct connection *connection)
{
    return connection->watch.fd;
}

static struct connection *connection_new(frame_handle handle)
{
    struct connection *c = calloc(1, sizeof(*c));

    if (c)
        c->watch.fd = (int)handle;
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

static void on_ready(struct loop_watch *watch, unsigned events)
{
    struct connection *c = (struct connection *)watch;

    c->ready(c->data, events);
}

int connection_start(struct connection *connection, uv_loop_t *loop,
                     connection_ready ready, void *data)
{
    (void)loop;
    if (loop_watch_start(&connection->watch, socket_of(connection), on_ready) <
        0)
        return -1;
    connection->ready = ready;
    connection->data = data;
    return 0;
}

void connection_watch(struct connection *connection, unsigned event)
{
    if (connection->ready)
        loop_watch_change(&connection->watch, event);
}

static void finish_closing(struct loop_watch *watch)
{
    struct connection *c = (struct connection *)watch;

    closer_take_socket(socket_of(c));
    if (c->closed)
        c->closed(c->data);
    free(c);
}

struct connection *connection_close(struct connection *connection,
                                    void (*closed)(void *data), void *data)
{
    bool started = connection && connection->ready;

    if (!connection)
        return NULL;
    connection->closed = closed;
    connection->data = data;
    if (started)
        loop_watch_end(&connection->watch, finish_closing);
    else
        finish_closing(&connection->watch);
    return NULL;
}

frame_handle connection_handle(const struct connection *connection)
{
    return socket_of(connection);
}

int connection_receive(struct connection *connection, char *bytes,
                       size_t capacity, size_t *size,
                       struct connection_handles *handles)
{
    return handoff_receive(socket_of(connection), bytes, capacity, size,
                           handles);
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
    return handoff_send(socket_of(connection), bytes, size, handles, count,
                        sent);
}

void connection_wait(struct connection *connection, bool writing,
                     int milliseconds)
{
    handoff_wait(socket_of(connection), writing, milliseconds);
}

bool connection_is_sent(const struct connection *connection)
{
    /* What sendmsg took is the kernel's. */
    (void)connection;
    return true;
}

bool connection_has_room(const struct connection *connection)
{
    return handoff_has_room(socket_of(connection));
}

bool connection_all_read(const struct connection *connection)
{
    return handoff_all_read(socket_of(connection));
}

void connection_finish(struct connection *connection)
{
    shutdown(socket_of(connection), SHUT_RDWR);
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
