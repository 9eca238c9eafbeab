/*
 * Revoking: an administrator takes a segment from all who have it, and nobody
 * gets it back.
 */
#include "client/segbroker.h"
#include "tests/support/memory.h"
#include "tests/support/recovery.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

enum { LARGE = 40 * 1024 * 1024 };

static struct raw holder;

static void setup(void)
{
    recovery_start(recovery_config);
    raw_open(&holder, recovery_broker.socket);
}

static void teardown(void)
{
    raw_close(&holder);
    recovery_stop();
}

/* Whether it says that the memory was emptied. */
static bool revoke(uint64_t segment)
{
    bool emptied;
    raw_ask(&recovery_client, "{'id':1,'op':'revoke','segment':%ju}",
            (uintmax_t)segment);
    recovery_expect_outcome("ok");
    REQUIRE_INT(message_reply_revoked(&recovery_client.reply, &emptied), 0);
    return emptied;
}

static void expect_zeros(const char *memory, size_t size)
{
    for (size_t i = 0; i < size; i++)
        REQUIRE_INT(memory[i], 0);
}

static void expect_nothing_is_charged(void)
{
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS,
                       raw_used_by_all(&recovery_client, "bytes") == 0 &&
                           raw_used_by_all(&recovery_client, "segments") == 0));
    REQUIRE_INT(raw_used_by_all(&recovery_client, "grants"), 0);
}

START_TEST(holders_see_zeros_and_have_no_grants)
{
    struct message_grant made, opened, again;
    int fd = raw_create(&holder, &made, "'name':'a','size':%d", LARGE);
    test_close(raw_open_segment(&recovery_client, &opened, "'name':'a'"));
    struct test_view view = test_view_open(fd, LARGE, TEST_RW);
    memset(view.memory, 7, LARGE);
    REQUIRE(revoke(made.segment));
    expect_zeros(view.memory, LARGE);
    REQUIRE(!recovery_is_found("a"));
    REQUIRE_INT(raw_used_by_all(&recovery_client, "grants"), 0);
    raw_ask(&holder, "{'id':1,'op':'release','grant':%ju}",
            (uintmax_t)made.grant);
    REQUIRE_STR(raw_outcome(&holder), "not-found");
    /* Nobody is killed who touches it, and the name is another's. */
    memset(view.memory, 1, LARGE);
    test_close(raw_create(&recovery_client, &again, "'name':'a','size':4096"));
    raw_release(&recovery_client, again.grant);
    test_view_close(&view);
    expect_nothing_is_charged();
}
END_TEST

START_TEST(memory_is_charged_until_the_last_holder_has_gone)
{
    struct message_grant made;
    SKIP_UNLESS(raw_knows_holders(recovery_broker.socket),
                "this system cannot tell who holds memory");
    int fd = raw_create(&holder, &made,
                        "'name':'a','size':65536,"
                        "'persist':true");
    REQUIRE(revoke(made.segment));
    raw_ask(&recovery_client, "{'id':1,'op':'stat','segment':%ju}",
            (uintmax_t)made.segment);
    REQUIRE_INT(raw_record(&recovery_client).state, PROTOCOL_HELD);
    REQUIRE_INT(raw_used(&recovery_client, "total", "bytes"), 65536);
    /* Once more, of what its holder wrote since. */
    test_memory_put(fd, "x", 1);
    char byte = 1;
    REQUIRE(revoke(made.segment));
    test_memory_get(fd, &byte, 1);
    REQUIRE_INT(byte, 0);
    test_close(fd);
    expect_nothing_is_charged();
}
END_TEST

START_TEST(showing_the_handle_gives_nothing_back)
{
    struct message_grant made, again;
    struct message_ticket offered;
    char ticket[SEGB_TICKET_MAX];
    int fd = raw_create(&holder, &made, "'name':'a','size':4096");
    raw_ask(&holder, "{'id':1,'op':'offer','grant':%ju}",
            (uintmax_t)made.grant);
    REQUIRE_INT(message_reply_ticket(&holder.reply, &offered), 0);
    snprintf(ticket, sizeof(ticket), "%s", offered.ticket);
    revoke(made.segment);
    for (int died = 0; died < 2; died++) {
        raw_reclaim(&recovery_client, made.segment, "rw", fd, &again);
        recovery_expect_outcome("not-found");
        raw_ask(&recovery_client, "{'id':1,'op':'open','segment':%ju}",
                (uintmax_t)made.segment);
        recovery_expect_outcome("not-found");
        raw_ask(&recovery_client, "{'id':1,'op':'redeem','ticket':'%s'}",
                ticket);
        recovery_expect_outcome("not-found");
        REQUIRE(!recovery_is_found("a"));
        if (!died)
            recovery_crash();
    }
    test_close(fd);
    expect_nothing_is_charged();
}
END_TEST

