/*
 * The standard streams and the terminal behind them.
 */
#ifndef SEGCTL_TERMINAL_H
#define SEGCTL_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Outcomes; the errors are negative. */
enum {
    TERMINAL_LATE = 1,
    TERMINAL_E_FAILED = -1,     /* errno says why */
    TERMINAL_E_INTERRUPTED = -2 /* the user asked to end */
};

/*
 * Call first. Fills the places of standard streams that are closed, so that
 * no socket gets one of their numbers and is taken for it; use of such a
 * stream fails as before. Binary streams, the user's character set, arguments
 * in UTF-8.
 */
void terminal_start(int *argc, char ***argv);

bool terminal_is_stderr(void);

/* Columns of the terminal that stdout is; 0 when it is none. */
unsigned terminal_width(void);

/* Columns that a character takes: 0, 1 or 2. */
unsigned terminal_character_width(uint32_t point);

/* A clock for measuring, in nanoseconds. */
uint64_t terminal_clock(void);

/* ---- data ---- */

/* Bytes left in stdin when it is a regular file, else 0. */
uint64_t terminal_stdin_size(void);

/* Bytes read, 0 at the end, or negative. */
ptrdiff_t terminal_read(void *bytes, size_t size);

/* Bytes written, at least 1, or TERMINAL_E_FAILED. */
ptrdiff_t terminal_write(const void *bytes, size_t size);

/* 0 or TERMINAL_E_FAILED. */
int terminal_close_stdout(void);

/* ---- ending by the user's wish ---- */

/* From now on an interrupt (SIGINT, SIGTERM, SIGHUP; Ctrl-C) is only noted,
 * for terminal_read and terminal_hold to return. Those that were ignored
 * when the program began stay so. */
void terminal_catch_interrupts(void);

/* Waits until interrupted (TERMINAL_E_INTERRUPTED), until `fd` is readable
 * (0), or so long (TERMINAL_LATE; negative: for ever). On Windows `fd` is an
 * event. */
int terminal_hold(int fd, int milliseconds);

/* Waits at most so long until `fd` is readable; whether it is. */
bool terminal_wait(int fd, int milliseconds);

#endif
