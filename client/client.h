/*
 * The client's inside: one connection and the calls under way on it.
 *
 * A call is a request that waits for its reply. Whoever waits reads for all:
 * one thread at a time polls the connection, takes in what comes, and wakes
 * the others. A reply that nobody waits for any more (its call timed out, or
 * never cared) is looked at only to give back what it granted.
 */
#ifndef SEGBROKER_CLIENT_H
#define SEGBROKER_CLIENT_H

#include "frame.h"
#include "message.h"
#include "segbroker.h"
#include "wire.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    ADDRESS_SIZE = 512,
    DETAIL_SIZE = 256,
    /* Bytes of requests that may wait to be sent. */
    OUTGOING_MAX = 1024 * 1024
};

struct call {
    uint64_t id;
    enum protocol_op op;
    bool done;
    int status; /* 0 or a SEGB_E_ code, once done */
    char detail[DETAIL_SIZE];
    struct message_reply reply; /* to be deinited when status is 0 */
    segb_segment *segment;      /* what create and open gave */
    segb_done_fn callback;      /* NULL: some thread waits */
    void *data;
    struct call *next;
};

struct segb_client {
    struct wire_lock *lock; /* for all below */
    intptr_t connection;
    struct buffer outgoing; /* requests not yet sent */
    struct frame_reader reader;
    char *input;
    int timeout_ms;
    bool has_reader;   /* some thread polls the connection */
    bool is_receiving; /* a line is being taken in */
    bool is_sending;   /* outgoing is being sent */
    int ended;         /* 0, or why the connection is of no use */
    char ended_detail[DETAIL_SIZE];
    uint64_t next_id;
    struct call *waiting;  /* for their replies */
    struct call *finished; /* whose callbacks are due, oldest first */
    char address[ADDRESS_SIZE];
    char *server;
    char *you;
    int administrator;
    char **features;
};

struct segb_segment {
    segb_client *client;
    uint64_t grant;
    uint64_t id;
    size_t size;
    size_t mapped_size;
    int access;
    int created;
    frame_handle handle;
};

/* Asks and waits. 0 and a reply for message_reply_deinit, or a SEGB_E_ code
 * with its detail set. */
int call_run(segb_client *client, struct message_request *request,
             struct message_reply *reply);
/* Asks and waits, for ops whose reply says no more than that it worked. */
int call_simple(segb_client *client, struct message_request *request);
/* Asks for a segment and waits. */
int call_for_segment(segb_client *client, struct message_request *request,
                     segb_segment **segment);
/* Asks for a segment and returns. */
int call_begin(segb_client *client, struct message_request *request,
               segb_done_fn callback, void *data);
/* Gives a grant back, without waiting. Takes the lock. */
void call_release(segb_client *client, uint64_t grant);

/* Takes in what has come, under the lock. */
void call_receive(segb_client *client);
/* Ends all calls: the connection is of no use. Under the lock. */
void call_end_all(segb_client *client, int status, const char *detail);
/* Makes the due callbacks. Takes the lock, calls without it. */
void call_callbacks(segb_client *client);

/*
 * Copies options that say their own size in their first member: a shorter
 * struct (an older program's) is filled with zeros, a longer one must have
 * nothing set that this library does not know. NULL is all zeros.
 */
int options_copy(void *ours, size_t size, const void *theirs);

/* The SEGB_ access of the protocol's and the other way round (`otherwise`
 * for 0). */
int access_from(enum protocol_access access);
int access_to(int access, enum protocol_access otherwise,
              enum protocol_access *result);

#endif
