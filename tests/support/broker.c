#include "broker.h"

#include "raw.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNNING_MAX = 8, LOG_MAX = 256 * 1024, END_MS = 20000 };

/* So that the fixture ends what a failed test left. */
static struct test_broker *running[RUNNING_MAX];
/* Who owns `running`: a forked child must not end its parent's brokers. */
static test_pid running_owner;

static void remember(struct test_broker *broker)
{
    if (running_owner != test_self()) {
        memset(running, 0, sizeof(running));
        running_owner = test_self();
    }
    for (int i = 0; i < RUNNING_MAX; i++) {
        if (!running[i]) {
            running[i] = broker;
            return;
        }
    }
    FAIL("more than %d brokers", RUNNING_MAX);
}

static void forget(const struct test_broker *broker)
{
    for (int i = 0; i < RUNNING_MAX; i++) {
        if (running[i] == broker)
            running[i] = NULL;
    }
}

const char *test_broker_program(void)
{
    static char path[TEST_PATH_MAX];
    const char *build = getenv("BUILD");
    test_path(path, "%s/segbrokerd%s", build && *build ? build : "build",
              test_broker_suffix);
    return path;
}

static void print_log(const struct test_broker *broker)
{
    static char text[LOG_MAX];
    test_read(broker->log, text, sizeof(text));
    fprintf(stderr, "---- %s ----\n%s----\n", broker->log, text);
}

void test_broker_await(struct test_broker *broker)
{
    bool answers = TEST_UNTIL(20000, raw_answers(broker->socket) ||
                                         !test_runs(broker->pid));
    if (answers && test_runs(broker->pid)) {
        /* The kernel's list is not exact while processes come and go. */
        REQUIRE(TEST_UNTIL(
            5000, (broker->serving = test_child_of(broker->pid)) != 0));
        return;
    }
    print_log(broker);
    FAIL("the broker %s", answers ? "ended at its start" : "does not serve");
}

void test_broker_run(struct test_broker *broker)
{
    const struct test_broker_options *options = &broker->options;
    const char *argv[] = {test_broker_program(),
                          "--config",
                          broker->config,
                          "--runtime-dir",
                          broker->runtime,
                          test_broker_option,
                          broker->socket,
                          "--restart-pause",
                          options->never_pauses ? "0" : "5",
                          NULL};
    struct test_spawn spawn = {.argv = argv,
                               .environment = options->environment,
                               .output = broker->log,
                               .user = options->user,
                               .descriptors = options->descriptors,
                               .file_size = TEST_BROKER_FILE_SIZE,
                               .own_users = options->own_users,
                               .journal = options->journal};
    broker->pid = test_spawn(&spawn);
    test_broker_await(broker);
}

void test_broker_start(struct test_broker *broker,
                       const struct test_broker_options *options)
{
    memset(broker, 0, sizeof(*broker));
    if (options)
        broker->options = *options;
    test_folder_make(broker->folder);
    test_path(broker->runtime, "%s/run", broker->folder);
    test_broker_address(broker);
    test_path(broker->config, "%s/segbroker.conf", broker->folder);
    test_path(broker->log, "%s/log", broker->folder);
    test_folder_add(broker->runtime, broker->options.user, 0755);
    test_write(broker->log, "");
    test_broker_configure(broker, broker->options.config);
    remember(broker);
    test_broker_run(broker);
}

void test_broker_end(struct test_broker *broker)
{
    test_broker_tell_end(broker);
    int status = test_wait(broker->pid, END_MS);
    if (status < 0)
        FAIL("the broker goes on after it was told to end");
    broker->pid = 0;
    if (status != 0)
        FAIL("the broker ended with %d", status);
}

void test_broker_kill(struct test_broker *broker)
{
    /* Neither may start the other again meanwhile. */
    test_stop(broker->pid);
    if (broker->serving)
        test_kill(broker->serving);
    test_kill(broker->pid);
    test_join(broker->pid);
    /* It is nobody's child here; until it is gone it serves. */
    REQUIRE(
        TEST_UNTIL(END_MS, broker->serving == 0 ||
                               test_process_descriptors(broker->serving) <= 0));
    broker->pid = broker->serving = 0;
}

void test_broker_crash(struct test_broker *broker)
{
    test_pid killed = broker->serving;
    test_kill(killed);
    if (!TEST_UNTIL(END_MS, test_child_of(broker->pid) != killed &&
                                test_child_of(broker->pid) != 0))
        FAIL("no broker was started again");
    test_broker_await(broker);
}

void test_broker_forget(struct test_broker *broker)
{
    forget(broker);
    test_folder_remove(broker->folder);
}

void test_broker_stop(struct test_broker *broker)
{
    test_broker_end(broker);
    REQUIRE_INT(test_folder_entries(broker->runtime), 0);
    test_broker_forget(broker);
}

void test_broker_configure(struct test_broker *broker, const char *config)
{
    test_write(broker->config, config ? config : "");
}

bool test_broker_logged(const struct test_broker *broker, const char *text)
{
    static char log[LOG_MAX];
    test_read(broker->log, log, sizeof(log));
    return strstr(log, text) != NULL;
}

int test_broker_descriptors(const struct test_broker *broker)
{
    return test_process_descriptors(broker->serving);
}

int test_broker_settle(const struct test_broker *broker, struct raw *only)
{
    REQUIRE(TEST_UNTIL(5000, raw_used(only, "total", "connections") == 1));
    /* A descriptor is closed one turn behind its connection. */
    raw_ask(only, "{'id':1,'op':'ping'}");
    return test_broker_descriptors(broker);
}

int test_broker_abandon_all(void)
{
    int count = 0;
    if (running_owner != test_self())
        return 0;
    for (int i = 0; i < RUNNING_MAX; i++) {
        struct test_broker *broker = running[i];
        if (!broker)
            continue;
        count++;
        print_log(broker);
        if (broker->pid)
            test_broker_kill(broker);
        test_broker_forget(broker);
    }
    return count;
}
