/*
 * This program, and the processes that it starts from itself.
 */
#ifndef SEGBROKER_PROGRAM_H
#define SEGBROKER_PROGRAM_H

#include <stdbool.h>
#include <uv.h>

/* Which part of the service this process is. */
enum program_role {
    PROGRAM_KEEPER,    /* as it was started by somebody */
    PROGRAM_SUCCESSOR, /* a keeper that a broker started */
    PROGRAM_BROKER
};

/* The connection to who started it, in a broker or a successor. */
enum { PROGRAM_LINK = 3 };

/*
 * Looks at the arguments: gives the role and takes its word out of them. They
 * must stay where they are for as long as the process runs.
 */
enum program_role program_init(int *argc, char **argv);

/*
 * Starts another process of this very program, also when another one is at
 * its path by now. `connection` becomes its PROGRAM_LINK. 0, or negative with
 * the reason in the log.
 */
int program_start(uv_loop_t *loop, enum program_role role, int connection,
                  uv_process_t *process, uv_exit_cb on_exit);

/* Starts the program that is at the path now, to see whether it runs: it says
 * its version and must end with 0. */
int program_try(uv_loop_t *loop, uv_process_t *process, uv_exit_cb on_exit);

/* Becomes the program that is at the path now. Returns only when that failed,
 * with the reason in the log. */
void program_replace(void);

#endif
