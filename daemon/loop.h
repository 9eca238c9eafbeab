/*
 * A process's event loop: libuv's, and whatever the system has beside it.
 */
#ifndef SEGBROKER_LOOP_H
#define SEGBROKER_LOOP_H

#include <uv.h>

/* Calls back until loop_stop, or until there is nothing to wait for. A process
 * runs one at a time. */
void loop_run(uv_loop_t *loop);

/* Ends loop_run, which calls it. */
void loop_stop(uv_loop_t *loop);

#endif
