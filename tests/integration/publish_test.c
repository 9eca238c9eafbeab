/*
 * Publishing later: nobody but who has a grant opens a segment before, whoever
 * dies in between.
 */
#include "client/segbroker.h"
#include "tests/support/memory.h"
#include "tests/support/recovery.h"
#include "tests/support/suite.h"

#include <string.h>

static struct raw other; /* another process's connection */

static void setup(void)
{
    recovery_start(recovery_config);
    raw_open(&other, recovery_broker.socket);
}

static void teardown(void)
{
    raw_close(&other);
    recovery_stop();
}

static void crash(void)
{
    recovery_crash();
    raw_close(&other);
    raw_open(&other, recovery_broker.socket);
}

static int create_later(struct message_grant *made, const char *name)
{
    return raw_create(&recovery_client, made,
                      "'name':'%s','size':4096,'publish':'later'", name);
}

static const char *open_as(struct raw *raw, const char *name)
{
    raw_ask(raw, "{'id':1,'op':'open','name':'%s'}", name);
    if (raw->reply.ok)
        test_close(raw_grant(raw, NULL));
    return raw_outcome(raw);
}

static const char *publish_as(struct raw *raw, const char *name)
{
    raw_ask(raw, "{'id':1,'op':'publish','name':'%s'}", name);
    return raw_outcome(raw);
}

static bool is_published(uint64_t segment)
{
    raw_ask(&other, "{'id':1,'op':'stat','segment':%ju}", (uintmax_t)segment);
    return !raw_record(&other).unpublished;
}

START_TEST(nobody_else_opens_it_before)
{
    struct message_grant made;
    test_close(create_later(&made, "a"));
    REQUIRE_STR(open_as(&other, "a"), "busy");
    REQUIRE_PART(other.reply.text, "not published yet");
    raw_ask(&other, "{'id':1,'op':'open','segment':%ju}",
            (uintmax_t)made.segment);
    REQUIRE_STR(raw_outcome(&other), "busy");
    raw_ask(&other, "{'id':1,'op':'create','name':'a','size':1}");
    REQUIRE_STR(raw_outcome(&other), "busy");
    raw_ask(&other, "{'id':1,'op':'create','name':'a','size':1,"
                    "'if_exists':'fail'}");
    REQUIRE_STR(raw_outcome(&other), "exists");
    REQUIRE(!is_published(made.segment));
    REQUIRE_STR(open_as(&recovery_client, "a"), "ok");
    REQUIRE_STR(publish_as(&recovery_client, "a"), "ok");
    REQUIRE(is_published(made.segment));
    REQUIRE_STR(open_as(&other, "a"), "ok");
    REQUIRE_STR(publish_as(&other, "a"), "ok");
}
END_TEST

START_TEST(no_ticket_leads_to_it)
{
    struct message_grant made;
    test_close(create_later(&made, "a"));
    raw_ask(&recovery_client, "{'id':1,'op':'offer','grant':%ju}",
            (uintmax_t)made.grant);
    recovery_expect_outcome("busy");
    REQUIRE_STR(publish_as(&recovery_client, "a"), "ok");
    raw_ask(&recovery_client, "{'id':1,'op':'offer','grant':%ju}",
            (uintmax_t)made.grant);
    recovery_expect_outcome("ok");
}
END_TEST

START_TEST(its_creator_goes_and_it_goes_too)
{
    struct message_grant made;
    raw_ask(&recovery_client, "{'id':1,'op':'ping'}");
    test_close(raw_create(&other, &made,
                          "'name':'a','size':4096,'persist':true,"
                          "'publish':'later'"));
    raw_close(&other);
    raw_open(&other, recovery_broker.socket);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, !recovery_is_found("a")));
    /* The next one begins anew. */
    test_close(create_later(&made, "a"));
    REQUIRE(made.created);
}
END_TEST

START_TEST(what_was_to_persist_does_so_once_published)
{
    struct message_grant made;
    test_close(raw_create(&recovery_client, &made,
                          "'name':'a','size':4096,'persist':true,"
                          "'publish':'later'"));
    REQUIRE_STR(publish_as(&other, "a"), "ok");
    raw_release(&recovery_client, made.grant);
    REQUIRE_STR(open_as(&other, "a"), "ok");
    raw_ask(&recovery_client, "{'id':1,'op':'remove','name':'a'}");
}
END_TEST

