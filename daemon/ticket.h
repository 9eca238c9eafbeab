/*
 * Tickets: secrets of 256 random bits, each good for grants to one segment.
 *
 * They belong to a segment and hold nothing: they go with it. A guess is
 * compared with as many secrets, over as many bytes, whatever there is; and
 * whoever guesses wrong may do so only so often.
 */
#ifndef SEGBROKER_TICKET_H
#define SEGBROKER_TICKET_H

#include "protocol.h"

#include <stdbool.h>
#include <stdint.h>

enum { TICKET_SECRET_SIZE = 32 };

enum {
    TICKETS_FULL = 1, /* there are PROTOCOL_TICKETS_MAX already */
    TICKETS_E_SYSTEM = -1
};

struct ticket {
    unsigned char secret[TICKET_SECRET_SIZE];
    enum protocol_access access;
    uint64_t uses;       /* that are left */
    uint64_t expires_at; /* milliseconds since 1970 UTC */
};

/* Those of one segment; all zero: none. */
struct tickets {
    struct ticket *list;
    unsigned count;
};

/* The time by which tickets expire: milliseconds since 1970 UTC. */
uint64_t ticket_clock(void);

/* Makes the secret of a ticket that has everything else, and adds it; those
 * that are dead at `now` go first. 0, TICKETS_FULL or TICKETS_E_SYSTEM. */
int tickets_add(struct tickets *tickets, struct ticket *ticket, uint64_t now);

/* Takes back what was added last. */
void tickets_undo(struct tickets *tickets);

/* Drops those that are spent or expired. */
void tickets_bury(struct tickets *tickets, uint64_t now);

/* Drops all. */
void tickets_clear(struct tickets *tickets);

/* The ticket of that secret, if it is good at `now`, or NULL. `tickets` NULL:
 * there are none, which takes as long. */
struct ticket *tickets_find(const struct tickets *tickets,
                            const unsigned char secret[TICKET_SECRET_SIZE],
                            uint64_t now);

/* How many are good at `now`. */
unsigned tickets_count(const struct tickets *tickets, uint64_t now);

/* ---- as texts ---- */

/* As a client has it. */
void ticket_write(const struct ticket *ticket, uint64_t segment,
                  char text[PROTOCOL_TICKET_MAX + 1]);
/* 0 and what it says, or -1. */
int ticket_read(const char *text, uint64_t *segment,
                unsigned char secret[TICKET_SECRET_SIZE]);

/* As a record has it: uses, expiry, access and secret. */
enum {
    TICKET_RECORD_MAX = 4 + 1 + 16 + 1 + 3 + 1 + 2 * TICKET_SECRET_SIZE + 1
};
void ticket_record_write(const struct ticket *ticket,
                         char text[TICKET_RECORD_MAX]);
/* Adds one of a record. 0, or negative where it is none. */
int tickets_restore(struct tickets *tickets, const char *text);

/* ---- guessing ---- */

/* Wrong guesses of one caller: a bucket of ten, filled with one a second. */
struct ticket_guesses {
    uint64_t empty_at; /* loop time, ms: all are forgotten then */
};

bool ticket_guess_allowed(const struct ticket_guesses *guesses, uint64_t now);
void ticket_guess_failed(struct ticket_guesses *guesses, uint64_t now);

#endif
