/*
 * Nothing is lost: not when the broker dies, nor when its keeper does, nor
 * when both are replaced.
 */
#include "tests/support/broker.h"
#include "tests/support/raw.h"
#include "tests/support/suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, SOON_MS = 5000 };

static const char config[] = "[broker]\n"
                             "grace = 60s\n"
                             "[default]\n"
                             "connections = unlimited\n"
                             "segments = unlimited\n"
                             "grants = unlimited\n"
                             "bytes = 1GiB\n";
static const char short_grace[] = "[broker]\n"
                                  "grace = 300ms\n";

static struct test_broker broker;
static struct raw client;

static void start(const char *text)
{
    struct test_broker_options options = {.config = text};
    test_broker_start(&broker, &options);
    raw_open(&client, broker.socket);
}

static void setup(void)
{
    start(config);
}

static void setup_short(void)
{
    start(short_grace);
}

static void teardown(void)
{
    raw_close(&client);
    test_broker_stop(&broker);
}

/* The broker dies, and this client connects again. */
static void crash(void)
{
    test_broker_crash(&broker);
    raw_close(&client);
    raw_open(&client, broker.socket);
}

static void fill(int fd, unsigned value)
{
    unsigned page[PAGE / sizeof(unsigned)];
    for (size_t i = 0; i < sizeof(page) / sizeof(page[0]); i++)
        page[i] = value + (unsigned)i;
    REQUIRE(pwrite(fd, page, sizeof(page), 0) == sizeof(page));
}

static void expect_filled(int fd, unsigned value)
{
    unsigned page[PAGE / sizeof(unsigned)];
    REQUIRE(pread(fd, page, sizeof(page), 0) == sizeof(page));
    for (size_t i = 0; i < sizeof(page) / sizeof(page[0]); i++)
        REQUIRE_INT(page[i], value + (unsigned)i);
}

static void expect_outcome(const char *expected)
{
    REQUIRE_STR(raw_outcome(&client), expected);
}

static bool is_found(const char *name)
{
    raw_ask(&client, "{'id':1,'op':'stat','name':'%s'}", name);
    return client.reply.ok;
}

/* ---- what comes back ---- */

START_TEST(everything_of_a_segment_comes_back)
{
    struct message_grant made, opened;
    int fd = raw_create(&client, &made,
                        "'name':'a','size':5000,'commit':false,"
                        "'share':{'read':['user:%d','group:7'],"
                        "'write':['everyone']}",
                        TEST_ALICE);
    fill(fd, 1);
    raw_ask(&client, "{'id':1,'op':'stat','name':'a'}");
    struct message_segment before = raw_record(&client);
    crash();
    raw_ask(&client, "{'id':1,'op':'stat','name':'a'}");
    struct message_segment after = raw_record(&client);
    REQUIRE_INT(after.segment, before.segment);
    REQUIRE_STR(after.name, "a");
    REQUIRE_INT(after.size, 5000);
    REQUIRE_INT(after.mapped_size, 2 * PAGE);
    REQUIRE_INT(after.commit, false);
    REQUIRE_INT(after.persist, false);
    REQUIRE_INT(after.created_at, before.created_at);
    REQUIRE_INT(after.grants, 0);
    REQUIRE_INT(raw_used(&client, "total", "bytes"), 2 * PAGE);
    REQUIRE_INT(raw_used(&client, "total", "segments"), 1);
    REQUIRE_INT(raw_used(&client, "total", "grants"), 0);
    int again = raw_open_segment(&client, &opened, "'name':'a'");
    expect_filled(again, 1);
    /* The view of before and the new handle are the same memory. */
    fill(fd, 2);
    expect_filled(again, 2);
    close(fd);
    close(again);
}
END_TEST

