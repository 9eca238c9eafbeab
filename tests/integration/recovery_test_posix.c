/*
 * Nothing is lost when the broker hangs, is told to end, or when both it and
 * its keeper are replaced: by signals, and by exec.
 */
#include "tests/support/memory.h"
#include "tests/support/recovery.h"
#include "tests/support/suite.h"

#include <signal.h>

static void setup(void)
{
    recovery_start(recovery_config);
}

/* What is no memory is not taken in at all. */
START_TEST(claim_needs_a_handle_to_memory)
{
    struct message_grant one, claimed;
    int fd = raw_create(&recovery_client, &one, "'name':'one','size':4096");
    raw_reclaim(&recovery_client, one.segment, "ro", recovery_client.fd,
                &claimed);
    recovery_expect_outcome("too-many-handles");
    raw_ask(&recovery_client,
            "{'id':1,'op':'reclaim','segment':%ju,"
            "'handles':{'memory':0}}",
            (uintmax_t)one.segment);
    recovery_expect_outcome("too-many-handles");
    test_close(fd);
}
END_TEST

static bool keeper_has_descriptors(int count)
{
    return test_process_descriptors(recovery_broker.pid) == count;
}

/* The client asks for nothing more: no reply takes the news along. */
START_TEST(keeper_lets_go_soon_though_nobody_is_answered)
{
    struct message_grant grant;
    struct raw other;
    int before = test_process_descriptors(recovery_broker.pid);
    SKIP_UNLESS(before >= 0, "the system does not tell");
    raw_open(&other, recovery_broker.socket);
    test_close(raw_create(&other, &grant, "'size':4096"));
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, !keeper_has_descriptors(before)));
    raw_close(&other);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, keeper_has_descriptors(before)));
}
END_TEST

START_TEST(broker_that_hangs_is_killed)
{
    static const char *const environment[] = {"WATCHDOG_USEC=1000000", NULL};
    struct test_broker_options options = {.config = recovery_config,
                                          .environment = environment};
    struct message_grant grant;
    test_broker_start(&recovery_broker, &options);
    raw_open(&recovery_client, recovery_broker.socket);
    int fd = raw_create(&recovery_client, &grant, "'name':'n','size':4096");
    test_pid hung = recovery_broker.serving;
    test_stop(hung);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, recovery_is_restored(hung)));
    REQUIRE(
        test_broker_logged(&recovery_broker, "does not move: it is killed"));
    raw_close(&recovery_client);
    raw_open(&recovery_client, recovery_broker.socket);
    REQUIRE(recovery_is_found("n"));
    test_close(fd);
    recovery_stop();
}
END_TEST

START_TEST(broker_told_to_end_alone_is_started_again)
{
    struct message_grant grant;
    test_close(raw_create(&recovery_client, &grant, "'name':'n','size':4096"));
    test_pid before = recovery_broker.serving;
    test_terminate(before);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, recovery_is_restored(before)));
    raw_close(&recovery_client);
    raw_open(&recovery_client, recovery_broker.socket);
    REQUIRE(recovery_is_found("n"));
}
END_TEST

START_TEST(restart_with_a_bad_configuration_is_refused)
{
    struct message_grant grant;
    int fd = raw_create(&recovery_client, &grant, "'name':'n','size':4096");
    test_broker_configure(&recovery_broker, "[broker]\nnonsense = 1\n");
    raw_ask(&recovery_client, "{'id':1,'op':'restart'}");
    recovery_expect_outcome("ok");
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS,
                       test_broker_logged(&recovery_broker, "no restart")));
    REQUIRE(test_broker_logged(&recovery_broker, "nonsense = 1: expected"));
    REQUIRE(recovery_is_found("n"));
    test_broker_configure(&recovery_broker, recovery_config);
    test_close(fd);
}
END_TEST

