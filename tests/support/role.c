#include "role.h"

#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROLE "SEGBROKER_TEST_ROLE"
#define ARGUMENT "SEGBROKER_TEST_ARGUMENT"

enum { ANSWER_MS = 60000, OUTPUT_MAX = 64 * 1024 };

void role_offer(const char *role, void (*body)(const char *argument))
{
    const char *wanted = getenv(ROLE);
    const char *argument = getenv(ARGUMENT);
    if (!wanted || strcmp(wanted, role) != 0)
        return;
    test_be_child();
    body(argument ? argument : "");
    test_exit(0);
}

test_pid role_start(const char *role, const char *argument, const char *output)
{
    char set_role[TEST_PATH_MAX];
    char set_argument[TEST_PATH_MAX];
    const char *const argv[] = {test_program(), NULL};
    const char *const environment[] = {set_role, set_argument, NULL};
    struct test_spawn spawn = {
        .argv = argv, .environment = environment, .output = output};
    test_path(set_role, ROLE "=%s", role);
    test_path(set_argument, ARGUMENT "=%s", argument);
    return test_spawn(&spawn);
}

void role_tell(const char *line)
{
    printf("%s\n", line);
    fflush(stdout);
}

static bool has_line(const char *output, const char *line)
{
    static char text[OUTPUT_MAX];
    size_t size = strlen(line);
    if (!test_exists(output))
        return false;
    test_read(output, text, sizeof(text));
    for (const char *at = text; (at = strstr(at, line)) != NULL; at += size) {
        if ((at == text || at[-1] == '\n') &&
            (at[size] == '\n' || at[size] == '\r'))
            return true;
    }
    return false;
}

void role_await(test_pid pid, const char *output, const char *line)
{
    static char text[OUTPUT_MAX];
    if (TEST_UNTIL(ANSWER_MS, has_line(output, line) || !test_runs(pid)) &&
        has_line(output, line))
        return;
    test_read(output, text, sizeof(text));
    FAIL("no \"%s\" from process %ld: %s", line, pid, text);
}

void role_sleep(void)
{
    for (;;)
        test_pause();
}
