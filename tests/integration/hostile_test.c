/*
 * Hostile and unlucky clients: silence, huge segments, races, and death at any
 * moment.
 */
#include "tests/support/bystander.h"
#include "tests/support/memory.h"
#include "tests/support/role.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIB = 1 << 20 };

static void setup(void)
{
    struct test_broker_options options = {0};
    bystander_start(&options);
}

/* ---- silence ---- */

START_TEST(half_a_request_then_silence_disturbs_nobody)
{
    enum { SILENT = 100 };
    static struct raw silent[SILENT];
    static const char request[] = "{\"id\":5,\"op\":\"ping\"}\n";
    for (int i = 0; i < SILENT; i++) {
        raw_open(&silent[i], bystander_broker.socket);
        REQUIRE(raw_send(&silent[i], request,
                         (size_t)i % (sizeof(request) - 2) + 1));
    }
    for (int i = 0; i < 20; i++)
        bystander_expect_served();
    /* They are served when they go on. */
    for (int i = 0; i < SILENT; i++) {
        size_t sent = (size_t)i % (sizeof(request) - 2) + 1;
        REQUIRE(
            raw_send(&silent[i], request + sent, sizeof(request) - 1 - sent));
        REQUIRE_INT(raw_reply(&silent[i])->id, 5);
        raw_close(&silent[i]);
    }
}
END_TEST

START_TEST(handle_of_the_last_reply_is_good)
{
    static const char requests[] =
        "{\"id\":5,\"op\":\"create\",\"size\":4096}\n"
        "this is no request\n";
    for (int i = 0; i < 20; i++) {
        struct raw raw;
        raw_open(&raw, bystander_broker.socket);
        REQUIRE(raw_send(&raw, requests, sizeof(requests) - 1));
        REQUIRE_INT(raw_reply(&raw)->id, 5);
        int handle = raw_grant(&raw, NULL);
        REQUIRE(raw_ends(&raw, RAW_DEADLINE_MS));
        test_memory_put(handle, "good", 4);
        test_close(handle);
        raw_close(&raw);
    }
}
END_TEST

START_TEST(request_byte_by_byte_is_served)
{
    static const char request[] =
        "{\"id\":5,\"op\":\"create\",\"name\":\"slow\",\"size\":4096}\n";
    struct raw slow;
    raw_open(&slow, bystander_broker.socket);
    for (size_t i = 0; i < sizeof(request) - 1; i++)
        REQUIRE(raw_send(&slow, request + i, 1));
    raw_reply(&slow);
    test_close(raw_grant(&slow, NULL));
    raw_close(&slow);
}
END_TEST

/* ---- memory ---- */

static const char *const huge_sizes[] = {
    "1125899906842624", /* 2^50 */
    "1125899906842624,'commit':false",
    "9007199254740991", /* 2^53-1 */
    "9007199254740991,'commit':false",
};

/* The broker runs with a small RLIMIT_FSIZE: whatever it checks or forgets,
 * the host is safe. */
START_TEST(huge_segment_is_refused_at_once_and_nothing_else_suffers)
{
    struct raw bad;
    raw_open(&bad, bystander_broker.socket);
    int64_t began = test_clock_us();
    raw_say(&bad, "{'id':1,'op':'create','name':'huge','size':%s}",
            huge_sizes[_i]);
    bystander_expect_served();
    raw_reply(&bad);
    REQUIRE_STR(raw_outcome(&bad), "no-memory");
    REQUIRE(test_clock_us() - began < 1000000);
    REQUIRE_INT(raw_used_by_all(&bystander, "bytes"), 0);
    raw_ask(&bad, "{'id':1,'op':'open','name':'huge'}");
    REQUIRE_STR(raw_outcome(&bad), "not-found");
    raw_close(&bad);
}
END_TEST

/* ---- races and deaths ---- */

START_TEST(racing_creators_of_one_name_get_one_segment)
{
    enum { CREATORS = 200 };
    static struct raw raw[CREATORS];
    struct message_grant grant;
    int created = 0;
    uint64_t segment = 0;
    for (int i = 0; i < CREATORS; i++)
        raw_open(&raw[i], bystander_broker.socket);
    for (int i = 0; i < CREATORS; i++)
        raw_say(&raw[i], "{'id':1,'op':'create','name':'one','size':%d}",
                _i ? 8 * MIB : 4096);
    for (int i = 0; i < CREATORS; i++) {
        raw_reply(&raw[i]);
        int fd = raw_grant(&raw[i], &grant);
        REQUIRE(fd >= 0);
        test_close(fd);
        created += grant.created;
        segment = segment ? segment : grant.segment;
        REQUIRE_INT(grant.segment, segment);
    }
    REQUIRE_INT(created, 1);
    for (int i = 0; i < CREATORS; i++)
        raw_close(&raw[i]);
}
END_TEST

/* Its names are looked up by a worker. */
static const char shared_create[] = "{\"id\":1,\"op\":\"create\",\"size\":1,"
                                    "\"share\":{\"read\":[\"user:root\"]}}\n";

/* The second takes a worker. */
static const char many_created[] =
    "{\"id\":1,\"op\":\"create\",\"atomic\":true,\"items\":"
    "[{\"size\":1},{\"size\":67108864},{\"size\":1}]}\n";
static const char many_opened[] =
    "{\"id\":1,\"op\":\"open\",\"items\":"
    "[{\"name\":\"mine\"},{\"name\":\"mine\",\"access\":\"rw\"}]}\n";

