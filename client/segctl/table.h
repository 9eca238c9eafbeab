/*
 * Tables in columns. On a terminal they are made to fit: columns that may go
 * are left out and columns that may shrink are cut, with `~` where text is
 * missing. Into a pipe or a file they go whole.
 */
#ifndef SEGCTL_TABLE_H
#define SEGCTL_TABLE_H

#include "text.h"

#include <stdbool.h>

enum { TABLE_COLUMNS_MAX = 12 };

struct table_column {
    const char *title;
    bool right;    /* aligned to the right: numbers */
    bool shrinks;  /* may be cut: names */
    unsigned drop; /* 0: never; else the larger goes the sooner */
};

struct table {
    const struct table_column *columns;
    unsigned column_count;
    char **cells; /* row by row, the last row perhaps unfinished */
    size_t cell_count;
    size_t cell_capacity;
};

/* The table looks at `columns` until table_deinit. */
void table_init(struct table *table, const struct table_column *columns,
                unsigned column_count);
void table_deinit(struct table *table);

/* Adds the next cell, empties `cell`. An empty one shows as `-`. */
void table_add(struct table *table, struct text *cell);
/* The same with a string; NULL is empty. Control bytes are escaped. */
void table_add_string(struct table *table, const char *string);
void table_add_number(struct table *table, uint64_t number);
void table_add_size(struct table *table, uint64_t bytes);

size_t table_rows(const struct table *table);

/* Writes the titles, unless `bare`, and all rows to stdout, within `width`
 * terminal columns; 0: as wide as they are. */
void table_print(const struct table *table, bool bare, unsigned width);

#endif
