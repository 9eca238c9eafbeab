/*
 * What every test program here has in common: its main, its limits of time,
 * failures that also work in forked children, and skips that are counted.
 *
 * Tests run in Check's fork mode and, under sanitizers, without it. So none
 * of them relies on a process of its own: whatever a test starts or changes
 * it ends or puts back, and the fixture of suite_case checks that it did.
 */
#ifndef SEGBROKER_TESTS_SUITE_H
#define SEGBROKER_TESTS_SUITE_H

#include "runner.h"

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A test case whose tests may take `seconds` each. Around every test the
 * fixture counts this process's descriptors and brokers (leak.h).
 */
TCase *suite_case(Suite *suite, const char *name, unsigned seconds);

/* True where SEGBROKER_QUICK asks for fewer rounds (slow builds). */
bool suite_quick(void);

/*
 * Fails the test when the condition does not hold. In a child of test_fork
 * it ends that child with status 1, after a message.
 */
#define REQUIRE(condition)                                                     \
    ((condition) ? (void)0 : suite_fail(__FILE__, __LINE__, "%s", #condition))
#define REQUIRE_INT(actual, expected)                                          \
    suite_require_int(__FILE__, __LINE__, #actual, (intmax_t)(actual),         \
                      (intmax_t)(expected))
#define REQUIRE_STR(actual, expected)                                          \
    suite_require_str(__FILE__, __LINE__, #actual, (actual), (expected))
/* The text holds the part. */
#define REQUIRE_PART(text, part)                                               \
    suite_require_part(__FILE__, __LINE__, #text, (text), (part))
#define FAIL(...) suite_fail(__FILE__, __LINE__, __VA_ARGS__)

/*
 * Leaves the test as skipped, with the reason in the output; the runner
 * counts these lines.
 */
#define SKIP_UNLESS(condition, reason)                                         \
    do {                                                                       \
        if (!(condition)) {                                                    \
            suite_skip(__func__, (reason));                                    \
            return;                                                            \
        }                                                                      \
    } while (0)

_Noreturn void suite_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void suite_require_int(const char *file, int line, const char *what,
                       intmax_t actual, intmax_t expected);
void suite_require_str(const char *file, int line, const char *what,
                       const char *actual, const char *expected);
void suite_require_part(const char *file, int line, const char *what,
                        const char *text, const char *part);
void suite_skip(const char *test, const char *reason);

#endif
