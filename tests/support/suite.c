#include "suite.h"

#include "broker.h"
#include "leak.h"
#include "process.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TCase *suite_case(Suite *suite, const char *name, unsigned seconds)
{
    TCase *tests = tcase_create(name);
    tcase_set_timeout(tests, seconds);
    tcase_add_checked_fixture(tests, leak_setup, leak_teardown);
    suite_add_tcase(suite, tests);
    return tests;
}

bool suite_quick(void)
{
    const char *quick = getenv("SEGBROKER_QUICK");
    return quick && *quick;
}

static bool failing;

void suite_fail(const char *file, int line, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (test_in_child()) {
        fprintf(stderr, "%s:%d: in a child: %s\n", file, line, text);
        fflush(stderr);
        test_exit(1);
    }
    /* In fork mode no teardown follows. Ending the brokers may fail too: then
     * this is what it failed for. */
    if (!failing) {
        fprintf(stderr, "%s:%d: %s\n", file, line, text);
        failing = true;
        test_broker_abandon_all();
        failing = false;
    }
    ck_abort_msg("%s:%d: %s", file, line, text);
    test_exit(1); /* ck_abort_msg does not return, but does not say so */
}

void suite_require_int(const char *file, int line, const char *what,
                       intmax_t actual, intmax_t expected)
{
    if (actual != expected)
        suite_fail(file, line, "%s is %jd, expected %jd", what, actual,
                   expected);
}

void suite_require_str(const char *file, int line, const char *what,
                       const char *actual, const char *expected)
{
    if (!actual || strcmp(actual, expected) != 0)
        suite_fail(file, line, "%s is \"%s\", expected \"%s\"", what,
                   actual ? actual : "(null)", expected);
}

void suite_require_part(const char *file, int line, const char *what,
                        const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        suite_fail(file, line, "%s lacks \"%s\": \"%s\"", what, part,
                   text ? text : "(null)");
}

void suite_skip(const char *test, const char *reason)
{
    /* START_TEST adds this to a test's name. */
    static const char suffix[] = "_fn";
    int size = (int)strlen(test);
    if (size > 3 && strcmp(test + size - 3, suffix) == 0)
        size -= 3;
    printf("skipped: %.*s: %s\n", size, test, reason);
    fflush(stdout);
}
