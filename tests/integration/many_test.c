/*
 * Many segments with one request.
 */
#include "client/segbroker.h"
#include "tests/support/memory.h"
#include "tests/support/raw.h"
#include "tests/support/recovery.h"
#include "tests/support/suite.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SIZE = 4096, SLOW = 1024 * 1024 };

static segb_client *client;

static void setup(void)
{
    recovery_start(recovery_config);
    client = recovery_connect();
}

static void teardown(void)
{
    segb_disconnect(client);
    recovery_stop();
}

static struct raw *raw = &recovery_client;

/* ---- the protocol ---- */

static void expect_nothing(void)
{
    static const char *const budgets[] = {"segments", "bytes", "grants"};
    for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++)
        REQUIRE_INT(raw_used_by_all(raw, budgets[i]), 0);
}

/* Item `index` of the last reply: "ok", or the error's name. */
static const char *item_outcome(unsigned index)
{
    struct message_reply item;
    REQUIRE_INT(message_reply_item(&raw->reply, index, &item), 0);
    return item.ok ? "ok" : message_error_name(item.error);
}

static void close_all(unsigned count)
{
    struct message_grant grant;
    for (unsigned i = 0; i < count; i++)
        test_close(raw_item_grant(raw, i, &grant));
}

/* `count` of the same, whose names count up; `even` also to every other. */
static void ask_more(const char *op, unsigned count, const char *members,
                     const char *even)
{
    char line[32768];
    size_t size = 0;
    size +=
        (size_t)snprintf(line, sizeof(line), "{'id':9,'op':'%s','items':[", op);
    for (unsigned i = 0; i < count; i++)
        size += (size_t)snprintf(line + size, sizeof(line) - size,
                                 "%s{'name':'n%u'%s%s}", i > 0 ? "," : "", i,
                                 members, i % 2 ? "" : even);
    snprintf(line + size, sizeof(line) - size, "]}");
    raw_ask(raw, "%s", line);
}

static void ask_many(const char *op, unsigned count, const char *members)
{
    ask_more(op, count, members, "");
}

START_TEST(each_item_is_the_segment_that_it_names)
{
    struct message_grant grant;
    ask_more("create", PROTOCOL_ITEMS_MAX, ",'size':4096", ",'doorbell':true");
    REQUIRE_STR(raw_outcome(raw), "ok");
    REQUIRE_INT(message_reply_rows(&raw->reply), PROTOCOL_ITEMS_MAX);
    for (unsigned i = 0; i < PROTOCOL_ITEMS_MAX; i++) {
        int handle = raw_item_grant(raw, i, &grant);
        REQUIRE(handle >= 0 && grant.created);
        recovery_fill(handle, i);
        test_close(handle);
    }
    ask_many("open", PROTOCOL_ITEMS_MAX, "");
    for (unsigned i = 0; i < PROTOCOL_ITEMS_MAX; i++) {
        int handle = raw_item_grant(raw, i, &grant);
        REQUIRE(handle >= 0 && !grant.created);
        recovery_expect_filled(handle, i);
        test_close(handle);
    }
    ask_many("open", PROTOCOL_ITEMS_MAX + 1, "");
    REQUIRE_STR(raw_outcome(raw), "invalid-argument");
    REQUIRE_PART(raw->reply.text, "1 to 64");
}
END_TEST

/* Those whose memory takes a worker to allocate come as well, and in order. */
START_TEST(slow_items_are_waited_for)
{
    struct message_grant grant;
    raw_ask(raw,
            "{'id':1,'op':'create','items':[{'name':'slow','size':%d},"
            "{'name':'fast','size':1},{'name':'slow','size':7},"
            "{'name':'slow','size':1,'if_exists':'fail'}]}",
            SLOW);
    int first = raw_item_grant(raw, 0, &grant);
    REQUIRE(grant.created && grant.size == SLOW);
    int second = raw_item_grant(raw, 1, &grant);
    REQUIRE(grant.created && grant.size == 1);
    int third = raw_item_grant(raw, 2, &grant);
    REQUIRE(!grant.created && grant.size == SLOW);
    REQUIRE_STR(item_outcome(3), "exists");
    recovery_fill(first, 5);
    recovery_expect_filled(third, 5);
    test_close(first);
    test_close(second);
    test_close(third);
}
END_TEST

