/*
 * The library's view of the operating system: the connection, the handles
 * that come over it, views of them, threads and time.
 */
#ifndef SEGBROKER_WIRE_H
#define SEGBROKER_WIRE_H

#include "frame.h"
#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Outcomes of sending and receiving. */
enum { WIRE_AGAIN = 1, WIRE_GONE = 2 };

struct wire_message {
    size_t size;
    frame_handle handles[PROTOCOL_HANDLES_MAX];
    unsigned count;
    bool truncated;
};

/*
 * The address to connect to: `given`, or $SEGBROKER_SOCKET, or the user's
 * socket where one is, or the system's. 0, or a SEGB_E_ code.
 */
int wire_address(const char *given, char *address, size_t size);

/* Connects within `timeout_ms` (negative: for ever). 0 or a SEGB_E_ code. */
int wire_connect(const char *address, int timeout_ms, intptr_t *connection);
void wire_close(intptr_t connection);

/* Without waiting: 0, WIRE_AGAIN or WIRE_GONE. */
int wire_send(intptr_t connection, const char *bytes, size_t size,
              size_t *sent);
int wire_receive(intptr_t connection, char *bytes, size_t capacity,
                 struct wire_message *message);

/* Waits until it can be read from, or also written to. True when it can,
 * false at the deadline (wire_now's clock; WIRE_FOREVER). */
#define WIRE_FOREVER INT64_MAX
bool wire_wait(intptr_t connection, bool for_writing, int64_t deadline);

/* Milliseconds of a clock that only goes forward. */
int64_t wire_now(void);

void wire_close_handle(frame_handle handle);
/* Whether the object behind a handle really has that many bytes. */
bool wire_has_size(frame_handle handle, uint64_t size);

/* A lock and a condition with it. */
struct wire_lock;
struct wire_lock *wire_lock_new(void);
/* One for the whole process, never freed. */
struct wire_lock *wire_process_lock(void);
void wire_lock_free(struct wire_lock *lock);
void wire_lock_take(struct wire_lock *lock);
void wire_lock_give(struct wire_lock *lock);
/* Gives the lock while waiting; returns at the deadline at the latest. */
void wire_lock_wait(struct wire_lock *lock, int64_t deadline);
void wire_lock_wake_all(struct wire_lock *lock);

/* Mapping: pages are the system's, `offset` is a multiple of wire_page(). */
size_t wire_page(void);
int wire_map(frame_handle handle, size_t offset, size_t length, int access,
             void **address);
void wire_unmap(void *address, size_t length);

#endif
