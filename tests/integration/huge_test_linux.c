/*
 * Segments of huge pages, where the host has some that are free, and memory of
 * a node: as mmap and the kernel have them.
 */
#include "client/segbroker.h"
#include "tests/support/memory.h"
#include "tests/support/recovery.h"
#include "tests/support/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { HUGE = 2 * 1024 * 1024, NEEDED = 8 };

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

static bool has_pages(void)
{
    return test_huge_pages() >= NEEDED &&
           raw_has_feature(recovery_broker.socket, "huge-2M");
}

#define NEEDS_PAGES                                                            \
    SKIP_UNLESS(has_pages(), "the host has not 8 huge pages that are free")

static segb_segment *create(size_t size, bool freezable)
{
    segb_create_options options = {.struct_size = sizeof(options),
                                   .pages = SEGB_PAGES_2M,
                                   .freezable = freezable};
    segb_segment *segment;
    REQUIRE_INT(segb_create(client, "a", size, &options, &segment), 0);
    return segment;
}

static char *map(segb_segment *segment, int access)
{
    void *view;
    REQUIRE_INT(segb_map(segment, 0, 0, access, &view), 0);
    return view;
}

static void expect_zeros(const char *memory, size_t size)
{
    REQUIRE(memory[0] == 0 && memcmp(memory, memory + 1, size - 1) == 0);
}

START_TEST(whole_pages_are_taken_and_charged)
{
    NEEDS_PAGES;
    unsigned before = test_huge_pages();
    segb_segment *segment = create(HUGE + 1, false);
    segb_info info;
    REQUIRE_INT(segb_size(segment), HUGE + 1);
    REQUIRE_INT(segb_mapped_size(segment), 2 * HUGE);
    REQUIRE_INT(test_huge_pages(), before - 2);
    REQUIRE_INT(raw_used(&recovery_client, "total", "bytes"), 2 * HUGE);
    REQUIRE_INT(segb_stat(client, "a", 0, &info), 0);
    REQUIRE_INT(info.pages, SEGB_PAGES_2M);
    REQUIRE_INT(info.numa, 0);
    char *view = map(segment, SEGB_RW);
    expect_zeros(view, 2 * HUGE);
    memset(view, 1, 2 * HUGE);
    /* A view keeps them. */
    segb_close(segment);
    REQUIRE_INT(segb_ping(client), 0);
    REQUIRE_INT(test_huge_pages(), before - 2);
    REQUIRE_INT(view[2 * HUGE - 1], 1);
    REQUIRE_INT(segb_unmap(view), 0);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, test_huge_pages() == before));
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS,
                       raw_used(&recovery_client, "total", "bytes") == 0));
}
END_TEST

/* A page that was only reserved could be missing to who touches it. */
START_TEST(all_is_allocated_whatever_was_asked)
{
    NEEDS_PAGES;
    struct message_grant made;
    int fd = raw_create(&recovery_client, &made,
                        "'size':%d,'pages':'2M','commit':false", 3 * HUGE);
    REQUIRE_INT(made.pages, PROTOCOL_PAGES_2M);
    REQUIRE_INT(test_memory_allocated(fd), 3 * HUGE);
    raw_ask(&recovery_client, "{'id':1,'op':'stat','segment':%ju}",
            (uintmax_t)made.segment);
    REQUIRE(raw_record(&recovery_client).commit);
    test_close(fd);
}
END_TEST

START_TEST(more_than_are_free_are_refused)
{
    NEEDS_PAGES;
    unsigned before = test_huge_pages();
    raw_ask(&recovery_client, "{'id':1,'op':'create','size':%ju,'pages':'2M'}",
            (uintmax_t)(before + 1) * HUGE);
    if (before < 500)
        recovery_expect_outcome("no-memory");
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, test_huge_pages() == before));
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS,
                       raw_used_by_all(&recovery_client, "bytes") == 0));
}
END_TEST

