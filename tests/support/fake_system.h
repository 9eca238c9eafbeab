/*
 * What fake.c needs of the operating system: one listener, one client.
 */
#ifndef SEGBROKER_TESTS_FAKE_SYSTEM_H
#define SEGBROKER_TESTS_FAKE_SYSTEM_H

#include "process.h"

#include <stdbool.h>
#include <stddef.h>

/* Listens, and gives where. */
void fake_listen(char address[TEST_PATH_MAX]);

/* Waits for the client; in the fake's own thread, as what follows. */
bool fake_accept(void);

/* One byte: 1, 0 when the client has gone, -1 when it does not come. */
int fake_receive(char *byte);

/* Sends all; `give`: the memory goes along. */
bool fake_send(const char *bytes, size_t size, bool give);

/* Makes the memory to give that large, and names it in a line that says
 * "memory":0. The line, from malloc, in place of the one that was given. */
char *fake_name_memory(char *line, size_t size);

void fake_hang_up(void);

/* Stops listening. */
void fake_forget(void);

#endif
