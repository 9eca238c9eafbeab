/*
 * Huge pages and nodes of memory, as far as every host goes: what is refused,
 * and how; and bringing pages in. With pages of the host's they are in
 * huge_test_linux.c.
 */
#include "client/segbroker.h"
#include "tests/support/memory.h"
#include "tests/support/recovery.h"
#include "tests/support/suite.h"

#include <string.h>

enum { MIB = 1024 * 1024 };

static const char config[] = "[total]\n"
                             "bytes = unlimited\n"
                             "[default]\n"
                             "bytes = unlimited\n"
                             "[broker]\n"
                             "grace = 60s\n";

static segb_client *client;

static void setup(void)
{
    recovery_start(config);
    client = recovery_connect();
}

static void teardown(void)
{
    segb_disconnect(client);
    recovery_stop();
}

static bool has(const char *feature)
{
    return raw_has_feature(recovery_broker.socket, feature);
}

static int create(size_t size, int pages, int numa, segb_segment **segment)
{
    segb_create_options options = {
        .struct_size = sizeof(options), .pages = pages, .numa = numa};
    return segb_create(client, "a", size, &options, segment);
}

static void expect_nothing_is_charged(void)
{
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS,
                       raw_used_by_all(&recovery_client, "bytes") == 0));
    REQUIRE_INT(raw_used_by_all(&recovery_client, "segments"), 0);
    REQUIRE_INT(raw_used_by_all(&recovery_client, "grants"), 0);
    REQUIRE(!recovery_is_found("a"));
}

/* However many a host has, these are more. */
START_TEST(pages_that_are_not_there_are_refused_when_created)
{
    static const struct {
        int pages;
        const char *feature;
    } kinds[] = {{SEGB_PAGES_2M, "huge-2M"}, {SEGB_PAGES_1G, "huge-1G"}};
    segb_segment *segment;
    for (int i = 0; i < 2; i++) {
        int r = create((size_t)1 << 45, kinds[i].pages, 0, &segment);
        REQUIRE_INT(r, has(kinds[i].feature) ? SEGB_E_NO_MEMORY
                                             : SEGB_E_NOT_SUPPORTED);
        expect_nothing_is_charged();
    }
}
END_TEST

/* Whether there is one shows when it is created, and then it is there. */
START_TEST(a_huge_page_is_there_or_refused)
{
    segb_segment *segment;
    void *view;
    int r = create(1, SEGB_PAGES_2M, 0, &segment);
    if (r != 0) {
        REQUIRE_INT(r,
                    has("huge-2M") ? SEGB_E_NO_MEMORY : SEGB_E_NOT_SUPPORTED);
        REQUIRE_PART(segb_last_detail(), "pages");
        expect_nothing_is_charged();
        return;
    }
    REQUIRE_INT(segb_mapped_size(segment), 2 * MIB);
    REQUIRE_INT(segb_map(segment, 0, 0, SEGB_RW, &view), 0);
    memset(view, 1, 2 * MIB);
    REQUIRE_INT(segb_unmap(view), 0);
    segb_close(segment);
}
END_TEST

START_TEST(nodes_that_are_not_there_are_refused)
{
    segb_segment *segment;
    REQUIRE_INT(create(4096, 0, SEGB_NODE(1023), &segment),
                has("numa") ? SEGB_E_INVALID_ARGUMENT : SEGB_E_NOT_SUPPORTED);
    REQUIRE_PART(segb_last_detail(), "numa");
    expect_nothing_is_charged();
}
END_TEST

START_TEST(options_that_cannot_be_are_refused_at_once)
{
    static const int wrong[][2] = {{-1, 0}, {3, 0}, {0, -1}, {0, 1025}};
    segb_segment *segment;
    for (int i = 0; i < 4; i++)
        REQUIRE_INT(create(4096, wrong[i][0], wrong[i][1], &segment),
                    SEGB_E_INVALID_ARGUMENT);
}
END_TEST

START_TEST(a_file_has_neither)
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
    options.pages = SEGB_PAGES_2M;
    REQUIRE_INT(segb_create(client, "a", 0, &options, &segment),
                SEGB_E_INVALID_ARGUMENT);
    REQUIRE_PART(segb_last_detail(), "pages");
    options.pages = 0;
    options.numa = SEGB_NODE(0);
    REQUIRE_INT(segb_create(client, "a", 0, &options, &segment),
                SEGB_E_INVALID_ARGUMENT);
    REQUIRE_PART(segb_last_detail(), "numa");
    test_close((int)file.write);
    test_folder_remove(folder);
    expect_nothing_is_charged();
}
END_TEST

