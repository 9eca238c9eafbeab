/*
 * Nothing is lost when the broker dies, or its keeper.
 */
#include "tests/support/memory.h"
#include "tests/support/recovery.h"
#include "tests/support/role.h"
#include "tests/support/suite.h"

static void setup(void)
{
    recovery_start(recovery_config);
}

static void setup_short(void)
{
    recovery_start("[broker]\n"
                   "grace = 300ms\n");
}

START_TEST(everything_of_a_segment_comes_back)
{
    struct message_grant made, opened;
    int fd = raw_create(&recovery_client, &made,
                        "'name':'a','size':5000,'commit':false,"
                        "'share':{'read':['user:%s','group:%s'],"
                        "'write':['everyone']}",
                        test_user(), test_group());
    recovery_fill(fd, 1);
    raw_ask(&recovery_client, "{'id':1,'op':'stat','name':'a'}");
    struct message_segment before = raw_record(&recovery_client);
    recovery_crash();
    raw_ask(&recovery_client, "{'id':1,'op':'stat','name':'a'}");
    struct message_segment after = raw_record(&recovery_client);
    REQUIRE_INT(after.segment, before.segment);
    REQUIRE_STR(after.name, "a");
    REQUIRE_INT(after.size, 5000);
    REQUIRE_INT(after.mapped_size, 2 * RECOVERY_PAGE);
    REQUIRE_INT(after.commit, false);
    REQUIRE_INT(after.persist, false);
    REQUIRE_INT(after.created_at, before.created_at);
    REQUIRE_INT(after.grants, 0);
    REQUIRE_INT(raw_used(&recovery_client, "total", "bytes"),
                2 * RECOVERY_PAGE);
    REQUIRE_INT(raw_used(&recovery_client, "total", "segments"), 1);
    REQUIRE_INT(raw_used(&recovery_client, "total", "grants"), 0);
    int again = raw_open_segment(&recovery_client, &opened, "'name':'a'");
    recovery_expect_filled(again, 1);
    /* The view of before and the new handle are the same memory. */
    recovery_fill(fd, 2);
    recovery_expect_filled(again, 2);
    test_close(fd);
    test_close(again);
}
END_TEST

START_TEST(shares_and_owners_come_back)
{
    SKIP_UNLESS(test_is_root(), "needs root to act as other users");
    struct raw alice, bob;
    struct message_grant grant;
    raw_open_as(&alice, recovery_broker.socket, TEST_ALICE, 0);
    test_close(raw_create(&alice, &grant,
                          "'name':'x','size':1,"
                          "'share':{'read':['user:12346']}"));
    recovery_crash();
    raw_open_as(&bob, recovery_broker.socket, TEST_BOB, 0);
    raw_ask(&bob, "{'id':1,'op':'open','segment':%ju,'access':'rw'}",
            (uintmax_t)grant.segment);
    REQUIRE_STR(raw_outcome(&bob), "access-denied");
    test_close(raw_open_segment(&bob, &grant, "'segment':%ju",
                                (uintmax_t)grant.segment));
    raw_ask(&recovery_client, "{'id':1,'op':'stat','segment':%ju}",
            (uintmax_t)grant.segment);
    REQUIRE_STR(raw_record(&recovery_client).owner, "user:12345");
    raw_close(&alice);
    raw_close(&bob);
}
END_TEST

START_TEST(removed_and_unnamed_segments_come_back_as_they_were)
{
    struct message_grant removed, unnamed, other;
    int one = raw_create(&recovery_client, &removed, "'name':'r','size':4096");
    int two = raw_create(&recovery_client, &unnamed, "'size':4096");
    raw_ask(&recovery_client, "{'id':1,'op':'remove','name':'r'}");
    recovery_expect_outcome("ok");
    recovery_fill(one, 1);
    recovery_fill(two, 2);
    recovery_crash();
    REQUIRE(!recovery_is_found("r"));
    int three = raw_create(&recovery_client, &other, "'name':'r','size':4096");
    REQUIRE_INT(other.created, true);
    REQUIRE(other.segment > unnamed.segment);
    raw_reclaim(&recovery_client, removed.segment, "rw", one, &removed);
    recovery_expect_outcome("ok");
    raw_reclaim(&recovery_client, unnamed.segment, "rw", two, &unnamed);
    recovery_expect_outcome("ok");
    raw_ask(&recovery_client, "{'id':1,'op':'stat','segment':%ju}",
            (uintmax_t)removed.segment);
    REQUIRE_INT(raw_record(&recovery_client).state, PROTOCOL_REMOVED);
    raw_ask(&recovery_client, "{'id':1,'op':'stat','segment':%ju}",
            (uintmax_t)unnamed.segment);
    REQUIRE_INT(raw_record(&recovery_client).state, PROTOCOL_UNNAMED);
    recovery_expect_filled(one, 1);
    test_close(one);
    test_close(two);
    test_close(three);
}
END_TEST

