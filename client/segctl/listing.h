/*
 * A verb's answer of many rows: a table, or with --json one array (of
 * objects) or one object (of numbers).
 */
#ifndef SEGCTL_LISTING_H
#define SEGCTL_LISTING_H

#include "json.h"
#include "options.h"
#include "table.h"

struct listing_kind {
    const char *what; /* "segments": there are none of them */
    bool pairs;       /* names and values, without titles */
    const struct table_column *columns;
    unsigned column_count;
};

struct listing {
    const struct arguments *arguments;
    const struct listing_kind *kind;
    struct json json;   /* filled when the arguments say so, */
    struct table table; /* else this */
};

void listing_begin(struct listing *listing, const struct listing_kind *kind,
                   const struct arguments *arguments);

/* Prints everything when the call that filled it ended with 0, else says
 * what went wrong; frees. The exit status. */
int listing_end(struct listing *listing, int r);

#endif
