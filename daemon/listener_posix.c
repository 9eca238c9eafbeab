#include "listener.h"

#include "broker.h"
#include "host.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { ACCEPTS_PER_WAKEUP = 64 };

struct listener {
    struct broker *broker;
    int socket; /* the lender's */
    bool paused;
    uv_poll_t poll;
};

static void pause_accept(struct listener *listener)
{
    log_warning("descriptors are running out (%u): new clients wait",
                host_descriptor_limit());
    listener->paused = true;
    uv_poll_stop(&listener->poll);
    /* Segments that end free descriptors too, and nobody tells. */
    broker_needs_tick(listener->broker);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;

    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_WAKEUP && !listener->paused; i++) {
        int fd =
            accept4(listener->socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0) {
            if (errno != EAGAIN)
                pause_accept(listener);
            return;
        }
        /* The kernel gives the lowest free number. */
        if ((unsigned)fd + LISTENER_RESERVE >= host_descriptor_limit())
            pause_accept(listener);
        peer_accept(listener->broker, connection_accept(fd));
    }
}

static void watch(struct listener *listener)
{
    uv_poll_start(&listener->poll, UV_READABLE, on_connection);
}

struct listener *listener_start(struct broker *broker,
                                const struct listening *listening)
{
    struct listener *listener = calloc(1, sizeof(*listener));

    if (!listener)
        return NULL;
    listener->broker = broker;
    listener->socket = (int)listening->socket;
    if (uv_poll_init(&broker->loop, &listener->poll, listener->socket) < 0) {
        free(listener);
        return NULL;
    }
    listener->poll.data = listener;
    watch(listener);
    return listener;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

struct listener *listener_close(struct listener *listener)
{
    if (listener)
        uv_close((uv_handle_t *)&listener->poll, on_closed);
    return NULL;
}

bool listener_is_paused(const struct listener *listener)
{
    return listener->paused;
}

void listener_descriptor_freed(struct listener *listener)
{
    if (!listener || !listener->paused ||
        host_descriptors_low(LISTENER_RESERVE))
        return;
    listener->paused = false;
    log_info("descriptors are free again: new clients are taken");
    watch(listener);
}
