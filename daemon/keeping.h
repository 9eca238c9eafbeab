/*
 * The broker's side of the keeper: what it was given at its start, what it
 * has kept, and a new keeper when the old one has died.
 *
 * A record is in the kernel's hands before the client is answered, so a
 * broker's death loses nothing that anybody was promised.
 */
#ifndef SEGBROKER_KEEPING_H
#define SEGBROKER_KEEPING_H

#include "estate.h"
#include "link.h"
#include "program.h"

#include <stdbool.h>
#include <uv.h>

struct broker;

struct keeping {
    struct broker *broker;
    struct link *link;   /* NULL while no keeper is there */
    struct estate given; /* by the keeper; its segments until restored */
    bool is_given;       /* all of it has come */
    uint64_t keeper;     /* the process that started this one */
    bool is_alone;       /* the keeper has died */
    struct program_child *child; /* the keeper, when this broker started it */
    unsigned turns;              /* of the timer, since then */
    uint64_t respawned_at;       /* loop time, ms; 0: never */
    uv_timer_t respawn;
    uv_timer_t grace;
    uv_timer_t late;   /* what nobody waits for goes then */
    unsigned restored; /* segments */
};

/* Takes over the connection to the keeper and receives all that it keeps. 0,
 * or negative with the reason in the log. */
int keeping_init(struct keeping *keeping, struct broker *broker,
                 struct connection *connection);

/* Makes entries of what was given, and lets their names wait for their
 * holders. */
void keeping_restore(struct keeping *keeping);

/* The broker serves: tells the keeper, and from now on listens to it. */
void keeping_start(struct keeping *keeping);

/* What the turn changed goes to the keeper, in one piece, before the replies
 * that were collected; without any it can wait. */
void keeping_flush(struct keeping *keeping);

/* At the end of a turn: what is left goes along with the next, or soon. */
void keeping_end_turn(struct keeping *keeping);

/* A client asked for it: the whole service shall end, or be replaced by the
 * program now on disk. */
void keeping_tell(struct keeping *keeping, enum record_kind kind);

/* The service manager ends this broker. When its keeper has died, everything
 * goes to the manager's store. */
void keeping_rescue(struct keeping *keeping);

/* Ends the connection; the loop must still run. What the keeper has
 * stays with it. */
void keeping_close(struct keeping *keeping);
void keeping_deinit(struct keeping *keeping);

#endif
