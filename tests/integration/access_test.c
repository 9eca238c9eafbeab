/*
 * Who may do what: rules, administrators, the service group, and what a
 * caller gets to see at all.
 */
#include "tests/support/broker.h"
#include "tests/support/memory.h"
#include "tests/support/raw.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

enum { SERVICE_GROUP = 12390 };

static const char config[] = "[broker]\n"
                             "administrators = user:root, group:12391\n"
                             "group = 12390\n"
                             "[access global/cam/*]\n"
                             "create = user:12345\n"
                             "write = user:12345\n"
                             "read = group:12399\n"
                             "list = everyone\n"
                             "[access global/cam/front]\n"
                             "create = user:12346\n"
                             "[access global/cam/secret/*]\n"
                             "create = user:12345\n"
                             "read =\n"
                             "write =\n"
                             "[access global/open/*]\n"
                             "create = everyone\n"
                             "[access global/narrow/*]\n"
                             "create = everyone\n"
                             "write = user:12346\n";

static struct test_broker broker;
static struct raw admin; /* root */
static struct raw alice;
static struct raw bob;   /* of TEST_GROUP */
static struct raw carol; /* of no group that matters */

static void setup(void)
{
    struct test_broker_options options = {.config = config,
                                          .user = TEST_SERVICE};
    if (!test_is_root())
        return;
    test_broker_start(&broker, &options);
    raw_open(&admin, broker.socket);
    raw_open_as(&alice, broker.socket, TEST_ALICE, 0);
    raw_open_as(&bob, broker.socket, TEST_BOB, TEST_GROUP);
    raw_open_as(&carol, broker.socket, TEST_CAROL, 0);
}

static void teardown(void)
{
    if (!test_is_root())
        return;
    raw_close(&admin);
    raw_close(&alice);
    raw_close(&bob);
    raw_close(&carol);
    test_broker_stop(&broker);
}

#define NEEDS_ROOT SKIP_UNLESS(test_is_root(), "needs root to act as others")

static const char *create(struct raw *raw, const char *name)
{
    raw_ask(raw, "{'id':1,'op':'create','name':'%s','size':1}", name);
    if (raw->reply.ok)
        test_close(raw_grant(raw, NULL));
    return raw_outcome(raw);
}

static const char *open_as(struct raw *raw, const char *name,
                           const char *access)
{
    raw_ask(raw, "{'id':1,'op':'open','name':'%s','access':'%s'}", name,
            access);
    if (raw->reply.ok)
        test_close(raw_grant(raw, NULL));
    return raw_outcome(raw);
}

static const char *stat_of(struct raw *raw, const char *name)
{
    raw_ask(raw, "{'id':1,'op':'stat','name':'%s'}", name);
    return raw_outcome(raw);
}

static const char *remove_by(struct raw *raw, const char *name)
{
    raw_ask(raw, "{'id':1,'op':'remove','name':'%s'}", name);
    return raw_outcome(raw);
}

/* ---- creating ---- */

START_TEST(host_wide_names_are_made_by_administrators_and_the_group)
{
    NEEDS_ROOT;
    struct raw member;
    struct raw group_admin;
    raw_open_as(&member, broker.socket, TEST_CAROL, SERVICE_GROUP);
    raw_open_as(&group_admin, broker.socket, TEST_CAROL, 12391);
    REQUIRE_STR(create(&alice, "global/x"), "access-denied");
    REQUIRE_STR(create(&bob, "global/x"), "access-denied");
    REQUIRE_STR(create(&admin, "global/x"), "ok");
    REQUIRE_STR(create(&member, "global/y"), "ok");
    REQUIRE_STR(create(&group_admin, "global/z"), "ok");
    /* Private ones are everybody's. */
    REQUIRE_STR(create(&alice, "x"), "ok");
    raw_close(&member);
    raw_close(&group_admin);
}
END_TEST

START_TEST(rule_says_who_creates_and_has_the_last_word)
{
    NEEDS_ROOT;
    struct raw member;
    raw_open_as(&member, broker.socket, TEST_CAROL, SERVICE_GROUP);
    REQUIRE_STR(create(&alice, "global/cam/0"), "ok");
    REQUIRE_STR(create(&bob, "global/cam/1"), "access-denied");
    REQUIRE_STR(create(&member, "global/cam/1"), "access-denied");
    REQUIRE_STR(create(&admin, "global/cam/1"), "access-denied");
    REQUIRE_STR(create(&carol, "global/open/1"), "ok");
    raw_close(&member);
}
END_TEST

