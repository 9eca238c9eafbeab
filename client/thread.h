/*
 * The little that the library needs of threads: a lock with a condition, the
 * lock of the process, and a clock.
 */
#ifndef SEGBROKER_THREAD_H
#define SEGBROKER_THREAD_H

#include <stdint.h>

/* A time that never comes. */
#define THREAD_NEVER UINT64_MAX

/* Milliseconds of a clock that nobody sets. */
uint64_t thread_clock(void);

/* A lock and a condition of what it guards. */
struct thread_monitor;

/* NULL when the system has no more. */
struct thread_monitor *thread_monitor_new(void);
/* Takes NULL and gives NULL. */
struct thread_monitor *thread_monitor_free(struct thread_monitor *monitor);
void thread_monitor_lock(struct thread_monitor *monitor);
void thread_monitor_unlock(struct thread_monitor *monitor);
/* Gives the lock up, waits until somebody wakes all or the clock shows
 * `deadline`, and takes the lock again. May return early. */
void thread_monitor_wait(struct thread_monitor *monitor, uint64_t deadline);
void thread_monitor_wake_all(struct thread_monitor *monitor);

/* A thread of the library's own: it takes no signals. */
struct thread;

/* NULL when the system has no more. */
struct thread *thread_start(void (*body)(void *data), void *data);
/* Waits for its end. NULL is fine. Returns NULL. */
struct thread *thread_join(struct thread *thread);

/* The calling thread's number: no other that runs has the same. */
uintptr_t thread_self(void);

/* One lock for what the whole process shares. */
void thread_process_lock(void);
void thread_process_unlock(void);

#endif