START_TEST(what_was_given_up_stays_given_up)
{
    struct message_grant grant;
    test_close(
        raw_create(&recovery_client, &grant, "'name':'last','size':4096"));
    raw_release(&recovery_client, grant.grant);
    int held =
        raw_create(&recovery_client, &grant, "'name':'held','size':4096");
    raw_release(&recovery_client, grant.grant);
    test_broker_crash(&recovery_broker);
    raw_close(&recovery_client);
    raw_open(&recovery_client, recovery_broker.socket);
    REQUIRE(!recovery_is_found("last"));
    REQUIRE(!recovery_is_found("held"));
    test_close(held);
}
END_TEST

/* Nobody is answered for the first one's end, whose name the second has. */
START_TEST(name_given_up_and_taken_in_one_message_is_the_new_one_s)
{
    struct message_grant old, new;
    for (int i = 0; i < 5; i++) {
        test_close(
            raw_create(&recovery_client, &old, "'name':'n%d','size':4096", i));
        raw_say(&recovery_client,
                "{'id':1,'op':'release','grant':%ju,'quiet':true}\n"
                "{'id':2,'op':'create','name':'n%d','size':4096}",
                (uintmax_t)old.grant, i);
        raw_reply(&recovery_client);
        int fd = raw_grant(&recovery_client, &new);
        REQUIRE(new.segment > old.segment);
        recovery_crash();
        raw_ask(&recovery_client, "{'id':1,'op':'stat','name':'n%d'}", i);
        REQUIRE_INT(raw_record(&recovery_client).segment, new.segment);
        test_close(fd);
    }
}
END_TEST

static bool all_are_gone(void)
{
    return raw_used_by_all(&recovery_client, "segments") == 0;
}

/* More than one turn frees, and more than one piece of what goes to the
 * keeper. */
START_TEST(all_of_an_ended_client_goes_and_none_of_it_comes_back)
{
    struct message_grant grant;
    struct raw crowd;
    unsigned count = suite_quick() ? 500 : 3000;
    raw_open(&crowd, recovery_broker.socket);
    for (unsigned i = 0; i < count; i++)
        test_close(raw_create(&crowd, &grant,
                              "'name':'s%u','size':4096,'commit':false", i));
    raw_close(&crowd);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, all_are_gone()));
    REQUIRE_INT(raw_used_by_all(&recovery_client, "bytes"), 0);
    recovery_crash();
    REQUIRE_INT(raw_count_segments(&recovery_client), 0);
}
END_TEST

START_TEST(ids_are_never_used_again)
{
    struct message_grant grant;
    uint64_t last = 0;
    for (int i = 0; i < 5; i++) {
        test_close(raw_create(&recovery_client, &grant, "'size':4096"));
        REQUIRE(grant.segment > last);
        last = grant.segment;
        raw_release(&recovery_client, grant.grant);
        recovery_crash();
    }
}
END_TEST

START_TEST(reclaimed_names_outlive_the_grace_and_others_do_not)
{
    struct message_grant kept, lost, stays;
    int one = raw_create(&recovery_client, &kept, "'name':'kept','size':4096");
    int left = raw_create(&recovery_client, &lost, "'name':'lost','size':4096");
    test_close(raw_create(&recovery_client, &stays,
                          "'name':'stays','size':4096,'persist':true"));
    raw_release(&recovery_client, stays.grant);
    recovery_crash();
    REQUIRE(recovery_is_found("lost"));
    raw_reclaim(&recovery_client, kept.segment, "rw", one, &kept);
    recovery_expect_outcome("ok");
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, !recovery_is_found("lost")));
    test_close(left);
    REQUIRE(recovery_is_found("kept"));
    REQUIRE(recovery_is_found("stays"));
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS,
                       raw_used(&recovery_client, "total", "bytes") ==
                           2 * RECOVERY_PAGE));
    test_close(one);
    raw_release(&recovery_client, kept.grant);
    REQUIRE(!recovery_is_found("kept"));
    raw_ask(&recovery_client, "{'id':1,'op':'remove','name':'stays'}");
    REQUIRE_INT(raw_used(&recovery_client, "total", "bytes"), 0);
}
END_TEST

