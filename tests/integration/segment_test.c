/*
 * What a segment promises: sizes, access, names, lifetime of names, sharing.
 */
#include "tests/support/broker.h"
#include "tests/support/memory.h"
#include "tests/support/raw.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

static unsigned char *map(int fd, size_t size, enum test_access access)
{
    void *memory = test_map(fd, size, access);
    REQUIRE(memory != NULL);
    return memory;
}

static unsigned char *map_rw(int fd, size_t size)
{
    return map(fd, size, TEST_RW);
}

static unsigned char *map_ro(int fd, size_t size)
{
    return map(fd, size, TEST_RO);
}

static bool all_zero(const unsigned char *memory, size_t size)
{
    return memory[0] == 0 && memcmp(memory, memory + 1, size - 1) == 0;
}

/* ---- memory and access ---- */

START_TEST(created_memory_is_zero_and_shared)
{
    struct message_grant grant;
    size_t size = 3 * 4096;
    int fd = raw_create(&one, &grant, "'name':'a','size':12288");
    REQUIRE(grant.created);
    REQUIRE_INT(grant.access, PROTOCOL_RW);
    REQUIRE(test_is_writable(fd));
    unsigned char *memory = map_rw(fd, size);
    REQUIRE(all_zero(memory, size));

    struct message_grant other;
    int ro = raw_open_segment(&two, &other, "'name':'a'");
    unsigned char *view = map_ro(ro, size);
    REQUIRE(!other.created);
    REQUIRE_INT(other.segment, grant.segment);
    REQUIRE_INT(other.access, PROTOCOL_RO);
    memset(memory, 0x5a, size);
    REQUIRE_INT(view[0], 0x5a);
    REQUIRE_INT(view[size - 1], 0x5a);
    test_unmap(memory, size);
    test_unmap(view, size);
    test_close(fd);
    test_close(ro);
}
END_TEST

static const size_t sizes[] = {1, 4095, 4096, 4097, 1000000};

START_TEST(sizes_are_kept_and_rounded_to_pages)
{
    struct message_grant grant;
    size_t size = sizes[_i];
    size_t page = (size_t)4096;
    size_t rounded = (size + page - 1) / page * page;
    int fd = raw_create(&one, &grant, "'size':%zu", size);
    REQUIRE_INT(grant.size, size);
    REQUIRE_INT(grant.mapped_size, rounded);
    REQUIRE_INT(test_memory_size(fd), rounded);
    test_close(fd);

    raw_ask(&one, "{'id':2,'op':'stat','segment':%ju}",
            (uintmax_t)grant.segment);
    struct message_segment record = raw_record(&one);
    REQUIRE_INT(record.size, size);
    REQUIRE_INT(record.mapped_size, rounded);
}
END_TEST

START_TEST(read_only_handle_is_read_only)
{
    int fd = raw_create(&one, NULL, "'name':'a','size':4096,'access':'ro'");
    REQUIRE(!test_is_writable(fd));
    REQUIRE(test_map(fd, 4096, TEST_RW) == NULL);
    test_close(fd);
}
END_TEST

START_TEST(copy_on_write_view_stays_private)
{
    struct message_grant grant;
    int fd = raw_create(&one, NULL, "'name':'a','size':4096");
    unsigned char *memory = map_rw(fd, 4096);
    memory[0] = 1;
    int cow = raw_open_segment(&two, &grant, "'name':'a','access':'cow'");
    REQUIRE_INT(grant.access, PROTOCOL_COW);
    REQUIRE(!test_is_writable(cow));
    unsigned char *view = map(cow, 4096, TEST_COW);
    REQUIRE_INT(view[0], 1);
    view[0] = 2;
    REQUIRE_INT(memory[0], 1);
    test_unmap(view, 4096);
    test_unmap(memory, 4096);
    test_close(cow);
    test_close(fd);
}
END_TEST

START_TEST(name_of_a_segment_in_commit_waits_or_is_taken)
{
    struct message_grant first;
    struct message_grant second;
    raw_say(&one, "{'id':1,'op':'create','name':'a','size':268435456}");
    raw_say(&two, "{'id':1,'op':'create','name':'a','size':268435456}");
    raw_reply(&one);
    int fd_one = raw_grant(&one, &first);
    raw_reply(&two);
    int fd_two = raw_grant(&two, &second);
    REQUIRE_INT(first.segment, second.segment);
    REQUIRE_INT(first.created + second.created, 1);
    REQUIRE(test_memory_same(fd_one, fd_two));
    /* Nobody is handed memory that may still fail. */
    int64_t allocated = test_memory_allocated(fd_two);
    REQUIRE(allocated < 0 || allocated >= 268435456);
    test_close(fd_one);
    test_close(fd_two);
}
END_TEST