/* Some other program's manager is in the environment, and does nothing. */
START_TEST(keeper_is_replaced_though_a_manager_seems_to_be_there)
{
    static const char *const environment[] = {
        "NOTIFY_SOCKET=/nonexistent/notify", "FDSTORE=10", NULL};
    struct test_broker_options options = {.config = recovery_config,
                                          .environment = environment};
    test_broker_start(&recovery_broker, &options);
    test_pid serving = recovery_broker.serving;
    test_kill(recovery_broker.pid);
    test_join(recovery_broker.pid);
    REQUIRE(TEST_UNTIL(4 * RECOVERY_SOON_MS, recovery_has_new_keeper()));
    recovery_broker.pid = test_child_of(serving);
    raw_open(&recovery_client, recovery_broker.socket);
    recovery_end_successor();
}
END_TEST

/* It reads nothing, so there is an end to what the kernel holds for it. */
START_TEST(keeper_that_stands_still_is_replaced)
{
    enum { SEGMENTS = 1000 };
    struct message_grant grant;
    test_pid serving = recovery_broker.serving;
    test_stop(recovery_broker.pid);
    for (int i = 0; i < SEGMENTS; i++)
        test_close(raw_create(&recovery_client, &grant,
                              "'name':'s%d','size':1,'persist':true", i));
    REQUIRE_INT(test_wait(recovery_broker.pid, RECOVERY_SOON_MS),
                TEST_SIGNALLED + SIGKILL);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, recovery_has_new_keeper()));
    recovery_broker.pid = test_child_of(serving);
    test_kill(serving);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, recovery_is_restored(serving)));
    raw_close(&recovery_client);
    raw_open(&recovery_client, recovery_broker.socket);
    REQUIRE_INT(raw_used(&recovery_client, "total", "segments"), SEGMENTS);
    test_terminate(recovery_broker.pid);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS,
                       test_process_descriptors(recovery_broker.pid) < 0));
    raw_close(&recovery_client);
    test_broker_forget(&recovery_broker);
}
END_TEST

START_TEST(restart_replaces_both_and_keeps_everything)
{
    struct message_grant grant;
    int fd = raw_create(&recovery_client, &grant,
                        "'name':'n','size':4096,'doorbell':true");
    int page = raw_bell(&recovery_client, &grant, 0);
    recovery_fill(fd, 9);
    recovery_fill(page, 77);
    for (int i = 0; i < 3; i++) {
        test_pid before = recovery_broker.serving;
        raw_ask(&recovery_client, "{'id':1,'op':'restart'}");
        recovery_expect_outcome("ok");
        REQUIRE(raw_ends(&recovery_client, RECOVERY_SOON_MS));
        raw_close(&recovery_client);
        REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, recovery_is_restored(before)));
        recovery_broker.serving = test_child_of(recovery_broker.pid);
        raw_open(&recovery_client, recovery_broker.socket);
        raw_reclaim(&recovery_client, grant.segment, "rw", fd, &grant);
        recovery_expect_outcome("ok");
    }
    int again = raw_open_segment(&recovery_client, &grant, "'name':'n'");
    int page_again = raw_bell(&recovery_client, &grant, 0);
    recovery_expect_filled(again, 9);
    REQUIRE(test_memory_same(page, page_again));
    recovery_expect_filled(page_again, 77);
    test_close(fd);
    test_close(page);
    test_close(again);
    test_close(page_again);
}
END_TEST

static Suite *recovery_suite(void)
{
    Suite *suite = suite_create("recovery");
    TCase *tests = suite_case(suite, "recovery", 60);
    tcase_add_checked_fixture(tests, setup, recovery_stop);
    tcase_add_test(tests, claim_needs_a_handle_to_memory);
    tcase_add_test(tests, keeper_lets_go_soon_though_nobody_is_answered);
    tcase_add_test(tests, broker_told_to_end_alone_is_started_again);
    tcase_add_test(tests, restart_with_a_bad_configuration_is_refused);
    tcase_add_test(tests, restart_replaces_both_and_keeps_everything);

    tests = suite_case(suite, "keeper", 60);
    tcase_add_test(tests, broker_that_hangs_is_killed);
    tcase_add_test(tests,
                   keeper_is_replaced_though_a_manager_seems_to_be_there);
    tests = suite_case(suite, "successor", 60);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, keeper_that_stands_still_is_replaced);
    return suite;
}

int main(void)
{
    return suite_main(recovery_suite());
}
