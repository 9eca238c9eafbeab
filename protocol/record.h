/*
 * What the keeper and the broker tell each other: one JSON line a record, in
 * the framing of the public protocol, handles along with their record's line.
 *
 *   broker to keeper    keep, forget, ready, pong, restart, end
 *   keeper to broker    listen, keep, ready, ping, reload, stop
 *   both ways           handles
 *
 * Both are the same program, so nothing here is of use to anybody else; still
 * every line is checked.
 */
#ifndef SEGBROKER_RECORD_H
#define SEGBROKER_RECORD_H

#include "buffer.h"
#include "message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum record_kind {
    RECORD_LISTEN,  /* a listening socket and, but under a service manager, its
                       lock: the handles */
    RECORD_KEEP,    /* a segment, new or changed; its handles come along when
                       the other side does not know it */
    RECORD_FORGET,  /* a segment is no more */
    RECORD_HANDLES, /* the next record's, where they are named by value */
    RECORD_READY,   /* from the keeper: that is all. From the broker: it
                       serves */
    RECORD_PING,    /* is the broker's loop alive? */
    RECORD_PONG,    /* it is */
    RECORD_RELOAD,  /* read the configuration anew */
    RECORD_STOP,    /* end; what is kept stays */
    RECORD_RESTART, /* replace both by the program now on disk */
    RECORD_END,     /* the broker ends because a client asked for it */
    RECORD_KINDS
};

/* Handles that one record may have. */
enum { RECORD_HANDLES_MAX = 5 };

/* A segment as it must come back. */
struct record_segment {
    uint64_t segment;  /* its id */
    const char *name;  /* NULL: it never had one */
    bool found;        /* by that name */
    const char *owner; /* an identity as text: ids with commas between */
    uint64_t size;
    uint64_t mapped_size;
    uint64_t created_at; /* seconds since 1970 UTC */
    bool commit;
    bool persist;
    struct message_share share;                /* by id: "user:1000" */
    const char *tickets[PROTOCOL_TICKETS_MAX]; /* as texts, with secrets */
    unsigned ticket_count;
    bool of_file;
    bool freezable;
    enum protocol_frozen frozen;
    bool revoked;
    bool unpublished;
    enum protocol_pages pages;
    unsigned numa;     /* as in message_segment */
    unsigned doorbell; /* how many of its handles, the last, are that's */
};

struct record {
    enum record_kind kind;
    unsigned handles;
    struct record_segment segment; /* keep; forget has the id alone */
    uint64_t next;                 /* ready: the next segment's id */
    uint64_t process;              /* ready: the sender */
    const char *path;              /* listen: the socket's */
    struct message_handle names[RECORD_HANDLES_MAX]; /* handles */
    void *document;
};

/* Writes one. 0 or the buffer's error. */
int record_write(struct buffer *out, const struct record *record);

/* 0, and record_deinit must follow; MESSAGE_MALFORMED or MESSAGE_E_NOMEM. */
int record_decode(const char *line, size_t size, struct record *record);
void record_deinit(struct record *record);

#endif
