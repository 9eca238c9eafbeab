/*
 * Overlapped operations, and their ends on the loop's thread.
 *
 * Completions come to a port that one thread waits on. It hands them over to
 * the loop, where `done` is called; so operations need no locks. A caller that
 * cannot wait for the loop waits for one operation alone.
 */
#ifndef SEGBROKER_IO_WINDOWS_H
#define SEGBROKER_IO_WINDOWS_H

#include <stdbool.h>
#include <uv.h>

struct io_operation {
    OVERLAPPED overlapped; /* first: the port gives its address */
    void (*done)(struct io_operation *operation);
    DWORD error; /* once it is done: 0 or a Windows error */
    DWORD size;  /* bytes moved */
    bool pending;
    struct io_operation *next; /* of those handed over */
};

/* Somebody is served from the loop: it goes on, and completions are handed
 * over to it. One loop a process. 0 or negative. */
int io_ref(uv_loop_t *loop);
void io_unref(void);

/* Lets the handle's operations complete here. 0 or negative. */
int io_bind(HANDLE handle);

/* Around the call that begins an operation: io_begin, then io_began with
 * whether the call failed and its error. Negative when it cannot begin; `done`
 * is not called then. */
void io_begin(struct io_operation *operation);
int io_began(struct io_operation *operation, BOOL called);

/* Calls `done` soon, as if an operation had come to its end. From any thread,
 * once for each io_begin. */
void io_post(struct io_operation *operation);

/* Waits for the end of that operation, at most so long, and calls its `done`.
 * Whether it ended. */
bool io_wait(struct io_operation *operation, DWORD milliseconds);

#endif
