/*
 * What segctl answers: its exit statuses, and failures in one line on stderr.
 */
#ifndef SEGCTL_REPORT_H
#define SEGCTL_REPORT_H

#include <stdbool.h>

/* The numbers are documented in `segctl --help` and never change. */
enum {
    STATUS_DONE = 0,
    STATUS_FAILED = 1,       /* what no other number says */
    STATUS_USAGE = 2,        /* a wrong command line, a name that cannot be */
    STATUS_REFUSED = 3,      /* the broker said no */
    STATUS_NOT_FOUND = 4,    /* no such segment */
    STATUS_NO_BROKER = 5,    /* nobody there, or the connection ended */
    STATUS_CANNOT_RUN = 126, /* exec: there is such a command, but ... */
    STATUS_NO_COMMAND = 127  /* exec: there is none */
};

struct arguments;

/*
 * Says that a call ended with the negative `code`:
 *     segctl: create frames: quota-exceeded: bytes: 6 of 8 MiB used, ...
 * Takes segb_last_detail, so it must follow the call at once. Returns the
 * exit status.
 */
int report_code(const struct arguments *arguments, int code);

/* The same with a sentence of our own; returns STATUS_FAILED. */
__attribute__((format(printf, 2, 3))) int
report_failure(const struct arguments *arguments, const char *format, ...);

/* Says on stderr, unless --quiet, what is going on. */
__attribute__((format(printf, 2, 3))) void
report_note(const struct arguments *arguments, const char *format, ...);

/* Says that stdout did not take what was written; silent when its reader has
 * gone, as `segctl cat NAME | head` leaves it. STATUS_FAILED. */
int report_stdout(const struct arguments *arguments, int error);

#endif
