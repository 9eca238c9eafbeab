/*
 * Lifetime is exact: a name lives by its grants, a charge by the last handle
 * or view anywhere.
 */
#include "client/segbroker.h"
#include "tests/support/held.h"
#include "tests/support/memory.h"
#include "tests/support/role.h"
#include "tests/support/suite.h"

START_TEST(handle_keeps_memory_charged_behind_its_grant)
{
    SKIP_UNLESS(held_is_exact(), HELD_NOT_EXACT);
    static const char *const accesses[] = {"rw", "ro", "cow"};
    struct message_grant grant;
    int fd = raw_create(&held_admin, &grant, "'size':%d,'access':'%s'",
                        HELD_SIZE, accesses[_i]);
    int copy = test_copy(fd);
    test_close(fd);
    raw_release(&held_admin, grant.grant);
    held_expect(grant.segment);
    test_close(copy);
    held_expect_released(grant.segment);
}
END_TEST

START_TEST(nothing_held_is_released_at_once)
{
    struct message_grant grant;
    test_close(
        raw_create(&held_admin, &grant, "'name':'a','size':%d", HELD_SIZE));
    raw_release(&held_admin, grant.grant);
    /* No waiting: the broker asks before it answers. */
    REQUIRE_INT(raw_used_by_all(&held_admin, "bytes"), 0);
    REQUIRE_INT(raw_count_segments(&held_admin), 0);
}
END_TEST

/* With a call, with a dispatch, or with the connection. */
START_TEST(lazy_close_gives_back_with_what_comes_next)
{
    segb_connect_options options = {.struct_size = sizeof(options),
                                    .socket = held_broker.socket,
                                    .close_lazily = 1};
    segb_client *client;
    segb_segment *segment;
    REQUIRE_INT(segb_connect(&options, &client), 0);
    for (int i = 0; i < 3; i++) {
        REQUIRE_INT(segb_create(client, "a", HELD_SIZE, NULL, &segment), 0);
        REQUIRE(segb_created(segment));
        segb_close(segment);
        REQUIRE_INT(raw_count_segments(&held_admin), 1);
        if (i == 0)
            REQUIRE_INT(segb_ping(client), 0);
        else if (i == 1)
            REQUIRE_INT(segb_client_dispatch(client), 0);
        else
            segb_disconnect(client);
        REQUIRE(
            TEST_UNTIL(HELD_RELEASE_MS, raw_count_segments(&held_admin) == 0));
    }
}
END_TEST

START_TEST(name_goes_while_the_view_remains)
{
    SKIP_UNLESS(held_is_exact(), HELD_NOT_EXACT);
    struct message_grant first;
    struct message_grant second;
    int fd = raw_create(&held_admin, &first, "'name':'a','size':%d", HELD_SIZE);
    struct test_view view = test_view_open(fd, HELD_SIZE, TEST_RW);
    *(unsigned char *)view.memory = 1;
    raw_release(&held_admin, first.grant);
    raw_ask(&held_admin, "{'id':1,'op':'open','name':'a'}");
    REQUIRE_STR(raw_outcome(&held_admin), "not-found");
    fd = raw_create(&held_admin, &second, "'name':'a','size':%d", HELD_SIZE);
    REQUIRE(second.created && second.segment != first.segment);
    REQUIRE_INT(raw_used(&held_admin, NULL, "bytes"), 2 * HELD_SIZE);
    unsigned char byte = 1;
    test_memory_get(fd, &byte, 1);
    REQUIRE_INT(byte, 0);
    test_close(fd);
    raw_release(&held_admin, second.grant);
    held_expect(first.segment);
    test_view_close(&view);
    held_expect_released(first.segment);
}
END_TEST

START_TEST(removed_segment_becomes_held_and_goes)
{
    SKIP_UNLESS(held_is_exact(), HELD_NOT_EXACT);
    struct message_grant grant;
    int fd = raw_create(&held_admin, &grant, "'name':'a','size':%d", HELD_SIZE);
    raw_ask(&held_admin, "{'id':1,'op':'remove','name':'a'}");
    REQUIRE(held_is_state(grant.segment, PROTOCOL_REMOVED));
    raw_release(&held_admin, grant.grant);
    held_expect(grant.segment);
    test_close(fd);
    held_expect_released(grant.segment);
}
END_TEST