START_TEST(exact_pattern_beats_any_and_longer_beats_shorter)
{
    NEEDS_ROOT;
    REQUIRE_STR(create(&alice, "global/cam/front"), "access-denied");
    REQUIRE_STR(create(&bob, "global/cam/front"), "ok");
    REQUIRE_STR(create(&alice, "global/cam/front2"), "ok");
    /* The longer rule has no list: nobody but the owner and administrators
     * see it, though the shorter rule lists everything. */
    REQUIRE_STR(create(&alice, "global/cam/secret/1"), "ok");
    REQUIRE_STR(stat_of(&bob, "global/cam/secret/1"), "not-found");
    REQUIRE_STR(stat_of(&bob, "global/cam/front2"), "ok");
}
END_TEST

/* ---- opening ---- */

START_TEST(rule_says_who_opens)
{
    NEEDS_ROOT;
    REQUIRE_STR(create(&alice, "global/cam/0"), "ok");
    REQUIRE_STR(open_as(&alice, "global/cam/0", "rw"), "ok");
    REQUIRE_STR(open_as(&bob, "global/cam/0", "ro"), "ok");
    REQUIRE_STR(open_as(&bob, "global/cam/0", "cow"), "ok");
    REQUIRE_STR(open_as(&bob, "global/cam/0", "rw"), "access-denied");
    REQUIRE_STR(open_as(&carol, "global/cam/0", "ro"), "access-denied");
    REQUIRE_STR(open_as(&carol, "global/cam/0", "rw"), "access-denied");
}
END_TEST

START_TEST(rule_beats_the_creators_share)
{
    NEEDS_ROOT;
    /* Write is the rule's; read follows it, as the rule sets one of them. */
    test_close(raw_create(&alice, NULL,
                          "'name':'global/narrow/a','size':1,'share':"
                          "{'read':['everyone'],'write':['everyone']}"));
    REQUIRE_STR(open_as(&bob, "global/narrow/a", "rw"), "ok");
    REQUIRE_STR(open_as(&carol, "global/narrow/a", "rw"), "not-found");
    REQUIRE_STR(open_as(&carol, "global/narrow/a", "ro"), "not-found");
    /* The owner is never shut out. */
    REQUIRE_STR(open_as(&alice, "global/narrow/a", "rw"), "ok");
}
END_TEST

START_TEST(share_decides_where_no_rule_does)
{
    NEEDS_ROOT;
    test_close(raw_create(&alice, NULL,
                          "'name':'global/open/a','size':1,'share':"
                          "{'read':['user:12348']}"));
    REQUIRE_STR(open_as(&carol, "global/open/a", "ro"), "ok");
    REQUIRE_STR(open_as(&carol, "global/open/a", "rw"), "access-denied");
    REQUIRE_STR(open_as(&bob, "global/open/a", "ro"), "not-found");
    /* Creating what exists is opening it. */
    REQUIRE_STR(create(&carol, "global/open/a"), "access-denied");
    raw_ask(&carol, "{'id':1,'op':'create','name':'global/open/a','size':9,"
                    "'access':'ro'}");
    REQUIRE_STR(raw_outcome(&carol), "ok");
    struct message_grant grant;
    test_close(raw_grant(&carol, &grant));
    REQUIRE(!grant.created);
    REQUIRE_INT(grant.size, 1);
}
END_TEST

/* A name that one cannot see may be taken: creating it must not tell more
 * than it has to, and never opens it. */
START_TEST(unseen_name_cannot_be_created_again)
{
    NEEDS_ROOT;
    struct message_grant grant;
    test_close(raw_create(&alice, &grant, "'name':'global/open/a','size':1"));
    const char *outcome = create(&bob, "global/open/a");
    REQUIRE(strcmp(outcome, "access-denied") == 0 ||
            strcmp(outcome, "exists") == 0);
    REQUIRE_STR(stat_of(&admin, "global/open/a"), "ok");
    REQUIRE_INT(raw_record(&admin).segment, grant.segment);
}
END_TEST

/* ---- seeing ---- */

START_TEST(list_shows_what_may_be_seen)
{
    NEEDS_ROOT;
    test_close(raw_create(&alice, NULL, "'name':'private','size':1"));
    test_close(raw_create(&alice, NULL, "'size':1"));
    REQUIRE_STR(create(&alice, "global/cam/0"), "ok");
    REQUIRE_STR(create(&alice, "global/cam/secret/0"), "ok");
    REQUIRE_STR(create(&alice, "global/open/0"), "ok");
    test_close(raw_create(&alice, NULL,
                          "'name':'global/open/1','size':1,'share':"
                          "{'read':['everyone']}"));
    REQUIRE_INT(raw_count_segments(&alice), 6);
    REQUIRE_INT(raw_count_segments(&admin), 6);
    REQUIRE_INT(raw_count_segments(&bob), 2);   /* cam/0, open/1 */
    REQUIRE_INT(raw_count_segments(&carol), 2); /* the same: cam is listed */
}
END_TEST

