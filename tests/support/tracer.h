/*
 * Kills a process at one exact step: before or after one of its system calls.
 */
#ifndef SEGBROKER_TESTS_TRACER_H
#define SEGBROKER_TESTS_TRACER_H

#include "process.h"

/* False where processes cannot be traced. */
bool tracer_works(void);

/*
 * Kills the process, all its threads, when it has come to the `step`th stop
 * from now: the entry and the exit of each system call that changes something
 * are one stop each. Returns when it is dead; false when it did not take that
 * many steps in `ms` and was killed for that.
 */
bool tracer_kill(test_pid pid, unsigned step, int ms);

#endif
