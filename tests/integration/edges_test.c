/*
 * The edge cases of CreateFileMapping where programs use segb_ calls or the
 * protocol itself: the same rules, in other words. What only views have is in
 * view_test.c, what only the protocol has in segment_test.c, and Windows' own
 * calls are in filemapping_test.c.
 */
#include "client/segbroker.h"
#include "tests/support/broker.h"
#include "tests/support/memory.h"
#include "tests/support/raw.h"
#include "tests/support/suite.h"

#include <string.h>

enum { PAGE = 4096 };

static struct test_broker broker;
static struct raw raw;
static segb_client *client;

static void setup(void)
{
    segb_connect_options options = {.struct_size = sizeof(options)};

    test_broker_start(&broker, NULL);
    raw_open(&raw, broker.socket);
    options.socket = broker.socket;
    REQUIRE_INT(segb_connect(&options, &client), 0);
}

static void teardown(void)
{
    segb_disconnect(client);
    raw_close(&raw);
    test_broker_stop(&broker);
}

static segb_segment *create(const char *name, size_t size, int access)
{
    segb_create_options options = {.struct_size = sizeof(options),
                                   .access = access};
    segb_segment *segment = NULL;

    if (segb_create(client, name, size, &options, &segment) < 0)
        FAIL("%s: %s", name, segb_last_detail());
    return segment;
}

static int open_status(const char *name)
{
    segb_segment *segment = NULL;
    int r = segb_open(client, name, NULL, &segment);

    segb_close(segment);
    return r;
}

static const char *raw_status(const char *request)
{
    raw_ask(&raw, "%s", request);
    return raw_outcome(&raw);
}

START_TEST(existing_name_keeps_its_size_and_gives_the_access_asked)
{
    segb_segment *first = create("x", 3 * PAGE, SEGB_RW);
    segb_segment *again = create("x", PAGE, SEGB_RO);
    struct message_grant grant;
    void *view;

    REQUIRE(segb_created(first));
    REQUIRE(!segb_created(again));
    REQUIRE_INT(segb_mapped_size(again), 3 * PAGE);
    REQUIRE_INT(segb_map(again, 0, 0, SEGB_RW, &view), SEGB_E_ACCESS_DENIED);
    test_close(raw_create(&raw, &grant, "'name':'x','size':1,'access':'ro'"));
    REQUIRE(!grant.created);
    REQUIRE_INT(grant.mapped_size, 3 * PAGE);
    REQUIRE_INT(grant.access, PROTOCOL_RO);
    segb_close(again);
    segb_close(first);
}
END_TEST

START_TEST(size_0_is_refused_before_the_name_is_looked_up)
{
    segb_segment *first = create("x", PAGE, SEGB_RW);
    segb_segment *segment;

    REQUIRE_INT(segb_create(client, "x", 0, NULL, &segment),
                SEGB_E_INVALID_ARGUMENT);
    REQUIRE_STR(raw_status("{'id':1,'op':'create','name':'x','size':0}"),
                "invalid-argument");
    segb_close(first);
}
END_TEST

START_TEST(memory_is_rounded_up_to_a_page)
{
    segb_segment *segment = create(NULL, PAGE + 1, SEGB_RW);
    struct message_grant grant;

    REQUIRE_INT(segb_size(segment), PAGE + 1);
    REQUIRE_INT(segb_mapped_size(segment), 2 * PAGE);
    segb_close(segment);
    test_close(raw_create(&raw, &grant, "'size':1"));
    REQUIRE_INT(grant.mapped_size, PAGE);
}
END_TEST

START_TEST(access_is_exactly_one)
{
    segb_create_options options = {.struct_size = sizeof(options),
                                   .access = SEGB_RO | SEGB_COW | 8};
    segb_segment *segment;

    REQUIRE_INT(segb_create(client, "x", PAGE, &options, &segment),
                SEGB_E_INVALID_ARGUMENT);
    REQUIRE_STR(raw_status("{'id':1,'op':'create','size':1,'access':'rw ro'}"),
                "invalid-argument");
}
END_TEST

START_TEST(names_are_case_sensitive)
{
    segb_segment *segment = create("name", PAGE, SEGB_RW);

    REQUIRE_INT(open_status("name"), 0);
    REQUIRE_INT(open_status("Name"), SEGB_E_NOT_FOUND);
    REQUIRE_STR(raw_status("{'id':1,'op':'stat','name':'NAME'}"), "not-found");
    segb_close(segment);
}
END_TEST

START_TEST(slash_colon_star_and_space_are_legal)
{
    segb_segment *segment = create("a/b:c*d e", PAGE, SEGB_RW);

    REQUIRE_INT(open_status("a/b:c*d e"), 0);
    REQUIRE_STR(raw_status("{'id':1,'op':'stat','name':'a/b:c*d e'}"), "ok");
    segb_close(segment);
}
END_TEST

START_TEST(backslash_and_empty_names_are_refused)
{
    static const char *const names[] = {"", "a\\b", "Local\\x", "global/"};
    segb_segment *segment;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        REQUIRE_INT(segb_create(client, names[i], PAGE, NULL, &segment),
                    SEGB_E_INVALID_NAME);
        REQUIRE_INT(open_status(names[i]), SEGB_E_INVALID_NAME);
    }
    REQUIRE_STR(raw_status("{'id':1,'op':'create','name':'a\\\\b','size':1}"),
                "invalid-name");
    REQUIRE_STR(raw_status("{'id':1,'op':'open','name':''}"), "invalid-name");
}
END_TEST

START_TEST(name_goes_with_the_last_handle_and_a_new_one_is_zeros)
{
    segb_segment *segment = create("x", PAGE, SEGB_RW);
    unsigned char *old, *new;
    void *view;

    REQUIRE_INT(segb_map(segment, 0, 0, SEGB_RW, &view), 0);
    old = view;
    old[0] = 1;
    segb_close(segment);
    REQUIRE_INT(open_status("x"), SEGB_E_NOT_FOUND);
    segment = create("x", PAGE, SEGB_RW);
    REQUIRE(segb_created(segment));
    REQUIRE_INT(segb_map(segment, 0, 0, SEGB_RW, &view), 0);
    new = view;
    REQUIRE_INT(new[0], 0);
    REQUIRE_INT(old[0], 1);
    REQUIRE_INT(segb_unmap(old), 0);
    REQUIRE_INT(segb_unmap(new), 0);
    segb_close(segment);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("edges");
    TCase *tests = suite_case(suite, "edge cases", 60);

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests,
                   existing_name_keeps_its_size_and_gives_the_access_asked);
    tcase_add_test(tests, size_0_is_refused_before_the_name_is_looked_up);
    tcase_add_test(tests, memory_is_rounded_up_to_a_page);
    tcase_add_test(tests, access_is_exactly_one);
    tcase_add_test(tests, names_are_case_sensitive);
    tcase_add_test(tests, slash_colon_star_and_space_are_legal);
    tcase_add_test(tests, backslash_and_empty_names_are_refused);
    tcase_add_test(tests,
                   name_goes_with_the_last_handle_and_a_new_one_is_zeros);
    return suite_main(suite);
}