/* Refused by what can be told at once, or only when some have come. */
START_TEST(all_or_none_leaves_nothing)
{
    static const char *const last[] = {
        "{'name':'absent-size'}",
        "{'name':'kept','size':1,'if_exists':'fail'}",
        "{'size':1,'share':{'read':['user:nobody-of-that-name']}}",
        "{'size':1125899906842624}",
    };
    struct message_grant grant;
    test_close(raw_create(raw, &grant, "'name':'kept','size':1"));
    raw_ask(raw,
            "{'id':1,'op':'create','atomic':true,'items':["
            "{'name':'a','size':%d},"
            "{'name':'b','size':4096,'persist':true},{'size':4096},"
            "{'name':'kept','size':5},%s,{'name':'c','size':1}]}",
            SLOW, last[_i]);
    REQUIRE(!raw->reply.ok && raw->reply.has_item);
    REQUIRE_INT(raw->reply.item, 4);
    for (const char *name = "abc"; *name; name++) {
        raw_ask(raw, "{'id':1,'op':'stat','name':'%c'}", *name);
        REQUIRE_STR(raw_outcome(raw), "not-found");
    }
    raw_ask(raw, "{'id':1,'op':'stat','name':'kept'}");
    REQUIRE_INT(raw_record(raw).grants, 1);
    raw_release(raw, grant.grant);
    expect_nothing();
}
END_TEST

START_TEST(all_or_none_is_all)
{
    raw_ask(raw,
            "{'id':1,'op':'create','atomic':true,'items':["
            "{'name':'a','size':%d},{'name':'b','size':1}]}",
            SLOW);
    REQUIRE_STR(item_outcome(0), "ok");
    REQUIRE_STR(item_outcome(1), "ok");
    close_all(2);
    raw_ask(raw, "{'id':1,'op':'open','atomic':true,'items':["
                 "{'name':'b'},{'name':'a','access':'rw'}]}");
    close_all(2);
    REQUIRE_INT(raw_used(raw, "total", "grants"), 4);
}
END_TEST

/* ---- limits ---- */

static void start_with(const char *config)
{
    recovery_start(config);
}

START_TEST(each_item_fits_its_budgets_or_is_refused)
{
    start_with("[default]\nsegments = 3\n");
    ask_many("create", 5, ",'size':1");
    for (unsigned i = 0; i < 5; i++)
        REQUIRE_STR(item_outcome(i), i < 3 ? "ok" : "quota-exceeded");
    close_all(3);
    recovery_stop();
}
END_TEST

START_TEST(each_item_counts_as_a_request)
{
    start_with("[default]\nrequests_per_second = 20\n");
    /* As many at once as go: what the limit lets pass in a burst is its own. */
    ask_many("open", PROTOCOL_ITEMS_MAX, "");
    REQUIRE_STR(item_outcome(PROTOCOL_ITEMS_MAX - 1), "rate-limited");
    raw_ask(raw, "{'id':1,'op':'ping'}");
    REQUIRE_STR(raw_outcome(raw), "rate-limited");
    recovery_stop();
}
END_TEST

/* Memory that is still being freed is charged, and waited for. */
START_TEST(what_was_given_back_can_be_had_again_at_once)
{
    enum { COUNT = 400, MIB = 1024 * 1024 };
    uint64_t grants[COUNT];
    struct message_grant grant;
    start_with("[default]\nbytes = 400MiB\nsegments = 400\n");
    for (int i = 0; i < COUNT; i++) {
        test_close(raw_create(raw, &grant, "'size':%d,'commit':false", MIB));
        grants[i] = grant.grant;
    }
    for (int i = 0; i < COUNT; i++)
        raw_say(raw, "{'id':1,'op':'release','grant':%ju}",
                (uintmax_t)grants[i]);
    for (int i = 0; i < COUNT; i++)
        REQUIRE(raw_reply(raw)->ok);
    test_close(
        raw_create(raw, &grant, "'size':%d,'commit':false", COUNT * MIB));
    recovery_stop();
}
END_TEST

