/*
 * The keeper: the process that somebody started, and that outlives brokers.
 *
 * It holds the listening socket and one record with its handles for each
 * segment, reads nothing from clients, starts the broker as its child, and
 * gives it all of that. When the broker dies it starts the next one.
 */
#ifndef SEGBROKER_KEEPER_H
#define SEGBROKER_KEEPER_H

#include <stdint.h>

struct connection;

struct keeper_options {
    const char *socket_path; /* where the service manager gave no socket */
    const char *folder;      /* of the lock; NULL: the default */
    uint64_t pause_ms;       /* the longest, before a broker that dies again and
                                again is started once more */
};

/* Runs the service until it is told to end: the process's exit status. */
int keeper_run(const struct keeper_options *options);

/* The same for a keeper that takes over from a dead one: a broker, which
 * serves already, has started it and gives it everything. */
int keeper_succeed(const struct keeper_options *options,
                   struct connection *connection);

#endif
