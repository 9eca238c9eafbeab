/*
 * Roles: a test program starts itself once more, to do one thing in a process
 * of its own that can be killed. Unlike a fork this needs no system's help.
 */
#ifndef SEGBROKER_TESTS_ROLE_H
#define SEGBROKER_TESTS_ROLE_H

#include "process.h"

/* In main, before the suite runs: where this process was started in the role,
 * runs the body with the argument and exits, with 0 when it returns. */
void role_offer(const char *role, void (*body)(const char *argument));

/* Starts it. What it prints is appended to the file `output`. */
test_pid role_start(const char *role, const char *argument, const char *output);

/* Prints a line, for role_says in the other process. */
void role_tell(const char *line);

/* Waits until `output` has the line in it; fails when the process ends
 * before. */
void role_await(test_pid pid, const char *output, const char *line);

/* Until killed. */
_Noreturn void role_sleep(void);

#endif