START_TEST(listed_but_closed_is_seen_without_rights)
{
    NEEDS_ROOT;
    REQUIRE_STR(create(&alice, "global/cam/0"), "ok");
    REQUIRE_STR(stat_of(&carol, "global/cam/0"), "ok");
    struct message_segment record = raw_record(&carol);
    REQUIRE(!record.may_read && !record.may_write);
    REQUIRE_STR(record.owner, "user:12345");
    REQUIRE_STR(stat_of(&bob, "global/cam/0"), "ok");
    record = raw_record(&bob);
    REQUIRE(record.may_read && !record.may_write);
    REQUIRE_STR(stat_of(&alice, "global/cam/0"), "ok");
    record = raw_record(&alice);
    REQUIRE(record.may_read && record.may_write);
}
END_TEST

START_TEST(unseen_is_not_found_seen_is_denied)
{
    NEEDS_ROOT;
    REQUIRE_STR(create(&alice, "global/open/a"), "ok");
    REQUIRE_STR(create(&alice, "global/cam/a"), "ok");
    static const char *const accesses[] = {"ro", "rw", "cow"};
    for (int i = 0; i < 3; i++) {
        REQUIRE_STR(open_as(&carol, "global/open/a", accesses[i]), "not-found");
        REQUIRE_STR(open_as(&carol, "global/cam/a", accesses[i]),
                    "access-denied");
    }
    REQUIRE_STR(stat_of(&carol, "global/open/a"), "not-found");
    REQUIRE_STR(remove_by(&carol, "global/open/a"), "not-found");
    REQUIRE_STR(remove_by(&carol, "global/cam/a"), "access-denied");
    /* Word for word as for what is not there. */
    REQUIRE_STR(open_as(&carol, "global/open/a", "ro"), "not-found");
    char hidden[200];
    snprintf(hidden, sizeof(hidden), "%s", carol.reply.text);
    REQUIRE_STR(remove_by(&admin, "global/open/a"), "ok");
    REQUIRE_STR(open_as(&carol, "global/open/a", "ro"), "not-found");
    REQUIRE_STR(carol.reply.text, hidden);
}
END_TEST

START_TEST(remove_is_the_owners_and_the_administrators)
{
    NEEDS_ROOT;
    test_close(raw_create(&alice, NULL,
                          "'name':'global/open/a','size':1,'share':"
                          "{'write':['user:12346']}"));
    REQUIRE_STR(remove_by(&bob, "global/open/a"), "access-denied");
    REQUIRE_STR(remove_by(&alice, "global/open/a"), "ok");
    REQUIRE_STR(remove_by(&alice, "global/open/a"), "not-found");
    REQUIRE_STR(create(&alice, "global/open/b"), "ok");
    REQUIRE_STR(remove_by(&admin, "global/open/b"), "ok");
}
END_TEST

/* ---- administrators ---- */

START_TEST(administrators_see_and_remove_but_get_no_memory)
{
    NEEDS_ROOT;
    struct message_grant grant;
    test_close(raw_create(&alice, &grant, "'name':'private','size':1"));
    uintmax_t id = grant.segment;
    raw_ask(&admin, "{'id':1,'op':'stat','segment':%ju}", id);
    struct message_segment record = raw_record(&admin);
    REQUIRE_STR(record.name, "private");
    REQUIRE(!record.may_read && !record.may_write);
    raw_ask(&admin, "{'id':1,'op':'open','segment':%ju}", id);
    REQUIRE_STR(raw_outcome(&admin), "access-denied");
    raw_ask(&admin, "{'id':1,'op':'remove','segment':%ju}", id);
    REQUIRE_STR(raw_outcome(&admin), "ok");
    REQUIRE_STR(stat_of(&alice, "private"), "not-found");
}
END_TEST

START_TEST(hello_tells_who_one_is)
{
    NEEDS_ROOT;
    struct message_welcome welcome;
    struct raw raw;
    raw_open_as(&raw, broker.socket, TEST_ALICE, 12391);
    REQUIRE_INT(message_reply_welcome(&raw.reply, &welcome), 0);
    REQUIRE(welcome.administrator);
    REQUIRE_STR(welcome.you, "user:12345");
    REQUIRE_INT(welcome.version, 1);
    REQUIRE_STR(welcome.server, "segbroker/" SEGBROKER_VERSION);
    raw_close(&raw);
    raw_open_as(&raw, broker.socket, TEST_ALICE, TEST_GROUP);
    REQUIRE_INT(message_reply_welcome(&raw.reply, &welcome), 0);
    REQUIRE(!welcome.administrator);
    raw_close(&raw);
    /* The broker's own user, and root. */
    raw_open_as(&raw, broker.socket, TEST_SERVICE, 0);
    REQUIRE_INT(message_reply_welcome(&raw.reply, &welcome), 0);
    REQUIRE(welcome.administrator);
    raw_close(&raw);
    raw_open(&raw, broker.socket);
    REQUIRE_INT(message_reply_welcome(&raw.reply, &welcome), 0);
    REQUIRE(welcome.administrator);
    REQUIRE_STR(welcome.you, "user:root");
    raw_close(&raw);
}
END_TEST

