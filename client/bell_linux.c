/*
 * Threads of all processes sleep on the page's own words.
 */
#include "bell_system.h"

#include "channel.h"
#include "segbroker.h"

#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int bell_place_open(struct bell_place *place, const frame_handle *handles,
                    unsigned count)
{
    uint64_t size;
    void *words = MAP_FAILED;
    int r = SEGB_E_PROTOCOL;

    /* A page that ends early would be SIGBUS one day. */
    if (count == 1 && channel_handle_size(handles[0], &size) == 0 &&
        size >= sizeof(*place->words)) {
        words = mmap(NULL, sizeof(*place->words), PROT_READ | PROT_WRITE,
                     MAP_SHARED, (int)handles[0], 0);
        r = words == MAP_FAILED ? SEGB_E_SYSTEM : 0;
    }
    for (unsigned i = 0; i < count; i++)
        channel_close_handle(handles[i]);
    if (r == 0)
        *place = (struct bell_place){.words = words};
    return r;
}

void bell_place_close(struct bell_place *place)
{
    munmap(place->words, sizeof(*place->words));
}

static void sleep_on(atomic_uint *word, unsigned value, unsigned milliseconds)
{
    struct timespec most = {.tv_sec = milliseconds / 1000,
                            .tv_nsec = (long)(milliseconds % 1000) * 1000000};

    syscall(SYS_futex, word, FUTEX_WAIT, value, &most, NULL, 0);
}

static void wake(atomic_uint *word, int most)
{
    syscall(SYS_futex, word, FUTEX_WAKE, most, NULL, NULL, 0);
}

void bell_sleep(struct bell_place *place, unsigned sequence,
                unsigned milliseconds)
{
    sleep_on(&place->words->sequence, sequence, milliseconds);
}

void bell_wake_one(struct bell_place *place)
{
    wake(&place->words->sequence, 1);
}

void bell_wake_all(struct bell_place *place)
{
    wake(&place->words->sequence, INT_MAX);
}

/* ---- event loops ---- */

struct bell_event {
    int fd;
};

struct bell_event *bell_event_new(void)
{
    struct bell_event *event = malloc(sizeof(*event));

    if (!event)
        return NULL;
    event->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event->fd >= 0)
        return event;
    free(event);
    return NULL;
}

void bell_event_free(struct bell_event *event)
{
    if (!event)
        return;
    close(event->fd);
    free(event);
}

intptr_t bell_event_handle(const struct bell_event *event)
{
    return event->fd;
}

void bell_event_set(struct bell_event *event)
{
    eventfd_write(event->fd, 1);
}

void bell_event_reset(struct bell_event *event)
{
    eventfd_t count;

    eventfd_read(event->fd, &count);
}

void bell_watch(struct bell_place *place, struct bell_event *event,
                unsigned watched, unsigned milliseconds)
{
    (void)event;
    sleep_on(&place->words->watched, watched, milliseconds);
}

void bell_end_watch(struct bell_place *place, struct bell_event *event)
{
    (void)event;
    atomic_fetch_add(&place->words->watched, 1);
    bell_wake_watchers(place);
}

void bell_wake_watchers(struct bell_place *place)
{
    wake(&place->words->watched, INT_MAX);
}