START_TEST(only_so_many_groups_wait)
{
    start_with(recovery_config);
    for (int i = 0; i < 9; i++)
        raw_say(raw,
                "{'id':%d,'op':'open','items':[{'name':'a','wait_ms':60000}]}",
                i);
    REQUIRE_STR(raw_reply(raw) ? raw_outcome(raw) : "", "busy");
    REQUIRE_INT(raw->reply.id, 8);
    recovery_stop();
}
END_TEST

/* One that was granted while others are waited for is not given away when it
 * must not be any more. */
START_TEST(item_that_is_frozen_meanwhile_is_refused)
{
    struct raw other;
    start_with(recovery_config);
    raw_open(&other, recovery_broker.socket);
    test_close(
        raw_create(&other, NULL, "'name':'a','size':1,'freezable':true"));
    raw_say(raw, "{'id':7,'op':'open','items':[{'name':'a','access':'rw'},"
                 "{'name':'late','wait_ms':60000}]}");
    REQUIRE(
        TEST_UNTIL(RECOVERY_SOON_MS, raw_used(&other, "total", "grants") == 2));
    raw_ask(&other, "{'id':1,'op':'freeze','name':'a','mode':'future'}");
    REQUIRE_STR(raw_outcome(&other), "ok");
    test_close(raw_create(&other, NULL, "'name':'late','size':1"));
    raw_reply(raw);
    REQUIRE_STR(item_outcome(0), "access-denied");
    REQUIRE_STR(item_outcome(1), "ok");
    raw_close(&other);
    recovery_stop();
}
END_TEST

/* Of all or none, nothing is left when the client goes in the middle. */
START_TEST(what_persists_goes_with_the_client_that_asked_for_all)
{
    struct raw other;
    start_with(recovery_config);
    raw_open(&other, recovery_broker.socket);
    test_close(raw_create(&other, NULL, "'name':'a','size':1"));
    raw_say(&other, "{'id':7,'op':'open','atomic':true,'items':["
                    "{'name':'a'},{'name':'late','wait_ms':60000}]}");
    raw_say(&other,
            "{'id':8,'op':'create','atomic':true,'items':["
            "{'name':'p','size':1,'persist':true},"
            "{'size':1,'share':{'read':['user:%s']}},"
            "{'size':%d}]}",
            test_user(), 512 * SLOW);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, recovery_is_found("p")));
    raw_close(&other);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, !recovery_is_found("p")));
    REQUIRE(
        TEST_UNTIL(RECOVERY_SOON_MS, raw_used_by_all(raw, "segments") == 0));
    recovery_stop();
}
END_TEST

START_TEST(items_before_hello_count_as_requests)
{
    struct raw stranger;
    start_with("[default]\nrequests_per_second = 20\n");
    raw_connect(&stranger, recovery_broker.socket);
    for (int i = 0; i < 60; i++)
        raw_say(&stranger, "{'id':1,'op':'open','items':[{'name':'a'}]}");
    for (int i = 0; i < 60; i++)
        raw_reply(&stranger);
    REQUIRE_STR(raw_outcome(&stranger), "rate-limited");
    raw_close(&stranger);
    recovery_stop();
}
END_TEST

/* ---- the library ---- */