START_TEST(frozen_ones_keep_their_bytes)
{
    struct message_grant made;
    SKIP_UNLESS(raw_has_feature(recovery_broker.socket, "freeze"),
                "this system cannot freeze");
    int fd = raw_create(&holder, &made, "'size':4096,'freezable':true");
    recovery_fill(fd, 3);
    raw_ask(&holder, "{'id':1,'op':'freeze','segment':%ju}",
            (uintmax_t)made.segment);
    REQUIRE_STR(raw_outcome(&holder), "ok");
    REQUIRE(!revoke(made.segment));
    recovery_expect_filled(fd, 3);
    raw_ask(&holder, "{'id':1,'op':'open','segment':%ju}",
            (uintmax_t)made.segment);
    REQUIRE_STR(raw_outcome(&holder), "not-found");
    test_close(fd);
    expect_nothing_is_charged();
}
END_TEST

START_TEST(reserved_memory_is_emptied_too)
{
    struct message_grant made;
    int fd = raw_create(&holder, &made, "'size':%d,'commit':false", LARGE);
    char byte = 1;
    bool tells = test_memory_allocated(fd) >= 0;
    test_memory_put(fd, "x", 1);
    REQUIRE(revoke(made.segment));
    test_memory_get(fd, &byte, 1);
    test_close(fd);
    expect_nothing_is_charged();
    /* Wine says of one view's pages that another view has none. */
    SKIP_UNLESS(tells, "this system may not tell which pages there are");
    REQUIRE_INT(byte, 0);
}
END_TEST

START_TEST(asker_may_go_before_the_end)
{
    struct message_grant made;
    struct raw asker;
    int fd = raw_create(&holder, &made, "'size':%d", LARGE);
    raw_open(&asker, recovery_broker.socket);
    raw_say(&asker, "{'id':1,'op':'revoke','segment':%ju}",
            (uintmax_t)made.segment);
    raw_close(&asker);
    test_close(fd);
    raw_close(&holder);
    expect_nothing_is_charged();
    raw_open(&holder, recovery_broker.socket);
}
END_TEST

START_TEST(only_administrators_may)
{
    SKIP_UNLESS(test_is_root(), "needs root to act as other users");
    struct raw alice;
    struct message_grant made;
    raw_open_as(&alice, recovery_broker.socket, TEST_ALICE, 0);
    test_close(raw_create(&alice, &made, "'size':4096"));
    raw_ask(&alice, "{'id':1,'op':'revoke','segment':%ju}",
            (uintmax_t)made.segment);
    REQUIRE_STR(raw_outcome(&alice), "access-denied");
    raw_close(&alice);
    expect_nothing_is_charged();
}
END_TEST

START_TEST(library_revokes_and_closes_what_was_revoked)
{
    segb_client *client = recovery_connect();
    segb_segment *made;
    char *memory;
    int emptied = -1;
    REQUIRE_INT(segb_create(client, "a", 4096, NULL, &made), 0);
    REQUIRE_INT(segb_map(made, 0, 0, SEGB_RW, (void **)&memory), 0);
    memory[0] = 'x';
    REQUIRE_INT(segb_revoke(client, "b", 0, NULL), SEGB_E_NOT_FOUND);
    REQUIRE_INT(segb_revoke(client, "a", 0, &emptied), 0);
    REQUIRE_INT(emptied, 1);
    REQUIRE_INT(memory[0], 0);
    segb_unmap(memory);
    segb_close(made);
    REQUIRE_INT(segb_ping(client), 0);
    segb_disconnect(client);
    expect_nothing_is_charged();
}
END_TEST

static Suite *revoke_suite(void)
{
    Suite *suite = suite_create("revoke");
    TCase *tests = suite_case(suite, "revoke", 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, holders_see_zeros_and_have_no_grants);
    tcase_add_test(tests, memory_is_charged_until_the_last_holder_has_gone);
    tcase_add_test(tests, showing_the_handle_gives_nothing_back);
    tcase_add_test(tests, frozen_ones_keep_their_bytes);
    tcase_add_test(tests, reserved_memory_is_emptied_too);
    tcase_add_test(tests, asker_may_go_before_the_end);
    tcase_add_test(tests, only_administrators_may);
    tcase_add_test(tests, library_revokes_and_closes_what_was_revoked);
    return suite;
}

int main(void)
{
    return suite_main(revoke_suite());
}
