#include "thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

struct thread_monitor {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
};

static pthread_mutex_t process_mutex = PTHREAD_MUTEX_INITIALIZER;

uint64_t thread_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    int r = pthread_condattr_init(&attributes);

    if (r != 0)
        return r;
    r = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (r == 0)
        r = pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
    return r;
}

struct thread_monitor *thread_monitor_new(void)
{
    struct thread_monitor *monitor = malloc(sizeof(*monitor));

    if (!monitor)
        return NULL;
    if (pthread_mutex_init(&monitor->mutex, NULL) != 0)
        goto undo_memory;
    if (init_condition(&monitor->condition) != 0)
        goto undo_mutex;
    return monitor;
undo_mutex:
    pthread_mutex_destroy(&monitor->mutex);
undo_memory:
    free(monitor);
    return NULL;
}

struct thread_monitor *thread_monitor_free(struct thread_monitor *monitor)
{
    if (!monitor)
        return NULL;
    pthread_cond_destroy(&monitor->condition);
    pthread_mutex_destroy(&monitor->mutex);
    free(monitor);
    return NULL;
}

void thread_monitor_lock(struct thread_monitor *monitor)
{
    pthread_mutex_lock(&monitor->mutex);
}

void thread_monitor_unlock(struct thread_monitor *monitor)
{
    pthread_mutex_unlock(&monitor->mutex);
}

void thread_monitor_wait(struct thread_monitor *monitor, uint64_t deadline)
{
    struct timespec until = {.tv_sec = (time_t)(deadline / 1000),
                             .tv_nsec = (long)(deadline % 1000) * 1000000};

    if (deadline == THREAD_NEVER)
        pthread_cond_wait(&monitor->condition, &monitor->mutex);
    else
        pthread_cond_timedwait(&monitor->condition, &monitor->mutex, &until);
}

void thread_monitor_wake_all(struct thread_monitor *monitor)
{
    pthread_cond_broadcast(&monitor->condition);
}

struct thread {
    pthread_t id;
    void (*body)(void *data);
    void *data;
};

/* It does little; the size is far from tight. */
enum { STACK_SIZE = 512 * 1024 };

static void *run(void *data)
{
    struct thread *thread = data;

    thread->body(thread->data);
    return NULL;
}

static int create(struct thread *thread)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    int r = pthread_attr_init(&attributes);

    if (r != 0)
        return r;
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    /* The program's signals are for the program's threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&thread->id, &attributes, run, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return r;
}

struct thread *thread_start(void (*body)(void *data), void *data)
{
    struct thread *thread = malloc(sizeof(*thread));

    if (!thread)
        return NULL;
    *thread = (struct thread){.body = body, .data = data};
    if (create(thread) == 0)
        return thread;
    free(thread);
    return NULL;
}

struct thread *thread_join(struct thread *thread)
{
    if (thread)
        pthread_join(thread->id, NULL);
    free(thread);
    return NULL;
}

uintptr_t thread_self(void)
{
    return (uintptr_t)pthread_self();
}

void thread_process_lock(void)
{
    pthread_mutex_lock(&process_mutex);
}

void thread_process_unlock(void)
{
    pthread_mutex_unlock(&process_mutex);
}
