#include "loop_linux.h"

#include "log.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>

enum { EVENTS_MAX = 256 };

static struct {
    int epoll; /* 0: none yet */
    bool stopped;
    struct loop_watch *ending;
} own;

/* ---- watches ---- */

static int open_epoll(void)
{
    int fd = own.epoll > 0 ? own.epoll : epoll_create1(EPOLL_CLOEXEC);

    if (fd > 0)
        own.epoll = fd;
    return fd > 0 ? 0 : -1;
}

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
    if (open_epoll() < 0)
        return -1;
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

/* 0, or negative when the system is short of something. */
static int begin(uv_loop_t *loop)
{
    struct epoll_event event = {.events = EPOLLIN};

    if (open_epoll() < 0)
        return -1;
    if (epoll_ctl(own.epoll, EPOLL_CTL_ADD, uv_backend_fd(loop), &event) < 0 &&
        errno != EEXIST)
        return -1;
    return 0;
}

void loop_run(uv_loop_t *loop)
{
    bool is_for_libuv;

    if (begin(loop) < 0) {
        log_error("cannot wait for events: %s", strerror(errno));
        return;
    }
    while (!own.stopped && (uv_loop_alive(loop) || own.ending)) {
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
