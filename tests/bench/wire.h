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

/* What a client of the broker says and gets, as they were seen to say it: a
 * floor exchanges the same bytes. Names of features depend on the host. */
#define WIRE_HELLO_REQUEST                                                     \
    "{\"id\":1,\"op\":\"hello\",\"version\":1,"                                \
    "\"client\":\"libsegbroker/0.1.0\"}\n"
#define WIRE_HELLO_REPLY                                                       \
    "{\"id\":1,\"ok\":true,\"version\":1,"                                     \
    "\"server\":\"segbroker/0.1.0\",\"you\":\"user:root\","                    \
    "\"administrator\":true,\"features\":[\"sealed-size\","                    \
    "\"exact-lifetime\",\"freeze\",\"freeze-future\",\"doorbell\","            \
    "\"items\",\"publish\",\"wait\",\"watch\",\"huge-2M\",\"huge-1G\","        \
    "\"numa\"],\"limits\":{\"line\":65536,\"handles\":253}}\n"
/* To an open; its segment has 1 MiB. */
#define WIRE_OPEN_REPLY                                                        \
    "{\"id\":2,\"ok\":true,\"grant\":10000,\"segment\":1,"                     \
    "\"created\":false,\"size\":1048576,\"mapped_size\":1048576,"              \
    "\"access\":\"ro\",\"handles\":{\"memory\":0}}\n"

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

/* A connection to the broker there, which has said hello and read the
 * answer. */
int wire_connect(const char *path);

/* The number behind the last "NAME": in the text; ends the program where there
 * is none. */
uint64_t wire_number(const char *text, const char *name);

#endif
