/*
 * Creating a segment: charges first, then the memory, then the grant.
 *
 * What may be slow runs on a worker thread: looking up names in a share list
 * and committing memory, which goes chunk by chunk, so that large creations
 * take turns and one whose client has gone ends after its chunk. Meanwhile
 * the name is taken, and requests for it wait.
 */
#ifndef SEGBROKER_CREATION_H
#define SEGBROKER_CREATION_H

#include "request.h"

/* Serves a `create` whose name is free and allowed; a verb's answer. */
int creation_begin(struct call *call);

#endif
