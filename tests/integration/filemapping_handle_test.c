/*
 * The Win32 calls over a broker: handles, and what the broker's answers become.
 */
#include "client/segbroker.h"
#include "tests/support/mapping.h"
#include "tests/support/suite.h"

enum { MIB = 1 << 20 };

/* ---- handles ---- */

START_TEST(handle_that_is_none_is_refused)
{
    static const uintptr_t numbers[] = {0, 1, 4, 5, 8, 0xdeadbeef, 1 << 27};
    HANDLE made = mapping_create(PAGE_READWRITE, MAPPING_PAGE, NULL);

    mapping_close(made);
    REFUSES(ERROR_INVALID_HANDLE, SegCloseHandle(made));
    REFUSES(ERROR_INVALID_HANDLE,
            SegMapViewOfFile(made, FILE_MAP_READ, 0, 0, 0));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        HANDLE wrong = (HANDLE)numbers[i];
        HANDLE target = NULL;

        REFUSES(ERROR_INVALID_HANDLE, SegCloseHandle(wrong));
        REFUSES(ERROR_INVALID_HANDLE,
                SegMapViewOfFile(wrong, FILE_MAP_READ, 0, 0, 0));
        REFUSES(ERROR_INVALID_HANDLE,
                SegDuplicateHandle(SegGetCurrentProcess(), wrong,
                                   SegGetCurrentProcess(), &target, 0, FALSE,
                                   DUPLICATE_SAME_ACCESS));
    }
    REFUSES(ERROR_INVALID_HANDLE,
            SegCreateFileMappingA((HANDLE)(uintptr_t)12345, NULL,
                                  PAGE_READWRITE, 0, MAPPING_PAGE, NULL));
    REFUSES(ERROR_INVALID_HANDLE,
            SegMapViewOfFile(INVALID_HANDLE_VALUE, FILE_MAP_READ, 0, 0, 0));
}
END_TEST

START_TEST(handle_is_not_given_again_at_once)
{
    HANDLE first = mapping_create(PAGE_READWRITE, MAPPING_PAGE, NULL);
    HANDLE second;

    mapping_close(first);
    second = mapping_create(PAGE_READWRITE, MAPPING_PAGE, NULL);
    REQUIRE(first != second);
    REFUSES(ERROR_INVALID_HANDLE, SegCloseHandle(first));
    mapping_close(second);
}
END_TEST

START_TEST(finds_each_of_many_handles)
{
    enum { MANY = 200 };
    HANDLE handles[MANY];

    for (unsigned i = 0; i < MANY; i++)
        handles[i] =
            mapping_create(PAGE_READWRITE, (i + 1) * MAPPING_PAGE, NULL);
    for (unsigned i = 0; i < MANY; i++) {
        unsigned at = i * 7 % MANY;

        REQUIRE_INT(mapping_bytes_of(handles[at]), (at + 1) * MAPPING_PAGE);
        mapping_close(handles[at]);
    }
    REQUIRE_INT(raw_count_segments(&mapping_admin), 0);
}
END_TEST

static HANDLE duplicate(HANDLE source, DWORD access, DWORD options)
{
    HANDLE target = NULL;

    REQUIRE(SegDuplicateHandle(SegGetCurrentProcess(), source,
                               SegGetCurrentProcess(), &target, access, FALSE,
                               options));
    return target;
}

START_TEST(duplicate_keeps_the_name)
{
    HANDLE made = mapping_create(PAGE_READWRITE, MAPPING_PAGE, "twice");
    HANDLE copy = duplicate(made, 0, DUPLICATE_SAME_ACCESS);
    HANDLE moved;

    mapping_close(made);
    mapping_close(mapping_open(FILE_MAP_READ, "twice"));
    mapping_unview(mapping_view(copy, FILE_MAP_WRITE));
    moved = duplicate(copy, 0, DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE);
    REFUSES(ERROR_INVALID_HANDLE, SegCloseHandle(copy));
    mapping_unview(mapping_view(moved, FILE_MAP_WRITE));
    mapping_close(moved);
    mapping_expect_none("twice");
}
END_TEST

