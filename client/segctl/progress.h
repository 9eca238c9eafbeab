/*
 * How far a long copy is, on one line of a terminal; elsewhere nothing.
 */
#ifndef SEGCTL_PROGRESS_H
#define SEGCTL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct arguments;

struct progress {
    bool shown;
    uint64_t total; /* bytes; 0: not known */
    uint64_t at;    /* the clock when it was last written */
};

void progress_init(struct progress *progress, const struct arguments *arguments,
                   uint64_t total);
void progress_update(struct progress *progress, uint64_t done);
/* Clears the line. */
void progress_deinit(struct progress *progress);

#endif