/* The pages of the first are there already when the second finds none. */
START_TEST(all_or_none_gives_pages_back)
{
    NEEDS_PAGES;
    segb_create_options options = {.struct_size = sizeof(options),
                                   .pages = SEGB_PAGES_2M};
    segb_item items[2] = {
        {.name = "a", .size = HUGE, .create_options = &options},
        {.name = "b", .create_options = &options}};
    unsigned before = test_huge_pages();
    SKIP_UNLESS(before < 400, "the host has more pages than the quota allows");
    items[1].size = (size_t)before * HUGE;
    REQUIRE_INT(segb_create_many(client, items, 2, 1), SEGB_E_NO_MEMORY);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, test_huge_pages() == before));
    items[1].size = HUGE;
    REQUIRE_INT(segb_create_many(client, items, 2, 1), 0);
    REQUIRE_INT(test_huge_pages(), before - 2);
    REQUIRE_INT(segb_mapped_size(items[1].segment), HUGE);
    segb_close(items[0].segment);
    segb_close(items[1].segment);
}
END_TEST

START_TEST(quota_counts_whole_pages)
{
    NEEDS_PAGES;
    test_broker_configure(&recovery_broker, "[default]\nbytes = 3MiB\n");
    raw_ask(&recovery_client, "{'id':1,'op':'reload'}");
    recovery_expect_outcome("ok");
    raw_ask(&recovery_client, "{'id':1,'op':'create','size':%d,'pages':'2M'}",
            HUGE + 1);
    recovery_expect_outcome("quota-exceeded");
    test_close(
        raw_create(&recovery_client, NULL, "'size':%d,'pages':'2M'", HUGE));
}
END_TEST

START_TEST(any_part_is_mapped_and_copied)
{
    NEEDS_PAGES;
    segb_segment *segment = create(2 * HUGE, false);
    char *all = map(segment, SEGB_RW), *part, text[6] = "";
    REQUIRE_INT(segb_map(segment, HUGE - 3, 6, SEGB_RO, (void **)&part), 0);
    REQUIRE_INT(segb_write(segment, HUGE - 3, "abcdef", 6), 0);
    REQUIRE(memcmp(part, "abcdef", 6) == 0);
    REQUIRE(memcmp(all + HUGE - 3, "abcdef", 6) == 0);
    REQUIRE_INT(segb_read(segment, HUGE - 3, text, 6), 0);
    REQUIRE(memcmp(text, "abcdef", 6) == 0);
    REQUIRE_INT(segb_prefault(part, 0), 0);
    REQUIRE_INT(segb_prefault(all, 0), 0);
    REQUIRE_INT(segb_unmap(part + 2), 0);
    REQUIRE_INT(segb_unmap(all), 0);
    segb_close(segment);
}
END_TEST

START_TEST(private_views_take_pages_of_their_own_or_are_refused)
{
    NEEDS_PAGES;
    segb_segment *segment = create(HUGE, false);
    char *shared = map(segment, SEGB_RW), *view = map(segment, SEGB_COW);
    view[0] = 1;
    REQUIRE_INT(shared[0], 0);
    REQUIRE_INT(segb_unmap(view), 0);
    unsigned left = test_huge_pages();
    int fd = raw_create(&recovery_client, NULL, "'size':%ju,'pages':'2M'",
                        (uintmax_t)left * HUGE);
    void *none;
    REQUIRE_INT(segb_map(segment, 0, 0, SEGB_COW, &none), SEGB_E_NO_MEMORY);
    test_close(fd);
    REQUIRE_INT(segb_unmap(shared), 0);
    segb_close(segment);
}
END_TEST

START_TEST(pages_outlive_broker_and_service)
{
    NEEDS_PAGES;
    segb_segment *segment = create(HUGE, false);
    char *view = map(segment, SEGB_RW);
    segb_info info;
    memset(view, 5, HUGE);
    for (int died = 0; died < 2; died++) {
        test_pid before = recovery_broker.serving;
        if (died)
            REQUIRE_INT(segb_restart(client), 0);
        else
            recovery_crash();
        REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, recovery_is_restored(before)));
        REQUIRE_INT(segb_stat(client, "a", 0, &info), 0);
        REQUIRE_INT(info.pages, SEGB_PAGES_2M);
        REQUIRE_INT(info.mapped_size, HUGE);
    }
    REQUIRE_INT(view[HUGE - 1], 5);
    REQUIRE_INT(segb_unmap(view), 0);
    segb_close(segment);
    raw_close(&recovery_client);
    raw_open(&recovery_client, recovery_broker.socket);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS,
                       raw_used_by_all(&recovery_client, "bytes") == 0));
}
END_TEST

