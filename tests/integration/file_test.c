/*
 * Segments of files: what they have of them, who gets them, and that the file
 * is left alone where it should be. What descriptors can be besides is in
 * file_test_posix.c.
 */
#include "client/segbroker.h"
#include "tests/support/memory.h"
#include "tests/support/recovery.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

static const char TEXT[] = "once upon a time";
enum { TEXT_SIZE = sizeof(TEXT) - 1 };

static char folder[TEST_PATH_MAX];
static char path[TEST_PATH_MAX];
static segb_client *client;

static segb_client *connect_client(void)
{
    segb_connect_options options = {.struct_size = sizeof(options),
                                    .socket = recovery_broker.socket};
    segb_client *made;
    REQUIRE_INT(segb_connect(&options, &made), 0);
    return made;
}

static void setup(void)
{
    recovery_start(recovery_config);
    test_folder_make(folder);
    test_path(path, "%s/file", folder);
    test_write(path, TEXT);
    client = connect_client();
}

static void teardown(void)
{
    segb_disconnect(client);
    test_folder_remove(folder);
    recovery_stop();
}

/* Makes a segment of the file, which is opened for `write` or read or both. */
static int create(const char *name, size_t size, int access, bool write,
                  bool read, segb_segment **segment)
{
    segb_file file = {-1, -1};
    segb_create_options options = {
        .struct_size = sizeof(options), .access = access, .file = &file};
    if (write)
        file.write = test_file_open(path, TEST_RW);
    if (read)
        file.read = test_file_open(path, TEST_RO);
    int r = segb_create(client, name, size, &options, segment);
    if (write)
        test_close((int)file.write);
    if (read)
        test_close((int)file.read);
    return r;
}

static segb_segment *open_for(segb_client *by, const char *name, int access)
{
    segb_open_options options = {.struct_size = sizeof(options),
                                 .access = access};
    segb_segment *segment;
    REQUIRE_INT(segb_open(by, name, &options, &segment), 0);
    return segment;
}

static void expect_text(segb_segment *segment, const char *text)
{
    char found[64] = "";
    size_t size = strlen(text);
    void *view;
    REQUIRE_INT(segb_map(segment, 0, size, SEGB_RO, &view), 0);
    memcpy(found, view, size);
    REQUIRE_STR(found, text);
    REQUIRE_INT(segb_unmap(view), 0);
}

static void expect_in_file(const char *text)
{
    char found[64];
    test_read(path, found, sizeof(found));
    REQUIRE_STR(found, text);
}

START_TEST(all_of_a_file_is_shared)
{
    segb_client *other = connect_client();
    segb_segment *made, *opened;
    char *view;
    REQUIRE_INT(create("a", 0, SEGB_RW, true, true, &made), 0);
    REQUIRE(segb_created(made));
    REQUIRE_INT(segb_size(made), TEXT_SIZE);
    REQUIRE_INT(segb_mapped_size(made), TEXT_SIZE);
    opened = open_for(other, "a", SEGB_RO);
    REQUIRE_INT(segb_mapped_size(opened), TEXT_SIZE);
    expect_text(opened, TEXT);
    REQUIRE_INT(segb_map(made, 0, 0, SEGB_RW, (void **)&view), 0);
    for (int i = 0; i < 5; i++)
        view[i] = "twice"[i];
    REQUIRE_INT(segb_flush(view, 0), 0);
    REQUIRE_INT(segb_flush(view, TEXT_SIZE + 1), SEGB_E_INVALID_ARGUMENT);
    expect_text(opened, "twice");
    expect_in_file("twiceupon a time");
    REQUIRE_INT(segb_unmap(view), 0);
    segb_close(made);
    segb_close(opened);
    segb_disconnect(other);
}
END_TEST

START_TEST(rw_makes_the_file_larger)
{
    segb_segment *segment;
    REQUIRE_INT(create("a", 100000, SEGB_RW, true, false, &segment), 0);
    REQUIRE_INT(segb_size(segment), 100000);
    REQUIRE_INT(segb_mapped_size(segment), 100000);
    REQUIRE_INT(test_file_size(path), 100000);
    expect_text(segment, TEXT);
    segb_close(segment);
    REQUIRE_INT(test_file_size(path), 100000);
}
END_TEST

START_TEST(part_of_a_file_leaves_it_as_large)
{
    segb_segment *segment;
    void *view;
    REQUIRE_INT(create(NULL, 4, SEGB_RW, true, false, &segment), 0);
    REQUIRE_INT(segb_mapped_size(segment), 4);
    REQUIRE_INT(segb_map(segment, 0, 5, SEGB_RO, &view),
                SEGB_E_INVALID_ARGUMENT);
    segb_close(segment);
    REQUIRE_INT(test_file_size(path), TEXT_SIZE);
}
END_TEST

START_TEST(other_access_never_makes_it_larger)
{
    static const int accesses[] = {SEGB_RO, SEGB_COW};
    segb_segment *segment;
    for (int i = 0; i < 2; i++) {
        REQUIRE_INT(
            create("a", TEXT_SIZE + 1, accesses[i], true, true, &segment),
            SEGB_E_FILE_TOO_SMALL);
        REQUIRE_INT(test_file_size(path), TEXT_SIZE);
    }
}
END_TEST

