/*
 * Constants of the wire protocol, version 1: names, numbers and limits.
 *
 * The numbers here are private to one process; only the names travel.
 * PROTOCOL.md gives their meaning.
 */
#ifndef SEGBROKER_PROTOCOL_H
#define SEGBROKER_PROTOCOL_H

#include <stdint.h>

enum {
    PROTOCOL_VERSION = 1,
    /* Bytes in one line, the final newline included. */
    PROTOCOL_LINE_MAX = 65536,
    /* Bytes in a segment's name, `global/` included. */
    PROTOCOL_NAME_MAX = 200,
    /* Bytes in the name a client gives itself in `hello`. */
    PROTOCOL_CLIENT_MAX = 64,
    /* Bytes in one principal, `user:alice`. */
    PROTOCOL_PRINCIPAL_MAX = 128,
    /* Principals in one share list. */
    PROTOCOL_SHARE_MAX = 64,
    /* Bytes in a ticket: the segment's id, a dash, 64 hexadecimal digits. */
    PROTOCOL_TICKET_MAX = 16 + 1 + 64,
    /* How often one may be redeemed, and for how long, in milliseconds. */
    PROTOCOL_USES_MAX = 1000,
    PROTOCOL_EXPIRES_DEFAULT = 60 * 1000,
    PROTOCOL_EXPIRES_MAX = 24 * 60 * 60 * 1000,
    /* How long an open may wait, in milliseconds. */
    PROTOCOL_WAIT_MAX = 24 * 60 * 60 * 1000,
    /* Tickets that one segment may have. */
    PROTOCOL_TICKETS_MAX = 64,
    /* The highest number that a NUMA node can have. */
    PROTOCOL_NODE_MAX = 1023,
    /* Handles that a doorbell has, at most: PROTOCOL.md names them. */
    PROTOCOL_BELL_HANDLES = 3,
    /* Handles in one message: what SCM_RIGHTS carries on Linux. */
    PROTOCOL_ITEMS_MAX = 64, /* of `create` and `open` */
    PROTOCOL_HANDLES_MAX = 253,
    /* Items that a page of a listing has unless the request says otherwise,
     * and the most that it may ask for. A page also ends at the line limit. */
    PROTOCOL_PAGE_DEFAULT = 100,
    PROTOCOL_PAGE_MAX = 1000,
    /* Members in one JSON object and objects within each other. */
    PROTOCOL_MEMBERS_MAX = 64,
    PROTOCOL_DEPTH_MAX = 8
};

/* The largest integer that every JSON implementation carries exactly. */
#define PROTOCOL_INTEGER_MAX ((UINT64_C(1) << 53) - 1)

/* Names that begin so are host-wide; all others are the caller's own. */
#define PROTOCOL_GLOBAL_PREFIX "global/"

enum protocol_op {
    PROTOCOL_HELLO,
    PROTOCOL_CREATE,
    PROTOCOL_OPEN,
    PROTOCOL_RELEASE,
    PROTOCOL_RECLAIM,
    PROTOCOL_OFFER,
    PROTOCOL_REDEEM,
    PROTOCOL_REMOVE,
    PROTOCOL_FREEZE,
    PROTOCOL_PUBLISH,
    PROTOCOL_STAT,
    PROTOCOL_LIST,
    PROTOCOL_USAGE,
    PROTOCOL_WATCH,
    PROTOCOL_UNWATCH,
    PROTOCOL_PING,
    PROTOCOL_STATS,
    PROTOCOL_CLIENTS,
    PROTOCOL_REVOKE,
    PROTOCOL_RELOAD,
    PROTOCOL_LOG_LEVEL,
    PROTOCOL_RESTART,
    PROTOCOL_SHUTDOWN,
    PROTOCOL_OPS
};

enum protocol_error {
    PROTOCOL_BAD_REQUEST = 1,
    PROTOCOL_UNSUPPORTED_VERSION,
    PROTOCOL_UNKNOWN_OP,
    PROTOCOL_INVALID_ARGUMENT,
    PROTOCOL_INVALID_NAME,
    PROTOCOL_NOT_FOUND,
    PROTOCOL_EXISTS,
    PROTOCOL_ACCESS_DENIED,
    PROTOCOL_QUOTA_EXCEEDED,
    PROTOCOL_NO_MEMORY,
    PROTOCOL_FILE_EMPTY,
    PROTOCOL_FILE_TOO_SMALL,
    PROTOCOL_FILE_FULL,
    PROTOCOL_TIMEOUT,
    PROTOCOL_TOO_MANY_HANDLES,
    PROTOCOL_RATE_LIMITED,
    PROTOCOL_NOT_SUPPORTED,
    PROTOCOL_BUSY,
    PROTOCOL_SHUTTING_DOWN,
    PROTOCOL_INTERNAL,
    PROTOCOL_ERRORS
};

enum protocol_access {
    PROTOCOL_RO,
    PROTOCOL_RW,
    PROTOCOL_COW, /* a private, copy-on-write view over a read-only handle */
    PROTOCOL_ACCESSES
};

/* What a segment's record says of its name and memory. */
enum protocol_state {
    PROTOCOL_NAMED,   /* can be opened by name */
    PROTOCOL_UNNAMED, /* never had a name */
    PROTOCOL_REMOVED, /* the name is gone, grants remain */
    PROTOCOL_HELD,    /* no grant remains, some process still maps it */
    PROTOCOL_STATES
};

/* Who can still change a segment's bytes, in rising order. */
enum protocol_frozen {
    PROTOCOL_FROZEN_NO,     /* who has an rw handle, and gets one */
    PROTOCOL_FROZEN_FUTURE, /* who had a view before */
    PROTOCOL_FROZEN_YES,    /* nobody */
    PROTOCOL_FROZENS
};

/* What becomes of a segment. */
enum protocol_event {
    PROTOCOL_CREATED,
    PROTOCOL_PUBLISHED, /* later than it was created */
    PROTOCOL_FROZEN,
    PROTOCOL_NAME_REMOVED,
    PROTOCOL_GONE,     /* its memory is free */
    PROTOCOL_OVERFLOW, /* of no segment: some events are lost */
    PROTOCOL_EVENTS
};

/* The size of the pages that a segment is made of. */
enum protocol_pages {
    PROTOCOL_PAGES_DEFAULT, /* the system's own */
    PROTOCOL_PAGES_2M,
    PROTOCOL_PAGES_1G,
    PROTOCOL_PAGES_KINDS
};

enum protocol_log_level {
    PROTOCOL_LOG_ERROR,
    PROTOCOL_LOG_WARNING,
    PROTOCOL_LOG_INFO,
    PROTOCOL_LOG_DEBUG,
    PROTOCOL_LOG_LEVELS
};

#endif
