#include "lookout.h"

#include <stddef.h>

/* A pipe's end hides behind what was read from it, so each connection has a
 * thread that knows of both (channel_wait_end). */
struct lookout *lookout_begin(channel c, void (*ended)(void *data), void *data)
{
    (void)c;
    (void)ended;
    (void)data;
    return NULL;
}

struct lookout *lookout_end(struct lookout *lookout)
{
    (void)lookout;
    return NULL;
}