START_TEST(shares_and_owners_come_back)
{
    SKIP_UNLESS(test_is_root(), "needs root to act as other users");
    struct raw alice, bob;
    struct message_grant grant;
    raw_open_as(&alice, broker.socket, TEST_ALICE, 0);
    close(raw_create(&alice, &grant,
                     "'name':'x','size':1,"
                     "'share':{'read':['user:12346']}"));
    crash();
    raw_open_as(&bob, broker.socket, TEST_BOB, 0);
    raw_ask(&bob, "{'id':1,'op':'open','segment':%ju,'access':'rw'}",
            (uintmax_t)grant.segment);
    REQUIRE_STR(raw_outcome(&bob), "access-denied");
    close(raw_open_segment(&bob, &grant, "'segment':%ju",
                           (uintmax_t)grant.segment));
    raw_ask(&client, "{'id':1,'op':'stat','segment':%ju}",
            (uintmax_t)grant.segment);
    REQUIRE_STR(raw_record(&client).owner, "user:12345");
    raw_close(&alice);
    raw_close(&bob);
}
END_TEST

START_TEST(removed_and_unnamed_segments_come_back_as_they_were)
{
    struct message_grant removed, unnamed, other;
    int one = raw_create(&client, &removed, "'name':'r','size':4096");
    int two = raw_create(&client, &unnamed, "'size':4096");
    raw_ask(&client, "{'id':1,'op':'remove','name':'r'}");
    expect_outcome("ok");
    fill(one, 1);
    fill(two, 2);
    crash();
    REQUIRE(!is_found("r"));
    int three = raw_create(&client, &other, "'name':'r','size':4096");
    REQUIRE_INT(other.created, true);
    REQUIRE(other.segment > unnamed.segment);
    raw_reclaim(&client, removed.segment, "rw", one, &removed);
    expect_outcome("ok");
    raw_reclaim(&client, unnamed.segment, "rw", two, &unnamed);
    expect_outcome("ok");
    raw_ask(&client, "{'id':1,'op':'stat','segment':%ju}",
            (uintmax_t)removed.segment);
    REQUIRE_INT(raw_record(&client).state, PROTOCOL_REMOVED);
    raw_ask(&client, "{'id':1,'op':'stat','segment':%ju}",
            (uintmax_t)unnamed.segment);
    REQUIRE_INT(raw_record(&client).state, PROTOCOL_UNNAMED);
    expect_filled(one, 1);
    close(one);
    close(two);
    close(three);
}
END_TEST

START_TEST(what_was_given_up_stays_given_up)
{
    struct message_grant grant;
    close(raw_create(&client, &grant, "'name':'last','size':4096"));
    raw_release(&client, grant.grant);
    int held = raw_create(&client, &grant, "'name':'held','size':4096");
    raw_release(&client, grant.grant);
    test_broker_crash(&broker);
    raw_close(&client);
    raw_open(&client, broker.socket);
    REQUIRE(!is_found("last"));
    REQUIRE(!is_found("held"));
    close(held);
}
END_TEST

START_TEST(ids_are_never_used_again)
{
    struct message_grant grant;
    uint64_t last = 0;
    for (int i = 0; i < 5; i++) {
        close(raw_create(&client, &grant, "'size':4096"));
        REQUIRE(grant.segment > last);
        last = grant.segment;
        raw_release(&client, grant.grant);
        crash();
    }
}
END_TEST

/* ---- reclaiming ---- */

START_TEST(reclaimed_names_outlive_the_grace_and_others_do_not)
{
    struct message_grant kept, lost, stays;
    int one = raw_create(&client, &kept, "'name':'kept','size':4096");
    int left = raw_create(&client, &lost, "'name':'lost','size':4096");
    close(raw_create(&client, &stays,
                     "'name':'stays','size':4096,'persist':true"));
    raw_release(&client, stays.grant);
    crash();
    REQUIRE(is_found("lost"));
    raw_reclaim(&client, kept.segment, "rw", one, &kept);
    expect_outcome("ok");
    REQUIRE(TEST_UNTIL(SOON_MS, !is_found("lost")));
    close(left);
    REQUIRE(is_found("kept"));
    REQUIRE(is_found("stays"));
    REQUIRE(
        TEST_UNTIL(SOON_MS, raw_used(&client, "total", "bytes") == 2 * PAGE));
    close(one);
    raw_release(&client, kept.grant);
    REQUIRE(!is_found("kept"));
    raw_ask(&client, "{'id':1,'op':'remove','name':'stays'}");
    REQUIRE_INT(raw_used(&client, "total", "bytes"), 0);
}
END_TEST

