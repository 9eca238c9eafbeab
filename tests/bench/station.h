/*
 * A station plays one case of the benchmarks. tests/bench/run starts it, often
 * beside others, and lets them take turns: so it does some operations when it
 * is told to, and sleeps in between.
 *
 * It prints `ready` when it is. For each line N that it reads it does N
 * operations and prints one line: the nanoseconds that each took. At the end of
 * its input it ends.
 */
#ifndef SEGBROKER_BENCH_STATION_H
#define SEGBROKER_BENCH_STATION_H

#include "client/segbroker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { STATION_NO_CPU = -1, STATION_NAME_MAX = 64 };

/* What the command line says: PROGRAM KIND [--OPTION VALUE]... */
struct station_options {
    const char *kind;   /* which case */
    const char *socket; /* --socket: the broker's; NULL: none */
    const char *name;   /* --name: of a segment; NULL: the station's choice */
    uint64_t size;      /* --size: bytes; 0: the station's choice */
    uint64_t count;     /* --count: of whatever; 0: the station's choice */
    int server_cpu;     /* --server-cpu: where a floor's server runs */
};

struct station {
    /* All return 0, or anything else after a line on stderr. */
    int (*before)(void *data); /* not timed, before each; NULL: nothing */
    int (*once)(void *data);   /* the operation */
    int (*after)(void *data);  /* not timed, after each; NULL: nothing */
    void (*end)(void *data);   /* cleans up, also after a failure; NULL */
    void *data;
};

/* Ends the process with status 1 when the command line makes no sense. */
struct station_options station_options(int argc, char **argv);

/* Plays until the input ends; what main returns. */
int station_run(const struct station *station);

/* ---- failures ---- */

/* Prints a line on stderr, with the program's name; returns -1. */
int station_complain(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
/* The same with errno's text behind it. */
int station_complain_system(const char *what);
/* The same, and ends the process: for what is done before the first round. */
_Noreturn void station_give_up(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* ---- the broker ---- */

/* A client of the broker that --socket says; NULL after a line on stderr. */
segb_client *station_connect(const struct station_options *options);
/* The same, which gives back lazily. */
segb_client *station_connect_lazy(const struct station_options *options);
/* 0 when the library's call did well, else -1 after a line on stderr. */
int station_check(const char *what, int code);
/* A name for a segment that no other station uses; `number` tells those of
 * one station apart. */
void station_name(char name[STATION_NAME_MAX], unsigned number);
/* Maps all of the segment once and unmaps it. */
int station_map(segb_segment *segment, int access);

/* ---- processes ---- */

int64_t station_clock(void); /* nanoseconds */

/* Runs the body in a child on that processor, which dies with this process. */
pid_t station_fork(int cpu, void (*body)(void *data), void *data);
/* Waits for a child that was told to end. */
void station_join(pid_t child);

/* Maps a descriptor's memory once, unmaps it and closes the descriptor. */
int station_map_descriptor(int fd, size_t size, int protection);

/* ---- bytes and a descriptor over a socket, blocking ---- */

/* A connection to a path; ends the process when nobody serves there. */
int station_connect_socket(const char *path);

/* `fd` -1: none. 0 or -1. */
int station_send(int socket, const void *bytes, size_t size, int fd);
/* What one recvmsg gives, and its descriptor, else -1. 0: the end. */
ssize_t station_receive(int socket, void *bytes, size_t size, int *fd);

#endif
