/*
 * Who notices that the broker has died, where no call is made: one thread for
 * all clients of a process, and another one in each child by fork.
 */
#include "client/segbroker.h"
#include "tests/support/broker.h"
#include "tests/support/process.h"
#include "tests/support/raw.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <unistd.h>

/* The thread sanitizer knows no threads in the child of a process with some,
 * and the address sanitizer's memory may be locked there for ever. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { CHILD_MAY_HAVE_THREADS = 0 };
#else
enum { CHILD_MAY_HAVE_THREADS = 1 };
#endif

enum { CLIENTS = 20, SOON_MS = 20000 };

static struct test_broker broker;

struct holder {
    segb_client *client;
    segb_segment *segment;
};

static void setup(void)
{
    struct test_broker_options options = {.config = "[broker]\ngrace = 500ms\n",
                                          .never_pauses = true};

    test_broker_start(&broker, &options);
}

static void teardown(void)
{
    test_broker_stop(&broker);
}

static struct holder hold(const char *name)
{
    segb_connect_options options = {.struct_size = sizeof(options),
                                    .socket = broker.socket};
    struct holder holder;

    REQUIRE_INT(segb_connect(&options, &holder.client), 0);
    REQUIRE_INT(segb_create(holder.client, name, 1, NULL, &holder.segment), 0);
    return holder;
}

static void let_go(struct holder *holder)
{
    segb_close(holder->segment);
    segb_disconnect(holder->client);
}

static bool is_held(const char *name)
{
    struct raw raw;
    bool held;

    raw_open(&raw, broker.socket);
    raw_ask(&raw, "{'id':1,'op':'stat','name':'%s'}", name);
    held = raw.reply.ok && raw_record(&raw).grants == 1;
    raw_close(&raw);
    return held;
}

static const char *name_of(int index)
{
    static char name[16];

    snprintf(name, sizeof(name), "n%d", index);
    return name;
}

START_TEST(all_clients_of_a_process_notice_the_end)
{
    struct holder holders[CLIENTS];

    for (int i = 0; i < CLIENTS; i++)
        holders[i] = hold(name_of(i));
    /* One that ends is not waited for any more. */
    let_go(&holders[0]);
    for (int death = 0; death < 2; death++) {
        test_broker_crash(&broker);
        for (int i = 1; i < CLIENTS; i++)
            REQUIRE(TEST_UNTIL(SOON_MS, is_held(name_of(i))));
    }
    REQUIRE(!is_held(name_of(0)));
    for (int i = 1; i < CLIENTS; i++)
        let_go(&holders[i]);
}
END_TEST

static void hold_as_child(void *data)
{
    (void)data;
    hold("childs");
    pause();
}

START_TEST(child_by_fork_notices_the_end)
{
    SKIP_UNLESS(CHILD_MAY_HAVE_THREADS, "the sanitizer ends the child");
    struct holder parents = hold("parents");
    test_pid child = test_fork(hold_as_child, NULL);

    REQUIRE(TEST_UNTIL(SOON_MS, is_held("childs")));
    test_broker_crash(&broker);
    REQUIRE(TEST_UNTIL(SOON_MS, is_held("childs") && is_held("parents")));
    test_kill(child);
    test_join(child);
    let_go(&parents);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reconnecting on POSIX");
    TCase *tests = tcase_create("ends");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, all_clients_of_a_process_notice_the_end);
    tcase_add_test(tests, child_by_fork_notices_the_end);
    suite_add_tcase(suite, tests);
    return suite_main(suite);
}
