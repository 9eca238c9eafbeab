/*
 * What raw.c needs of the operating system.
 */
#ifndef SEGBROKER_TESTS_RAW_SYSTEM_H
#define SEGBROKER_TESTS_RAW_SYSTEM_H

#include "raw.h"

/* A connection, or -1 when nobody listens. */
int raw_system_connect(const char *address);
void raw_system_close(int connection);

/* Whether it can be read, or written to, within `ms`. */
bool raw_system_wait(int connection, bool writing, int ms);

/* How much went without waiting; -1 when the broker hung up. */
long raw_system_send(int connection, const void *bytes, size_t size);

/* The same, waiting, with handles along. */
long raw_system_send_with(int connection, const void *bytes, size_t size,
                          const int *handles, unsigned count);

/* Adds what is there to the data, and its handles to the waiting ones; waits
 * until something is. */
void raw_system_receive(struct raw *raw);

/* The handle that a reply names; -1 when it did not arrive. */
int raw_system_claim(struct raw *raw, const struct message_handle *named);

/* A reply was read: notes its handles, after closing the last one's that nobody
 * claimed. NULL: none follows. */
void raw_system_note(struct raw *raw, const struct message_reply *reply);

/* How a request names a handle that goes along with it. */
struct message_handle raw_system_name(int handle);

/* ---- raw.c's, for raw_system_claim ---- */

/* Closes what nobody claimed and frees the batch. NULL is fine. The next. */
struct raw_batch *raw_batch_free(struct raw_batch *batch);

#endif