START_TEST(brokers_death_publishes_nothing)
{
    struct message_grant made, again;
    int fd = create_later(&made, "a");
    crash();
    REQUIRE(!is_published(made.segment));
    REQUIRE_STR(open_as(&other, "a"), "busy");
    /* Its creator is who has it. */
    REQUIRE_STR(open_as(&recovery_client, "a"), "busy");
    raw_reclaim(&recovery_client, made.segment, "rw", fd, &again);
    REQUIRE_STR(open_as(&recovery_client, "a"), "ok");
    REQUIRE_STR(publish_as(&recovery_client, "a"), "ok");
    crash();
    REQUIRE(is_published(made.segment));
    REQUIRE_STR(open_as(&other, "a"), "ok");
    test_close(fd);
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
                          "'size':4096,'publish':'later',"
                          "'share':{'write':['everyone']}"));
    raw_ask(&bob, "{'id':1,'op':'publish','segment':%ju}",
            (uintmax_t)made.segment);
    REQUIRE_STR(raw_outcome(&bob), "access-denied");
    raw_ask(&bob, "{'id':1,'op':'open','segment':%ju}",
            (uintmax_t)made.segment);
    REQUIRE_STR(raw_outcome(&bob), "busy");
    raw_ask(&alice, "{'id':1,'op':'publish','segment':%ju}",
            (uintmax_t)made.segment);
    REQUIRE_STR(raw_outcome(&alice), "ok");
    raw_ask(&bob, "{'id':1,'op':'open','segment':%ju}",
            (uintmax_t)made.segment);
    test_close(raw_grant(&bob, NULL));
    raw_close(&alice);
    raw_close(&bob);
}
END_TEST

START_TEST(what_nobody_may_open_is_not_published)
{
    SKIP_UNLESS(raw_knows_holders(recovery_broker.socket),
                "nothing is held here");
    struct message_grant made;
    int fd = create_later(&made, "a");
    raw_ask(&other, "{'id':1,'op':'publish','segment':%ju}",
            (uintmax_t)made.segment + 1);
    REQUIRE_STR(raw_outcome(&other), "not-found");
    raw_release(&recovery_client, made.grant);
    raw_ask(&other, "{'id':1,'op':'publish','segment':%ju}",
            (uintmax_t)made.segment);
    REQUIRE_STR(raw_outcome(&other), "not-found");
    test_close(fd);
}
END_TEST

START_TEST(library_publishes)
{
    segb_create_options later = {.struct_size = sizeof(later),
                                 .publish_later = 1};
    segb_client *client = recovery_connect(), *reader = recovery_connect();
    segb_segment *made, *opened;
    segb_info info;
    REQUIRE_INT(segb_create(client, "a", 4096, &later, &made), 0);
    REQUIRE_INT(segb_open(reader, "a", NULL, &opened), SEGB_E_BUSY);
    REQUIRE_INT(segb_stat(reader, "a", 0, &info), 0);
    REQUIRE(!info.published);
    REQUIRE_INT(segb_publish(client, "b", 0), SEGB_E_NOT_FOUND);
    REQUIRE_INT(segb_publish(client, NULL, segb_id(made)), 0);
    REQUIRE_INT(segb_stat(reader, "a", 0, &info), 0);
    REQUIRE(info.published);
    REQUIRE_INT(segb_open(reader, "a", NULL, &opened), 0);
    segb_close(opened);
    segb_close(made);
    segb_disconnect(reader);
    segb_disconnect(client);
}
END_TEST

static Suite *publish_suite(void)
{
    Suite *suite = suite_create("publish");
    TCase *tests = suite_case(suite, "publish", 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, nobody_else_opens_it_before);
    tcase_add_test(tests, no_ticket_leads_to_it);
    tcase_add_test(tests, its_creator_goes_and_it_goes_too);
    tcase_add_test(tests, what_was_to_persist_does_so_once_published);
    tcase_add_test(tests, brokers_death_publishes_nothing);
    tcase_add_test(tests, only_owner_and_administrators_may);
    tcase_add_test(tests, what_nobody_may_open_is_not_published);
    tcase_add_test(tests, library_publishes);
    return suite;
}

int main(void)
{
    return suite_main(publish_suite());
}