START_TEST(library_opens_each_by_itself)
{
    segb_create_options of_two = {.struct_size = sizeof(of_two),
                                  .fail_if_exists = 1};
    segb_item made[3] = {{.name = "a", .size = SIZE},
                         {.name = "b", .size = SLOW},
                         {.name = "a", .size = 1, .create_options = &of_two}};
    REQUIRE_INT(segb_create_many(client, made, 3, 0), SEGB_E_EXISTS);
    REQUIRE_PART(segb_last_detail(), "items[2]: ");
    REQUIRE_INT(made[0].result, 0);
    REQUIRE_INT(made[1].result, 0);
    REQUIRE_INT(made[2].result, SEGB_E_EXISTS);
    REQUIRE(made[2].segment == NULL);
    REQUIRE_INT(segb_size(made[1].segment), SLOW);

    segb_open_options writing = {.struct_size = sizeof(writing),
                                 .access = SEGB_RW};
    segb_item opened[2] = {{.name = "b"},
                           {.name = "a", .open_options = &writing}};
    REQUIRE_INT(segb_open_many(client, opened, 2, 0), 0);
    REQUIRE_INT(segb_id(opened[0].segment), segb_id(made[1].segment));
    REQUIRE_INT(segb_access(opened[0].segment), SEGB_RO);
    REQUIRE_INT(segb_access(opened[1].segment), SEGB_RW);
    for (int i = 0; i < 2; i++) {
        segb_close(made[i].segment);
        segb_close(opened[i].segment);
    }
}
END_TEST

/* Of two clients, in turns, and none in between. */
START_TEST(library_closes_many)
{
    segb_client *other = recovery_connect();
    segb_item items[] = {{.size = SIZE}, {.size = SIZE}, {.size = SIZE}};
    segb_item closed[6] = {{0}};

    REQUIRE_INT(segb_create_many(client, items, 3, 0), 0);
    closed[0] = items[0];
    closed[3] = items[1];
    closed[4] = items[2];
    REQUIRE_INT(segb_create_many(other, items, 1, 0), 0);
    closed[2] = items[0];
    segb_close_many(closed, 6);
    for (int i = 0; i < 6; i++)
        REQUIRE(closed[i].segment == NULL);
    /* The clients' own connections tell when it has arrived. */
    REQUIRE_INT(segb_ping(client), 0);
    REQUIRE_INT(segb_ping(other), 0);
    expect_nothing();
    segb_close_many(closed, 6);
    segb_close_many(NULL, 0);
    segb_disconnect(other);
}
END_TEST

/* It is gone then, or waits for others, where nobody knows of them. */
static bool has_no_grant(uint64_t segment)
{
    struct message_segment found;
    raw_ask(raw, "{'id':1,'op':'stat','segment':%ju}", (uintmax_t)segment);
    if (!raw->reply.ok)
        return strcmp(raw_outcome(raw), "not-found") == 0;
    REQUIRE_INT(message_reply_stat(&raw->reply, &found), 0);
    return found.grants == 0;
}

/* The last one's grant did not outlive the broker: the others' go all the
 * same. */
START_TEST(last_of_many_that_has_no_grant_sends_for_all)
{
    segb_item items[] = {{.name = "a", .size = SIZE},
                         {.name = "b", .size = SIZE}};

    REQUIRE_INT(segb_create_many(client, items, 2, 0), 0);
    raw_ask(raw, "{'id':1,'op':'revoke','segment':%ju}",
            (uintmax_t)segb_id(items[1].segment));
    REQUIRE_STR(raw_outcome(raw), "ok");
    recovery_crash();
    REQUIRE_INT(segb_ping(client), 0);
    uint64_t first = segb_id(items[0].segment);
    REQUIRE(!has_no_grant(first));
    segb_close_many(items, 2);
    REQUIRE(TEST_UNTIL(5000, has_no_grant(first)));
}
END_TEST