START_TEST(revoke_leaves_zeros_and_the_pages)
{
    NEEDS_PAGES;
    segb_segment *segment = create(2 * HUGE, false);
    char *view = map(segment, SEGB_RW);
    unsigned left = test_huge_pages();
    int emptied = 0;
    memset(view, 5, 2 * HUGE);
    /* Also by the next broker, who has it from the keeper. */
    recovery_crash();
    REQUIRE_INT(segb_ping(client), 0);
    REQUIRE_INT(segb_revoke(client, "a", 0, &emptied), 0);
    REQUIRE(emptied);
    REQUIRE_INT(test_huge_pages(), left);
    expect_zeros(view, 2 * HUGE);
    memset(view, 1, 2 * HUGE);
    REQUIRE_INT(segb_unmap(view), 0);
    segb_close(segment);
}
END_TEST

/* The page goes to whoever is quicker; what is missing kills who touches it,
 * and that is not the broker. */
START_TEST(broker_does_not_die_of_a_hole)
{
    NEEDS_PAGES;
    segb_segment *segment = create(2 * HUGE, false);
    char *view = map(segment, SEGB_RW);
    int emptied = 0, hole = (int)segb_handle(segment);
    memset(view, 5, 2 * HUGE);
    REQUIRE_INT(
        fallocate(hole, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, HUGE),
        0);
    int fd = raw_create(&recovery_client, NULL, "'size':%ju,'pages':'2M'",
                        (uintmax_t)test_huge_pages() * HUGE);
    REQUIRE_INT(segb_prefault(view, HUGE), SEGB_E_NO_MEMORY);
    REQUIRE_INT(segb_write(segment, 0, "x", 1), SEGB_E_NO_MEMORY);
    test_pid serving = recovery_broker.serving;
    REQUIRE_INT(segb_revoke(client, "a", 0, &emptied), 0);
    REQUIRE(emptied);
    REQUIRE(!recovery_is_restored(serving));
    expect_zeros(view + HUGE, HUGE);
    REQUIRE_INT(test_memory_allocated(hole), HUGE);
    test_close(fd);
    REQUIRE_INT(segb_unmap(view), 0);
    segb_close(segment);
}
END_TEST

START_TEST(huge_pages_freeze)
{
    NEEDS_PAGES;
    segb_segment *segment = create(HUGE, true);
    char *view = map(segment, SEGB_RW);
    void *none;
    view[0] = 5;
    REQUIRE_INT(segb_freeze(client, "a", 0, SEGB_FROZEN_YES), SEGB_E_BUSY);
    REQUIRE_INT(segb_freeze(client, "a", 0, SEGB_FROZEN_FUTURE), 0);
    REQUIRE(segb_map(segment, 0, 0, SEGB_RW, &none) < 0);
    view[0] = 6;
    REQUIRE_INT(segb_unmap(view), 0);
    REQUIRE_INT(segb_freeze(client, "a", 0, SEGB_FROZEN_YES), 0);
    view = map(segment, SEGB_RO);
    REQUIRE_INT(view[0], 6);
    REQUIRE_INT(segb_unmap(view), 0);
    REQUIRE(fallocate((int)segb_handle(segment),
                      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, HUGE) < 0);
    segb_close(segment);
}
END_TEST

/* ---- nodes ---- */

/* Where the page is; the policy of who touches it has no part in it. */
static int node_of(void *page)
{
    int node = -1;
    REQUIRE(syscall(SYS_get_mempolicy, &node, NULL, 0, page,
                    MPOL_F_NODE | MPOL_F_ADDR) == 0);
    return node;
}