START_TEST(duplicate_may_have_less_access)
{
    HANDLE made = mapping_create(PAGE_READWRITE, MAPPING_PAGE, NULL);
    HANDLE reader = duplicate(made, FILE_MAP_READ, 0);
    HANDLE all = duplicate(made, FILE_MAP_ALL_ACCESS, 0);
    HANDLE target = NULL;

    mapping_unview(mapping_view(reader, FILE_MAP_READ));
    REFUSES(ERROR_ACCESS_DENIED,
            SegMapViewOfFile(reader, FILE_MAP_WRITE, 0, 0, 0));
    mapping_unview(mapping_view(all, FILE_MAP_WRITE));
    mapping_close(reader);
    mapping_close(all);
    mapping_close(made);
    made = mapping_create(PAGE_READONLY, MAPPING_PAGE, NULL);
    REFUSES(ERROR_ACCESS_DENIED,
            SegDuplicateHandle(SegGetCurrentProcess(), made,
                               SegGetCurrentProcess(), &target, FILE_MAP_WRITE,
                               FALSE, 0));
    REQUIRE(target == NULL);
    mapping_close(made);
}
END_TEST

START_TEST(duplicate_stays_in_the_process)
{
    HANDLE made = mapping_create(PAGE_READWRITE, MAPPING_PAGE, NULL);
    HANDLE self = SegGetCurrentProcess();
    HANDLE target = NULL;

    REFUSES(ERROR_NOT_SUPPORTED,
            SegDuplicateHandle(made, made, self, &target, 0, FALSE,
                               DUPLICATE_SAME_ACCESS));
    REFUSES(ERROR_NOT_SUPPORTED,
            SegDuplicateHandle(self, made, made, &target, 0, FALSE,
                               DUPLICATE_SAME_ACCESS));
    REFUSES(ERROR_NOT_SUPPORTED,
            SegDuplicateHandle(self, made, self, &target, 0, TRUE,
                               DUPLICATE_SAME_ACCESS));
    REFUSES(ERROR_NOT_SUPPORTED,
            SegDuplicateHandle(self, self, self, &target, 0, FALSE,
                               DUPLICATE_SAME_ACCESS));
    REFUSES(ERROR_INVALID_PARAMETER,
            SegDuplicateHandle(self, made, self, &target, 0, FALSE, 4));
    mapping_close(made);
}
END_TEST

START_TEST(handles_are_not_inherited)
{
    HANDLE made = mapping_create(PAGE_READWRITE, MAPPING_PAGE, "x");

    REFUSES(ERROR_NOT_SUPPORTED, SegOpenFileMappingA(FILE_MAP_READ, TRUE, "x"));
    mapping_close(made);
}
END_TEST

START_TEST(open_takes_an_access)
{
    HANDLE made = mapping_create(PAGE_READWRITE, MAPPING_PAGE, "x");

    REFUSES(ERROR_NOT_SUPPORTED, SegOpenFileMappingA(0, FALSE, "x"));
    REFUSES(
        ERROR_NOT_SUPPORTED,
        SegOpenFileMappingA(FILE_MAP_READ | FILE_MAP_LARGE_PAGES, FALSE, "x"));
    mapping_close(mapping_open(FILE_MAP_ALL_ACCESS, "x"));
    mapping_close(mapping_open(FILE_MAP_READ | FILE_MAP_WRITE, "x"));
    mapping_close(made);
}
END_TEST

START_TEST(file_handle_of_nothing_is_invalid)
{
    SegSetLastError(ERROR_SUCCESS);
    REQUIRE(SegFileHandle(123456) == INVALID_HANDLE_VALUE);
    REQUIRE_INT(SegGetLastError(), ERROR_INVALID_HANDLE);
}
END_TEST

/* ---- the broker ---- */

START_TEST(quota_is_told_as_windows_has_it)
{
    REFUSES(ERROR_NOT_ENOUGH_QUOTA,
            mapping_try_create(PAGE_READWRITE, 65 * MIB, "big"));
    REQUIRE_PART(segb_last_detail(), "segment_bytes");
    mapping_expect_none("big");
}
END_TEST