/* Nobody can come back for it: it goes long before the end of the grace. */
START_TEST(memory_that_nobody_has_any_more_is_freed)
{
    SKIP_UNLESS(raw_knows_holders(recovery_broker.socket),
                "the broker does not list exact-lifetime");
    test_close(raw_create(&recovery_client, NULL, "'name':'gone','size':4096"));
    int held = raw_create(&recovery_client, NULL, "'name':'held','size':4096");
    test_kill(recovery_broker.serving);
    raw_close(&recovery_client);
    test_broker_await(&recovery_broker);
    raw_open(&recovery_client, recovery_broker.socket);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, !recovery_is_found("gone")));
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, raw_used(&recovery_client, "total",
                                                  "bytes") == RECOVERY_PAGE));
    REQUIRE(recovery_is_found("held"));
    test_close(held);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, !recovery_is_found("held")));
}
END_TEST

/* A visitor must not take the name away from holders who are on their way. */
START_TEST(visit_during_the_grace_does_not_end_a_name)
{
    struct message_grant mine, visit;
    int fd = raw_create(&recovery_client, &mine, "'name':'n','size':4096");
    recovery_crash();
    test_close(raw_open_segment(&recovery_client, &visit, "'name':'n'"));
    raw_release(&recovery_client, visit.grant);
    REQUIRE(recovery_is_found("n"));
    raw_reclaim(&recovery_client, mine.segment, "rw", fd, &mine);
    recovery_expect_outcome("ok");
    test_close(fd);
}
END_TEST

START_TEST(late_claim_gets_the_memory_but_no_name)
{
    SKIP_UNLESS(raw_knows_holders(recovery_broker.socket),
                "the broker does not list exact-lifetime");
    struct message_grant mine, theirs;
    int fd = raw_create(&recovery_client, &mine, "'name':'n','size':4096");
    recovery_fill(fd, 7);
    recovery_crash();
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, !recovery_is_found("n")));
    test_close(raw_create(&recovery_client, &theirs, "'name':'n','size':8192"));
    raw_reclaim(&recovery_client, mine.segment, "rw", fd, &mine);
    recovery_expect_outcome("ok");
    REQUIRE_INT(raw_used(&recovery_client, "total", "bytes"),
                3 * RECOVERY_PAGE);
    raw_ask(&recovery_client, "{'id':1,'op':'stat','segment':%ju}",
            (uintmax_t)mine.segment);
    REQUIRE_INT(raw_record(&recovery_client).state, PROTOCOL_REMOVED);
    test_close(fd);
    raw_release(&recovery_client, mine.grant);
    REQUIRE_INT(raw_used(&recovery_client, "total", "bytes"),
                2 * RECOVERY_PAGE);
}
END_TEST

START_TEST(claim_needs_the_right_handle)
{
    struct message_grant one, two, reader, claimed;
    int first = raw_create(&recovery_client, &one, "'name':'one','size':4096");
    int second = raw_create(&recovery_client, &two, "'name':'two','size':4096");
    int readable = raw_open_segment(&recovery_client, &reader, "'name':'one'");
    int strange = test_memory_new(RECOVERY_PAGE);
    raw_reclaim(&recovery_client, one.segment, "rw", second, &claimed);
    recovery_expect_outcome("not-found");
    raw_reclaim(&recovery_client, one.segment, "rw", readable, &claimed);
    recovery_expect_outcome("not-found");
    raw_reclaim(&recovery_client, one.segment, "ro", strange, &claimed);
    recovery_expect_outcome("not-found");
    raw_reclaim(&recovery_client, 999, "ro", first, &claimed);
    recovery_expect_outcome("not-found");
    raw_reclaim(&recovery_client, one.segment, "cow", readable, &claimed);
    recovery_expect_outcome("ok");
    REQUIRE_INT(raw_used(&recovery_client, "total", "grants"), 4);
    test_close(first);
    test_close(second);
    test_close(readable);
    test_close(strange);
}
END_TEST

