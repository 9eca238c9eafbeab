/*
 * Typed messages to JSON lines and back: the same code in broker and client.
 *
 * What comes in is parsed (json.h) and checked in full before a caller sees
 * it. What goes out is written by one small writer, because a reply's cost is
 * the broker's.
 *
 * Writers append one line with its newline to a buffer and return 0 or the
 * buffer's error, leaving the buffer as it was. Strings are UTF-8 with a NUL
 * at the end.
 */
#ifndef SEGBROKER_MESSAGE_H
#define SEGBROKER_MESSAGE_H

#include "buffer.h"
#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Outcomes of the decoders. */
enum {
    /* The line is understood as a request, but it cannot be granted: answer
     * `problem` and go on. */
    MESSAGE_REFUSED = 1,
    /* The line is no request: answer `problem` and end the connection. */
    MESSAGE_MALFORMED = 2,
    MESSAGE_E_NOMEM = -1
};

/* A limit, used amount or id that is absent; never on the wire. */
#define MESSAGE_NONE UINT64_MAX

/*
 * A handle as a line names it: on POSIX by its index among those that came
 * along (frame.h), on Windows by its value in the client's process.
 */
struct message_handle {
    enum {
        MESSAGE_HANDLE_NONE,
        MESSAGE_HANDLE_INDEX,
        MESSAGE_HANDLE_VALUE
    } form;
    uint64_t number;
};

/* Which segment: by name, or by id where name is NULL. */
struct message_target {
    const char *name;
    uint64_t segment;
};

struct message_share {
    const char *read[PROTOCOL_SHARE_MAX];
    unsigned read_count;
    const char *write[PROTOCOL_SHARE_MAX];
    unsigned write_count;
};

struct message_create {
    const char *name; /* NULL: unnamed */
    uint64_t size;    /* bytes; 0 of a file: all that it has */
    bool of_file;     /* of memory otherwise */
    enum protocol_access access;
    bool fail_if_exists;
    bool commit;
    bool persist;
    bool freezable;
    bool doorbell;
    bool publish_later; /* until then nobody else can open it */
    enum protocol_pages pages;
    unsigned numa; /* its node's number and 1; 0: any */
    struct message_share share;
};

/* A ticket to be made of a grant. */
struct message_offer {
    uint64_t grant;
    enum protocol_access access;
    uint64_t uses;    /* 1 to PROTOCOL_USES_MAX */
    uint64_t expires; /* milliseconds from now, 1 to PROTOCOL_EXPIRES_MAX */
};

struct message_page {
    uint64_t after; /* items behind this id (usage: row); 0 from the start */
    unsigned limit; /* 1 to PROTOCOL_PAGE_MAX */
};

/* Handles that come along with a request, by what they are for. */
enum {
    MESSAGE_SHOWN = 0,     /* reclaim: to memory */
    MESSAGE_FILE = 0,      /* create: to a file, for reading and writing */
    MESSAGE_FILE_READ = 1, /* create: to the same, for reading only */
    MESSAGE_HANDLES_MAX = 2
};

struct message_request {
    uint64_t id;
    enum protocol_op op;
    struct message_handle handles[MESSAGE_HANDLES_MAX];
    /* `create` and `open` of many: 0 of one alone, else what follows is in each
     * item, and what is below not there. */
    unsigned item_count;
    bool atomic; /* all or none */
    bool quiet;  /* `release` and `unwatch`: success is not answered */
    struct message_request *items; /* to be written */
    const void *next_item;         /* that was read */
    union {
        struct {
            uint64_t version;
            const char *client; /* NULL when it gave no name */
        } hello;
        struct message_create create;
        struct {
            struct message_target target;
            enum protocol_access access;
            uint64_t wait_ms; /* 0: does not wait; only by name */
        } open;
        uint64_t release; /* a grant */
        struct {
            uint64_t segment;
            enum protocol_access access;
        } reclaim;
        struct message_offer offer;
        const char *redeem;           /* a ticket */
        struct message_target target; /* remove publish revoke stat */
        struct {
            struct message_target target;
            enum protocol_frozen mode; /* "future", or "now" for YES */
        } freeze;
        struct {
            struct message_page page;
            const char *prefix; /* NULL: all */
        } list;
        const char *watch; /* a prefix; NULL: all */
        uint64_t unwatch;  /* a watch's number */
        struct {
            struct message_page page;
            bool all; /* every section, for administrators */
        } usage;
        struct message_page clients;
        enum protocol_log_level log_level;
    };
    void *document; /* what the strings point into */
};

/* Figures of a refusal by quota, or of one row of `usage`. */
struct message_budget {
    const char *section; /* "user alice" */
    const char *budget;  /* "bytes" */
    uint64_t used;
    uint64_t limit; /* MESSAGE_NONE: unlimited */
    uint64_t asked; /* in refusals only */
};

/* Why a line was refused. */
struct message_problem {
    bool has_id;
    uint64_t id;
    bool has_item;
    unsigned item; /* that it is about, of many */
    enum protocol_error error;
    char text[200];
};

