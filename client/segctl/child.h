/*
 * Running a command that inherits a handle.
 */
#ifndef SEGCTL_CHILD_H
#define SEGCTL_CHILD_H

#include <stdint.h>

enum {
    CHILD_E_ABSENT = -1, /* there is no such command */
    CHILD_E_FAILED = -2  /* it cannot be run; errno says why */
};

/* The number by which the command will find the handle: `number` where
 * descriptors can be given any. Negative when there is none. */
intptr_t child_number(intptr_t handle, int number);

/*
 * Runs argv[0], sought in PATH, with the handle at that number, and waits for
 * its end. Interrupts sent to this program alone are passed on to it. Its exit
 * status, or 128 and the number of the signal that ended it, or negative.
 */
int child_run(char *const *argv, intptr_t handle, int number);

/* Sets a variable for the command. 0 or CHILD_E_FAILED. */
int child_setenv(const char *name, const char *value);

#endif
