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

/* Puts the groups into their order. */
void identity_sort(struct identity *identity);

/* Whether the principal means this identity, or a group that it is in. */
bool identity_is(const struct identity *identity,
                 const struct principal *principal);
bool identity_in_group(const struct identity *identity, uint32_t group);

/*
 * An identity as other processes read it: its ids as texts, the user's first,
 * with commas between. The last groups are left out of one that would be
 * longer than IDENTITY_TEXT_MAX. For free(); NULL when memory is short.
 */
enum { IDENTITY_TEXT_MAX = 32 * 1024 };
char *identity_write(const struct identity *identity);
/* 0 and an identity for identity_deinit, or IDENTITY_E_SYSTEM. */
int identity_read(const char *text, struct identity *identity);

/* An id as text: "1000", "S-1-5-21-...". */
enum { IDENTITY_ID_MAX = 192 };
void identity_id_write(uint32_t id, char text[IDENTITY_ID_MAX]);

/* An id that identity_lookup has given is not needed any more. Who is content
 * that it is remembered for ever need not say so. */
void identity_id_release(uint32_t id);

/* The user that the broker itself runs as. */
uint32_t identity_self(void);

/* Who administers the host where the configuration names nobody; how many. */
size_t identity_administrators(struct principal administrators[2]);

/* Writes the account's name, or its number when it has none. Asks the host's
 * account database, which may be slow. */
void identity_user_name(uint32_t user, char *name, size_t size);

/* Look-up in the host's account database. May be slow; any thread. */
extern const struct principal_lookup identity_lookup;

#endif
