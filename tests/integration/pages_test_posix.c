/*
 * What a segment promises on POSIX: a sealed size, pages when it is created or
 * when they are touched, and that committing them stops nobody.
 */
#include "tests/support/broker.h"
#include "tests/support/memory.h"
#include "tests/support/raw.h"
#include "tests/support/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static const char config[] = "[default]\n"
                             "bytes = unlimited\n"
                             "[total]\n"
                             "bytes = 4GiB\n";

static struct test_broker broker;
static struct raw one;
static struct raw two;

static void setup(void)
{
    struct test_broker_options options = {.config = config};
    test_broker_start(&broker, &options);
    raw_open(&one, broker.socket);
    raw_open(&two, broker.socket);
}

static void teardown(void)
{
    raw_close(&one);
    raw_close(&two);
    test_broker_stop(&broker);
}

START_TEST(size_is_sealed)
{
    SKIP_UNLESS(raw_has_feature(broker.socket, "sealed-size"),
                "the broker does not list sealed-size");
    int fd = raw_create(&one, NULL, "'size':8192");
    off_t changed[] = {0, 4096, 16384};
    for (unsigned i = 0; i < 3; i++) {
        errno = 0;
        REQUIRE_INT(ftruncate(fd, changed[i]), -1);
        REQUIRE_INT(errno, EPERM);
    }
    errno = 0;
    REQUIRE_INT(fallocate(fd, 0, 8192, 4096), -1);
    REQUIRE_INT(errno, EPERM);
    errno = 0;
    REQUIRE_INT(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
    REQUIRE_INT(errno, EPERM);
    REQUIRE_INT(test_memory_size(fd), 8192);
    test_close(fd);
}
END_TEST

START_TEST(committed_memory_is_allocated_at_once)
{
    struct message_grant grant;
    int fd = raw_create(&one, &grant, "'size':8388608");
    REQUIRE(test_memory_allocated(fd) >= 8388608);
    test_close(fd);
    raw_ask(&one, "{'id':2,'op':'stat','segment':%ju}",
            (uintmax_t)grant.segment);
    REQUIRE(raw_record(&one).commit);
}
END_TEST

START_TEST(reserved_memory_comes_at_the_touch_but_is_charged)
{
    struct message_grant grant;
    uint64_t before = raw_used(&one, NULL, "bytes");
    int fd = raw_create(&one, &grant, "'size':8388608,'commit':false");
    REQUIRE_INT(test_memory_allocated(fd), 0);
    REQUIRE_INT(test_memory_size(fd), 8388608);
    REQUIRE_INT(raw_used(&one, NULL, "bytes"), before + 8388608);
    unsigned char *memory = test_map(fd, 8388608, TEST_RW);
    REQUIRE(memory != NULL);
    memory[4096] = 1;
    REQUIRE_INT(test_memory_allocated(fd), 4096);
    test_unmap(memory, 8388608);
    test_close(fd);
    raw_ask(&one, "{'id':2,'op':'stat','segment':%ju}",
            (uintmax_t)grant.segment);
    REQUIRE(!raw_record(&one).commit);
}
END_TEST

START_TEST(others_are_answered_during_a_large_commit)
{
    int pings = 0;
    raw_say(&one, "{'id':1,'op':'create','size':536870912}");
    /* A request of the same connection overtakes, too. */
    raw_say(&one, "{'id':2,'op':'ping'}");
    REQUIRE_INT(raw_reply(&one)->id, 2);
    while (!raw_pending(&one)) {
        raw_ask(&two, "{'id':3,'op':'ping'}");
        REQUIRE_STR(raw_outcome(&two), "ok");
        pings++;
    }
    REQUIRE_INT(raw_reply(&one)->id, 1);
    int fd = raw_grant(&one, NULL);
    REQUIRE(test_memory_allocated(fd) >= 536870912);
    test_close(fd);
    REQUIRE(pings >= 10);
}
END_TEST

START_TEST(commit_ends_with_its_client)
{
    uint64_t before = raw_used(&two, NULL, "bytes");
    raw_say(&one, "{'id':1,'op':'create','name':'a','size':1073741824}");
    REQUIRE(TEST_UNTIL(5000, raw_used(&two, NULL, "bytes") > before ||
                                 raw_pending(&one)));
    raw_close(&one);
    REQUIRE(TEST_UNTIL(5000, raw_used(&two, NULL, "bytes") == before));
    REQUIRE_INT(raw_count_segments(&two), 0);
    raw_open(&one, broker.socket);
}
END_TEST

static Suite *pages_suite(void)
{
    Suite *suite = suite_create("pages");
    TCase *tests = suite_case(suite, "pages", 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, size_is_sealed);
    tcase_add_test(tests, committed_memory_is_allocated_at_once);
    tcase_add_test(tests, reserved_memory_comes_at_the_touch_but_is_charged);
    tcase_add_test(tests, others_are_answered_during_a_large_commit);
    tcase_add_test(tests, commit_ends_with_its_client);
    return suite;
}

int main(void)
{
    return suite_main(pages_suite());
}