/* ---- names ---- */

START_TEST(existing_segment_is_opened_with_its_own_size)
{
    struct message_grant first;
    struct message_grant second;
    int fd = raw_create(&one, &first, "'name':'a','size':5000");
    int other =
        raw_create(&two, &second, "'name':'a','size':99999,'if_exists':'open'");
    REQUIRE(first.created && !second.created);
    REQUIRE_INT(second.segment, first.segment);
    REQUIRE_INT(second.size, 5000);
    REQUIRE_INT(second.mapped_size, 8192);
    REQUIRE(test_memory_same(other, fd));
    test_close(fd);
    test_close(other);
}
END_TEST

START_TEST(fail_if_exists_refuses)
{
    test_close(
        raw_create(&one, NULL, "'name':'a','size':1,'if_exists':'fail'"));
    raw_ask(&two, "{'id':1,'op':'create','name':'a','size':1,"
                  "'if_exists':'fail'}");
    REQUIRE_STR(raw_outcome(&two), "exists");
}
END_TEST

START_TEST(unnamed_segment_has_no_name)
{
    struct message_grant grant;
    test_close(raw_create(&one, &grant, "'size':4096"));
    raw_ask(&two, "{'id':1,'op':'stat','segment':%ju}",
            (uintmax_t)grant.segment);
    struct message_segment record = raw_record(&two);
    REQUIRE(record.name == NULL);
    REQUIRE_INT(record.state, PROTOCOL_UNNAMED);
    REQUIRE_INT(record.grants, 1);

    struct message_grant again;
    test_close(raw_open_segment(&two, &again, "'segment':%ju,'access':'rw'",
                                (uintmax_t)grant.segment));
    REQUIRE_INT(again.segment, grant.segment);
    raw_release(&one, grant.grant);
    raw_release(&two, again.grant);
    REQUIRE_INT(raw_count_segments(&one), 0);
}
END_TEST

START_TEST(name_goes_with_the_last_grant)
{
    struct message_grant first;
    struct message_grant second;
    struct message_grant again;
    test_close(raw_create(&one, &first, "'name':'a','size':1"));
    test_close(raw_open_segment(&two, &second, "'name':'a'"));
    raw_release(&one, first.grant);
    test_close(raw_open_segment(&one, &again, "'name':'a'"));
    raw_release(&one, again.grant);
    raw_release(&two, second.grant);
    raw_ask(&one, "{'id':1,'op':'open','name':'a'}");
    REQUIRE_STR(raw_outcome(&one), "not-found");
    raw_ask(&one, "{'id':1,'op':'open','segment':%ju}",
            (uintmax_t)first.segment);
    REQUIRE_STR(raw_outcome(&one), "not-found");
}
END_TEST

START_TEST(new_segment_of_an_old_name_is_another)
{
    struct message_grant first;
    struct message_grant second;
    int fd = raw_create(&one, &first, "'name':'a','size':4096");
    unsigned char *memory = map_rw(fd, 4096);
    memory[0] = 7;
    test_unmap(memory, 4096);
    test_close(fd);
    raw_release(&one, first.grant);
    fd = raw_create(&one, &second, "'name':'a','size':4096");
    REQUIRE(second.created);
    REQUIRE(second.segment != first.segment);
    memory = map_rw(fd, 4096);
    REQUIRE(all_zero(memory, 4096));
    test_unmap(memory, 4096);
    test_close(fd);
}
END_TEST

START_TEST(two_grants_of_one_connection_count_twice)
{
    struct message_grant first;
    struct message_grant second;
    test_close(raw_create(&one, &first, "'name':'a','size':1"));
    test_close(raw_open_segment(&one, &second, "'name':'a','access':'rw'"));
    REQUIRE(first.grant != second.grant);
    raw_release(&one, first.grant);
    raw_ask(&one, "{'id':1,'op':'stat','name':'a'}");
    REQUIRE_INT(raw_record(&one).grants, 1);
    raw_ask(&one, "{'id':1,'op':'release','grant':%ju}",
            (uintmax_t)first.grant);
    REQUIRE_STR(raw_outcome(&one), "not-found");
}
END_TEST

