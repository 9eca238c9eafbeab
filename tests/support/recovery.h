/*
 * A broker that dies, and a client that was there before.
 */
#ifndef SEGBROKER_TESTS_RECOVERY_H
#define SEGBROKER_TESTS_RECOVERY_H

#include "broker.h"
#include "client/segbroker.h"
#include "raw.h"

enum { RECOVERY_PAGE = 4096, RECOVERY_SOON_MS = 5000 };

extern struct test_broker recovery_broker;
extern struct raw recovery_client;

/* Without limits that matter, names wait for a minute. */
extern const char recovery_config[];

void recovery_start(const char *config);
void recovery_stop(void);

/* Another client, of the library. */
segb_client *recovery_connect(void);

/* The broker dies, and the client connects again. */
void recovery_crash(void);

/* Writes a page of memory so that one knows it again. */
void recovery_fill(int handle, unsigned value);
void recovery_expect_filled(int handle, unsigned value);

/* Of the last request. */
void recovery_expect_outcome(const char *expected);
bool recovery_is_found(const char *name);

/* Whether another broker serves than `before`. */
bool recovery_is_restored(test_pid before);
/* Whether the broker has another keeper, which is its child. */
bool recovery_has_new_keeper(void);
/* Ends the pair whose keeper that is, and removes the folder. */
void recovery_end_successor(void);

#endif
