/*
 * The lookout: tells of connections that have ended, also where nobody makes a
 * call. One thread looks out for all clients of the process, so that one more
 * connection costs no thread.
 */
#ifndef SEGBROKER_LOOKOUT_H
#define SEGBROKER_LOOKOUT_H

#include "channel.h"

struct lookout;

/* From now on `ended` is called, once and by the lookout's thread, when the
 * connection has ended. NULL when nobody can look out for it: whoever wants to
 * know waits himself. */
struct lookout *lookout_begin(channel c, void (*ended)(void *data), void *data);

/* Afterwards `ended` is not called any more, nor under way. Before the channel
 * is closed; with no lock that `ended` takes. NULL is fine. Returns NULL. */
struct lookout *lookout_end(struct lookout *lookout);

#endif
