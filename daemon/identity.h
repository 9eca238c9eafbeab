/*
 * Who is at the other end of a connection, by the kernel's word alone.
 */
#ifndef SEGBROKER_IDENTITY_H
#define SEGBROKER_IDENTITY_H

#include "connection.h"
#include "principal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct identity {
    uint32_t user;
    uint32_t *groups; /* ascending, the primary one among them */
    size_t group_count;
};

/* Outcomes of identity_of_peer. */
enum {
    IDENTITY_UNMAPPED = 1, /* the peer's user has no number in our namespace,
                              so that different users would look alike */
    IDENTITY_E_SYSTEM = -1
};

/* Reads the peer of a connection. 0 and an identity for identity_deinit and
 * the process id (0 when the system does not tell), or an outcome above. */
int identity_of_peer(const struct connection *connection,
                     struct identity *identity, uint64_t *process);
void identity_deinit(struct identity *identity);

/* Whether the principal means this identity, or a group that it is in. */
bool identity_is(const struct identity *identity,
                 const struct principal *principal);
bool identity_in_group(const struct identity *identity, uint32_t group);

/* The user that the broker itself runs as. */
uint32_t identity_self(void);

/* Writes the account's name, or its number when it has none. Asks the host's
 * account database, which may be slow. */
void identity_user_name(uint32_t user, char *name, size_t size);

/* Look-up in the host's account database. May be slow; any thread. */
extern const struct principal_lookup identity_lookup;

#endif
