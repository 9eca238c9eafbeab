/*
 * Counts what a process does, instruction by instruction: no counters of the
 * processor are needed, and it is the program itself that is counted.
 */
#ifndef SEGBROKER_BENCH_STEPPER_H
#define SEGBROKER_BENCH_STEPPER_H

#include "tests/support/process.h"

#include <stdint.h>
#include <stdio.h>

struct stepper;

struct stepper *stepper_new(void);
struct stepper *stepper_free(struct stepper *stepper);

enum stepper_taken {
    STEPPER_TAKEN,
    STEPPER_REFUSED, /* it may not be traced */
    STEPPER_BUSY     /* it goes on and on, or has ended */
};

/* Takes hold of a process once all its threads wait for something. */
enum stepper_taken stepper_take(struct stepper *stepper, test_pid pid);

/*
 * Lets it go on, and counts, until `driver` has stopped itself (SIGSTOP) and
 * the process waits again; the driver may be the process itself, and goes on
 * afterwards. False when either ended before.
 */
bool stepper_follow(struct stepper *stepper, test_pid driver);

/* Lets go of it. */
void stepper_leave(struct stepper *stepper);

/* All that was counted since stepper_new. */
uint64_t stepper_instructions(const struct stepper *stepper);
uint64_t stepper_calls(const struct stepper *stepper);

/* From now on each instruction is also written there before it is done, as
 * `THREAD ADDRESS STACK`: its address and the stack pointer. */
void stepper_write_steps(struct stepper *stepper, FILE *steps);

/* Waits until a process and all its threads wait for something. */
bool stepper_wait_idle(test_pid pid);

#endif
