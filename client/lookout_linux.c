/*
 * An epoll descriptor has all connections in it. It and its thread stay for the
 * life of the process, since one that connects often would make them anew each
 * time. A child by fork has neither, and makes its own.
 */
#include "lookout.h"

#include "thread.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct tower {
    struct tower *parents; /* of the process that this one is a fork of */
    pid_t process;
    int poll;
    struct thread_monitor *monitor;
    struct thread *thread;
    const struct lookout *told; /* whose `ended` is under way */
};

struct lookout {
    struct tower *tower;
    channel channel;
    void (*ended)(void *data);
    void *data;
};

static _Atomic(struct tower *) tower;
/* Not the process's lock: that is taken before a client's. */
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

static void tell_next(struct tower *t)
{
    struct epoll_event event;
    const struct lookout *lookout;

    thread_monitor_lock(t->monitor);
    /* With the lock, so that it is not freed meanwhile. */
    if (epoll_wait(t->poll, &event, 1, 0) == 1) {
        t->told = lookout = event.data.ptr;
        thread_monitor_unlock(t->monitor);
        lookout->ended(lookout->data);
        thread_monitor_lock(t->monitor);
        t->told = NULL;
        thread_monitor_wake_all(t->monitor);
    }
    thread_monitor_unlock(t->monitor);
}

static void look_out(void *data)
{
    struct tower *t = data;
    struct pollfd wait = {.fd = t->poll, .events = POLLIN};

    while (poll(&wait, 1, -1) >= 0)
        tell_next(t);
}

static struct tower *tower_new(struct tower *parents)
{
    struct tower *made = calloc(1, sizeof(*made));

    if (!made)
        return NULL;
    made->parents = parents;
    made->process = getpid();
    made->poll = epoll_create1(EPOLL_CLOEXEC);
    if (made->poll < 0)
        goto undo_memory;
    made->monitor = thread_monitor_new();
    if (!made->monitor)
        goto undo_poll;
    made->thread = thread_start(look_out, made);
    if (made->thread)
        return made;
    thread_monitor_free(made->monitor);
undo_poll:
    close(made->poll);
undo_memory:
    free(made);
    return NULL;
}

static bool is_own(const struct tower *t)
{
    return t && t->process == getpid();
}

/* This process's, or NULL. */
static struct tower *tower_get(void)
{
    struct tower *found = atomic_load(&tower), *made;

    if (is_own(found))
        return found;
    pthread_mutex_lock(&making);
    found = atomic_load(&tower);
    if (!is_own(found)) {
        made = tower_new(found);
        /* The parent's is of no use here; its lock may be held for ever. */
        if (made && found)
            close(found->poll);
        if (made)
            atomic_store(&tower, made);
        found = made;
    }
    pthread_mutex_unlock(&making);
    return found;
}

struct lookout *lookout_begin(channel c, void (*ended)(void *data), void *data)
{
    struct lookout *lookout = malloc(sizeof(*lookout));
    /* Without asking for anything one is told of the end alone. */
    struct epoll_event event = {.events = EPOLLONESHOT, .data.ptr = lookout};

    if (!lookout)
        return NULL;
    *lookout = (struct lookout){
        .tower = tower_get(), .channel = c, .ended = ended, .data = data};
    if (lookout->tower &&
        epoll_ctl(lookout->tower->poll, EPOLL_CTL_ADD, (int)c, &event) == 0)
        return lookout;
    free(lookout);
    return NULL;
}

struct lookout *lookout_end(struct lookout *lookout)
{
    struct tower *t = lookout ? lookout->tower : NULL;

    if (!lookout)
        return NULL;
    thread_monitor_lock(t->monitor);
    while (t->told == lookout)
        thread_monitor_wait(t->monitor, THREAD_NEVER);
    epoll_ctl(t->poll, EPOLL_CTL_DEL, (int)lookout->channel, NULL);
    thread_monitor_unlock(t->monitor);
    free(lookout);
    return NULL;
}
