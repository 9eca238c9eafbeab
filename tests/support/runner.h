/*
 * What the main of every Check program does.
 */
#ifndef SEGBROKER_TESTS_RUNNER_H
#define SEGBROKER_TESTS_RUNNER_H

#include <check.h>

/* Tests that assert nothing would all pass. */
#ifdef NDEBUG
#error "tests are built without NDEBUG"
#endif

/* Runs the suite and frees it; the result is main's. */
int suite_main(Suite *suite);

#endif