START_TEST(removed_persistent_segment_is_held_by_a_view)
{
    SKIP_UNLESS(held_is_exact(), HELD_NOT_EXACT);
    struct message_grant grant;
    int fd = raw_create(&held_admin, &grant,
                        "'name':'a','size':%d,'persist':true", HELD_SIZE);
    struct test_view view = test_view_open(fd, HELD_SIZE, TEST_RO);
    raw_release(&held_admin, grant.grant);
    REQUIRE(held_is_state(grant.segment, PROTOCOL_NAMED));
    raw_ask(&held_admin, "{'id':1,'op':'remove','name':'a'}");
    REQUIRE_STR(raw_outcome(&held_admin), "ok");
    held_expect(grant.segment);
    test_view_close(&view);
    held_expect_released(grant.segment);
}
END_TEST

/* Asks, and leaves the answer unread. */
static void ask_only(const char *socket)
{
    struct raw raw;
    raw_open(&raw, socket);
    raw_say(&raw, "{'id':1,'op':'create','name':'a','size':%d}", HELD_SIZE);
    REQUIRE(TEST_UNTIL(5000, raw_pending(&raw)));
    role_tell("asked");
    role_sleep();
}

START_TEST(unread_handle_of_a_dead_client_is_released)
{
    char output[TEST_PATH_MAX];
    test_path(output, "%s/asker", held_broker.folder);
    test_pid asker = role_start("asker", held_broker.socket, output);
    role_await(asker, output, "asked");
    REQUIRE_INT(raw_count_segments(&held_admin), 1);
    test_kill(asker);
    test_join(asker);
    REQUIRE(TEST_UNTIL(HELD_RELEASE_MS, raw_count_segments(&held_admin) == 0));
    REQUIRE_INT(raw_used_by_all(&held_admin, "bytes"), 0);
}
END_TEST

START_TEST(owner_is_charged_while_another_user_holds)
{
    SKIP_UNLESS(test_is_root(), "needs root to act as other users");
    SKIP_UNLESS(held_is_exact(), HELD_NOT_EXACT);
    struct raw alice;
    struct raw bob;
    struct message_grant made;
    struct message_grant opened;
    raw_open_as(&alice, held_broker.socket, TEST_ALICE, 0);
    raw_open_as(&bob, held_broker.socket, TEST_BOB, 0);
    test_close(raw_create(&alice, &made,
                          "'size':%d,'share':{'read':['user:%d']}", HELD_SIZE,
                          TEST_BOB));
    int fd = raw_open_segment(&bob, &opened, "'segment':%ju",
                              (uintmax_t)made.segment);
    struct test_view view = test_view_open(fd, HELD_SIZE, TEST_RO);
    raw_release(&alice, made.grant);
    REQUIRE(held_is_state(made.segment, PROTOCOL_UNNAMED));
    REQUIRE_INT(raw_used(&alice, NULL, "grants"), 0);
    REQUIRE_INT(raw_used(&bob, NULL, "grants"), 1);
    raw_release(&bob, opened.grant);
    held_expect(made.segment);
    REQUIRE_INT(raw_used(&alice, NULL, "bytes"), HELD_SIZE);
    REQUIRE_INT(raw_used(&bob, NULL, "bytes"), 0);
    test_view_close(&view);
    held_expect_released(made.segment);
    REQUIRE_INT(raw_used(&alice, NULL, "bytes"), 0);
    raw_close(&alice);
    raw_close(&bob);
}
END_TEST

/* Asking whether one segment is still held must not wait behind many. */
START_TEST(many_held_segments_are_released_in_time)
{
    SKIP_UNLESS(held_is_exact(), HELD_NOT_EXACT);
    enum { COUNT = 500 };
    static struct test_view views[COUNT];
    for (int i = 0; i < COUNT; i++) {
        struct message_grant grant;
        int fd = raw_create(&held_admin, &grant, "'size':4096");
        views[i] = test_view_open(fd, 4096, TEST_RO);
        raw_release(&held_admin, grant.grant);
    }
    REQUIRE_INT(raw_used_by_all(&held_admin, "grants"), 0);
    REQUIRE_INT(raw_count_segments(&held_admin), COUNT);
    for (int i = 0; i < COUNT; i++)
        test_view_close(&views[i]);
    REQUIRE(TEST_UNTIL(HELD_RELEASE_MS, raw_count_segments(&held_admin) == 0));
    REQUIRE_INT(raw_used_by_all(&held_admin, "bytes"), 0);
}
END_TEST

START_TEST(held_segments_do_not_disturb_the_broker_s_end)
{
    struct message_grant grant;
    int fd = raw_create(&held_admin, &grant, "'size':%d", HELD_SIZE);
    struct test_view view = test_view_open(fd, HELD_SIZE, TEST_RW);
    raw_release(&held_admin, grant.grant);
    raw_close(&held_admin);
    test_broker_end(&held_broker); /* 0, though the view is still here */
    *(unsigned char *)view.memory = 1;
    test_view_close(&view);
    test_broker_run(&held_broker);
    raw_open(&held_admin, held_broker.socket);
}
END_TEST