START_TEST(grants_of_others_cannot_be_released)
{
    struct message_grant grant;
    test_close(raw_create(&one, &grant, "'name':'a','size':1"));
    raw_ask(&two, "{'id':1,'op':'release','grant':%ju}",
            (uintmax_t)grant.grant);
    REQUIRE_STR(raw_outcome(&two), "not-found");
    raw_ask(&two, "{'id':1,'op':'stat','name':'a'}");
    REQUIRE_INT(raw_record(&two).grants, 1);
}
END_TEST

START_TEST(disconnect_releases_every_grant)
{
    test_close(raw_create(&one, NULL, "'name':'a','size':1"));
    test_close(raw_create(&one, NULL, "'size':1"));
    raw_close(&one);
    REQUIRE(TEST_UNTIL(5000, raw_count_segments(&two) == 0));
    REQUIRE_INT(raw_used(&two, NULL, "bytes"), 0);
    raw_open(&one, broker.socket);
}
END_TEST

START_TEST(persistent_name_outlives_its_holders)
{
    struct message_grant grant;
    int fd = raw_create(&one, &grant, "'name':'a','size':4096,'persist':true");
    unsigned char *memory = map_rw(fd, 4096);
    memory[17] = 42;
    test_unmap(memory, 4096);
    test_close(fd);
    raw_close(&one);
    struct message_segment record;
    REQUIRE(TEST_UNTIL(5000, (raw_ask(&two, "{'id':1,'op':'stat','name':'a'}"),
                              record = raw_record(&two), record.grants == 0)));
    REQUIRE(record.persist);
    REQUIRE_INT(record.state, PROTOCOL_NAMED);

    struct message_grant again;
    fd = raw_open_segment(&two, &again, "'name':'a'");
    memory = map_ro(fd, 4096);
    REQUIRE_INT(again.segment, grant.segment);
    REQUIRE_INT(memory[17], 42);
    test_unmap(memory, 4096);
    test_close(fd);
    raw_ask(&two, "{'id':2,'op':'remove','name':'a'}");
    REQUIRE_STR(raw_outcome(&two), "ok");
    raw_release(&two, again.grant);
    REQUIRE_INT(raw_count_segments(&two), 0);
    raw_open(&one, broker.socket);
}
END_TEST

START_TEST(unheld_persistent_segment_goes_when_removed)
{
    struct message_grant grant;
    test_close(raw_create(&one, &grant, "'name':'a','size':1,'persist':true"));
    raw_release(&one, grant.grant);
    REQUIRE_INT(raw_count_segments(&one), 1);
    raw_ask(&one, "{'id':2,'op':'remove','name':'a'}");
    REQUIRE_STR(raw_outcome(&one), "ok");
    REQUIRE_INT(raw_count_segments(&one), 0);
    REQUIRE_INT(raw_used(&one, NULL, "bytes"), 0);
}
END_TEST

START_TEST(persist_needs_a_name)
{
    raw_ask(&one, "{'id':1,'op':'create','size':1,'persist':true}");
    REQUIRE_STR(raw_outcome(&one), "invalid-argument");
}
END_TEST

START_TEST(removed_name_is_free_and_holders_keep_the_memory)
{
    struct message_grant first;
    struct message_grant second;
    int fd = raw_create(&one, &first, "'name':'a','size':4096");
    unsigned char *memory = map_rw(fd, 4096);
    memory[0] = 1;
    raw_ask(&two, "{'id':1,'op':'remove','name':'a'}");
    REQUIRE_STR(raw_outcome(&two), "ok");
    raw_ask(&two, "{'id':1,'op':'open','name':'a'}");
    REQUIRE_STR(raw_outcome(&two), "not-found");
    raw_ask(&two, "{'id':1,'op':'open','segment':%ju}",
            (uintmax_t)first.segment);
    REQUIRE_STR(raw_outcome(&two), "not-found");

    raw_ask(&two, "{'id':1,'op':'stat','segment':%ju}",
            (uintmax_t)first.segment);
    struct message_segment record = raw_record(&two);
    REQUIRE_INT(record.state, PROTOCOL_REMOVED);
    REQUIRE_INT(record.grants, 1);
    REQUIRE_INT(memory[0], 1);

    int other = raw_create(&two, &second, "'name':'a','size':4096");
    REQUIRE(second.created && second.segment != first.segment);
    unsigned char *fresh = map_rw(other, 4096);
    REQUIRE(all_zero(fresh, 4096));
    test_unmap(fresh, 4096);
    test_unmap(memory, 4096);
    test_close(other);
    test_close(fd);
    raw_release(&one, first.grant);
    raw_ask(&one, "{'id':1,'op':'stat','name':'a'}");
    REQUIRE_INT(raw_record(&one).segment, second.segment);
}
END_TEST

