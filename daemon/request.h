/*
 * Requests: one verb table, and what verbs have in common.
 */
#ifndef SEGBROKER_REQUEST_H
#define SEGBROKER_REQUEST_H

#include "broker.h"
#include "message.h"
#include "pending.h"

#include <stdbool.h>

struct group;

/* One request while it is served. */
struct call {
    struct broker *broker;
    struct peer *peer;
    struct message_request *request;
    /* Those that came along, by what they are for; HANDLE_NONE: none. Whoever
     * takes one leaves that in its place. */
    frame_handle handles[MESSAGE_HANDLES_MAX];
    void *data; /* of request_resume_with */
    bool taken; /* the request is kept in a pending, not ours to free */
    struct group *group; /* NULL: it is answered by itself */
    unsigned item;       /* of the group */
};

/*
 * A verb: 0 when it was answered or waits, negative when not even an error
 * could be written (memory is short); then the peer is closed.
 */
typedef int (*request_verb)(struct call *call);

/* Serves one line of a peer. The reply is collected for peer_flush. */
void request_serve(struct peer *peer, const char *line, size_t size);

/* Serves the group's next item, which is the `item`th. As a verb. */
int request_serve_item(struct call *call, unsigned item);

/* A call of a request that waits. */
struct call request_call(struct pending *pending);

/* Serves a request that has waited, and sends the reply. Frees it. */
void request_resume(struct pending *pending);
/* The same with another verb than its own. */
void request_resume_with(struct pending *pending, request_verb verb,
                         void *data);

/* Serves all that no longer wait. */
void request_resume_woken(struct broker *broker);
/* The next request that waited to have a file looked at. */
void request_resume_filers(struct broker *broker, struct caller *caller);

/* Answers that something was given back, where an answer is wanted. */
int request_given_back(struct call *call);

/* Answers with an error; the text is a printf format. */
int request_refuse(struct call *call, enum protocol_error error,
                   const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int request_refuse_quota(struct call *call,
                         const struct quota_refusal *refusal);

/* Puts a refusal by quota into words and figures. */
void request_explain_quota(const struct quota_refusal *refusal,
                           struct message_problem *problem,
                           struct message_budget *detail);

/* Keeps the call's request in a list until request_resume. At most
 * PEER_PENDING_MAX of one peer: above that it is refused as busy. */
int request_wait(struct call *call, struct pending **list);
/* The same for a job of its own. NULL when it was refused; *r is the verb's
 * answer then. */
struct pending *request_take(struct call *call, struct pending **list, int *r);

bool request_by_administrator(const struct call *call);

/* What the caller may do to a segment. */
struct access_rights request_rights(const struct call *call,
                                    const struct entry *entry);

/*
 * Finds what a request is about. 0 and an entry that the caller may know of;
 * 1 when the request was answered or waits; negative as a verb.
 */
int request_find_target(struct call *call, const struct message_target *target,
                        struct entry **found);

/* The same, for what only owner and administrators may do. */
int request_find_own(struct call *call, const struct message_target *target,
                     struct entry **found);

/* Whether a grant of that access would write to what is frozen; refuses it. */
bool request_is_frozen(const struct entry *entry, enum protocol_access access);
int request_refuse_frozen(struct call *call, const struct entry *entry);
/* Of what is held by processes alone. */
int request_refuse_gone(struct call *call, const struct entry *entry);
int request_refuse_unpublished(struct call *call, const struct entry *entry);

/* Lets a grant's handles go along with the reply. 0 and what is to be written;
 * 1 when it was refused, the grant released; negative as a verb. */
int request_attach(struct call *call, uint64_t grant, bool created,
                   struct message_grant *reply);

/* Hands a handle out: adopts the charge of the grant, answers in every case.
 * 0 when granted, 1 when refused, negative as a verb. */
struct request_handout {
    struct entry *entry;
    enum protocol_access access;
    bool created;
    struct quota_charge *charge;
};
int request_hand_out(struct call *call, const struct request_handout *handout);

/* The verbs, by file. */
int request_create(struct call *call);
/* `create` where the name is taken. */
int request_create_existing(struct call *call, struct entry *entry);
int request_open(struct call *call);
/* Whether its answer is another than that it comes too early. */
bool request_open_is_timely(const struct call *call);
int request_release(struct call *call);
int request_reclaim(struct call *call);
int request_offer(struct call *call);
int request_redeem(struct call *call);
int request_remove(struct call *call);
int request_freeze(struct call *call);
int request_publish(struct call *call);
int request_revoke(struct call *call);
int request_stat(struct call *call);
int request_list(struct call *call);
int request_usage(struct call *call);
int request_stats(struct call *call);
int request_clients(struct call *call);
int request_reload(struct call *call);
int request_log_level(struct call *call);
int request_restart(struct call *call);
int request_shutdown(struct call *call);

#endif
