/*
 * Requests for many: `create` and `open` with items.
 *
 * Each item is served as a request of its own, which may wait as such. Its
 * outcome is kept in the group: a grant, whose handle is not given away yet,
 * or a refusal. When the last is known one reply tells of all; where all or
 * none was asked for, and one was refused, the grants are taken back.
 */
#ifndef SEGBROKER_GROUP_H
#define SEGBROKER_GROUP_H

#include "message.h"

#include <stdbool.h>

struct call;
struct group;
struct grant;
struct peer;

/* Takes a request that has items. As a verb. */
int group_begin(struct call *call);

/* Whether all items of all such requests of a peer are begun. */
bool group_is_begun(const struct peer *peer);

/* Begins the next item. As a verb. */
int group_go_on(struct peer *peer);

/* The outcome of the call's item. As a verb. */
int group_grant(struct call *call, const struct grant *grant, bool created);
int group_refuse(struct call *call, const struct message_problem *problem,
                 const struct message_budget *detail);

/* The peer goes, and nothing of it waits any more. */
void group_forget_all(struct peer *peer);

#endif