START_TEST(remove_by_id_takes_that_segment_only)
{
    struct message_grant first;
    struct message_grant second;
    test_close(raw_create(&one, &first, "'name':'a','size':1"));
    raw_ask(&one, "{'id':1,'op':'remove','segment':%ju}",
            (uintmax_t)first.segment);
    REQUIRE_STR(raw_outcome(&one), "ok");
    test_close(raw_create(&one, &second, "'name':'a','size':1"));
    raw_ask(&one, "{'id':1,'op':'remove','segment':%ju}",
            (uintmax_t)first.segment);
    REQUIRE_STR(raw_outcome(&one), "not-found");
    raw_ask(&one, "{'id':1,'op':'stat','name':'a'}");
    REQUIRE_INT(raw_record(&one).segment, second.segment);
}
END_TEST

/* A target is a name or an id, one of them. */
static const char *const targets[] = {"open", "stat", "remove"};

START_TEST(target_is_a_name_or_an_id)
{
    struct message_grant grant;
    const char *op = targets[_i];
    test_close(raw_create(&one, &grant, "'name':'a','size':1"));
    raw_ask(&one, "{'id':1,'op':'%s'}", op);
    REQUIRE_STR(raw_outcome(&one), "invalid-argument");
    raw_ask(&one, "{'id':1,'op':'%s','name':'a','segment':%ju}", op,
            (uintmax_t)grant.segment);
    REQUIRE_STR(raw_outcome(&one), "invalid-argument");
    raw_ask(&one, "{'id':1,'op':'%s','name':'b'}", op);
    REQUIRE_STR(raw_outcome(&one), "not-found");
    raw_ask(&one, "{'id':1,'op':'%s','segment':999999}", op);
    REQUIRE_STR(raw_outcome(&one), "not-found");
    raw_ask(&one, "{'id':1,'op':'%s','name':null,'segment':%ju}", op,
            (uintmax_t)grant.segment);
    REQUIRE_STR(raw_outcome(&one), "ok");
}
END_TEST

START_TEST(record_tells_everything)
{
    struct message_grant grant;
    test_close(raw_create(&one, &grant, "'name':'global/a','size':5000"));
    raw_ask(&two, "{'id':1,'op':'stat','name':'global/a'}");
    struct message_segment record = raw_record(&two);
    REQUIRE_INT(record.segment, grant.segment);
    REQUIRE_STR(record.name, "global/a");
    REQUIRE_PART(record.owner, "user:");
    REQUIRE_INT(record.size, 5000);
    REQUIRE_INT(record.mapped_size, 8192);
    REQUIRE_INT(record.state, PROTOCOL_NAMED);
    REQUIRE(record.may_read && record.may_write);
    REQUIRE(record.commit && !record.persist);
    REQUIRE_INT(record.grants, 1);
    REQUIRE(llabs((long long)record.created_at - (long long)time(NULL)) < 60);
}
END_TEST

/* ---- listings ---- */

START_TEST(list_pages_and_filters)
{
    struct message_segment row;
    uint64_t last = 0;
    unsigned counts[3] = {0};
    for (int i = 0; i < 25; i++)
        test_close(raw_create(&one, NULL, "'name':'p/%d','size':1", i));
    test_close(raw_create(&one, NULL, "'name':'q','size':1"));
    test_close(raw_create(&one, NULL, "'size':1"));
    for (int page = 0; page < 3; page++) {
        const struct message_reply *reply =
            raw_ask(&two,
                    "{'id':1,'op':'list','prefix':'p/','limit':10,"
                    "'after':%ju}",
                    (uintmax_t)last);
        counts[page] = message_reply_rows(reply);
        for (unsigned i = 0; i < counts[page]; i++) {
            REQUIRE_INT(message_reply_segment(reply, i, &row), 0);
            REQUIRE(row.segment > last);
            REQUIRE_PART(row.name, "p/");
            last = row.segment;
        }
        REQUIRE_INT(message_reply_next(reply) != 0, page < 2);
    }
    REQUIRE_INT(counts[0], 10);
    REQUIRE_INT(counts[1], 10);
    REQUIRE_INT(counts[2], 5);
    REQUIRE_INT(raw_count_segments(&two), 27);
}
END_TEST

