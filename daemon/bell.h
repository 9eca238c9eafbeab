/*
 * A doorbell: a page of memory that all who have a segment can write, also
 * those who only read the segment, and whatever else wakes a process that
 * waits on it. The broker makes it and hands it out; what is in the page is
 * the clients' (PROTOCOL.md, "Doorbells").
 *
 * Contract for bell_posix.c (the page alone: threads wait on its words) and
 * bell_windows.c (with semaphores, since there they cannot).
 */
#ifndef SEGBROKER_BELL_H
#define SEGBROKER_BELL_H

#include "lent.h"
#include "protocol.h"
#include "segment.h"

#include <stdint.h>

struct bell;

/* Handles that make one again: those of its page, and two semaphores. */
enum { BELL_PARTS_MAX = 3 };

/* Bytes that one is charged with. */
uint64_t bell_bytes(void);

/* One that nobody has rung. 0, or an outcome of segment.h. */
int bell_new(struct bell **bell);

/* As segment_free, segment_parts, segment_adopt. */
struct bell *bell_free(struct bell *bell);
unsigned bell_parts(const struct bell *bell,
                    frame_handle parts[BELL_PARTS_MAX]);
int bell_adopt(const frame_handle *parts, unsigned count, struct bell **bell);

/* Handles to give away, in the order of message_bell_name; lent to the bell
 * too, until bell_forget_handles. How many, or an outcome of segment.h. */
int bell_handles(struct bell *bell,
                 struct lent *handles[PROTOCOL_BELL_HANDLES]);
void bell_forget_handles(struct bell *bell);

/* As segment_use and segment_empty, of the page. */
enum segment_use bell_use(struct bell *bell, bool kept);
void bell_empty(struct bell *bell);

#endif