/* Nobody can come back for it: it goes long before the end of the grace. */
START_TEST(memory_that_nobody_has_any_more_is_freed)
{
    close(raw_create(&client, NULL, "'name':'gone','size':4096"));
    int held = raw_create(&client, NULL, "'name':'held','size':4096");
    test_kill(broker.serving);
    raw_close(&client);
    test_broker_await(&broker);
    raw_open(&client, broker.socket);
    REQUIRE(TEST_UNTIL(SOON_MS, !is_found("gone")));
    REQUIRE(TEST_UNTIL(SOON_MS, raw_used(&client, "total", "bytes") == PAGE));
    REQUIRE(is_found("held"));
    close(held);
    REQUIRE(TEST_UNTIL(SOON_MS, !is_found("held")));
}
END_TEST

/* A visitor must not take the name away from holders who are on their way. */
START_TEST(visit_during_the_grace_does_not_end_a_name)
{
    struct message_grant mine, visit;
    int fd = raw_create(&client, &mine, "'name':'n','size':4096");
    crash();
    close(raw_open_segment(&client, &visit, "'name':'n'"));
    raw_release(&client, visit.grant);
    REQUIRE(is_found("n"));
    raw_reclaim(&client, mine.segment, "rw", fd, &mine);
    expect_outcome("ok");
    close(fd);
}
END_TEST

START_TEST(late_claim_gets_the_memory_but_no_name)
{
    SKIP_UNLESS(raw_has_feature(broker.socket, "exact-lifetime"),
                "the broker does not list exact-lifetime");
    struct message_grant mine, theirs;
    int fd = raw_create(&client, &mine, "'name':'n','size':4096");
    fill(fd, 7);
    crash();
    REQUIRE(TEST_UNTIL(SOON_MS, !is_found("n")));
    close(raw_create(&client, &theirs, "'name':'n','size':8192"));
    raw_reclaim(&client, mine.segment, "rw", fd, &mine);
    expect_outcome("ok");
    REQUIRE_INT(raw_used(&client, "total", "bytes"), 3 * PAGE);
    raw_ask(&client, "{'id':1,'op':'stat','segment':%ju}",
            (uintmax_t)mine.segment);
    REQUIRE_INT(raw_record(&client).state, PROTOCOL_REMOVED);
    close(fd);
    raw_release(&client, mine.grant);
    REQUIRE_INT(raw_used(&client, "total", "bytes"), 2 * PAGE);
}
END_TEST

START_TEST(claim_needs_the_right_handle)
{
    struct message_grant one, two, reader, claimed;
    int first = raw_create(&client, &one, "'name':'one','size':4096");
    int second = raw_create(&client, &two, "'name':'two','size':4096");
    int readable = raw_open_segment(&client, &reader, "'name':'one'");
    int strange = memfd_create("strange", MFD_CLOEXEC);
    REQUIRE(ftruncate(strange, PAGE) == 0);
    raw_reclaim(&client, one.segment, "rw", second, &claimed);
    expect_outcome("not-found");
    raw_reclaim(&client, one.segment, "rw", readable, &claimed);
    expect_outcome("not-found");
    raw_reclaim(&client, one.segment, "ro", strange, &claimed);
    expect_outcome("not-found");
    raw_reclaim(&client, one.segment, "ro", client.fd, &claimed);
    expect_outcome("too-many-handles");
    raw_reclaim(&client, 999, "ro", first, &claimed);
    expect_outcome("not-found");
    raw_ask(&client,
            "{'id':1,'op':'reclaim','segment':%ju,"
            "'handles':{'memory':0}}",
            (uintmax_t)one.segment);
    expect_outcome("too-many-handles");
    raw_reclaim(&client, one.segment, "cow", readable, &claimed);
    expect_outcome("ok");
    REQUIRE_INT(raw_used(&client, "total", "grants"), 4);
    close(first);
    close(second);
    close(readable);
    close(strange);
}
END_TEST

