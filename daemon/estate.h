/*
 * The estate: every segment's record and handles, and the listening socket.
 * It is all that must not be lost, in the form in which it is handed from one
 * process to the next.
 */
#ifndef SEGBROKER_ESTATE_H
#define SEGBROKER_ESTATE_H

#include "link.h"
#include "listening.h"
#include "table.h"

#include <stdint.h>

enum { ESTATE_E_NOMEM = -1, ESTATE_E_SYSTEM = -2 };

/* One segment: its record's line as it came, newline included. */
struct estate_item {
    uint64_t id;
    char *line;
    size_t size;
    unsigned count;
    frame_handle handles[RECORD_HANDLES_MAX];
    UT_hash_handle hh;
};

struct estate {
    struct listening listening;
    struct estate_item *items; /* by id */
    uint64_t next;             /* the next segment's id: none is used twice */
    bool is_lent;              /* the segments' handles stay the lender's */
};

void estate_init(struct estate *estate);
/* Closes all handles; the socket's path stays. */
void estate_deinit(struct estate *estate);

unsigned estate_count(const struct estate *estate);

struct estate_new {
    uint64_t id;
    const char *line; /* of its record, without the newline */
    size_t size;
    unsigned count;
    frame_handle handles[RECORD_HANDLES_MAX];
};

/* Adds a segment or, where it is there, replaces what is known of it; without
 * handles it keeps those that it has. Copies the line and adopts the handles,
 * in every case. 0 or ESTATE_E_NOMEM. */
int estate_keep(struct estate *estate, const struct estate_new *new);
void estate_forget(struct estate *estate, uint64_t id);

/* Serves a `listen`, `keep` or `forget` that came over the link; others are
 * none of its business. Negative when something of it is lost. */
int estate_take(struct estate *estate, struct link *link,
                const struct record *record, const char *line, size_t size);

/* Sends all of it, and `ready`. 0 or a link's outcome. */
int estate_send(const struct estate *estate, struct link *link);

/* ---- packed into a few handles (estate_posix.c) ---- */

/*
 * The estate in three handles: its records in one, all segments' handles under
 * way in a connection with itself, whose ends are the other two.
 */
struct estate_pack {
    frame_handle records;
    frame_handle ends[2];
};

/* Packs; the estate stays as it is. 0 or ESTATE_E_SYSTEM, with the reason in
 * the log. Of handles beyond what the system lets be under way, about 280000
 * by default, the log tells, and the rest is packed. */
int estate_pack(const struct estate *estate, struct estate_pack *pack);

/* Adds what was packed. What cannot be read is lost, and the log says so. The
 * pack's handles are closed; whoever else has them can unpack once more. */
void estate_unpack(struct estate *estate, const struct estate_pack *pack);

void estate_pack_close(const struct estate_pack *pack);

#endif
