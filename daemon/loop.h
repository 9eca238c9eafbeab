/*
 * A process's event loop: libuv's, and whatever the system has beside it.
 */
#ifndef SEGBROKER_LOOP_H
#define SEGBROKER_LOOP_H

#include <uv.h>

/* A process has one at a time. 0, or negative. */
int loop_init(uv_loop_t *loop);

/* Calls back until loop_stop, or until libuv has nothing to wait for: sockets
 * alone do not keep it. */
void loop_run(uv_loop_t *loop);

/* Ends loop_run, or the next one. */
void loop_stop(uv_loop_t *loop);

/* Calls back until all that is closing is closed, whoever stops it. */
void loop_drain(uv_loop_t *loop);
void loop_deinit(uv_loop_t *loop);

#endif
