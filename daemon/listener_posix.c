#include "listener.h"

#include "broker.h"
#include "host.h"
#include "log.h"

#include <errno.h>
#include <sys/socket.h>

enum { ACCEPTS_PER_WAKEUP = 64 };

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
        peer_accept(listener->broker, fd);
    }
}

static void watch(struct listener *listener)
{
    uv_poll_start(&listener->poll, UV_READABLE, on_connection);
}

int listener_start(struct listener *listener, struct broker *broker, int socket)
{
    listener->broker = broker;
    listener->socket = socket;
    listener->paused = false;
    if (uv_poll_init(&broker->loop, &listener->poll, socket) < 0)
        return -1;
    listener->poll.data = listener;
    watch(listener);
    return 0;
}

void listener_close(struct listener *listener)
{
    listener->paused = false;
    uv_close((uv_handle_t *)&listener->poll, NULL);
}

void listener_descriptor_freed(struct listener *listener)
{
    if (!listener->paused || host_descriptors_low(LISTENER_RESERVE))
        return;
    listener->paused = false;
    log_info("descriptors are free again: new clients are taken");
    watch(listener);
}
