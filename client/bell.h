/*
 * A doorbell as somebody has it who was granted its segment. All that he and
 * the others know of each other are the words of one page (PROTOCOL.md,
 * "Doorbells"), which each of them can write. Strangers are among them, so
 * every value may come: at worst somebody is woken for nothing, or, as long as
 * they go on, not woken.
 */
#ifndef SEGBROKER_BELL_H
#define SEGBROKER_BELL_H

#include "frame.h"

#include <stdint.h>

struct bell;

/* Takes handles in the order of message_bell_name, in every case. 0,
 * SEGB_E_PROTOCOL when they are no doorbell's, or SEGB_E_SYSTEM. */
int bell_open(const frame_handle *handles, unsigned count, struct bell **bell);
/* Nobody may be in a call of it. NULL is fine. Returns NULL. */
struct bell *bell_close(struct bell *bell);

/* 0, or SEGB_E_BUSY when far too many signals wait already. */
int bell_signal(struct bell *bell);
void bell_signal_all(struct bell *bell);

/* 0 or SEGB_E_TIMEOUT; `timeout` in milliseconds, negative: none. */
int bell_wait(struct bell *bell, int timeout);

/* What an event loop waits on, -1 when the system has no more. Not from two
 * threads at once. */
intptr_t bell_event(struct bell *bell);

#endif