/* ---- dying again and again ---- */

START_TEST(many_deaths_lose_nothing)
{
    enum { DEATHS = 12, SEGMENTS = 50 };
    struct message_grant grants[SEGMENTS];
    int handles[SEGMENTS];
    for (int i = 0; i < SEGMENTS; i++) {
        handles[i] =
            raw_create(&client, &grants[i], "'name':'s%d','size':4096", i);
        fill(handles[i], (unsigned)i * 10000);
    }
    for (int i = 0; i < (suite_quick() ? 4 : DEATHS); i++)
        crash();
    REQUIRE_INT(raw_used(&client, "total", "bytes"), SEGMENTS * PAGE);
    for (int i = 0; i < SEGMENTS; i++) {
        struct message_grant opened;
        int fd = raw_open_segment(&client, &opened, "'name':'s%d'", i);
        REQUIRE_INT(opened.segment, grants[i].segment);
        expect_filled(fd, (unsigned)i * 10000);
        close(fd);
        close(handles[i]);
    }
    REQUIRE(test_broker_logged(&broker, "was killed by signal 9"));
}
END_TEST

static bool is_restored(test_pid before)
{
    test_pid child = test_child_of(broker.pid);
    return child != 0 && child != before && raw_answers(broker.socket);
}

START_TEST(broker_that_hangs_is_killed)
{
    static const char *const environment[] = {"WATCHDOG_USEC=1000000", NULL};
    struct test_broker_options options = {.config = config,
                                          .environment = environment};
    struct message_grant grant;
    test_broker_start(&broker, &options);
    raw_open(&client, broker.socket);
    int fd = raw_create(&client, &grant, "'name':'n','size':4096");
    test_pid hung = broker.serving;
    test_signal(hung, SIGSTOP);
    REQUIRE(TEST_UNTIL(SOON_MS, is_restored(hung)));
    REQUIRE(test_broker_logged(&broker, "does not move: it is killed"));
    raw_close(&client);
    raw_open(&client, broker.socket);
    REQUIRE(is_found("n"));
    close(fd);
    teardown();
}
END_TEST

START_TEST(broker_told_to_end_alone_is_started_again)
{
    struct message_grant grant;
    close(raw_create(&client, &grant, "'name':'n','size':4096"));
    test_pid before = broker.serving;
    test_terminate(before);
    REQUIRE(TEST_UNTIL(SOON_MS, is_restored(before)));
    raw_close(&client);
    raw_open(&client, broker.socket);
    REQUIRE(is_found("n"));
}
END_TEST

START_TEST(bad_configuration_delays_the_next_broker_and_loses_nothing)
{
    struct message_grant grant;
    close(raw_create(&client, &grant, "'name':'n','size':4096"));
    test_broker_configure(&broker, "[broker]\nnonsense = 1\n");
    test_kill(broker.serving);
    REQUIRE(TEST_UNTIL(SOON_MS,
                       test_broker_logged(&broker, "nonsense = 1: expected")));
    test_broker_configure(&broker, config);
    raw_close(&client);
    raw_open(&client, broker.socket);
    REQUIRE(is_found("n"));
}
END_TEST

START_TEST(restart_with_a_bad_configuration_is_refused)
{
    struct message_grant grant;
    int fd = raw_create(&client, &grant, "'name':'n','size':4096");
    test_broker_configure(&broker, "[broker]\nnonsense = 1\n");
    raw_ask(&client, "{'id':1,'op':'restart'}");
    expect_outcome("ok");
    REQUIRE(TEST_UNTIL(SOON_MS, test_broker_logged(&broker, "no restart")));
    REQUIRE(test_broker_logged(&broker, "nonsense = 1: expected"));
    REQUIRE(is_found("n"));
    test_broker_configure(&broker, config);
    close(fd);
}
END_TEST