START_TEST(library_opens_all_or_none)
{
    segb_item items[3] = {{.name = "a", .size = SIZE},
                          {.name = "b", .size = SIZE},
                          {.name = "c", .size = SIZE}};
    REQUIRE_INT(segb_create_many(client, items, 2, 1), 0);
    segb_item again[3] = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
    REQUIRE_INT(segb_open_many(client, again, 3, 1), SEGB_E_NOT_FOUND);
    REQUIRE_PART(segb_last_detail(), "items[2]: ");
    for (int i = 0; i < 3; i++) {
        REQUIRE(again[i].segment == NULL);
        REQUIRE_INT(again[i].result, SEGB_E_NOT_FOUND);
    }
    REQUIRE_INT(raw_used(raw, "total", "grants"), 2);
    segb_close(items[0].segment);
    segb_close(items[1].segment);
}
END_TEST

START_TEST(segments_of_many_outlive_the_broker)
{
    segb_item items[2] = {{.name = "a", .size = SIZE},
                          {.name = "b", .size = SIZE}};
    REQUIRE_INT(segb_create_many(client, items, 2, 1), 0);
    recovery_crash();
    REQUIRE_INT(segb_ping(client), 0);
    REQUIRE(recovery_is_found("a"));
    REQUIRE_INT(raw_record(raw).grants, 1);
    REQUIRE(recovery_is_found("b"));
    segb_item again[2] = {{.name = "a"}, {.name = "b"}};
    REQUIRE_INT(segb_open_many(client, again, 2, 0), 0);
    for (int i = 0; i < 2; i++) {
        segb_close(items[i].segment);
        segb_close(again[i].segment);
    }
}
END_TEST

START_TEST(library_refuses_what_cannot_be_many)
{
    static const segb_file file = {.write = 0, .read = -1};
    segb_create_options of_file = {.struct_size = sizeof(of_file),
                                   .file = &file};
    segb_item items[2] = {{.name = "a", .size = SIZE},
                          {.name = "b", .size = 1, .create_options = &of_file}};
    REQUIRE_INT(segb_create_many(client, items, 0, 0), SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_open_many(client, items, SEGB_ITEMS_MAX + 1, 0),
                SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_open_many(client, NULL, 1, 0), SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_open_many(NULL, items, 1, 0), SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_create_many(client, items, 2, 0), SEGB_E_INVALID_ARGUMENT);
    REQUIRE_PART(segb_last_detail(), "items[1]: file: ");
    items[1] = (segb_item){.name = "bad\\name"};
    REQUIRE_INT(segb_open_many(client, items, 2, 0), SEGB_E_INVALID_NAME);
    REQUIRE_INT(items[1].result, SEGB_E_INVALID_NAME);
    REQUIRE(items[0].segment == NULL);
    expect_nothing();
}
END_TEST

static Suite *many_suite(void)
{
    Suite *suite = suite_create("many");
    TCase *tests = suite_case(suite, "many", 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, each_item_is_the_segment_that_it_names);
    tcase_add_test(tests, slow_items_are_waited_for);
    tcase_add_loop_test(tests, all_or_none_leaves_nothing, 0, 4);
    tcase_add_test(tests, all_or_none_is_all);
    tcase_add_test(tests, library_opens_each_by_itself);
    tcase_add_test(tests, library_closes_many);
    tcase_add_test(tests, last_of_many_that_has_no_grant_sends_for_all);
    tcase_add_test(tests, library_opens_all_or_none);
    tcase_add_test(tests, segments_of_many_outlive_the_broker);
    tcase_add_test(tests, library_refuses_what_cannot_be_many);

    tests = suite_case(suite, "limits", 60);
    tcase_add_test(tests, each_item_fits_its_budgets_or_is_refused);
    tcase_add_test(tests, each_item_counts_as_a_request);
    tcase_add_test(tests, items_before_hello_count_as_requests);
    tcase_add_test(tests, only_so_many_groups_wait);
    tcase_add_test(tests, what_was_given_back_can_be_had_again_at_once);
    tcase_add_test(tests, item_that_is_frozen_meanwhile_is_refused);
    tcase_add_test(tests,
                   what_persists_goes_with_the_client_that_asked_for_all);
    return suite;
}

int main(void)
{
    return suite_main(many_suite());
}