START_TEST(empty_file_is_refused_unless_it_grows)
{
    segb_segment *segment;
    test_write(path, "");
    REQUIRE_INT(create("a", 0, SEGB_RW, true, false, &segment),
                SEGB_E_FILE_EMPTY);
    REQUIRE_INT(test_file_size(path), 0);
    REQUIRE_INT(create("a", 10, SEGB_RW, true, false, &segment), 0);
    REQUIRE_INT(test_file_size(path), 10);
    segb_close(segment);
}
END_TEST

START_TEST(its_bytes_are_not_charged)
{
    struct raw *raw = &recovery_client;
    segb_segment *segment;
    REQUIRE_INT(create("a", 0, SEGB_RW, true, false, &segment), 0);
    REQUIRE_INT(raw_used(raw, NULL, "bytes"), 0);
    REQUIRE_INT(raw_used(raw, NULL, "segments"), 1);
    REQUIRE_INT(raw_used(raw, NULL, "grants"), 1);
    segb_close(segment);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, raw_used(raw, NULL, "segments") == 0));
}
END_TEST

START_TEST(is_told_from_memory)
{
    segb_segment *segment, *memory;
    segb_info info;
    REQUIRE_INT(create("a", 0, SEGB_RO, false, true, &segment), 0);
    REQUIRE_INT(segb_create(client, "b", 1, NULL, &memory), 0);
    REQUIRE_INT(segb_stat(client, "a", 0, &info), 0);
    REQUIRE(info.of_file);
    REQUIRE_INT(segb_stat(client, "b", 0, &info), 0);
    REQUIRE(!info.of_file);
    segb_close(segment);
    segb_close(memory);
}
END_TEST

START_TEST(file_for_reading_is_never_written)
{
    segb_open_options writable = {.struct_size = sizeof(writable),
                                  .access = SEGB_RW};
    segb_segment *segment, *opened;
    void *view;
    REQUIRE_INT(create("a", 0, SEGB_RW, false, true, &segment),
                SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(create("a", 0, SEGB_RO, false, true, &segment), 0);
    REQUIRE_INT(segb_open(client, "a", &writable, &opened),
                SEGB_E_ACCESS_DENIED);
    REQUIRE_INT(segb_map(segment, 0, 0, SEGB_RW, &view), SEGB_E_ACCESS_DENIED);
    REQUIRE_INT(segb_write(segment, 0, "x", 1), SEGB_E_ACCESS_DENIED);
    opened = open_for(client, "a", SEGB_COW);
    REQUIRE_INT(segb_map(opened, 0, 0, SEGB_COW, &view), 0);
    *(char *)view = 'x';
    expect_text(segment, TEXT);
    expect_in_file(TEXT);
    REQUIRE_INT(segb_unmap(view), 0);
    segb_close(opened);
    segb_close(segment);
}
END_TEST

START_TEST(copies_need_no_view)
{
    segb_segment *segment;
    char text[TEXT_SIZE + 1] = "";
    REQUIRE_INT(create("a", 0, SEGB_RW, true, false, &segment), 0);
    REQUIRE_INT(segb_write(segment, 5, "under", 5), 0);
    REQUIRE_INT(segb_read(segment, 0, text, TEXT_SIZE), 0);
    REQUIRE_STR(text, "once undera time");
    REQUIRE_INT(segb_read(segment, 1, text, TEXT_SIZE),
                SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_write(segment, TEXT_SIZE, text, 1),
                SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_read(segment, TEXT_SIZE, NULL, 0), 0);
    REQUIRE_INT(segb_read(segment, 0, NULL, 1), SEGB_E_INVALID_ARGUMENT);
    segb_close(segment);
}
END_TEST

START_TEST(copies_work_for_memory_too)
{
    segb_segment *segment;
    char text[6] = "";
    REQUIRE_INT(segb_create(client, "m", 10000, NULL, &segment), 0);
    REQUIRE_INT(segb_write(segment, 5000, "hello", 5), 0);
    REQUIRE_INT(segb_read(segment, 5000, text, 5), 0);
    REQUIRE_STR(text, "hello");
    segb_close(segment);
}
END_TEST

START_TEST(taken_name_is_opened_and_the_file_ignored)
{
    segb_segment *memory, *segment;
    REQUIRE_INT(segb_create(client, "a", 5000, NULL, &memory), 0);
    REQUIRE_INT(create("a", 100000, SEGB_RW, true, false, &segment), 0);
    REQUIRE(!segb_created(segment));
    REQUIRE_INT(segb_size(segment), 5000);
    REQUIRE_INT(test_file_size(path), TEXT_SIZE);
    segb_close(memory);
    segb_close(segment);
}
END_TEST

START_TEST(name_goes_with_the_last_grant)
{
    segb_segment *segment;
    REQUIRE_INT(create("a", 0, SEGB_RO, false, true, &segment), 0);
    segb_close(segment);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, !recovery_is_found("a")));
    expect_in_file(TEXT);
}
END_TEST