static const char *const reserved[] = {
    "'op':'stats'",    "'op':'clients'",
    "'op':'reload'",   "'op':'log-level','level':'debug'",
    "'op':'shutdown'", "'op':'usage','all':true",
};

START_TEST(others_are_refused_what_is_the_administrators)
{
    NEEDS_ROOT;
    raw_ask(&alice, "{'id':1,%s}", reserved[_i]);
    REQUIRE_STR(raw_outcome(&alice), "access-denied");
    raw_ask(&alice, "{'id':2,'op':'ping'}");
    REQUIRE_STR(raw_outcome(&alice), "ok");
}
END_TEST

START_TEST(clients_and_stats_tell_who_is_there)
{
    NEEDS_ROOT;
    struct message_client row;
    bool found = false;
    REQUIRE_STR(create(&alice, "x"), "ok");
    const struct message_reply *reply =
        raw_ask(&admin, "{'id':1,'op':'clients'}");
    REQUIRE_STR(raw_outcome(&admin), "ok");
    REQUIRE_INT(message_reply_rows(reply), 4);
    for (unsigned i = 0; message_reply_client(reply, i, &row) == 0; i++) {
        REQUIRE_INT(row.pid, test_self());
        REQUIRE_STR(row.name, "test/1");
        REQUIRE(row.requests >= 1);
        if (strcmp(row.user, "user:12345") != 0)
            continue;
        found = true;
        REQUIRE_INT(row.grants, 1);
        REQUIRE_INT(row.requests, 2);
    }
    REQUIRE(found);
}
END_TEST

START_TEST(clients_pages)
{
    NEEDS_ROOT;
    uint64_t after = 0;
    unsigned rows = 0;
    unsigned pages = 0;
    do {
        const struct message_reply *reply =
            raw_ask(&admin, "{'id':1,'op':'clients','limit':1,'after':%ju}",
                    (uintmax_t)after);
        rows += message_reply_rows(reply);
        pages++;
        after = message_reply_next(reply);
    } while (after && pages < 10);
    REQUIRE_INT(rows, 4);
}
END_TEST

START_TEST(reload_changes_rules_for_what_comes_next)
{
    NEEDS_ROOT;
    REQUIRE_STR(create(&alice, "global/cam/0"), "ok");
    REQUIRE_STR(open_as(&bob, "global/cam/0", "ro"), "ok");
    test_broker_configure(&broker, "[access global/cam/*]\n"
                                   "read = user:12348\n");
    raw_ask(&admin, "{'id':1,'op':'reload'}");
    REQUIRE_STR(raw_outcome(&admin), "ok");
    REQUIRE_STR(open_as(&bob, "global/cam/0", "ro"), "not-found");
    REQUIRE_STR(open_as(&carol, "global/cam/0", "ro"), "ok");
    REQUIRE_STR(create(&alice, "global/cam/1"), "access-denied");
    /* What was handed out stays: the segment has three holders. */
    REQUIRE_STR(stat_of(&admin, "global/cam/0"), "ok");
    REQUIRE_INT(raw_record(&admin).grants, 3);
}
END_TEST

static Suite *access_suite(void)
{
    Suite *suite = suite_create("access");
    TCase *tests = suite_case(suite, "access", 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests,
                   host_wide_names_are_made_by_administrators_and_the_group);
    tcase_add_test(tests, rule_says_who_creates_and_has_the_last_word);
    tcase_add_test(tests, exact_pattern_beats_any_and_longer_beats_shorter);
    tcase_add_test(tests, rule_says_who_opens);
    tcase_add_test(tests, rule_beats_the_creators_share);
    tcase_add_test(tests, share_decides_where_no_rule_does);
    tcase_add_test(tests, unseen_name_cannot_be_created_again);
    tcase_add_test(tests, list_shows_what_may_be_seen);
    tcase_add_test(tests, listed_but_closed_is_seen_without_rights);
    tcase_add_test(tests, unseen_is_not_found_seen_is_denied);
    tcase_add_test(tests, remove_is_the_owners_and_the_administrators);
    tcase_add_test(tests, administrators_see_and_remove_but_get_no_memory);
    tcase_add_test(tests, hello_tells_who_one_is);
    tcase_add_loop_test(tests, others_are_refused_what_is_the_administrators, 0,
                        6);
    tcase_add_test(tests, clients_and_stats_tell_who_is_there);
    tcase_add_test(tests, clients_pages);
    tcase_add_test(tests, reload_changes_rules_for_what_comes_next);
    return suite;
}

int main(void)
{
    return suite_main(access_suite());
}