START_TEST(lowered_limits_take_nothing_back)
{
    struct message_grant grant;
    int fd = raw_create(&client, &grant, "'name':'n','size':8192");
    test_broker_configure(&broker, "[default]\nbytes = 4096\ngrants = 1\n");
    crash();
    REQUIRE_INT(raw_used(&client, NULL, "bytes"), 2 * PAGE);
    raw_ask(&client, "{'id':1,'op':'create','size':1}");
    expect_outcome("quota-exceeded");
    raw_reclaim(&client, grant.segment, "rw", fd, &grant);
    expect_outcome("ok");
    close(fd);
}
END_TEST

/* Each holder gets one grant back, whatever the limit is now. */
START_TEST(lowered_limit_of_grants_takes_no_name)
{
    enum { SEGMENTS = 3 };
    struct message_grant grants[SEGMENTS];
    int handles[SEGMENTS];
    for (int i = 0; i < SEGMENTS; i++)
        handles[i] =
            raw_create(&client, &grants[i], "'name':'n%d','size':4096", i);
    test_broker_configure(&broker, "[broker]\ngrace = 60s\n"
                                   "[default]\ngrants = 1\n");
    crash();
    for (int i = 0; i < SEGMENTS; i++) {
        raw_reclaim(&client, grants[i].segment, "rw", handles[i], &grants[i]);
        expect_outcome("ok");
    }
    raw_reclaim(&client, grants[1].segment, "rw", handles[1], &grants[1]);
    expect_outcome("quota-exceeded");
    raw_ask(&client, "{'id':1,'op':'open','name':'n0'}");
    expect_outcome("quota-exceeded");
    for (int i = 0; i < SEGMENTS; i++)
        close(handles[i]);
}
END_TEST

/* ---- the keeper ---- */

/* The keeper's process as the broker sees it: its child by then. */
static bool has_new_keeper(void)
{
    return test_child_of(broker.serving) != 0 &&
           test_broker_logged(&broker, "a new keeper keeps");
}

START_TEST(dead_keeper_is_replaced_and_keeps_everything)
{
    struct message_grant grant;
    int fd = raw_create(&client, &grant, "'name':'n','size':4096");
    fill(fd, 3);
    test_pid serving = broker.serving;
    test_kill(broker.pid);
    test_join(broker.pid);
    REQUIRE(TEST_UNTIL(SOON_MS, has_new_keeper()));
    /* The same connection goes on. */
    raw_ask(&client, "{'id':1,'op':'ping'}");
    expect_outcome("ok");
    close(raw_create(&client, &grant, "'name':'later','size':4096"));
    broker.pid = test_child_of(serving);
    test_kill(serving);
    REQUIRE(TEST_UNTIL(SOON_MS, is_restored(serving)));
    raw_close(&client);
    raw_open(&client, broker.socket);
    int again = raw_open_segment(&client, &grant, "'name':'n'");
    expect_filled(again, 3);
    REQUIRE(is_found("later"));
    close(fd);
    close(again);
    /* It is not this process's child, so nobody can wait for it. */
    test_terminate(broker.pid);
    REQUIRE(TEST_UNTIL(SOON_MS, test_process_descriptors(broker.pid) < 0));
    REQUIRE_INT(test_folder_entries(broker.runtime), 0);
    raw_close(&client);
    test_broker_forget(&broker);
}
END_TEST

/* Some other program's manager is in the environment, and does nothing. */
START_TEST(keeper_is_replaced_though_a_manager_seems_to_be_there)
{
    static const char *const environment[] = {
        "NOTIFY_SOCKET=/nonexistent/notify", "FDSTORE=10", NULL};
    struct test_broker_options options = {.config = config,
                                          .environment = environment};
    test_broker_start(&broker, &options);
    test_pid serving = broker.serving;
    test_kill(broker.pid);
    test_join(broker.pid);
    REQUIRE(TEST_UNTIL(4 * SOON_MS, has_new_keeper()));
    broker.pid = test_child_of(serving);
    test_terminate(broker.pid);
    REQUIRE(TEST_UNTIL(SOON_MS, test_process_descriptors(broker.pid) < 0));
    test_broker_forget(&broker);
}
END_TEST

