/*
 * An epoll descriptor is readable when one of those in it is, and stays the
 * same when these change.
 */
#include "watch.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct watch {
    int poll;
    int wake; /* readable while somebody is to be woken */
    channel watched;
};

static int add(const struct watch *watch, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    return epoll_ctl(watch->poll, EPOLL_CTL_ADD, fd, &event);
}

struct watch *watch_new(void)
{
    struct watch *watch = malloc(sizeof(*watch));

    if (!watch)
        return NULL;
    watch->watched = CHANNEL_NONE;
    watch->poll = epoll_create1(EPOLL_CLOEXEC);
    if (watch->poll < 0)
        goto undo_memory;
    watch->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (watch->wake < 0)
        goto undo_poll;
    if (add(watch, watch->wake) == 0)
        return watch;
    close(watch->wake);
undo_poll:
    close(watch->poll);
undo_memory:
    free(watch);
    return NULL;
}

struct watch *watch_free(struct watch *watch)
{
    if (!watch)
        return NULL;
    close(watch->poll);
    close(watch->wake);
    free(watch);
    return NULL;
}

void watch_channel(struct watch *watch, channel c)
{
    if (watch->watched != CHANNEL_NONE)
        epoll_ctl(watch->poll, EPOLL_CTL_DEL, (int)watch->watched, NULL);
    watch->watched = c;
    if (c != CHANNEL_NONE)
        add(watch, (int)c);
}

void watch_wake(struct watch *watch)
{
    eventfd_write(watch->wake, 1);
}

void watch_calm(struct watch *watch)
{
    eventfd_t count;

    eventfd_read(watch->wake, &count);
}

int watch_descriptor(const struct watch *watch)
{
    return watch->poll;
}
