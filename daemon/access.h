/*
 * Who may do what to a segment: its owner, whom its creator listed, and the
 * administrator's rules, which have the last word.
 */
#ifndef SEGBROKER_ACCESS_H
#define SEGBROKER_ACCESS_H

#include "config.h"
#include "identity.h"

#include <stdbool.h>

/* The creator's share list. */
struct access_share {
    struct principal *read;
    unsigned read_count;
    struct principal *write;
    unsigned write_count;
};

/* What access is asked to: a segment, or a name before there is one. */
struct access_object {
    const char *global_name; /* NULL: private or unnamed, no rule applies */
    uint32_t owner;
    const struct access_share *share;
};

struct access_rights {
    bool read;
    bool write;
    bool list; /* may know that it is there */
    bool remove;
};

bool access_is_administrator(const struct config *config,
                             const struct identity *caller);

/* Whether a `global/` name may be created. */
bool access_may_create(const struct config *config,
                       const struct identity *caller, const char *name);

struct access_rights access_rights(const struct config *config,
                                   const struct identity *caller,
                                   const struct access_object *object);

#endif