START_TEST(list_page_ends_at_the_line_limit)
{
    enum { COUNT = 600 };
    static bool seen[COUNT];
    unsigned total = 0;
    uint64_t after = 0;
    memset(seen, 0, sizeof(seen));
    for (int i = 0; i < COUNT; i++)
        test_close(raw_create(&one, NULL, "'name':'%0200d','size':1", i));
    do {
        struct message_segment row;
        raw_say(&two, "{'id':1,'op':'list','limit':1000,'after':%ju}",
                (uintmax_t)after);
        const struct message_reply *reply = raw_reply(&two);
        REQUIRE_STR(raw_outcome(&two), "ok");
        unsigned rows = message_reply_rows(reply);
        REQUIRE(rows > 0);
        for (unsigned i = 0; i < rows; i++) {
            REQUIRE_INT(message_reply_segment(reply, i, &row), 0);
            long number = strtol(row.name, NULL, 10);
            REQUIRE(number >= 0 && number < COUNT && !seen[number]);
            seen[number] = true;
        }
        REQUIRE(two.taken <= PROTOCOL_LINE_MAX);
        total += rows;
        after = message_reply_next(reply);
    } while (after);
    REQUIRE_INT(total, COUNT);
}
END_TEST

/* ---- pipelining ---- */

START_TEST(pipelined_replies_carry_the_right_handles)
{
    enum { SEGMENTS = 7, REQUESTS = 600 };
    static char batch[REQUESTS * 64];
    int created[SEGMENTS];
    int size = 0;
    for (int i = 0; i < SEGMENTS; i++)
        created[i] = raw_create(&one, NULL, "'name':'%d','size':1", i);
    for (int i = 0; i < REQUESTS; i++)
        size += snprintf(batch + size, sizeof(batch) - (size_t)size,
                         "{\"id\":%d,\"op\":\"open\",\"name\":\"%d\"}\n", i,
                         i * 5 % SEGMENTS);
    REQUIRE(raw_send(&two, batch, (size_t)size));
    unsigned batches = 0;
    for (int i = 0; i < REQUESTS; i++) {
        struct message_grant grant;
        REQUIRE_INT(raw_reply(&two)->id, i);
        int fd = raw_grant(&two, &grant);
        REQUIRE(fd >= 0);
        REQUIRE(test_memory_same(fd, created[i * 5 % SEGMENTS]));
        batches += grant.memory.form == MESSAGE_HANDLE_INDEX &&
                   grant.memory.number == 0;
        test_close(fd);
    }
    for (int i = 0; i < SEGMENTS; i++)
        test_close(created[i]);
    if (batches == 0)
        return; /* handles are named by value */
    /* Answered together: far fewer messages than requests. */
    REQUIRE(batches >= REQUESTS / RAW_BATCH_MAX);
    REQUIRE(batches < REQUESTS / 2);
}
END_TEST

static Suite *segment_suite(void)
{
    Suite *suite = suite_create("segment");
    TCase *tests = suite_case(suite, "memory", 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, created_memory_is_zero_and_shared);
    tcase_add_loop_test(tests, sizes_are_kept_and_rounded_to_pages, 0, 5);
    tcase_add_test(tests, read_only_handle_is_read_only);
    tcase_add_test(tests, copy_on_write_view_stays_private);
    tcase_add_test(tests, name_of_a_segment_in_commit_waits_or_is_taken);

    tests = suite_case(suite, "names", 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, existing_segment_is_opened_with_its_own_size);
    tcase_add_test(tests, fail_if_exists_refuses);
    tcase_add_test(tests, unnamed_segment_has_no_name);
    tcase_add_test(tests, name_goes_with_the_last_grant);
    tcase_add_test(tests, new_segment_of_an_old_name_is_another);
    tcase_add_test(tests, two_grants_of_one_connection_count_twice);
    tcase_add_test(tests, grants_of_others_cannot_be_released);
    tcase_add_test(tests, disconnect_releases_every_grant);
    tcase_add_test(tests, persistent_name_outlives_its_holders);
    tcase_add_test(tests, unheld_persistent_segment_goes_when_removed);
    tcase_add_test(tests, persist_needs_a_name);
    tcase_add_test(tests, removed_name_is_free_and_holders_keep_the_memory);
    tcase_add_test(tests, remove_by_id_takes_that_segment_only);
    tcase_add_loop_test(tests, target_is_a_name_or_an_id, 0, 3);
    tcase_add_test(tests, record_tells_everything);
    tcase_add_test(tests, list_pages_and_filters);
    tcase_add_test(tests, list_page_ends_at_the_line_limit);
    /* Replies may begin to move again at any moment. */
    tcase_add_loop_test(tests, pipelined_replies_carry_the_right_handles, 0,
                        20);

    return suite;
}

int main(void)
{
    return suite_main(segment_suite());
}