START_TEST(file_cannot_persist_or_be_frozen)
{
    segb_file file = {-1, test_file_open(path, TEST_RO)};
    segb_create_options options = {.struct_size = sizeof(options),
                                   .access = SEGB_RO,
                                   .persist = 1,
                                   .file = &file};
    segb_segment *segment;
    REQUIRE_INT(segb_create(client, "a", 0, &options, &segment),
                SEGB_E_INVALID_ARGUMENT);
    options.persist = 0;
    options.freezable = 1;
    REQUIRE_INT(segb_create(client, "a", 0, &options, &segment),
                SEGB_E_INVALID_ARGUMENT);
    test_close((int)file.read);
    file.read = -1;
    options.freezable = 0;
    REQUIRE_INT(segb_create(client, "a", 0, &options, &segment),
                SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(create("a", 0, SEGB_RO, false, true, &segment), 0);
    REQUIRE_INT(segb_freeze(client, "a", 0, SEGB_FROZEN_YES),
                SEGB_E_NOT_SUPPORTED);
    segb_close(segment);
}
END_TEST

START_TEST(revoked_file_keeps_its_bytes)
{
    segb_segment *segment;
    int emptied = 1;
    REQUIRE_INT(create("a", 0, SEGB_RW, true, false, &segment), 0);
    REQUIRE_INT(segb_revoke(client, "a", 0, &emptied), 0);
    REQUIRE(!emptied);
    expect_in_file(TEXT);
    segb_close(segment);
}
END_TEST

START_TEST(comes_back_after_the_broker)
{
    segb_segment *segment, *opened;
    REQUIRE_INT(create("a", 0, SEGB_RW, true, true, &segment), 0);
    recovery_crash();
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, segb_ping(client) == 0));
    opened = open_for(client, "a", SEGB_RW);
    REQUIRE_INT(segb_size(opened), TEXT_SIZE);
    REQUIRE_INT(segb_write(opened, 0, "late", 4), 0);
    segb_close(opened);
    opened = open_for(client, "a", SEGB_RO);
    expect_text(opened, "late upon a time");
    REQUIRE_INT(raw_used(&recovery_client, NULL, "bytes"), 0);
    segb_close(opened);
    segb_close(segment);
}
END_TEST

START_TEST(file_may_have_a_doorbell)
{
    segb_file file = {-1, test_file_open(path, TEST_RO)};
    segb_create_options options = {.struct_size = sizeof(options),
                                   .access = SEGB_RO,
                                   .file = &file,
                                   .doorbell = 1};
    segb_segment *made, *opened;
    REQUIRE_INT(segb_create(client, "a", 0, &options, &made), 0);
    test_close((int)file.read);
    uint64_t page = raw_used(&recovery_client, "total", "bytes");
    REQUIRE(page > 0);
    REQUIRE_INT(segb_signal(made), 0);
    recovery_crash();
    REQUIRE_INT(raw_used(&recovery_client, "total", "bytes"), page);
    opened = open_for(client, "a", SEGB_RO);
    REQUIRE_INT(segb_wait(opened, 0), 0);
    expect_text(opened, TEXT);
    segb_close(opened);
    segb_close(made);
}
END_TEST

START_TEST(many_files_at_once_are_all_served)
{
    enum { MANY = 40 };
    segb_segment *segments[MANY];
    char name[16];
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        REQUIRE_INT(create(name, 0, SEGB_RO, false, true, &segments[i]), 0);
    }
    for (int i = 0; i < MANY; i++)
        segb_close(segments[i]);
}
END_TEST

static Suite *file_suite(void)
{
    Suite *suite = suite_create("file");
    TCase *tests = suite_case(suite, "file", 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, all_of_a_file_is_shared);
    tcase_add_test(tests, rw_makes_the_file_larger);
    tcase_add_test(tests, part_of_a_file_leaves_it_as_large);
    tcase_add_test(tests, other_access_never_makes_it_larger);
    tcase_add_test(tests, empty_file_is_refused_unless_it_grows);
    tcase_add_test(tests, its_bytes_are_not_charged);
    tcase_add_test(tests, is_told_from_memory);
    tcase_add_test(tests, file_for_reading_is_never_written);
    tcase_add_test(tests, copies_need_no_view);
    tcase_add_test(tests, copies_work_for_memory_too);
    tcase_add_test(tests, taken_name_is_opened_and_the_file_ignored);
    tcase_add_test(tests, name_goes_with_the_last_grant);
    tcase_add_test(tests, file_cannot_persist_or_be_frozen);
    tcase_add_test(tests, revoked_file_keeps_its_bytes);
    tcase_add_test(tests, comes_back_after_the_broker);
    tcase_add_test(tests, file_may_have_a_doorbell);
    tcase_add_test(tests, many_files_at_once_are_all_served);
    return suite;
}

int main(void)
{
    return suite_main(file_suite());
}
