/*
 * Who: a user, a group, or everyone, as `user:NAME`, `group:NAME`, `everyone`.
 *
 * A principal is compared by number. Numbers come from the host's accounts;
 * looking one up may be slow (a directory server), so the caller says how.
 * Where accounts have no numbers the caller gives them some.
 */
#ifndef SEGBROKER_PRINCIPAL_H
#define SEGBROKER_PRINCIPAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum principal_kind { PRINCIPAL_USER, PRINCIPAL_GROUP, PRINCIPAL_EVERYONE };

struct principal {
    enum principal_kind kind;
    uint32_t id; /* uid or gid; 0 for everyone */
};

/* Looks accounts up: 0 and the id, or 1 when there is no such account. */
struct principal_lookup {
    int (*user)(const char *name, uint32_t *id);
    int (*group)(const char *name, uint32_t *id);
    /* Reads what the host identifies accounts by, without asking anybody. */
    int (*id)(const char *text, uint32_t *id);
};

/* Outcomes of principal_parse, all positive. */
enum {
    PRINCIPAL_BAD_FORM = 1, /* neither user:, group: nor everyone */
    PRINCIPAL_NOBODY = 2    /* well formed, but no such account */
};

/*
 * Reads `user:NAME`, `user:ID`, `group:NAME`, `group:ID` or `everyone`. Ids are
 * taken as they are, all other names are looked up. `text` need not end with a
 * NUL.
 */
int principal_parse(const char *text, size_t size,
                    const struct principal_lookup *lookup,
                    struct principal *principal);

/* Reads a decimal id below 2^32-1, as POSIX has them. 0, or 1. */
int principal_decimal(const char *text, uint32_t *id);

#endif