/* ---- requests ---- */

/*
 * Reads one line (without newline; it may hold any bytes). On 0 the request
 * is filled and message_request_deinit must follow; its strings live until
 * then. On MESSAGE_REFUSED and MESSAGE_MALFORMED only `problem` is filled.
 */
int message_request_decode(const char *line, size_t size,
                           struct message_request *request,
                           struct message_problem *problem);
void message_request_deinit(struct message_request *request);

/* The next item of many, in their order: 0 and a request by itself, whose
 * strings are those of `request`; MESSAGE_REFUSED and `problem`; or
 * MESSAGE_MALFORMED behind the last. */
int message_request_next_item(struct message_request *request,
                              struct message_request *item,
                              struct message_problem *problem);

/* Writes one; `document` is not looked at. */
int message_request_write(struct buffer *out,
                          const struct message_request *request);

/* ---- replies: what the broker writes ---- */

struct message_welcome {
    uint64_t version;
    const char *server; /* "segbroker/0.1.0" */
    const char *you;    /* "user:alice" */
    bool administrator;
    const char *const *features;
    unsigned feature_count;
};

struct message_grant {
    uint64_t grant;
    uint64_t segment;
    uint64_t size;        /* bytes, as asked by its creator */
    uint64_t mapped_size; /* bytes, rounded up to pages */
    enum protocol_access access;
    bool created;
    bool of_file;
    enum protocol_pages pages;
    struct message_handle memory; /* none in the answer to a reclaim */
    /* The doorbell's, the first ones; none where it has none. */
    struct message_handle bell[PROTOCOL_BELL_HANDLES];
};

/* A ticket that was made. */
struct message_ticket {
    const char *ticket;
    uint64_t expires_at; /* seconds since 1970 UTC */
};

/* A segment's record, as `stat` and `list` give it. */
struct message_segment {
    uint64_t segment;
    const char *name;  /* NULL when it never had one */
    const char *owner; /* "user:alice" */
    uint64_t size;
    uint64_t mapped_size;
    uint64_t grants;
    uint64_t created_at; /* seconds since 1970 UTC */
    uint64_t tickets;    /* that can be redeemed still */
    enum protocol_state state;
    enum protocol_frozen frozen; /* where it is freezable */
    bool may_read;
    bool may_write;
    bool commit;
    bool persist;
    bool of_file;
    bool doorbell;
    bool freezable;
    bool unpublished;
    enum protocol_pages pages;
    unsigned numa; /* its node's number and 1; 0: any */
};

/* A connected client, as `clients` gives it. */
struct message_client {
    uint64_t client;  /* counts up from 1; never reused */
    uint64_t pid;     /* 0 when the system does not tell */
    const char *user; /* "user:alice" */
    const char *name; /* as said in hello; NULL before */
    uint64_t grants;
    uint64_t requests;
    uint64_t connected_at; /* seconds since 1970 UTC */
};

/* What became of a segment, as those who watch are told. */
struct message_event {
    enum protocol_event event;
    bool unpublished;
    bool freezable;
    enum protocol_frozen frozen; /* where it is freezable */
    uint64_t watch;              /* whose event it is; of an overflow 0 */
    uint64_t segment;
    const char *name;  /* NULL when it never had one */
    const char *owner; /* "user:alice" */
    uint64_t size;
};

struct message_counter {
    const char *name;
    uint64_t value;
};

int message_ok_write(struct buffer *out, uint64_t id);
int message_welcome_write(struct buffer *out, uint64_t id,
                          const struct message_welcome *welcome);
int message_grant_write(struct buffer *out, uint64_t id,
                        const struct message_grant *grant);
int message_ticket_write(struct buffer *out, uint64_t id,
                         const struct message_ticket *ticket);
/* `revoke`: whether its memory is all zeros now. */
int message_revoked_write(struct buffer *out, uint64_t id, bool emptied);
int message_watch_write(struct buffer *out, uint64_t id, uint64_t watch);
/* An event, which answers nothing. */
int message_event_write(struct buffer *out, const struct message_event *event);
int message_stat_write(struct buffer *out, uint64_t id,
                       const struct message_segment *segment);
/* `stats`: {"stats":{NAME:VALUE,...}} */
int message_stats_write(struct buffer *out, uint64_t id,
                        const struct message_counter *counters, unsigned count);
/* `log-level`: the level that was in force before. */
int message_level_write(struct buffer *out, uint64_t id,
                        enum protocol_log_level previous);
/* An error; `problem->has_id` false writes "id":null. */
int message_error_write(struct buffer *out,
                        const struct message_problem *problem,
                        const struct message_budget *detail /* or NULL */);

/*
 * A page of `list`, `usage` or `clients`, or the items of many: begin, add
 * rows, end. A row that would take the line over PROTOCOL_LINE_MAX (with room
 * for the end) is refused with BUFFER_E_FULL and the page stays whole; then end
 * it with `next`, the id that continues it, or 0 when nothing follows.
 */