START_TEST(no_broker_is_a_service_that_is_not_active)
{
    test_environment("SEGBROKER_SOCKET", "/nowhere/mapping_broker.sock");
    REFUSES(ERROR_SERVICE_NOT_ACTIVE,
            mapping_try_create(PAGE_READWRITE, MAPPING_PAGE, "x"));
    REFUSES(ERROR_SERVICE_NOT_ACTIVE,
            SegOpenFileMappingA(FILE_MAP_READ, FALSE, "x"));
}
END_TEST

START_TEST(connection_ends_with_the_last_handle)
{
    HANDLE first = mapping_create(PAGE_READWRITE, MAPPING_PAGE, NULL);
    HANDLE second = mapping_create(PAGE_READWRITE, MAPPING_PAGE, NULL);

    REQUIRE_INT(raw_used(&mapping_admin, "total", "connections"), 2);
    mapping_close(first);
    REQUIRE_INT(raw_used(&mapping_admin, "total", "connections"), 2);
    mapping_close(second);
    REQUIRE(TEST_UNTIL(5000,
                       raw_used(&mapping_admin, "total", "connections") == 1));
    mapping_expect_none("x");
    REQUIRE(TEST_UNTIL(5000,
                       raw_used(&mapping_admin, "total", "connections") == 1));
}
END_TEST

START_TEST(closing_needs_no_broker)
{
    HANDLE handles[20];
    int64_t began;

    for (unsigned i = 0; i < 20; i++)
        handles[i] = mapping_create(PAGE_READWRITE, MAPPING_PAGE, NULL);
    raw_close(&mapping_admin);
    test_broker_kill(&mapping_broker);
    began = test_clock_us();
    for (unsigned i = 0; i < 20; i++)
        mapping_close(handles[i]);
    /* Not each of them waits for another broker. */
    REQUIRE(test_clock_us() - began < 20 * INT64_C(1000000));
    test_broker_run(&mapping_broker);
    raw_open(&mapping_admin, mapping_broker.socket);
}
END_TEST

/* So that nobody finds its name, and a quota has room for the next one. */
START_TEST(what_was_closed_is_gone_at_once)
{
    enum { MANY = 100 };
    HANDLE handles[MANY];

    for (unsigned i = 0; i < MANY; i++)
        handles[i] = mapping_create(PAGE_READWRITE, MAPPING_PAGE, NULL);
    for (unsigned i = 0; i < MANY; i++)
        mapping_close(handles[i]);
    REQUIRE_INT(raw_count_segments(&mapping_admin), 0);
}
END_TEST

START_TEST(errors_are_each_threads_own_to_set)
{
    SegSetLastError(1234);
    REQUIRE_INT(SegGetLastError(), 1234);
    SegSetLastError(0);
    REQUIRE_INT(SegGetLastError(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("filemapping_handle");
    TCase *tests = mapping_case(suite, "handles");

    tcase_add_test(tests, handle_that_is_none_is_refused);
    tcase_add_test(tests, handle_is_not_given_again_at_once);
    tcase_add_test(tests, finds_each_of_many_handles);
    tcase_add_test(tests, duplicate_keeps_the_name);
    tcase_add_test(tests, duplicate_may_have_less_access);
    tcase_add_test(tests, duplicate_stays_in_the_process);
    tcase_add_test(tests, handles_are_not_inherited);
    tcase_add_test(tests, open_takes_an_access);
    tcase_add_test(tests, file_handle_of_nothing_is_invalid);

    tests = mapping_case(suite, "the broker");
    tcase_add_test(tests, quota_is_told_as_windows_has_it);
    tcase_add_test(tests, no_broker_is_a_service_that_is_not_active);
    tcase_add_test(tests, connection_ends_with_the_last_handle);
    tcase_add_test(tests, closing_needs_no_broker);
    tcase_add_test(tests, what_was_closed_is_gone_at_once);
    tcase_add_test(tests, errors_are_each_threads_own_to_set);
    return suite_main(suite);
}
