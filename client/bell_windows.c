/*
 * Threads of all processes sleep on semaphores: a word of memory wakes only
 * those of its own process. A semaphore gets as much as there are sleepers;
 * what it gets too much, or too little when one of two sleepers was quicker,
 * costs a look.
 */
#include "bell_system.h"

#include "channel.h"
#include "segbroker.h"

#include <stdlib.h>
#include <windows.h>

enum { PAGE, WAKE, WATCH, HANDLES };

/* What the broker makes them for: more cannot be put in. */
enum { LONGEST_QUEUE = 1024 };

void bell_place_close(struct bell_place *place)
{
    if (place->words)
        UnmapViewOfFile(place->words);
    /* The page's not before: views are not counted. */
    for (unsigned i = 0; i < place->count; i++)
        channel_close_handle(place->handles[i]);
}

int bell_place_open(struct bell_place *place, const frame_handle *handles,
                    unsigned count)
{
    uint64_t size;
    int r = SEGB_E_PROTOCOL;

    *place = (struct bell_place){.count = count};
    for (unsigned i = 0; i < count; i++)
        place->handles[i] = handles[i];
    if (count == HANDLES && channel_handle_size(handles[PAGE], &size) == 0 &&
        size >= sizeof(*place->words)) {
        place->words =
            MapViewOfFile((HANDLE)handles[PAGE], FILE_MAP_READ | FILE_MAP_WRITE,
                          0, 0, sizeof(*place->words));
        r = place->words ? 0 : SEGB_E_SYSTEM;
    }
    if (r < 0)
        bell_place_close(place);
    return r;
}

/* One that is full wakes whoever comes. */
static void release(HANDLE semaphore, unsigned sleepers)
{
    LONG count = sleepers < LONGEST_QUEUE ? (LONG)sleepers : LONGEST_QUEUE;

    while (count > 0 && !ReleaseSemaphore(semaphore, count, NULL))
        count /= 2;
}

void bell_sleep(struct bell_place *place, unsigned sequence,
                unsigned milliseconds)
{
    (void)sequence; /* what passes it leaves something in the semaphore */
    WaitForSingleObject((HANDLE)place->handles[WAKE], milliseconds);
}

void bell_wake_one(struct bell_place *place)
{
    release((HANDLE)place->handles[WAKE], 1);
}

void bell_wake_all(struct bell_place *place)
{
    release((HANDLE)place->handles[WAKE], atomic_load(&place->words->waiters));
}

/* ---- event loops ---- */

struct bell_event {
    HANDLE set; /* manual reset */
    HANDLE end;
};

struct bell_event *bell_event_new(void)
{
    struct bell_event *event = calloc(1, sizeof(*event));

    if (!event)
        return NULL;
    event->set = CreateEventW(NULL, TRUE, FALSE, NULL);
    event->end = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (event->set && event->end)
        return event;
    bell_event_free(event);
    return NULL;
}

void bell_event_free(struct bell_event *event)
{
    if (!event)
        return;
    if (event->set)
        CloseHandle(event->set);
    if (event->end)
        CloseHandle(event->end);
    free(event);
}

intptr_t bell_event_handle(const struct bell_event *event)
{
    return (intptr_t)event->set;
}

void bell_event_set(struct bell_event *event)
{
    SetEvent(event->set);
}

void bell_event_reset(struct bell_event *event)
{
    ResetEvent(event->set);
}

void bell_watch(struct bell_place *place, struct bell_event *event,
                unsigned watched, unsigned milliseconds)
{
    HANDLE both[] = {event->end, (HANDLE)place->handles[WATCH]};

    (void)watched;
    WaitForMultipleObjects(2, both, FALSE, milliseconds);
}

void bell_end_watch(struct bell_place *place, struct bell_event *event)
{
    (void)place;
    SetEvent(event->end);
}

void bell_wake_watchers(struct bell_place *place)
{
    release((HANDLE)place->handles[WATCH],
            atomic_load(&place->words->watchers));
}