struct message_pager {
    struct buffer *out;
    size_t start;
    unsigned rows;
};
int message_page_begin(struct message_pager *pager, struct buffer *out,
                       uint64_t id, enum protocol_op op);
int message_page_add_segment(struct message_pager *pager,
                             const struct message_segment *segment);
int message_page_add_budget(struct message_pager *pager,
                            const struct message_budget *budget);
int message_page_add_client(struct message_pager *pager,
                            const struct message_client *client);
int message_page_add_grant(struct message_pager *pager,
                           const struct message_grant *grant);
/* An item that was refused, as message_item_problem_write wrote it. */
int message_page_add_problem(struct message_pager *pager,
                             const struct buffer *problem);
int message_page_end(struct message_pager *pager, uint64_t next);

/* An item's refusal, without a newline. */
int message_item_problem_write(struct buffer *out,
                               const struct message_problem *problem,
                               const struct message_budget *detail);

/* ---- replies: what a client reads ---- */

struct message_reply {
    bool has_id;
    uint64_t id;
    bool is_event; /* and no reply: message_reply_event */
    bool ok;
    /* Only where ok is false: */
    enum protocol_error error; /* an unknown name reads as internal */
    const char *text;
    bool has_detail;
    struct message_budget detail;
    bool has_item;
    uint64_t item; /* that it is about, of many */
    void *document;
};

/* 0, MESSAGE_MALFORMED or MESSAGE_E_NOMEM; on 0 deinit must follow. */
int message_reply_decode(const char *line, size_t size,
                         struct message_reply *reply);
void message_reply_deinit(struct message_reply *reply);

/*
 * The body of a reply that is ok: 0 or MESSAGE_MALFORMED. Strings live as long
 * as the reply. Array readers give row `index`, and MESSAGE_MALFORMED behind
 * the last; message_reply_rows counts them.
 */
int message_reply_welcome(const struct message_reply *reply,
                          struct message_welcome *welcome);
/* Feature `index` of a welcome, or NULL behind the last. */
const char *message_reply_feature(const struct message_reply *reply,
                                  unsigned index);
int message_reply_grant(const struct message_reply *reply,
                        struct message_grant *grant);
int message_reply_ticket(const struct message_reply *reply,
                         struct message_ticket *ticket);
int message_reply_revoked(const struct message_reply *reply, bool *emptied);
int message_reply_watch(const struct message_reply *reply, uint64_t *watch);
/* Of an event that is not known `event->event` is PROTOCOL_EVENTS, and nothing
 * else of it is filled. */
int message_reply_event(const struct message_reply *reply,
                        struct message_event *event);
int message_reply_stat(const struct message_reply *reply,
                       struct message_segment *segment);
unsigned message_reply_rows(const struct message_reply *reply);
int message_reply_segment(const struct message_reply *reply, unsigned index,
                          struct message_segment *segment);
int message_reply_budget(const struct message_reply *reply, unsigned index,
                         struct message_budget *budget);
int message_reply_client(const struct message_reply *reply, unsigned index,
                         struct message_client *client);
/* Item `index` as a reply of its own, which is part of `reply`: there is
 * nothing to deinit. */
int message_reply_item(const struct message_reply *reply, unsigned index,
                       struct message_reply *item);
int message_reply_counter(const struct message_reply *reply, unsigned index,
                          struct message_counter *counter);
/* The id that continues a page, 0 when it was the last. */
uint64_t message_reply_next(const struct message_reply *reply);

/* ---- names ---- */

const char *message_op_name(enum protocol_op op);
const char *message_error_name(enum protocol_error error);
const char *message_access_name(enum protocol_access access);
const char *message_state_name(enum protocol_state state);
const char *message_frozen_name(enum protocol_frozen frozen);
const char *message_event_name(enum protocol_event event);
const char *message_level_name(enum protocol_log_level level);
const char *message_pages_name(enum protocol_pages pages);
/* Of a doorbell's handle, by its place in message_grant.bell. */
const char *message_bell_name(unsigned place);

/* 0 and what the name stands for, or -1. */
int message_op_parse(const char *name, enum protocol_op *op);
int message_error_parse(const char *name, enum protocol_error *error);
int message_access_parse(const char *name, enum protocol_access *access);
int message_state_parse(const char *name, enum protocol_state *state);
int message_frozen_parse(const char *name, enum protocol_frozen *frozen);
int message_event_parse(const char *name, enum protocol_event *event);
int message_level_parse(const char *name, enum protocol_log_level *level);
int message_pages_parse(const char *name, enum protocol_pages *pages);

/* Bytes of a page; 0 for the system's own. */
uint64_t message_pages_bytes(enum protocol_pages pages);

/*
 * Checks a segment's name by DESIGN's rule: 1 to PROTOCOL_NAME_MAX bytes of
 * UTF-8, no control characters, no backslash, and something behind `global/`.
 * NULL when it is good, else a sentence that says what is wrong.
 */
const char *message_name_problem(const char *name, size_t size);

#endif
