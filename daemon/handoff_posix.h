/*
 * Bytes and descriptors over one socket.
 */
#ifndef SEGBROKER_HANDOFF_POSIX_H
#define SEGBROKER_HANDOFF_POSIX_H

#include "connection.h"

/* As connection_receive. */
int handoff_receive(int socket, char *bytes, size_t capacity, size_t *size,
                    struct connection_handles *handles);

/* As connection_send. */
int handoff_send(int socket, const char *bytes, size_t size,
                 const frame_handle *handles, unsigned count, size_t *sent);

/* Waits until it can be read (or, if `writing`, be written). */
void handoff_wait(int socket, bool writing, int milliseconds);

/* connection_dispose. */
void handoff_dispose(frame_handle handle);

/* Whether the other side has read all that was sent. */
bool handoff_all_read(int socket);
/* connection_has_room. */
bool handoff_has_room(int socket);

#endif
