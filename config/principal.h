/*
 * Who: a user, a group, or everyone, as `user:NAME`, `group:NAME`, `everyone`.
 *
 * A principal is compared by number. Numbers come from the host's accounts;
 * looking one up may be slow (a directory server), so the caller says how.
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
};

/* Outcomes of principal_parse, all positive. */
enum {
    PRINCIPAL_BAD_FORM = 1, /* neither user:, group: nor everyone */
    PRINCIPAL_NOBODY = 2    /* well formed, but no such account */
};

/*
 * Reads `user:NAME`, `user:1000`, `group:NAME`, `group:100` or `everyone`.
 * Decimal ids below 2^32-1 are taken as they are, without a look-up; all
 * other names are looked up. `text` need not end with a NUL.
 */
int principal_parse(const char *text, size_t size,
                    const struct principal_lookup *lookup,
                    struct principal *principal);

#endif
