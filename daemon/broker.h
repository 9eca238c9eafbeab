/*
 * The broker: everything that one process serves with, on one libuv loop.
 *
 * A turn is what one wakeup does for one peer: requests are served, replies
 * collected, then sent. broker_end_turn closes what could not be closed while
 * a reply still carried it.
 */
#ifndef SEGBROKER_BROKER_H
#define SEGBROKER_BROKER_H

#include "caller.h"
#include "config.h"
#include "keeping.h"
#include "listener.h"
#include "peer.h"
#include "quota.h"
#include "registry.h"
#include "wait.h"
#include "watch.h"

#include <uv.h>

/* Counted since the start; `stats` lists them. */
struct broker_counters {
    uint64_t connections;
    uint64_t refused_connections;
    uint64_t refused_unmapped;
    uint64_t cut_off;
    uint64_t requests;
    uint64_t malformed;
    uint64_t refused[PROTOCOL_ERRORS]; /* by error */
    uint64_t created;
    uint64_t opened;
    uint64_t redeemed;
    uint64_t reclaimed;
    uint64_t reloads;
};

struct reload;

struct broker {
    uv_loop_t loop;
    const char *config_path; /* NULL: the defaults alone */
    struct config *config;
    struct quota *quota;
    struct callers callers;
    struct registry registry;
    struct listener *listener;
    struct keeping keeping;
    struct broker_counters counters;
    struct pending *woken;    /* requests that no longer wait, to be served */
    struct pending *short_of; /* those that wait for what is being freed */
    struct waits waits;
    struct watches watches;
    struct reload *reload; /* while one runs */
    uv_timer_t tick;       /* runs while something must be looked after */
    uv_idle_t collecting;  /* runs while entries wait to be freed */
    uv_signal_t signals[3];
    uint64_t started_at; /* loop time, ms */
    struct peers peers;
};

struct broker_options {
    const char *config_path;
    struct connection *keeper; /* the connection to it */
};

/* Outcomes of broker_run, for the process's exit. */
enum { BROKER_OK = 0, BROKER_FAILED = 1, BROKER_CHARGES_LEFT = 3 };

/* Serves until told to end. Everything that goes wrong is in the log. */
int broker_run(const struct broker_options *options);

/* Ends broker_run after this turn. */
void broker_stop(struct broker *broker);

void broker_end_turn(struct broker *broker);

/* Something waits that no event will wake: looks after it from time to time,
 * until nothing is left. */
void broker_needs_tick(struct broker *broker);

#endif