START_TEST(many_deaths_lose_nothing)
{
    enum { DEATHS = 12, SEGMENTS = 50 };
    struct message_grant grants[SEGMENTS];
    int handles[SEGMENTS];
    for (int i = 0; i < SEGMENTS; i++) {
        handles[i] = raw_create(&recovery_client, &grants[i],
                                "'name':'s%d','size':4096", i);
        recovery_fill(handles[i], (unsigned)i * 10000);
    }
    for (int i = 0; i < (suite_quick() ? 4 : DEATHS); i++)
        recovery_crash();
    REQUIRE_INT(raw_used(&recovery_client, "total", "bytes"),
                SEGMENTS * RECOVERY_PAGE);
    for (int i = 0; i < SEGMENTS; i++) {
        struct message_grant opened;
        int fd = raw_open_segment(&recovery_client, &opened, "'name':'s%d'", i);
        REQUIRE_INT(opened.segment, grants[i].segment);
        recovery_expect_filled(fd, (unsigned)i * 10000);
        test_close(fd);
        test_close(handles[i]);
    }
}
END_TEST

START_TEST(bad_configuration_delays_the_next_broker_and_loses_nothing)
{
    struct message_grant grant;
    test_close(raw_create(&recovery_client, &grant, "'name':'n','size':4096"));
    test_broker_configure(&recovery_broker, "[broker]\nnonsense = 1\n");
    test_kill(recovery_broker.serving);
    REQUIRE(TEST_UNTIL(
        RECOVERY_SOON_MS,
        test_broker_logged(&recovery_broker, "nonsense = 1: expected")));
    test_broker_configure(&recovery_broker, recovery_config);
    raw_close(&recovery_client);
    raw_open(&recovery_client, recovery_broker.socket);
    REQUIRE(recovery_is_found("n"));
}
END_TEST

START_TEST(lowered_limits_take_nothing_back)
{
    struct message_grant grant;
    int fd = raw_create(&recovery_client, &grant, "'name':'n','size':8192");
    test_broker_configure(&recovery_broker,
                          "[default]\nbytes = 4096\ngrants = 1\n");
    recovery_crash();
    REQUIRE_INT(raw_used(&recovery_client, NULL, "bytes"), 2 * RECOVERY_PAGE);
    raw_ask(&recovery_client, "{'id':1,'op':'create','size':1}");
    recovery_expect_outcome("quota-exceeded");
    raw_reclaim(&recovery_client, grant.segment, "rw", fd, &grant);
    recovery_expect_outcome("ok");
    test_close(fd);
}
END_TEST

/* Each holder gets one grant back, whatever the limit is now. */
START_TEST(lowered_limit_of_grants_takes_no_name)
{
    enum { SEGMENTS = 3 };
    struct message_grant grants[SEGMENTS];
    int handles[SEGMENTS];
    for (int i = 0; i < SEGMENTS; i++)
        handles[i] = raw_create(&recovery_client, &grants[i],
                                "'name':'n%d','size':4096", i);
    test_broker_configure(&recovery_broker, "[broker]\ngrace = 60s\n"
                                            "[default]\ngrants = 1\n");
    recovery_crash();
    for (int i = 0; i < SEGMENTS; i++) {
        raw_reclaim(&recovery_client, grants[i].segment, "rw", handles[i],
                    &grants[i]);
        recovery_expect_outcome("ok");
    }
    raw_reclaim(&recovery_client, grants[1].segment, "rw", handles[1],
                &grants[1]);
    recovery_expect_outcome("quota-exceeded");
    raw_ask(&recovery_client, "{'id':1,'op':'open','name':'n0'}");
    recovery_expect_outcome("quota-exceeded");
    for (int i = 0; i < SEGMENTS; i++)
        test_close(handles[i]);
}
END_TEST

static void kill_keeper(void)
{
    test_kill(recovery_broker.pid);
    test_join(recovery_broker.pid);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, recovery_has_new_keeper()));
}

START_TEST(dead_keeper_is_replaced_and_keeps_everything)
{
    struct message_grant grant;
    int fd = raw_create(&recovery_client, &grant, "'name':'n','size':4096");
    recovery_fill(fd, 3);
    test_pid serving = recovery_broker.serving;
    kill_keeper();
    /* The same connection goes on. */
    raw_ask(&recovery_client, "{'id':1,'op':'ping'}");
    recovery_expect_outcome("ok");
    test_close(
        raw_create(&recovery_client, &grant, "'name':'later','size':4096"));
    recovery_broker.pid = test_child_of(serving);
    test_kill(serving);
    /* Not by its number, which the next broker may have as well. */
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS,
                       test_broker_logged(&recovery_broker, "are back")));
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, raw_answers(recovery_broker.socket)));
    raw_close(&recovery_client);
    raw_open(&recovery_client, recovery_broker.socket);
    int again = raw_open_segment(&recovery_client, &grant, "'name':'n'");
    recovery_expect_filled(again, 3);
    REQUIRE(recovery_is_found("later"));
    test_close(fd);
    test_close(again);
    recovery_end_successor();
}
END_TEST