START_TEST(memory_comes_from_its_node_whoever_touches_it)
{
    SKIP_UNLESS(raw_has_feature(recovery_broker.socket, "numa"),
                "the broker does not list numa");
    struct message_grant made;
    unsigned long nodes[16] = {0};
    int mode = -1;
    int fd = raw_create(&recovery_client, &made,
                        "'size':65536,'commit':false,'numa':0");
    REQUIRE_INT(test_memory_allocated(fd), 0);
    char *memory = test_map(fd, 65536, TEST_RW);
    REQUIRE(syscall(SYS_get_mempolicy, &mode, nodes, 1024, memory + 4096,
                    MPOL_F_ADDR) == 0);
    REQUIRE_INT(mode, MPOL_BIND);
    REQUIRE_INT(nodes[0], 1);
    memory[4096] = 1;
    REQUIRE_INT(node_of(memory + 4096), 0);
    test_unmap(memory, 65536);
    test_close(fd);
}
END_TEST

START_TEST(huge_pages_come_from_their_node)
{
    NEEDS_PAGES;
    SKIP_UNLESS(raw_has_feature(recovery_broker.socket, "numa"),
                "the broker does not list numa");
    struct message_grant made;
    int fd = raw_create(&recovery_client, &made,
                        "'size':%d,'pages':'2M','numa':0", 2 * HUGE);
    char *memory = test_map(fd, 2 * HUGE, TEST_RW);
    REQUIRE(memory != NULL);
    REQUIRE_INT(node_of(memory + HUGE), 0);
    test_unmap(memory, 2 * HUGE);
    test_close(fd);
    raw_ask(&recovery_client, "{'id':1,'op':'stat','segment':%ju}",
            (uintmax_t)made.segment);
    REQUIRE_INT(raw_record(&recovery_client).numa, 1);
}
END_TEST

/* ---- files ---- */

START_TEST(prefault_says_what_a_truncated_file_lacks)
{
    char folder[TEST_PATH_MAX], path[TEST_PATH_MAX];
    segb_file file = {-1, -1};
    segb_create_options options = {.struct_size = sizeof(options),
                                   .file = &file};
    segb_segment *segment;
    test_folder_make(folder);
    test_path(path, "%s/file", folder);
    test_write(path, "text");
    file.write = test_file_open(path, TEST_RW);
    REQUIRE_INT(segb_create(client, NULL, 8192, &options, &segment), 0);
    char *view = map(segment, SEGB_RW);
    REQUIRE_INT(segb_prefault(view, 0), 0);
    REQUIRE_INT(ftruncate((int)file.write, 4096), 0);
    REQUIRE_INT(segb_prefault(view, 0), SEGB_E_FILE_TOO_SMALL);
    REQUIRE_INT(segb_prefault(view, 4096), 0);
    REQUIRE_INT(segb_unmap(view), 0);
    segb_close(segment);
    test_close((int)file.write);
    test_folder_remove(folder);
}
END_TEST

static Suite *huge_suite(void)
{
    Suite *suite = suite_create("huge");
    TCase *tests = suite_case(suite, "huge", 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, whole_pages_are_taken_and_charged);
    tcase_add_test(tests, all_is_allocated_whatever_was_asked);
    tcase_add_test(tests, more_than_are_free_are_refused);
    tcase_add_test(tests, all_or_none_gives_pages_back);
    tcase_add_test(tests, quota_counts_whole_pages);
    tcase_add_test(tests, any_part_is_mapped_and_copied);
    tcase_add_test(tests, private_views_take_pages_of_their_own_or_are_refused);
    tcase_add_test(tests, pages_outlive_broker_and_service);
    tcase_add_test(tests, revoke_leaves_zeros_and_the_pages);
    tcase_add_test(tests, broker_does_not_die_of_a_hole);
    tcase_add_test(tests, huge_pages_freeze);
    tcase_add_test(tests, memory_comes_from_its_node_whoever_touches_it);
    tcase_add_test(tests, huge_pages_come_from_their_node);
    tcase_add_test(tests, prefault_says_what_a_truncated_file_lacks);
    return suite;
}

int main(void)
{
    return suite_main(huge_suite());
}
