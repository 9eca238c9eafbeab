#include "deadline.h"

#include <stdlib.h>

void deadlines_deinit(struct deadlines *deadlines)
{
    free(deadlines->heap);
    *deadlines = (struct deadlines){0};
}

static void put(struct deadlines *deadlines, size_t place,
                struct deadline *deadline)
{
    deadlines->heap[place] = deadline;
    deadline->place = place;
}

/* Moves one towards the root until none above it is later. */
static void rise(struct deadlines *deadlines, struct deadline *deadline)
{
    size_t place = deadline->place;

    while (place > 0 && deadlines->heap[(place - 1) / 2]->at > deadline->at) {
        put(deadlines, place, deadlines->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put(deadlines, place, deadline);
}

/* Moves one away from the root until none below it is earlier. */
static void sink(struct deadlines *deadlines, struct deadline *deadline)
{
    struct deadline **heap = deadlines->heap;
    size_t place = deadline->place;
    size_t below;

    while ((below = 2 * place + 1) < deadlines->count) {
        if (below + 1 < deadlines->count &&
            heap[below + 1]->at < heap[below]->at)
            below++;
        if (heap[below]->at >= deadline->at)
            break;
        put(deadlines, place, heap[below]);
        place = below;
    }
    put(deadlines, place, deadline);
}

static int make_room(struct deadlines *deadlines)
{
    size_t capacity = deadlines->capacity ? 2 * deadlines->capacity : 16;
    struct deadline **heap;

    if (deadlines->count < deadlines->capacity)
        return 0;
    heap = realloc(deadlines->heap, capacity * sizeof(struct deadline *));
    if (!heap)
        return DEADLINES_E_NOMEM;
    deadlines->heap = heap;
    deadlines->capacity = capacity;
    return 0;
}

int deadlines_add(struct deadlines *deadlines, struct deadline *deadline)
{
    int r = make_room(deadlines);

    if (r < 0)
        return r;
    put(deadlines, deadlines->count++, deadline);
    rise(deadlines, deadline);
    return 0;
}

void deadlines_remove(struct deadlines *deadlines, struct deadline *deadline)
{
    struct deadline *last = deadlines->heap[--deadlines->count];

    if (last == deadline)
        return;
    put(deadlines, deadline->place, last);
    rise(deadlines, last);
    sink(deadlines, last);
}

struct deadline *deadlines_first(const struct deadlines *deadlines)
{
    return deadlines->count > 0 ? deadlines->heap[0] : NULL;
}
