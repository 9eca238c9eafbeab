#include "listener.h"

#include "broker.h"
#include "host.h"
#include "log.h"
#include "loop_linux.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    /* Of a crowd. */
    ACCEPTS_PER_WAKEUP = 64,
    /* Wakeups in a row that brought somebody and may be a crowd's. */
    CROWD_WAKEUPS = 2
};

struct listener {
    struct loop_watch watch; /* first; of the lender's socket */
    struct broker *broker;
    bool paused;
    unsigned wakeups; /* since nobody was left waiting */
};

static void pause_accept(struct listener *listener)
{
    log_warning("descriptors are running out (%u): new clients wait",
                host_descriptor_limit());
    listener->paused = true;
    loop_watch_change(&listener->watch, 0);
    /* Segments that end free descriptors too, and nobody tells. */
    broker_needs_tick(listener->broker);
}

/* Looking for one that is not there costs as much as an accept: of those that
 * come one by one, one a wakeup is taken. */
static int most_accepts(struct listener *listener)
{
    if (listener->wakeups == CROWD_WAKEUPS)
        return ACCEPTS_PER_WAKEUP;
    listener->wakeups++;
    return 1;
}

static void on_connection(struct loop_watch *watch, unsigned events)
{
    struct listener *listener = (struct listener *)watch;
    int most = most_accepts(listener);

    (void)events;
    for (int i = 0; i < most && !listener->paused; i++) {
        int fd = accept4(listener->watch.fd, NULL, NULL,
                         SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0) {
            listener->wakeups = 0;
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

struct listener *listener_start(struct broker *broker,
                                const struct listening *listening)
{
    struct listener *listener = calloc(1, sizeof(*listener));

    if (!listener)
        return NULL;
    listener->broker = broker;
    if (loop_watch_start(&listener->watch, (int)listening->socket,
                         on_connection) < 0) {
        free(listener);
        return NULL;
    }
    return listener;
}

static void on_ended(struct loop_watch *watch)
{
    free(watch);
}

struct listener *listener_close(struct listener *listener)
{
    if (listener)
        loop_watch_end(&listener->watch, on_ended);
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
    loop_watch_change(&listener->watch, LOOP_READABLE);
}
