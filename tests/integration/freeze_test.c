/*
 * Freezing: who may, what is refused, and that it outlives the broker. What
 * the kernel holds to is in freeze_test_linux.c.
 */
#include "client/segbroker.h"
#include "tests/support/memory.h"
#include "tests/support/recovery.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

static bool freezes; /* feature "freeze" */

static void setup(void)
{
    recovery_start(recovery_config);
    freezes = raw_has_feature(recovery_broker.socket, "freeze");
}

static const char *freeze(struct raw *raw, uint64_t segment, const char *mode)
{
    raw_ask(raw, "{'id':1,'op':'freeze','segment':%ju,'mode':'%s'}",
            (uintmax_t)segment, mode);
    return raw_outcome(raw);
}

static const char *open_for(uint64_t segment, const char *access)
{
    raw_ask(&recovery_client,
            "{'id':1,'op':'open','segment':%ju,'access':'%s'}",
            (uintmax_t)segment, access);
    if (recovery_client.reply.ok)
        test_close(raw_grant(&recovery_client, NULL));
    return raw_outcome(&recovery_client);
}

static void expect_frozen(uint64_t segment, enum protocol_frozen frozen)
{
    raw_ask(&recovery_client, "{'id':1,'op':'stat','segment':%ju}",
            (uintmax_t)segment);
    struct message_segment record = raw_record(&recovery_client);
    REQUIRE(record.freezable);
    REQUIRE_INT(record.frozen, frozen);
    REQUIRE(record.may_read);
    REQUIRE_INT(record.may_write, frozen == PROTOCOL_FROZEN_NO);
}

START_TEST(future_gives_nobody_the_right_to_write)
{
    struct message_grant made, again;
    REQUIRE(raw_has_feature(recovery_broker.socket, "freeze-future"));
    int fd = raw_create(&recovery_client, &made,
                        "'name':'a','size':4096,'freezable':true");
    struct test_view old = test_view_open(test_copy(fd), 4096, TEST_RW);
    expect_frozen(made.segment, PROTOCOL_FROZEN_NO);
    REQUIRE_STR(freeze(&recovery_client, made.segment, "future"), "ok");
    REQUIRE_STR(freeze(&recovery_client, made.segment, "future"), "ok");
    expect_frozen(made.segment, PROTOCOL_FROZEN_FUTURE);
    REQUIRE_STR(open_for(made.segment, "rw"), "access-denied");
    REQUIRE_PART(recovery_client.reply.text, "frozen");
    raw_ask(&recovery_client, "{'id':1,'op':'create','name':'a','size':1}");
    recovery_expect_outcome("access-denied");
    REQUIRE_STR(open_for(made.segment, "ro"), "ok");
    REQUIRE_STR(open_for(made.segment, "cow"), "ok");
    raw_ask(&recovery_client, "{'id':1,'op':'offer','grant':%ju,'access':'rw'}",
            (uintmax_t)made.grant);
    recovery_expect_outcome("access-denied");
    /* Who had a view writes on. */
    memset(old.memory, 7, 4096);
    test_view_close(&old);
    /* The handle of before is still a proof. */
    raw_reclaim(&recovery_client, made.segment, "rw", fd, &again);
    recovery_expect_outcome("ok");
    test_close(fd);
}
END_TEST

START_TEST(ticket_for_writing_is_no_way_around)
{
    struct message_grant made;
    struct message_ticket ticket;
    char text[SEGB_TICKET_MAX];
    test_close(
        raw_create(&recovery_client, &made, "'size':4096,'freezable':true"));
    raw_ask(&recovery_client, "{'id':1,'op':'offer','grant':%ju,'access':'rw'}",
            (uintmax_t)made.grant);
    REQUIRE_INT(message_reply_ticket(&recovery_client.reply, &ticket), 0);
    snprintf(text, sizeof(text), "%s", ticket.ticket);
    REQUIRE_STR(freeze(&recovery_client, made.segment, "future"), "ok");
    raw_ask(&recovery_client, "{'id':1,'op':'redeem','ticket':'%s'}", text);
    recovery_expect_outcome("access-denied");
}
END_TEST