/* ---- a client that is killed ---- */

/* Holds memory in every way, without end. */
static void hold(const char *socket)
{
    static const int accesses[] = {SEGB_RO, SEGB_RW, SEGB_COW};
    segb_client *client;
    segb_connect_options connect = {.struct_size = sizeof(connect),
                                    .socket = socket};
    REQUIRE_INT(segb_connect(&connect, &client), 0);
    for (int i = 0; i < 6; i++) {
        segb_create_options options = {.struct_size = sizeof(options),
                                       .access = accesses[i % 3]};
        segb_segment *segment;
        void *memory;
        REQUIRE_INT(segb_create(client, i == 0 ? "n" : NULL, HELD_SIZE,
                                &options, &segment),
                    0);
        REQUIRE_INT(segb_map(segment, 0, 0, accesses[i % 3], &memory), 0);
        if (i >= 3)
            segb_close(segment);
    }
    role_tell("holds");
    role_sleep();
}

START_TEST(killed_client_leaves_nothing)
{
    SKIP_UNLESS(held_is_exact(), HELD_NOT_EXACT);
    char output[TEST_PATH_MAX];
    test_path(output, "%s/holder", held_broker.folder);
    test_pid holder = role_start("holder", held_broker.socket, output);
    role_await(holder, output, "holds");
    REQUIRE_INT(raw_count_segments(&held_admin), 6);
    REQUIRE_INT(raw_used(&held_admin, NULL, "bytes"), 6 * HELD_SIZE);
    test_kill(holder);
    test_join(holder);
    REQUIRE(TEST_UNTIL(HELD_RELEASE_MS, raw_count_segments(&held_admin) == 0));
    REQUIRE_INT(raw_used_by_all(&held_admin, "bytes"), 0);
    REQUIRE_INT(raw_used_by_all(&held_admin, "grants"), 0);
}
END_TEST

/* ---- the library's views ---- */

START_TEST(view_outlives_its_segment_and_its_connection)
{
    SKIP_UNLESS(held_is_exact(), HELD_NOT_EXACT);
    static const int accesses[] = {SEGB_RO, SEGB_RW, SEGB_COW};
    segb_client *client;
    segb_segment *segment;
    void *memory;
    segb_connect_options connect = {.struct_size = sizeof(connect),
                                    .socket = held_broker.socket};
    segb_create_options options = {.struct_size = sizeof(options),
                                   .access = accesses[_i]};
    REQUIRE_INT(segb_connect(&connect, &client), 0);
    REQUIRE_INT(segb_create(client, "n", HELD_SIZE, &options, &segment), 0);
    uint64_t id = segb_id(segment);
    REQUIRE_INT(segb_map(segment, 0, 0, accesses[_i], &memory), 0);
    segb_close(segment);
    REQUIRE(TEST_UNTIL(HELD_RELEASE_MS, held_is_state(id, PROTOCOL_HELD)));
    held_expect(id);
    segb_disconnect(client);
    if (_i == 0)
        held_expect_stays(id);
    REQUIRE_INT(segb_unmap(memory), 0);
    held_expect_released(id);
}
END_TEST

static Suite *lifetime_suite(void)
{
    Suite *suite = suite_create("lifetime");
    TCase *tests = suite_case(suite, "lifetime", 120);
    tcase_add_checked_fixture(tests, held_setup, held_teardown);
    tcase_add_loop_test(tests, handle_keeps_memory_charged_behind_its_grant, 0,
                        3);
    tcase_add_test(tests, nothing_held_is_released_at_once);
    tcase_add_test(tests, lazy_close_gives_back_with_what_comes_next);
    tcase_add_test(tests, name_goes_while_the_view_remains);
    tcase_add_test(tests, removed_segment_becomes_held_and_goes);
    tcase_add_test(tests, removed_persistent_segment_is_held_by_a_view);
    tcase_add_test(tests, unread_handle_of_a_dead_client_is_released);
    tcase_add_test(tests, owner_is_charged_while_another_user_holds);
    tcase_add_test(tests, many_held_segments_are_released_in_time);
    tcase_add_test(tests, held_segments_do_not_disturb_the_broker_s_end);
    tcase_add_test(tests, killed_client_leaves_nothing);
    tcase_add_loop_test(tests, view_outlives_its_segment_and_its_connection, 0,
                        3);
    return suite;
}

int main(void)
{
    role_offer("asker", ask_only);
    role_offer("holder", hold);
    return suite_main(lifetime_suite());
}
