/*
 * What the broker asks of its host as a whole: memory, descriptors, stderr.
 */
#ifndef SEGBROKER_HOST_H
#define SEGBROKER_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/*
 * Makes the process fit to serve: raises the descriptor limit as far as it
 * may go, and ignores the signals that a full disk or a broken pipe would
 * send. Called once, before any thread starts. 0, or a negative errno.
 */
int host_init(void);
void host_deinit(void);

/* Ends the process. */
_Noreturn void host_exit(int status);

/* Closes the process to debuggers of its user, which could take its handles.
 * The first thing that it does. */
void host_harden(void);

/* Lets signals to end, and to reload, wait; also while this process becomes
 * another program. */
void host_hold_signals(bool hold);

/* A service manager whose watchdog has lost patience sends SIGABRT to every
 * process: the broker must outlive its keeper, to bring everything home. */
void host_ignore_watchdog(void);

/* From now on no signal to end, or to reload, reaches this process: it is
 * ending. */
void host_ignore_signals(void);

/* Bytes of memory that the broker may count on: the host's, or its cgroup's
 * where that is less. */
uint64_t host_memory_total(void);

/* Bytes that could be allocated now without pushing anybody out. May be
 * called from any thread. */
uint64_t host_memory_available(void);

/* The most descriptors that this process may have. */
unsigned host_descriptor_limit(void);

/* Whether fewer than `reserve` descriptors are left. */
bool host_descriptors_low(unsigned reserve);

/* This process's number, and that of its parent. */
uint64_t host_process(void);
uint64_t host_parent(void);

bool host_stderr_is_journal(void);
void host_write_stderr(const char *bytes, size_t size);

/* Calendar time in UTC, and the milliseconds of its second. */
unsigned host_utc(struct tm *utc);

#endif
