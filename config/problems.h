/*
 * What is wrong with a configuration: a bounded list of lines.
 */
#ifndef SEGBROKER_PROBLEMS_H
#define SEGBROKER_PROBLEMS_H

#include "config.h"

#include <stdbool.h>
#include <stddef.h>

struct problems {
    char *text;
    size_t size;
    size_t count; /* also of those above CONFIG_PROBLEMS_MAX */
    bool out_of_memory;
};

/* Adds a line made of several parts. What could not be shown on a terminal or
 * in a log becomes `?`. */
void problems_add(struct problems *problems, const char *const *parts,
                  size_t count);

/* Hands the list over, with a last line for those that are only counted. */
void problems_take(struct problems *problems, struct config_problems *taken);

#endif