static bool takes_more(struct raw *stalled, const char *request)
{
    long sent = raw_send_some(stalled, request, strlen(request));
    REQUIRE(sent >= 0);
    return sent > 0;
}

/* Opens again and again, and reads no answer. In a process of its own, since
 * handles in answers that nobody read go with that on Windows. */
static void stall(const char *socket)
{
    static const char request[] = "{\"id\":1,\"op\":\"open\",\"name\":\"n\"}\n";
    struct raw raw;
    raw_open(&raw, socket);
    while (TEST_UNTIL(300, takes_more(&raw, request)))
        continue;
    role_tell("stalls");
    role_sleep();
}

static test_pid start_stalled(void)
{
    char output[TEST_PATH_MAX];
    struct message_grant grant;
    test_close(raw_create(&recovery_client, &grant,
                          "'name':'n','size':4096,'persist':true"));
    test_path(output, "%s/stalled", recovery_broker.folder);
    test_pid pid = role_start("stalled", recovery_broker.socket, output);
    role_await(pid, output, "stalls");
    return pid;
}

static void expect_served(void)
{
    raw_ask(&recovery_client, "{'id':1,'op':'ping'}");
    recovery_expect_outcome("ok");
}

/* Of handles whose answers are not written the broker has notes. */
START_TEST(stalled_client_outlives_the_keeper)
{
    test_pid stalled = start_stalled();
    test_pid serving = recovery_broker.serving;
    kill_keeper();
    expect_served();
    test_kill(stalled);
    test_join(stalled);
    expect_served();
    recovery_broker.pid = test_child_of(serving);
    recovery_end_successor();
}
END_TEST

START_TEST(stalled_client_does_not_keep_the_service_from_ending)
{
    test_pid stalled = start_stalled();
    test_broker_end(&recovery_broker);
    test_kill(stalled);
    test_join(stalled);
    raw_close(&recovery_client);
    test_broker_forget(&recovery_broker);
}
END_TEST

static Suite *recovery_suite(void)
{
    Suite *suite = suite_create("recovery");
    TCase *tests = suite_case(suite, "recovery", 60);
    tcase_add_checked_fixture(tests, setup, recovery_stop);
    tcase_add_test(tests, everything_of_a_segment_comes_back);
    tcase_add_test(tests, shares_and_owners_come_back);
    tcase_add_test(tests, removed_and_unnamed_segments_come_back_as_they_were);
    tcase_add_test(tests, what_was_given_up_stays_given_up);
    tcase_add_test(tests,
                   name_given_up_and_taken_in_one_message_is_the_new_one_s);
    tcase_add_test(tests,
                   all_of_an_ended_client_goes_and_none_of_it_comes_back);
    tcase_add_test(tests, ids_are_never_used_again);
    tcase_add_test(tests, memory_that_nobody_has_any_more_is_freed);
    tcase_add_test(tests, visit_during_the_grace_does_not_end_a_name);
    tcase_add_test(tests, claim_needs_the_right_handle);
    tcase_add_test(tests, many_deaths_lose_nothing);
    tcase_add_test(tests,
                   bad_configuration_delays_the_next_broker_and_loses_nothing);
    tcase_add_test(tests, lowered_limits_take_nothing_back);
    tcase_add_test(tests, lowered_limit_of_grants_takes_no_name);

    tests = suite_case(suite, "grace", 60);
    tcase_add_checked_fixture(tests, setup_short, recovery_stop);
    tcase_add_test(tests, reclaimed_names_outlive_the_grace_and_others_do_not);
    tcase_add_test(tests, late_claim_gets_the_memory_but_no_name);

    tests = suite_case(suite, "successor", 60);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, dead_keeper_is_replaced_and_keeps_everything);
    tcase_add_test(tests, stalled_client_outlives_the_keeper);
    tcase_add_test(tests, stalled_client_does_not_keep_the_service_from_ending);
    return suite;
}

int main(void)
{
    role_offer("stalled", stall);
    return suite_main(recovery_suite());
}