START_TEST(freezing_outlives_the_broker)
{
    struct message_grant made, again;
    int fd =
        raw_create(&recovery_client, &made, "'size':4096,'freezable':true");
    const char *mode = freezes ? "now" : "future";
    REQUIRE_STR(freeze(&recovery_client, made.segment, mode), "ok");
    recovery_crash();
    expect_frozen(made.segment,
                  freezes ? PROTOCOL_FROZEN_YES : PROTOCOL_FROZEN_FUTURE);
    REQUIRE_STR(open_for(made.segment, "rw"), "access-denied");
    raw_reclaim(&recovery_client, made.segment, "rw", fd, &again);
    recovery_expect_outcome("ok");
    REQUIRE_STR(freeze(&recovery_client, made.segment, mode), "ok");
    test_close(fd);
}
END_TEST

START_TEST(only_freezable_ones_can_be_frozen)
{
    struct message_grant made;
    test_close(raw_create(&recovery_client, &made, "'size':4096"));
    REQUIRE_STR(freeze(&recovery_client, made.segment, "now"), "not-supported");
    REQUIRE_PART(recovery_client.reply.text, "freezable");
    REQUIRE_STR(freeze(&recovery_client, made.segment, "future"),
                "not-supported");
    REQUIRE_STR(freeze(&recovery_client, made.segment + 1, "now"), "not-found");
    REQUIRE_STR(freeze(&recovery_client, made.segment, "maybe"),
                "invalid-argument");
}
END_TEST

START_TEST(now_where_the_system_cannot_is_refused)
{
    struct message_grant made;
    SKIP_UNLESS(!freezes, "this system freezes");
    test_close(
        raw_create(&recovery_client, &made, "'size':4096,'freezable':true"));
    REQUIRE_STR(freeze(&recovery_client, made.segment, "now"), "not-supported");
    expect_frozen(made.segment, PROTOCOL_FROZEN_NO);
}
END_TEST

START_TEST(only_owner_and_administrators_may)
{
    SKIP_UNLESS(test_is_root(), "needs root to act as other users");
    struct raw alice, bob;
    struct message_grant made;
    raw_open_as(&alice, recovery_broker.socket, TEST_ALICE, 0);
    raw_open_as(&bob, recovery_broker.socket, TEST_BOB, 0);
    test_close(raw_create(&alice, &made,
                          "'size':4096,'freezable':true,"
                          "'share':{'write':['everyone']}"));
    REQUIRE_STR(freeze(&bob, made.segment, "future"), "access-denied");
    REQUIRE_STR(freeze(&alice, made.segment, "future"), "ok");
    REQUIRE_STR(freeze(&recovery_client, made.segment, "future"), "ok");
    raw_close(&alice);
    raw_close(&bob);
}
END_TEST

START_TEST(library_freezes)
{
    segb_create_options freezable = {.struct_size = sizeof(freezable),
                                     .freezable = 1};
    segb_open_options writable = {.struct_size = sizeof(writable),
                                  .access = SEGB_RW};
    segb_client *client = recovery_connect();
    segb_segment *made, *opened;
    segb_info info;
    REQUIRE_INT(segb_create(client, "a", 4096, &freezable, &made), 0);
    REQUIRE_INT(segb_freeze(client, "a", 0, 0), SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_freeze(client, "b", 0, SEGB_FROZEN_YES), SEGB_E_NOT_FOUND);
    REQUIRE_INT(segb_freeze(client, "a", 0, SEGB_FROZEN_FUTURE), 0);
    REQUIRE_INT(segb_open(client, "a", &writable, &opened),
                SEGB_E_ACCESS_DENIED);
    REQUIRE_INT(segb_stat(client, "a", 0, &info), 0);
    REQUIRE(info.freezable);
    REQUIRE_INT(info.frozen, SEGB_FROZEN_FUTURE);
    REQUIRE_INT(segb_freeze(client, NULL, segb_id(made), SEGB_FROZEN_YES),
                freezes ? 0 : SEGB_E_NOT_SUPPORTED);
    segb_close(made);
    segb_disconnect(client);
}
END_TEST

static Suite *freeze_suite(void)
{
    Suite *suite = suite_create("freeze");
    TCase *tests = suite_case(suite, "freeze", 60);
    tcase_add_checked_fixture(tests, setup, recovery_stop);
    tcase_add_test(tests, future_gives_nobody_the_right_to_write);
    tcase_add_test(tests, ticket_for_writing_is_no_way_around);
    tcase_add_test(tests, freezing_outlives_the_broker);
    tcase_add_test(tests, only_freezable_ones_can_be_frozen);
    tcase_add_test(tests, now_where_the_system_cannot_is_refused);
    tcase_add_test(tests, only_owner_and_administrators_may);
    tcase_add_test(tests, library_freezes);
    return suite;
}

int main(void)
{
    return suite_main(freeze_suite());
}
