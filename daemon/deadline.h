/*
 * Deadlines: the earliest of many, for one timer. A heap of pointers, each of
 * which knows its place, so that it can be taken out at any time.
 */
#ifndef SEGBROKER_DEADLINE_H
#define SEGBROKER_DEADLINE_H

#include <stddef.h>
#include <stdint.h>

enum { DEADLINES_E_NOMEM = -1 };

struct deadline {
    uint64_t at;
    void *data; /* whose it is */
    size_t place;
};

struct deadlines {
    struct deadline **heap;
    size_t count;
    size_t capacity;
};

void deadlines_deinit(struct deadlines *deadlines);

/* 0 or DEADLINES_E_NOMEM. It stays the caller's, and where it is. */
int deadlines_add(struct deadlines *deadlines, struct deadline *deadline);
void deadlines_remove(struct deadlines *deadlines, struct deadline *deadline);

/* The earliest one, or NULL. */
struct deadline *deadlines_first(const struct deadlines *deadlines);

#endif
