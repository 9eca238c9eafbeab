/*
 * An epoll descriptor has all connections in it. It and its thread stay for the
 * life of the process, since one that connects often would make them anew each
 * time. A child by fork has neither, and makes its own.
 */
#include "lookout.h"

#include "thread.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <utlist.h>

struct tower {
    int poll;
    struct thread_monitor *monitor;
    struct thread *thread;
    struct lookout *lookouts;
    const struct lookout *told; /* whose `ended` is under way */
    bool has_ended;             /* the thread, since the descriptor is gone */
};

struct lookout {
    struct tower *tower;
    channel channel;
    void (*ended)(void *data);
    void *data;
    struct lookout *prev, *next;
};

/* Guards which tower there is. Not the process's lock: that is taken before a
 * client's. */
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
static struct tower *tower;
static bool forks_are_seen;

/* ---- fork ---- */

static void before_fork(void)
{
    pthread_mutex_lock(&making);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&making);
}

/* The parent's is of no use here; its monitor may be held for ever. Its number
 * is still ours, as the child has closed nothing yet. */
static void after_fork_as_child(void)
{
    if (tower) {
        close(tower->poll);
        tower->poll = -1;
    }
    tower = NULL;
    pthread_mutex_unlock(&making);
}

/* When the library is loaded, since later another thread may fork halfway. */
__attribute__((constructor)) static void see_forks(void)
{
    forks_are_seen =
        pthread_atfork(before_fork, after_fork, after_fork_as_child) == 0;
}

/* ---- the thread ---- */

/* What the descriptor tells is believed only when it is in the list: where the
 * program closed it, the number may be that of its own. */
static struct lookout *find(const struct tower *t, const void *told)
{
    struct lookout *lookout;

    DL_FOREACH (t->lookouts, lookout)
        if (lookout == told)
            return lookout;
    return NULL;
}

static void tell(struct tower *t, const struct lookout *lookout)
{
    t->told = lookout;
    thread_monitor_unlock(t->monitor);
    lookout->ended(lookout->data);
    thread_monitor_lock(t->monitor);
    t->told = NULL;
    thread_monitor_wake_all(t->monitor);
}

/* False when the descriptor is not what it was. */
static bool tell_next(struct tower *t)
{
    struct epoll_event event;
    const struct lookout *lookout = NULL;
    bool is_good;
    int count;

    thread_monitor_lock(t->monitor);
    /* With the lock, so that it is not freed meanwhile. */
    count = epoll_wait(t->poll, &event, 1, 0);
    is_good = count >= 0 || errno == EINTR;
    if (count == 1) {
        lookout = find(t, event.data.ptr);
        is_good = lookout != NULL;
    }
    if (lookout)
        tell(t, lookout);
    thread_monitor_unlock(t->monitor);
    return is_good;
}

static bool await(struct tower *t)
{
    struct pollfd wait = {.fd = t->poll, .events = POLLIN};

    if (poll(&wait, 1, -1) < 0)
        return errno == EINTR;
    return !(wait.revents & POLLNVAL) && tell_next(t);
}

static void look_out(void *data)
{
    struct tower *t = data;

    while (await(t))
        ;
    thread_monitor_lock(t->monitor);
    t->has_ended = true;
    thread_monitor_unlock(t->monitor);
}

/* ---- the tower; with `making` ---- */

static struct tower *tower_new(void)
{
    struct tower *made = calloc(1, sizeof(*made));

    if (!made)
        return NULL;
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

/* ---- lookouts ---- */

static bool begin(struct lookout *lookout)
{
    /* Without asking for anything one is told of the end alone. */
    struct epoll_event event = {.events = EPOLLONESHOT, .data.ptr = lookout};
    struct tower *t = lookout->tower = tower;
    bool added;

    thread_monitor_lock(t->monitor);
    added =
        epoll_ctl(t->poll, EPOLL_CTL_ADD, (int)lookout->channel, &event) == 0;
    if (added)
        DL_APPEND(t->lookouts, lookout);
    thread_monitor_unlock(t->monitor);
    return added;
}

struct lookout *lookout_begin(channel c, void (*ended)(void *data), void *data)
{
    struct lookout *lookout = malloc(sizeof(*lookout));

    if (!lookout)
        return NULL;
    *lookout = (struct lookout){.channel = c, .ended = ended, .data = data};
    pthread_mutex_lock(&making);
    if (!tower && forks_are_seen)
        tower = tower_new();
    if (!tower || !begin(lookout)) {
        free(lookout);
        lookout = NULL;
    }
    pthread_mutex_unlock(&making);
    return lookout;
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
    DL_DELETE(t->lookouts, lookout);
    thread_monitor_unlock(t->monitor);
    free(lookout);
    return NULL;
}
