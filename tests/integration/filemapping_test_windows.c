/*
 * The Win32 calls over a broker, on Windows: what differs there, and that
 * Windows' own calls are none of them.
 */
#include "tests/support/mapping.h"
#include "tests/support/suite.h"

static HANDLE create(DWORD protect, const char *name)
{
    return mapping_try_create(protect, MAPPING_PAGE, name);
}

START_TEST(executing_is_refused)
{
    static const DWORD protections[] = {
        PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY};
    HANDLE made = create(PAGE_READWRITE, "x");

    for (size_t i = 0; i < 3; i++) {
        REQUIRE(!create(protections[i], NULL));
        REQUIRE_INT(SegGetLastError(), ERROR_NOT_SUPPORTED);
    }
    REQUIRE(!SegMapViewOfFile(made, FILE_MAP_READ | FILE_MAP_EXECUTE, 0, 0, 0));
    REQUIRE_INT(SegGetLastError(), ERROR_NOT_SUPPORTED);
    REQUIRE(!SegOpenFileMappingA(FILE_MAP_EXECUTE, FALSE, "x"));
    REQUIRE_INT(SegGetLastError(), ERROR_NOT_SUPPORTED);
    REQUIRE(SegCloseHandle(made));
}
END_TEST

START_TEST(names_and_handles_are_not_those_of_windows)
{
    HANDLE ours = create(PAGE_READWRITE, "segbroker-names");
    HANDLE theirs =
        CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0,
                           MAPPING_PAGE, "segbroker-names");

    REQUIRE(ours != NULL && theirs != NULL);
    REQUIRE_INT(GetLastError(), ERROR_SUCCESS);
    REQUIRE(SegCloseHandle(ours));
    REQUIRE(!SegOpenFileMappingA(FILE_MAP_READ, FALSE, "segbroker-names"));
    REQUIRE_INT(SegGetLastError(), ERROR_FILE_NOT_FOUND);
    REQUIRE(CloseHandle(theirs));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("filemapping on Windows");
    TCase *tests = mapping_case(suite, "calls");

    tcase_add_test(tests, executing_is_refused);
    tcase_add_test(tests, names_and_handles_are_not_those_of_windows);
    return suite_main(suite);
}
