/*
 * Memory that somebody holds behind its grants, as a broker lists and charges
 * it.
 */
#ifndef SEGBROKER_TESTS_HELD_H
#define SEGBROKER_TESTS_HELD_H

#include "broker.h"
#include "raw.h"

enum { HELD_SIZE = 1 << 20, HELD_RELEASE_MS = 2000 };

extern struct test_broker held_broker;
/* An administrator's connection to it. */
extern struct raw held_admin;

/* A fixture. */
void held_setup(void);
void held_teardown(void);

/* What is tested needs it; else the reason to skip. */
bool held_is_exact(void);
#define HELD_NOT_EXACT "the broker does not list exact-lifetime"

bool held_is_state(uint64_t segment, enum protocol_state state);

/* Fails unless the segment is listed as held, and charged in full. */
void held_expect(uint64_t segment);
/* The same, for longer than the broker takes to notice an end. */
void held_expect_stays(uint64_t segment);
/* It goes, and it was the last one. */
void held_expect_released(uint64_t segment);

#endif
