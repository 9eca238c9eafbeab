/*
 * An event that is set when something has come over the channel, or somebody
 * is to be woken.
 */
#include "watch.h"

#include "channel_windows.h"

#include <stdlib.h>

struct watch {
    HANDLE event; /* manual reset */
    channel watched;
};

struct watch *watch_new(void)
{
    struct watch *watch = malloc(sizeof(*watch));

    if (!watch)
        return NULL;
    watch->watched = CHANNEL_NONE;
    watch->event = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (watch->event)
        return watch;
    free(watch);
    return NULL;
}

struct watch *watch_free(struct watch *watch)
{
    if (!watch)
        return NULL;
    watch_channel(watch, CHANNEL_NONE);
    CloseHandle(watch->event);
    free(watch);
    return NULL;
}

void watch_channel(struct watch *watch, channel c)
{
    if (watch->watched != CHANNEL_NONE)
        channel_notify(watch->watched, NULL);
    watch->watched = c;
    if (c != CHANNEL_NONE)
        channel_notify(c, watch->event);
}

void watch_wake(struct watch *watch)
{
    SetEvent(watch->event);
}

void watch_calm(struct watch *watch)
{
    ResetEvent(watch->event);
}

int watch_descriptor(const struct watch *watch)
{
    /* The values of handles have 32 bits at most. */
    return (int)(intptr_t)watch->event;
}
