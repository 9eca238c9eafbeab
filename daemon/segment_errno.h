/*
 * What the ways of making segments on POSIX have in common.
 */
#ifndef SEGBROKER_SEGMENT_ERRNO_H
#define SEGBROKER_SEGMENT_ERRNO_H

/* An errno as one of segment.h's outcomes. */
int segment_outcome(int error);

#endif
