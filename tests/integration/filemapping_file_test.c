/*
 * The Win32 calls on files: Windows' rules for sizes, access and what is
 * written.
 */
#include "client/segbroker.h"
#include "tests/support/mapping.h"
#include "tests/support/memory.h"
#include "tests/support/suite.h"

#include <string.h>

enum { TEXT_MAX = 8 * MAPPING_PAGE };

static char path[TEST_PATH_MAX];
static char text[TEXT_MAX];

/* A handle to the file at `path`, with `content` in it. */
static HANDLE open_file(const char *content, enum test_access access)
{
    int file;
    HANDLE handle;

    test_path(path, "%s/file", mapping_broker.folder);
    test_write(path, content);
    file = test_file_open(path, access);
    handle = SegFileHandle(file);
    REQUIRE(handle != INVALID_HANDLE_VALUE);
    test_close(file);
    return handle;
}

static HANDLE try_map(HANDLE file, DWORD protect, DWORD size)
{
    return SegCreateFileMappingA(file, NULL, protect, 0, size, NULL);
}

static HANDLE map_file(HANDLE file, DWORD protect, DWORD size)
{
    HANDLE mapping = try_map(file, protect, size);

    if (!mapping)
        FAIL("error %u: %s", (unsigned)SegGetLastError(), segb_last_detail());
    return mapping;
}

static char *view_all(HANDLE mapping, DWORD access)
{
    return (char *)mapping_view(mapping, access);
}

static size_t file_size(void)
{
    return (size_t)test_file_size(path);
}

START_TEST(empty_file_of_size_0_is_refused)
{
    HANDLE file = open_file("", TEST_RW);

    REFUSES(ERROR_FILE_INVALID, try_map(file, PAGE_READWRITE, 0));
    REFUSES(ERROR_FILE_INVALID, try_map(file, PAGE_READONLY, 0));
    REQUIRE_INT(file_size(), 0);
    mapping_close(file);
}
END_TEST

START_TEST(size_0_is_the_whole_file)
{
    HANDLE file = open_file("what is there", TEST_RO);
    HANDLE mapping = map_file(file, PAGE_READONLY, 0);
    char *view = view_all(mapping, FILE_MAP_READ);

    REQUIRE_INT(memcmp(view, "what is there", 14), 0);
    mapping_unview(view);
    mapping_close(mapping);
    mapping_close(file);
}
END_TEST

START_TEST(file_grows_when_it_is_mapped_for_writing)
{
    HANDLE file = open_file("short", TEST_RW);
    HANDLE mapping = map_file(file, PAGE_READWRITE, MAPPING_PAGE + 5);

    REQUIRE_INT(file_size(), MAPPING_PAGE + 5);
    mapping_close(mapping);
    mapping_close(file);
}
END_TEST

START_TEST(file_does_not_grow_when_it_is_mapped_for_reading)
{
    HANDLE file = open_file("short", TEST_RW);

    REFUSES(ERROR_NOT_ENOUGH_MEMORY, try_map(file, PAGE_READONLY, 6));
    REFUSES(ERROR_NOT_ENOUGH_MEMORY,
            try_map(file, PAGE_WRITECOPY, MAPPING_PAGE));
    REQUIRE_INT(file_size(), 5);
    mapping_close(file);
}
END_TEST

START_TEST(file_is_not_rounded_up_to_a_page)
{
    HANDLE file = open_file("short", TEST_RW);
    HANDLE mapping = map_file(file, PAGE_READWRITE, 0);

    REFUSES(ERROR_ACCESS_DENIED,
            SegMapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 6));
    mapping_unview(SegMapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 5));
    REQUIRE_INT(file_size(), 5);
    mapping_close(mapping);
    mapping_close(file);
}
END_TEST

START_TEST(what_is_written_is_in_the_file)
{
    HANDLE file = open_file("before", TEST_RW);
    HANDLE mapping = map_file(file, PAGE_READWRITE, 0);
    char *view = view_all(mapping, FILE_MAP_WRITE);

    view[0] = 'B';
    REQUIRE(SegFlushViewOfFile(view, 0));
    test_read(path, text, sizeof(text));
    REQUIRE_STR(text, "Before");
    REFUSES(ERROR_INVALID_PARAMETER,
            SegFlushViewOfFile(view, 2 * MAPPING_PAGE));
    mapping_unview(view);
    mapping_close(mapping);
    mapping_close(file);
}
END_TEST

START_TEST(private_view_leaves_the_file_alone)
{
    HANDLE file = open_file("before", TEST_RW);
    HANDLE mapping = map_file(file, PAGE_WRITECOPY, 0);
    char *view = view_all(mapping, FILE_MAP_COPY);

    view[0] = 'B';
    mapping_unview(view);
    test_read(path, text, sizeof(text));
    REQUIRE_STR(text, "before");
    mapping_close(mapping);
    mapping_close(file);
}
END_TEST

START_TEST(file_for_reading_is_not_mapped_for_writing)
{
    HANDLE file = open_file("text", TEST_RO);

    REFUSES(ERROR_ACCESS_DENIED, try_map(file, PAGE_READWRITE, 0));
    REFUSES(ERROR_ACCESS_DENIED, try_map(file, PAGE_READWRITE, MAPPING_PAGE));
    REQUIRE_INT(file_size(), 4);
    mapping_close(file);
}
END_TEST

START_TEST(mapping_outlives_its_file_handle)
{
    HANDLE file = open_file("text", TEST_RW);
    HANDLE mapping = map_file(file, PAGE_READWRITE, 0);
    char *view;

    mapping_close(file);
    view = view_all(mapping, FILE_MAP_READ);
    REQUIRE_INT(view[0], 't');
    mapping_unview(view);
    mapping_close(mapping);
}
END_TEST

START_TEST(handle_of_a_mapping_is_no_file)
{
    HANDLE mapping =
        map_file(INVALID_HANDLE_VALUE, PAGE_READWRITE, MAPPING_PAGE);
    HANDLE file = open_file("text", TEST_RW);

    REFUSES(ERROR_INVALID_HANDLE,
            try_map(mapping, PAGE_READWRITE, MAPPING_PAGE));
    REFUSES(ERROR_INVALID_HANDLE,
            SegMapViewOfFile(file, FILE_MAP_READ, 0, 0, 0));
    mapping_close(mapping);
    mapping_close(file);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("filemapping of files");
    TCase *tests = mapping_case(suite, "files");

    tcase_add_test(tests, empty_file_of_size_0_is_refused);
    tcase_add_test(tests, size_0_is_the_whole_file);
    tcase_add_test(tests, file_grows_when_it_is_mapped_for_writing);
    tcase_add_test(tests, file_does_not_grow_when_it_is_mapped_for_reading);
    tcase_add_test(tests, file_is_not_rounded_up_to_a_page);
    tcase_add_test(tests, what_is_written_is_in_the_file);
    tcase_add_test(tests, private_view_leaves_the_file_alone);
    tcase_add_test(tests, file_for_reading_is_not_mapped_for_writing);
    tcase_add_test(tests, mapping_outlives_its_file_handle);
    tcase_add_test(tests, handle_of_a_mapping_is_no_file);
    return suite_main(suite);
}