/* An open finds the segment as it is. */
START_TEST(what_is_there_has_what_it_has)
{
    segb_segment *first, *second;
    segb_info info;
    REQUIRE_INT(create(4096, 0, 0, &first), 0);
    REQUIRE_INT(create(4096, SEGB_PAGES_1G, SEGB_NODE(1023), &second), 0);
    REQUIRE_INT(segb_mapped_size(second), 4096);
    REQUIRE_INT(segb_stat(client, "a", 0, &info), 0);
    REQUIRE_INT(info.pages, 0);
    REQUIRE_INT(info.numa, 0);
    segb_close(second);
    segb_close(first);
}
END_TEST

START_TEST(node_is_told_also_after_the_brokers_death)
{
    segb_segment *segment;
    segb_info info;
    void *view;
    SKIP_UNLESS(has("numa"), "the broker does not list numa");
    REQUIRE_INT(create(40 * MIB, 0, SEGB_NODE(0), &segment), 0);
    REQUIRE_INT(segb_map(segment, 0, 0, SEGB_RW, &view), 0);
    memset(view, 1, 40 * MIB);
    for (int died = 0; died < 2; died++) {
        REQUIRE_INT(segb_stat(client, "a", 0, &info), 0);
        REQUIRE_INT(info.numa, SEGB_NODE(0));
        REQUIRE_INT(info.pages, 0);
        recovery_crash();
    }
    REQUIRE_INT(segb_unmap(view), 0);
    segb_close(segment);
}
END_TEST

START_TEST(prefault_brings_pages_in)
{
    segb_create_options options = {.struct_size = sizeof(options),
                                   .reserve = 1};
    segb_segment *segment;
    char *view;
    int64_t allocated;
    REQUIRE_INT(segb_create(client, "a", MIB, &options, &segment), 0);
    REQUIRE_INT(segb_map(segment, 0, 0, SEGB_RW, (void **)&view), 0);
    REQUIRE_INT(segb_prefault(view + 5, 8192), 0);
    allocated = test_memory_allocated((int)segb_handle(segment));
    REQUIRE(allocated < 0 || allocated == 3 * 4096);
    REQUIRE_INT(segb_prefault(view + 4096, 0), 0);
    allocated = test_memory_allocated((int)segb_handle(segment));
    REQUIRE(allocated < 0 || allocated == MIB);
    REQUIRE_INT(view[MIB - 1], 0);
    REQUIRE_INT(segb_unmap(view), 0);
    segb_close(segment);
}
END_TEST

START_TEST(prefault_takes_every_kind_of_view)
{
    segb_segment *segment;
    char *view;
    REQUIRE_INT(create(MIB, 0, 0, &segment), 0);
    REQUIRE_INT(segb_write(segment, 7, "x", 1), 0);
    for (int access = SEGB_RO; access <= SEGB_COW; access++) {
        REQUIRE_INT(segb_map(segment, 0, 0, access, (void **)&view), 0);
        REQUIRE_INT(segb_prefault(view, 0), 0);
        REQUIRE_INT(view[7], 'x');
        REQUIRE_INT(segb_unmap(view), 0);
    }
    segb_close(segment);
}
END_TEST

START_TEST(prefault_stays_in_its_view)
{
    segb_segment *segment;
    char *view;
    REQUIRE_INT(create(8192, 0, 0, &segment), 0);
    REQUIRE_INT(segb_map(segment, 0, 0, SEGB_RO, (void **)&view), 0);
    REQUIRE_INT(segb_prefault(view, 8193), SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_prefault(view + 4096, 4097), SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_prefault(&view, 1), SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_prefault(NULL, 1), SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_unmap(view), 0);
    REQUIRE_INT(segb_prefault(view, 1), SEGB_E_INVALID_ARGUMENT);
    segb_close(segment);
}
END_TEST

static Suite *huge_suite(void)
{
    Suite *suite = suite_create("huge");
    TCase *tests = suite_case(suite, "huge", 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, pages_that_are_not_there_are_refused_when_created);
    tcase_add_test(tests, a_huge_page_is_there_or_refused);
    tcase_add_test(tests, nodes_that_are_not_there_are_refused);
    tcase_add_test(tests, options_that_cannot_be_are_refused_at_once);
    tcase_add_test(tests, a_file_has_neither);
    tcase_add_test(tests, what_is_there_has_what_it_has);
    tcase_add_test(tests, node_is_told_also_after_the_brokers_death);
    tcase_add_test(tests, prefault_brings_pages_in);
    tcase_add_test(tests, prefault_takes_every_kind_of_view);
    tcase_add_test(tests, prefault_stays_in_its_view);
    return suite;
}

int main(void)
{
    return suite_main(huge_suite());
}
