#include "loop_linux.h"

#include <stdbool.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS_MAX = 256 };

static struct {
    int epoll;
    bool stopped;
    struct loop_watch *ending;
} own;

/* ---- watches ---- */

static int control(int how, struct loop_watch *watch)
{
    struct epoll_event event = {.data.ptr = watch};

    if (watch->events & LOOP_READABLE)
        event.events |= EPOLLIN;
    if (watch->events & LOOP_WRITABLE)
        event.events |= EPOLLOUT;
    /* Ends are told of in any case: where nobody waits, only once. */
    if (watch->events == 0)
        event.events = EPOLLET;
    return epoll_ctl(own.epoll, how, watch->fd, &event);
}

int loop_watch_start(struct loop_watch *watch, int fd,
                     void (*ready)(struct loop_watch *watch, unsigned events))
{
    *watch =
        (struct loop_watch){.ready = ready, .fd = fd, .events = LOOP_READABLE};
    return control(EPOLL_CTL_ADD, watch);
}

void loop_watch_change(struct loop_watch *watch, unsigned events)
{
    if (events == watch->events)
        return;
    watch->events = events;
    control(EPOLL_CTL_MOD, watch);
}

void loop_watch_end(struct loop_watch *watch,
                    void (*ended)(struct loop_watch *watch))
{
    /* Closing would do only where nobody else has the socket open. */
    control(EPOLL_CTL_DEL, watch);
    watch->events = 0;
    watch->ended = ended;
    watch->next = own.ending;
    own.ending = watch;
}

/* After the events of a wakeup, some of which may be of these. */
static void finish_ending(void)
{
    struct loop_watch *watch;

    while ((watch = own.ending) != NULL) {
        own.ending = watch->next;
        watch->ended(watch);
    }
}

/* ---- the loop ---- */

static void tell(const struct epoll_event *event)
{
    struct loop_watch *watch = event->data.ptr;
    unsigned waits_for = watch->events;

    if (waits_for == 0)
        return;
    if (event->events & EPOLLERR)
        watch->ready(watch, 0);
    else if (event->events & (waits_for & LOOP_READABLE ? EPOLLIN | EPOLLHUP
                                                        : EPOLLOUT | EPOLLHUP))
        watch->ready(watch, waits_for);
}

/* Waits once for all. Whether something is there for libuv. */
static bool wait_for_events(uv_loop_t *loop)
{
    struct epoll_event events[EVENTS_MAX];
    bool is_for_libuv = false;
    int count =
        epoll_wait(own.epoll, events, EVENTS_MAX, uv_backend_timeout(loop));

    uv_update_time(loop);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr)
            tell(&events[i]);
        else
            is_for_libuv = true;
    }
    return is_for_libuv;
}

int loop_init(uv_loop_t *loop)
{
    struct epoll_event event = {.events = EPOLLIN};

    if (uv_loop_init(loop) < 0)
        return -1;
    own.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (own.epoll >= 0 &&
        epoll_ctl(own.epoll, EPOLL_CTL_ADD, uv_backend_fd(loop), &event) == 0)
        return 0;
    if (own.epoll >= 0)
        close(own.epoll);
    uv_loop_close(loop);
    return -1;
}

static bool is_alive(const uv_loop_t *loop)
{
    return uv_loop_alive(loop) || own.ending;
}

void loop_run(uv_loop_t *loop)
{
    bool is_for_libuv;

    while (!own.stopped && is_alive(loop)) {
        finish_ending();
        is_for_libuv = wait_for_events(loop);
        if (is_for_libuv || uv_backend_timeout(loop) == 0)
            uv_run(loop, UV_RUN_NOWAIT);
    }
    own.stopped = false;
}

void loop_stop(uv_loop_t *loop)
{
    (void)loop;
    own.stopped = true;
}

void loop_drain(uv_loop_t *loop)
{
    while (is_alive(loop))
        loop_run(loop);
}

void loop_deinit(uv_loop_t *loop)
{
    close(own.epoll);
    uv_loop_close(loop);
}