static const char *const deaths[] = {
    "{\"id\":1,\"op\":\"hello\",\"version\":1}\n",
    "{\"id\":1,\"op\":\"create\",\"name\":\"new\",\"size\":4096}\n",
    "{\"id\":1,\"op\":\"create\",\"size\":67108864}\n",
    "{\"id\":1,\"op\":\"create\",\"name\":\"mine\",\"size\":4096}\n",
    "{\"id\":1,\"op\":\"open\",\"name\":\"mine\"}\n",
    many_created,
    many_opened,
    shared_create,
    "{\"id\":1,\"op\":\"reclaim\",\"segment\":1,\"handles\":{\"memory\":0}}\n",
    "{\"id\":1,\"op\":\"release\",\"grant\":1}\n",
    "{\"id\":1,\"op\":\"remove\",\"name\":\"mine\"}\n",
    "{\"id\":1,\"op\":\"stat\",\"name\":\"mine\"}\n",
    "{\"id\":1,\"op\":\"list\"}\n",
    "{\"id\":1,\"op\":\"usage\",\"all\":true}\n",
    "{\"id\":1,\"op\":\"ping\"}\n",
    "{\"id\":1,\"op\":\"stats\"}\n",
    "{\"id\":1,\"op\":\"clients\"}\n",
    "{\"id\":1,\"op\":\"reload\"}\n",
    "{\"id\":1,\"op\":\"log-level\",\"level\":\"info\"}\n",
};

enum { DEATHS = sizeof(deaths) / sizeof(deaths[0]) };

/* A client that says the first bytes of a request, as `argument` tells, reads
 * the answer or not, and waits to be killed. */
static void die(const char *argument)
{
    char *rest;
    unsigned long request = strtoul(argument, &rest, 10);
    unsigned long bytes = strtoul(rest, &rest, 10);
    bool reads = strtoul(rest, &rest, 10);
    const char *socket = rest + 1;
    struct raw raw;
    raw_open(&raw, socket);
    test_close(raw_create(&raw, NULL,
                          "'name':'mine','size':65536,'if_exists':'open'"));
    int fd = raw_open_segment(&raw, NULL, "'name':'mine','access':'rw'");
    REQUIRE(test_map(fd, 65536, TEST_RW) != NULL);
    REQUIRE(raw_send(&raw, deaths[request], bytes));
    if (reads)
        raw_reply(&raw);
    role_tell("dies");
    role_sleep();
}

static void die_at(unsigned request, size_t bytes, bool reads)
{
    char argument[TEST_PATH_MAX];
    char output[TEST_PATH_MAX];
    test_path(output, "%s/victim", bystander_broker.folder);
    test_write(output, "");
    test_path(argument, "%u %u %u %s", request, (unsigned)bytes, reads,
              bystander_broker.socket);
    test_pid pid = role_start("victim", argument, output);
    role_await(pid, output, "dies");
    test_kill(pid);
    REQUIRE(test_join(pid) >= TEST_SIGNALLED);
    REQUIRE(TEST_UNTIL(5000, bystander_all_is_back()));
}

START_TEST(client_killed_at_every_step_leaves_nothing)
{
    unsigned request = (unsigned)_i;
    size_t size = strlen(deaths[request]);
    size_t step = suite_quick() ? 16 : 5;
    for (size_t bytes = 0; bytes < size; bytes += step)
        die_at(request, bytes, false);
    die_at(request, size - 1, false);
    die_at(request, size, false);
    die_at(request, size, true);
    bystander_expect_served();
}
END_TEST

/* Hangs up right behind every request, many at once, so that this meets the
 * broker in the middle of its work. */
static void hang_up(const char *socket)
{
    for (int i = 0; i < DEATHS; i++) {
        struct raw raw;
        raw_connect(&raw, socket);
        raw_say(&raw, "{'id':0,'op':'hello','version':1}");
        raw_say(&raw, "{'id':0,'op':'create','name':'mine','size':9}");
        raw_send(&raw, deaths[i], strlen(deaths[i]));
        raw_close(&raw);
    }
}

/* On Windows, handles in answers that nobody read go with the process. */
START_TEST(hang_ups_behind_every_request_leave_nothing)
{
    char output[TEST_PATH_MAX];
    test_path(output, "%s/restless", bystander_broker.folder);
    for (int round = 0; round < (suite_quick() ? 5 : 20); round++) {
        test_pid pid = role_start("restless", bystander_broker.socket, output);
        REQUIRE_INT(test_join(pid), 0);
        bystander_expect_served();
    }
}
END_TEST

static Suite *hostile_suite(void)
{
    Suite *suite = suite_create("hostile");
    TCase *tests = suite_case(suite, "hostile", 100);
    tcase_add_checked_fixture(tests, setup, bystander_stop);
    tcase_add_test(tests, half_a_request_then_silence_disturbs_nobody);
    tcase_add_test(tests, handle_of_the_last_reply_is_good);
    tcase_add_test(tests, request_byte_by_byte_is_served);
    tcase_add_loop_test(
        tests, huge_segment_is_refused_at_once_and_nothing_else_suffers, 0, 4);
    tcase_add_loop_test(tests, racing_creators_of_one_name_get_one_segment, 0,
                        2);
    tcase_add_loop_test(tests, client_killed_at_every_step_leaves_nothing, 0,
                        DEATHS);
    tcase_add_test(tests, hang_ups_behind_every_request_leave_nothing);
    return suite;
}

int main(void)
{
    role_offer("restless", hang_up);
    role_offer("victim", die);
    return suite_main(hostile_suite());
}
