/*
 * A handle for reading alone stays that: no view of it, no protection of a
 * view and no copy of the handle can write.
 */
#include "tests/support/broker.h"
#include "tests/support/memory.h"
#include "tests/support/raw.h"
#include "tests/support/suite.h"

#include <windows.h>

enum { BYTES = 65536, MARK = 42 };

static struct test_broker broker;
static struct raw owner;
static struct raw reader;
static unsigned char *truth; /* the owner's view */
static int own;

static void setup(void)
{
    test_broker_start(&broker, NULL);
    raw_open(&owner, broker.socket);
    raw_open(&reader, broker.socket);
    own = raw_create(&owner, NULL, "'name':'a','size':%d", BYTES);
    truth = test_map(own, BYTES, TEST_RW);
    REQUIRE(truth != NULL);
    truth[0] = MARK;
}

static void teardown(void)
{
    REQUIRE_INT(truth[0], MARK);
    test_unmap(truth, BYTES);
    test_close(own);
    raw_close(&owner);
    raw_close(&reader);
    test_broker_stop(&broker);
}

static bool is_wine(void)
{
    return GetProcAddress(GetModuleHandleW(L"ntdll"), "wine_get_version");
}

static const char *const accesses[] = {"ro", "cow"};

static HANDLE open_as(const char *access)
{
    int handle =
        raw_open_segment(&reader, NULL, "'name':'a','access':'%s'", access);
    REQUIRE(!test_is_writable(handle));
    return (HANDLE)(intptr_t)handle;
}

START_TEST(views_cannot_write)
{
    static const DWORD wanted[] = {
        FILE_MAP_WRITE, FILE_MAP_READ | FILE_MAP_WRITE, FILE_MAP_ALL_ACCESS};
    HANDLE handle = open_as(accesses[_i]);
    for (int i = 0; i < 3; i++) {
        REQUIRE(MapViewOfFile(handle, wanted[i], 0, 0, BYTES) == NULL);
        REQUIRE_INT(GetLastError(), ERROR_ACCESS_DENIED);
    }
    CloseHandle(handle);
}
END_TEST

START_TEST(protection_cannot_be_widened)
{
    static const DWORD wanted[] = {PAGE_READWRITE, PAGE_EXECUTE_READWRITE};
    HANDLE handle = open_as(accesses[_i]);
    unsigned char *view = MapViewOfFile(handle, FILE_MAP_READ, 0, 0, BYTES);
    DWORD before;
    REQUIRE(view != NULL && view[0] == MARK);
    for (int i = 0; i < 2; i++) {
        REQUIRE(!VirtualProtect(view, BYTES, wanted[i], &before));
        REQUIRE(VirtualAlloc(view, BYTES, MEM_COMMIT, wanted[i]) == NULL);
    }
    /* A copy of one's own changes nothing for others. Wine makes none, and
     * lets any such view be written. */
    if (!is_wine() && VirtualProtect(view, BYTES, PAGE_WRITECOPY, &before))
        view[0] = MARK + 1;
    REQUIRE_INT(truth[0], MARK);
    UnmapViewOfFile(view);
    CloseHandle(handle);
}
END_TEST

START_TEST(copies_of_the_handle_have_no_more_rights)
{
    static const DWORD wanted[] = {SECTION_MAP_WRITE,
                                   SECTION_MAP_READ | SECTION_MAP_WRITE,
                                   SECTION_ALL_ACCESS,
                                   SECTION_EXTEND_SIZE,
                                   FILE_MAP_ALL_ACCESS,
                                   GENERIC_WRITE,
                                   GENERIC_ALL,
                                   WRITE_OWNER,
                                   WRITE_DAC};
    /* An owner may always do the last two, Wine thinks. */
    unsigned count = sizeof(wanted) / sizeof(wanted[0]) - (is_wine() ? 2 : 0);
    HANDLE self = GetCurrentProcess();
    HANDLE handle = open_as(accesses[_i]);
    HANDLE copy;
    for (unsigned i = 0; i < count; i++) {
        copy = NULL;
        REQUIRE(
            !DuplicateHandle(self, handle, self, &copy, wanted[i], FALSE, 0));
        REQUIRE(copy == NULL);
    }
    REQUIRE(DuplicateHandle(self, handle, self, &copy, 0, FALSE,
                            DUPLICATE_SAME_ACCESS));
    REQUIRE(MapViewOfFile(copy, FILE_MAP_WRITE, 0, 0, BYTES) == NULL);
    CloseHandle(copy);
    CloseHandle(handle);
}
END_TEST

START_TEST(copy_on_write_is_ones_own)
{
    HANDLE handle = open_as(accesses[_i]);
    unsigned char *view = MapViewOfFile(handle, FILE_MAP_COPY, 0, 0, BYTES);
    REQUIRE(view != NULL);
    view[0] = MARK + 1;
    REQUIRE_INT(truth[0], MARK);
    UnmapViewOfFile(view);
    CloseHandle(handle);
}
END_TEST

static Suite *readonly_suite(void)
{
    Suite *suite = suite_create("readonly");
    TCase *tests = suite_case(suite, "readonly", 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, views_cannot_write, 0, 2);
    tcase_add_loop_test(tests, protection_cannot_be_widened, 0, 2);
    tcase_add_loop_test(tests, copies_of_the_handle_have_no_more_rights, 0, 2);
    tcase_add_loop_test(tests, copy_on_write_is_ones_own, 0, 2);
    return suite;
}

int main(void)
{
    return suite_main(readonly_suite());
}
