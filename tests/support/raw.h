/*
 * A client that speaks the protocol byte by byte: it can say what is wrong,
 * stop in the middle, and see exactly what comes back.
 *
 * Requests are written with ' for ", so that they read well in C:
 * raw_ask(&c, "{'id':1,'op':'ping'}").
 */
#ifndef SEGBROKER_TESTS_RAW_H
#define SEGBROKER_TESTS_RAW_H

#include "protocol/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RAW_DEADLINE_MS = 20000,
    RAW_BATCH_MAX = 253,
    RAW_UNCLAIMED_MAX = PROTOCOL_ITEMS_MAX * (1 + PROTOCOL_BELL_HANDLES)
};

/* Descriptors of one message. */
struct raw_batch {
    struct raw_batch *next;
    unsigned count;
    int descriptors[RAW_BATCH_MAX]; /* -1: claimed */
};

struct raw {
    char *data; /* received, behind `taken` not yet given out */
    size_t size;
    size_t taken;
    size_t capacity;
    struct raw_batch *current; /* opened by the last index 0 */
    struct raw_batch *waiting;
    struct message_reply reply; /* the last one read, and its line */
    const char *line;
    int fd; /* -1: closed */
    /* The last reply's handles, where values tell; 0: none. */
    int unclaimed[RAW_UNCLAIMED_MAX];
    unsigned unclaimed_count;
    bool has_reply;
    bool ended;     /* the broker hung up */
    bool truncated; /* descriptors were lost on the way (MSG_CTRUNC) */
};

/* ---- connection ---- */

/* Connects and says hello. */
void raw_open(struct raw *raw, const char *socket);
/* The same as another user (root only). `group` 0: none besides. */
void raw_open_as(struct raw *raw, const char *socket, uint32_t user,
                 uint32_t group);
/* Connects and says nothing. */
void raw_connect(struct raw *raw, const char *socket);
/* The same, false when nobody listens. */
bool raw_try_connect(struct raw *raw, const char *socket);
/* Closes it, with all descriptors that nobody claimed. */
void raw_close(struct raw *raw);
/* True when somebody listens there. */
bool raw_answers(const char *socket);

/* ---- sending ---- */

/* All of the bytes; false when the broker hung up or takes none. */
bool raw_send(struct raw *raw, const void *bytes, size_t size);
/* As much as goes without waiting; how much, -1 when the broker hung up. */
long raw_send_some(struct raw *raw, const void *bytes, size_t size);
/* With descriptors on the first byte. */
bool raw_send_with(struct raw *raw, const void *bytes, size_t size,
                   const int *descriptors, unsigned count);
/* One line, with ' for ", and a newline behind it. */
void raw_say(struct raw *raw, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- receiving ---- */

/* The next line without its newline, valid until the next one is asked for;
 * NULL when the broker hung up, or nothing came within `ms`. */
const char *raw_line_within(struct raw *raw, int ms);
/* The same, and it must come. */
const char *raw_line(struct raw *raw);
/* The next line, read as a reply; valid until the next. */
const struct message_reply *raw_reply(struct raw *raw);
/* raw_say and raw_reply. */
const struct message_reply *raw_ask(struct raw *raw, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* True when the broker hangs up within `ms`; what comes before is dropped. */
bool raw_ends(struct raw *raw, int ms);
/* True when something is there to be read now. */
bool raw_pending(struct raw *raw);

/* ---- the last reply ---- */

/* "ok", or the error's name. */
const char *raw_outcome(const struct raw *raw);
/* The grant of a reply to create or open, with its descriptor, which the
 * caller owns; -1 when it did not arrive. */
int raw_grant(struct raw *raw, struct message_grant *grant);
/* The same of item `index`. */
int raw_item_grant(struct raw *raw, unsigned index,
                   struct message_grant *grant);
/* The same grant's doorbell, by its place; -1 when there is none. */
int raw_bell(struct raw *raw, const struct message_grant *grant,
             unsigned place);
/* Its record (`stat`). */
struct message_segment raw_record(const struct raw *raw);

/* ---- whole exchanges; they fail unless the answer is ok ---- */

/* `members` are added to the request: "'name':'x','size':4096". */
int raw_create(struct raw *raw, struct message_grant *grant,
               const char *members, ...) __attribute__((format(printf, 3, 4)));
/* `members`: "'name':'x'". */
int raw_open_segment(struct raw *raw, struct message_grant *grant,
                     const char *members, ...)
    __attribute__((format(printf, 3, 4)));
void raw_release(struct raw *raw, uint64_t grant);
/* Shows a handle to a segment; the outcome is raw_outcome's. */
void raw_reclaim(struct raw *raw, uint64_t segment, const char *access, int fd,
                 struct message_grant *grant);
/* The amount used of a budget in the caller's usage. A section of NULL means
 * the caller's own, which is not "total" nor a group. */
uint64_t raw_used(struct raw *raw, const char *section, const char *budget);
/* The sum of what all sections have used of a budget (administrators). */
uint64_t raw_used_by_all(struct raw *raw, const char *budget);
/* How many segments the caller sees. */
unsigned raw_count_segments(struct raw *raw);
/* True when the broker learns of a segment's last handle by itself. */
bool raw_knows_holders(const char *socket);
/* True when hello named the feature. Asks on a connection of its own. */
bool raw_has_feature(const char *socket, const char *feature);

#endif