/* It reads nothing, so there is an end to what the kernel holds for it. */
START_TEST(keeper_that_stands_still_is_replaced)
{
    enum { SEGMENTS = 1000 };
    struct message_grant grant;
    test_pid serving = broker.serving;
    test_signal(broker.pid, SIGSTOP);
    for (int i = 0; i < SEGMENTS; i++)
        close(raw_create(&client, &grant,
                         "'name':'s%d','size':1,'persist':true", i));
    REQUIRE_INT(test_wait(broker.pid, SOON_MS), TEST_SIGNALLED + SIGKILL);
    REQUIRE(TEST_UNTIL(SOON_MS, has_new_keeper()));
    broker.pid = test_child_of(serving);
    test_kill(serving);
    REQUIRE(TEST_UNTIL(SOON_MS, is_restored(serving)));
    raw_close(&client);
    raw_open(&client, broker.socket);
    REQUIRE_INT(raw_used(&client, "total", "segments"), SEGMENTS);
    test_terminate(broker.pid);
    REQUIRE(TEST_UNTIL(SOON_MS, test_process_descriptors(broker.pid) < 0));
    raw_close(&client);
    test_broker_forget(&broker);
}
END_TEST

START_TEST(restart_replaces_both_and_keeps_everything)
{
    struct message_grant grant;
    int fd = raw_create(&client, &grant, "'name':'n','size':4096");
    fill(fd, 9);
    for (int i = 0; i < 3; i++) {
        test_pid before = broker.serving;
        raw_ask(&client, "{'id':1,'op':'restart'}");
        expect_outcome("ok");
        REQUIRE(raw_ends(&client, SOON_MS));
        raw_close(&client);
        REQUIRE(TEST_UNTIL(SOON_MS, is_restored(before)));
        broker.serving = test_child_of(broker.pid);
        raw_open(&client, broker.socket);
        raw_reclaim(&client, grant.segment, "rw", fd, &grant);
        expect_outcome("ok");
    }
    int again = raw_open_segment(&client, &grant, "'name':'n'");
    expect_filled(again, 9);
    close(fd);
    close(again);
}
END_TEST

static Suite *recovery_suite(void)
{
    Suite *suite = suite_create("recovery");
    TCase *tests = suite_case(suite, "recovery", 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, everything_of_a_segment_comes_back);
    tcase_add_test(tests, shares_and_owners_come_back);
    tcase_add_test(tests, removed_and_unnamed_segments_come_back_as_they_were);
    tcase_add_test(tests, what_was_given_up_stays_given_up);
    tcase_add_test(tests, ids_are_never_used_again);
    tcase_add_test(tests, visit_during_the_grace_does_not_end_a_name);
    tcase_add_test(tests, claim_needs_the_right_handle);
    tcase_add_test(tests, many_deaths_lose_nothing);
    tcase_add_test(tests, broker_told_to_end_alone_is_started_again);
    tcase_add_test(tests,
                   bad_configuration_delays_the_next_broker_and_loses_nothing);
    tcase_add_test(tests, restart_with_a_bad_configuration_is_refused);
    tcase_add_test(tests, lowered_limits_take_nothing_back);
    tcase_add_test(tests, lowered_limit_of_grants_takes_no_name);
    tcase_add_test(tests, memory_that_nobody_has_any_more_is_freed);
    tcase_add_test(tests, restart_replaces_both_and_keeps_everything);

    tests = suite_case(suite, "grace", 60);
    tcase_add_checked_fixture(tests, setup_short, teardown);
    tcase_add_test(tests, reclaimed_names_outlive_the_grace_and_others_do_not);
    tcase_add_test(tests, late_claim_gets_the_memory_but_no_name);

    tests = suite_case(suite, "keeper", 60);
    tcase_add_test(tests, broker_that_hangs_is_killed);
    tcase_add_test(tests,
                   keeper_is_replaced_though_a_manager_seems_to_be_there);
    tests = suite_case(suite, "successor", 60);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, dead_keeper_is_replaced_and_keeps_everything);
    tcase_add_test(tests, keeper_that_stands_still_is_replaced);
    return suite;
}

int main(void)
{
    return suite_main(recovery_suite());
}
