/*
 * This program, and the processes that it starts from itself.
 */
#ifndef SEGBROKER_PROGRAM_H
#define SEGBROKER_PROGRAM_H

#include "connection.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* Which part of the service this process is. */
enum program_role {
    PROGRAM_KEEPER,    /* as it was started by somebody */
    PROGRAM_SUCCESSOR, /* a keeper that a broker started */
    PROGRAM_BROKER
};

/*
 * Looks at the arguments, and makes UTF-8 of them: gives the role and takes its
 * word out of them. They must stay where they are for as long as the process
 * runs.
 */
enum program_role program_init(int *argc, char ***argv);

/* The connection to who started it, in a broker or a successor. NULL when
 * there is none, or memory is short. */
struct connection *program_join(void);

/* A process that was started and has not ended. */
struct program_child;

/* How it ended; the child is no more. */
typedef void (*program_end)(void *data, int64_t status, int signal);

/*
 * Starts another process of this very program, also when another one is at
 * its path by now. `end` is what it joins; it stays the caller's. NULL, with
 * the reason in the log, when that fails.
 */
struct program_child *program_start(uv_loop_t *loop, enum program_role role,
                                    frame_handle end, program_end on_end,
                                    void *data);

/* Starts the program that is at the path now, to see whether it runs: it
 * checks the configuration and must end with 0. NULL as above. */
struct program_child *program_try(uv_loop_t *loop, program_end end, void *data);

uint64_t program_process(const struct program_child *child);

/* It, as connection_join takes it, for as long as it is. */
struct connection_other program_other(const struct program_child *child);

/* Nobody is told of its end any more. NULL is fine. Returns NULL. */
struct program_child *program_forget(struct program_child *child);

/* This process ends, and the child goes on alone: nobody is told of its end.
 * NULL is fine. Returns NULL; libuv's callbacks must still run. */
struct program_child *program_leave(struct program_child *child);

/* Whether this process could become another program. */
bool program_can_replace(void);

/* Becomes the program that is at the path now. Returns only when that failed,
 * with the reason in the log. */
void program_replace(void);

#endif
