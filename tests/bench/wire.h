/*
 * Unix sockets for stations that have many of them, or do not know what comes:
 * partial sends and answers, several descriptors at once. What fails ends the
 * program with a line on stderr.
 */
#ifndef SEGBROKER_BENCH_WIRE_H
#define SEGBROKER_BENCH_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A listening socket at `path`. */
int wire_listen(const char *path);

/* Sends all of it, waiting as long as it takes. */
void wire_send(int socket, const void *bytes, size_t size);
/* The same with a descriptor on the first byte; -1: none. */
void wire_send_with(int socket, const void *bytes, size_t size, int descriptor);

/* What one recvmsg gives; `descriptor` gets the last that came, or stays what
 * it was. 0: the other side has ended; -1: nothing there (EAGAIN). */
ssize_t wire_receive(int socket, void *bytes, size_t size, int *descriptor);
/* Receives until the text ends with a newline, which `size` has room for, and
 * adds a NUL. Descriptors are closed. */
void wire_line(int socket, char *text, size_t size);

/* Says hello to a broker and reads the answer. */
void wire_hello(int socket);

/* The number behind the last "NAME": in the text; ends the program where there
 * is none. */
uint64_t wire_number(const char *text, const char *name);

#endif
