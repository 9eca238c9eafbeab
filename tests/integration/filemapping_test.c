/*
 * The Win32 calls over a broker: names, sizes and protections of mappings. Each
 * edge case of Windows has a test of its own, and each refusal Windows' own
 * code.
 */
#include "client/segbroker.h"
#include "tests/support/mapping.h"
#include "tests/support/suite.h"

enum { MIB = 1 << 20 };

/* ---- a name that exists ---- */

START_TEST(existing_name_is_opened_with_its_own_size)
{
    static const DWORD sizes[] = {1, MAPPING_PAGE, 16 * MAPPING_PAGE};
    HANDLE first, again;

    SegSetLastError(ERROR_INVALID_DATA);
    first = mapping_create(PAGE_READWRITE, 4 * MAPPING_PAGE, "size");
    REQUIRE_INT(SegGetLastError(), ERROR_SUCCESS);
    for (size_t i = 0; i < 3; i++) {
        again = mapping_create(PAGE_READWRITE, sizes[i], "size");
        REQUIRE_INT(SegGetLastError(), ERROR_ALREADY_EXISTS);
        REQUIRE_INT(mapping_bytes_of(again), 4 * MAPPING_PAGE);
        mapping_close(again);
    }
    mapping_close(first);
}
END_TEST

START_TEST(existing_name_ignores_a_size_that_no_host_has)
{
    HANDLE first = mapping_create(PAGE_READWRITE, MAPPING_PAGE, "size");
    HANDLE again = SegCreateFileMappingA(INVALID_HANDLE_VALUE, NULL,
                                         PAGE_READWRITE, 0x7fffffff, 0, "size");

    REQUIRE(again != NULL);
    REQUIRE_INT(SegGetLastError(), ERROR_ALREADY_EXISTS);
    REQUIRE_INT(mapping_bytes_of(again), MAPPING_PAGE);
    mapping_close(again);
    mapping_close(first);
}
END_TEST

START_TEST(existing_name_is_opened_with_the_access_asked)
{
    HANDLE first = mapping_create(PAGE_READWRITE, MAPPING_PAGE, "access");
    HANDLE reader = mapping_create(PAGE_READONLY, MAPPING_PAGE, "access");
    unsigned char *written = mapping_view(first, FILE_MAP_WRITE);
    unsigned char *read = mapping_view(reader, FILE_MAP_READ);

    REFUSES(ERROR_ACCESS_DENIED,
            SegMapViewOfFile(reader, FILE_MAP_WRITE, 0, 0, 0));
    written[5] = 7;
    REQUIRE_INT(read[5], 7);
    mapping_unview(written);
    mapping_unview(read);
    mapping_close(reader);
    mapping_close(first);
}
END_TEST

/* ---- sizes ---- */

START_TEST(size_0_is_refused_before_the_name_is_looked_up)
{
    HANDLE first = mapping_create(PAGE_READWRITE, MAPPING_PAGE, "zero");

    REFUSES(ERROR_INVALID_PARAMETER,
            mapping_try_create(PAGE_READWRITE, 0, "zero"));
    REFUSES(ERROR_INVALID_PARAMETER,
            mapping_try_create(PAGE_READWRITE, 0, "a\\b"));
    REFUSES(ERROR_INVALID_PARAMETER,
            mapping_try_create(PAGE_READWRITE, 0, NULL));
    mapping_close(first);
}
END_TEST

START_TEST(size_0_is_refused_where_no_broker_serves)
{
    test_environment("SEGBROKER_SOCKET", "/nowhere/mapping_broker.sock");
    REFUSES(ERROR_INVALID_PARAMETER,
            mapping_try_create(PAGE_READWRITE, 0, "zero"));
}
END_TEST

START_TEST(memory_is_rounded_up_to_a_page)
{
    static const DWORD sizes[] = {1, MAPPING_PAGE - 1, MAPPING_PAGE,
                                  MAPPING_PAGE + 1};
    static const size_t pages[] = {1, 1, 1, 2};

    for (size_t i = 0; i < 4; i++) {
        HANDLE made = mapping_create(PAGE_READWRITE, sizes[i], NULL);
        unsigned char *view = mapping_view(made, FILE_MAP_WRITE);

        REQUIRE_INT(mapping_bytes_from(view), pages[i] * MAPPING_PAGE);
        view[pages[i] * MAPPING_PAGE - 1] = 1;
        mapping_unview(view);
        mapping_close(made);
    }
}
END_TEST

START_TEST(size_has_64_bits)
{
    /* 4 GiB and a page, which no quota here lets through; not a page. */
    REFUSES(ERROR_NOT_ENOUGH_QUOTA,
            SegCreateFileMappingA(INVALID_HANDLE_VALUE, NULL,
                                  PAGE_READWRITE | SEC_RESERVE, 1, MAPPING_PAGE,
                                  "x"));
    REQUIRE_PART(segb_last_detail(), "segment_bytes");
    /* More than there can be. */
    REFUSES(ERROR_COMMITMENT_LIMIT,
            SegCreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE,
                                  0xffffffff, 0xffffffff, NULL));
}
END_TEST

/* ---- protections ---- */

START_TEST(protection_is_exactly_one_of_the_six)
{
    static const DWORD wrong[] = {
        0,
        0x01, /* PAGE_NOACCESS */
        0x10, /* PAGE_EXECUTE */
        PAGE_READONLY | PAGE_READWRITE,
        PAGE_READWRITE | PAGE_WRITECOPY,
        PAGE_READWRITE | PAGE_EXECUTE_READ,
        PAGE_READWRITE | 0x100, /* PAGE_GUARD */
        PAGE_READWRITE | 0x200, /* PAGE_NOCACHE */
        SEC_COMMIT,
        0xff,
        0xffffffff,
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        REFUSES(ERROR_INVALID_PARAMETER,
                mapping_try_create(wrong[i], MAPPING_PAGE, "x"));
}
END_TEST

START_TEST(each_protection_gives_its_views)
{
    static const struct {
        DWORD protect;
        BOOL writes;
    } cases[] = {{PAGE_READONLY, FALSE},
                 {PAGE_READWRITE, TRUE},
                 {PAGE_WRITECOPY, FALSE}};

    for (size_t i = 0; i < 3; i++) {
        HANDLE made = mapping_create(cases[i].protect, MAPPING_PAGE, NULL);

        mapping_unview(mapping_view(made, FILE_MAP_READ));
        mapping_unview(mapping_view(made, FILE_MAP_COPY));
        if (cases[i].writes) {
            mapping_unview(mapping_view(made, FILE_MAP_WRITE));
            mapping_unview(mapping_view(made, FILE_MAP_ALL_ACCESS));
        } else {
            REFUSES(ERROR_ACCESS_DENIED,
                    SegMapViewOfFile(made, FILE_MAP_WRITE, 0, 0, 0));
            REFUSES(ERROR_ACCESS_DENIED,
                    SegMapViewOfFile(made, FILE_MAP_ALL_ACCESS, 0, 0, 0));
        }
        REFUSES(ERROR_NOT_SUPPORTED, SegMapViewOfFile(made, 0, 0, 0, 0));
        mapping_close(made);
    }
}
END_TEST

START_TEST(attributes_that_make_no_sense_are_refused)
{
    static const DWORD wrong[] = {
        SEC_COMMIT | SEC_RESERVE, SEC_NOCACHE, SEC_LARGE_PAGES,
        SEC_WRITECOMBINE,         0x00010000,  SEC_LARGE_PAGES | SEC_RESERVE,
        0x00800000 | SEC_COMMIT, /* SEC_FILE */
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        REFUSES(
            ERROR_INVALID_PARAMETER,
            mapping_try_create(PAGE_READWRITE | wrong[i], MAPPING_PAGE, "x"));
}
END_TEST

/* The host may have none that are free. */
START_TEST(large_pages_are_whole_and_of_memory)
{
    DWORD protect = PAGE_READWRITE | SEC_COMMIT | SEC_LARGE_PAGES;
    DWORD large = (DWORD)SegGetLargePageMinimum();
    HANDLE made;

    REFUSES(ERROR_INVALID_PARAMETER,
            mapping_try_create(protect, MAPPING_PAGE, "x"));
    REFUSES(ERROR_INVALID_PARAMETER,
            mapping_try_create(protect, large + MAPPING_PAGE, "x"));
    mapping_expect_none("x");
    SegSetLastError(1);
    made = mapping_try_create(protect, large, "x");
    if (made) {
        void *view = SegMapViewOfFile(
            made, FILE_MAP_WRITE | FILE_MAP_LARGE_PAGES, 0, 0, large);
        REQUIRE(view != NULL);
        memset(view, 1, large);
        REFUSES(ERROR_INVALID_PARAMETER,
                SegMapViewOfFile(made, FILE_MAP_READ | FILE_MAP_LARGE_PAGES, 0,
                                 0, MAPPING_PAGE));
        REQUIRE(SegUnmapViewOfFile(view));
        mapping_close(made);
    } else {
        REQUIRE(SegGetLastError() == ERROR_NO_SYSTEM_RESOURCES ||
                SegGetLastError() == ERROR_NOT_SUPPORTED);
    }
    made = mapping_create(PAGE_READWRITE, large, "x");
    REFUSES(ERROR_INVALID_PARAMETER,
            SegMapViewOfFile(made, FILE_MAP_READ | FILE_MAP_LARGE_PAGES, 0, 0,
                             large));
    mapping_close(made);
}
END_TEST

START_TEST(attributes_that_cannot_be_honoured_are_refused)
{
    static const DWORD refused[] = {
        SEC_IMAGE,
        SEC_IMAGE_NO_EXECUTE,
        SEC_NOCACHE | SEC_COMMIT,
        SEC_NOCACHE | SEC_RESERVE,
        SEC_WRITECOMBINE | SEC_COMMIT,
        SEC_WRITECOMBINE | SEC_RESERVE,
    };

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        REFUSES(
            ERROR_NOT_SUPPORTED,
            mapping_try_create(PAGE_READWRITE | refused[i], MAPPING_PAGE, "x"));
    mapping_expect_none("x");
}
END_TEST

START_TEST(memory_is_committed_or_reserved)
{
    HANDLE committed = mapping_create(PAGE_READWRITE | SEC_COMMIT, MIB, "now");
    HANDLE reserved =
        mapping_create(PAGE_READWRITE | SEC_RESERVE, MIB, "later");
    unsigned char *view = mapping_view(reserved, FILE_MAP_WRITE);

    view[MIB - 1] = 1;
    raw_ask(&mapping_admin, "{'id':1,'op':'stat','name':'now'}");
    REQUIRE(raw_record(&mapping_admin).commit);
    raw_ask(&mapping_admin, "{'id':1,'op':'stat','name':'later'}");
    REQUIRE(!raw_record(&mapping_admin).commit);
    mapping_unview(view);
    mapping_close(committed);
    mapping_close(reserved);
}
END_TEST

START_TEST(security_attributes_are_honoured_or_refused)
{
    SECURITY_ATTRIBUTES attributes = {sizeof(attributes), NULL, FALSE};
    HANDLE made = SegCreateFileMappingA(INVALID_HANDLE_VALUE, &attributes,
                                        PAGE_READWRITE, 0, MAPPING_PAGE, NULL);

    REQUIRE(made != NULL);
    mapping_close(made);
    attributes.bInheritHandle = TRUE;
    REFUSES(ERROR_NOT_SUPPORTED,
            SegCreateFileMappingA(INVALID_HANDLE_VALUE, &attributes,
                                  PAGE_READWRITE, 0, MAPPING_PAGE, NULL));
    attributes.bInheritHandle = FALSE;
    attributes.lpSecurityDescriptor = &attributes;
    REFUSES(ERROR_NOT_SUPPORTED,
            SegCreateFileMappingA(INVALID_HANDLE_VALUE, &attributes,
                                  PAGE_READWRITE, 0, MAPPING_PAGE, NULL));
    attributes.nLength = 1;
    REFUSES(ERROR_INVALID_PARAMETER,
            SegCreateFileMappingA(INVALID_HANDLE_VALUE, &attributes,
                                  PAGE_READWRITE, 0, MAPPING_PAGE, NULL));
}
END_TEST

/* ---- names ---- */

/* Two names of one mapping, or of two. */
static bool are_same(const char *one, const char *other)
{
    HANDLE first = mapping_create(PAGE_READWRITE, MAPPING_PAGE, one);
    HANDLE second = SegOpenFileMappingA(FILE_MAP_READ, FALSE, other);
    DWORD error = SegGetLastError();

    mapping_close(first);
    if (second)
        mapping_close(second);
    else
        REQUIRE_INT(error, ERROR_FILE_NOT_FOUND);
    return second != NULL;
}

START_TEST(names_are_case_sensitive)
{
    REQUIRE(are_same("name", "name"));
    REQUIRE(!are_same("name", "Name"));
}
END_TEST

START_TEST(local_is_the_plain_name)
{
    REQUIRE(are_same("Local\\x", "x"));
    REQUIRE(are_same("x", "Local\\x"));
    REQUIRE(!are_same("Global\\x", "x"));
    REQUIRE(!are_same("x", "Global\\x"));
}
END_TEST

START_TEST(names_are_the_brokers)
{
    HANDLE local = mapping_create(PAGE_READWRITE, MAPPING_PAGE, "Local\\mine");
    HANDLE global =
        mapping_create(PAGE_READWRITE, MAPPING_PAGE, "Global\\ours");

    raw_ask(&mapping_admin, "{'id':1,'op':'stat','name':'mine'}");
    REQUIRE_STR(raw_outcome(&mapping_admin), "ok");
    raw_ask(&mapping_admin, "{'id':1,'op':'stat','name':'global/ours'}");
    REQUIRE_STR(raw_outcome(&mapping_admin), "ok");
    mapping_close(local);
    mapping_close(global);
}
END_TEST

START_TEST(prefixes_are_case_sensitive)
{
    REFUSES(ERROR_PATH_NOT_FOUND,
            mapping_try_create(PAGE_READWRITE, MAPPING_PAGE, "local\\x"));
    REFUSES(ERROR_PATH_NOT_FOUND,
            mapping_try_create(PAGE_READWRITE, MAPPING_PAGE, "GLOBAL\\x"));
}
END_TEST

START_TEST(another_backslash_is_a_path)
{
    static const char *const names[] = {"a\\b",         "\\x",
                                        "x\\",          "Local\\a\\b",
                                        "Global\\a\\b", "Global\\Local\\x",
                                        "Session\\1\\x"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        REFUSES(ERROR_PATH_NOT_FOUND,
                mapping_try_create(PAGE_READWRITE, MAPPING_PAGE, names[i]));
        REFUSES(ERROR_PATH_NOT_FOUND,
                SegOpenFileMappingA(FILE_MAP_READ, FALSE, names[i]));
    }
}
END_TEST

START_TEST(prefix_alone_is_no_name)
{
    REFUSES(ERROR_INVALID_NAME,
            mapping_try_create(PAGE_READWRITE, MAPPING_PAGE, "Local\\"));
    REFUSES(ERROR_INVALID_NAME,
            mapping_try_create(PAGE_READWRITE, MAPPING_PAGE, "Global\\"));
    REFUSES(ERROR_INVALID_NAME,
            SegOpenFileMappingA(FILE_MAP_READ, FALSE, "Local\\"));
}
END_TEST

START_TEST(open_without_a_name_is_refused)
{
    static const WCHAR empty[] = {0};

    REFUSES(ERROR_INVALID_PARAMETER,
            SegOpenFileMappingA(FILE_MAP_READ, FALSE, NULL));
    REFUSES(ERROR_INVALID_PARAMETER,
            SegOpenFileMappingW(FILE_MAP_READ, FALSE, NULL));
    REFUSES(ERROR_INVALID_HANDLE,
            SegOpenFileMappingA(FILE_MAP_READ, FALSE, ""));
    REFUSES(ERROR_INVALID_HANDLE,
            SegOpenFileMappingW(FILE_MAP_READ, FALSE, empty));
}
END_TEST

START_TEST(empty_name_makes_an_unnamed_mapping)
{
    HANDLE first = mapping_create(PAGE_READWRITE, MAPPING_PAGE, "");
    HANDLE second = mapping_create(PAGE_READWRITE, MAPPING_PAGE, "");

    REQUIRE_INT(SegGetLastError(), ERROR_SUCCESS);
    mapping_close(first);
    mapping_close(second);
}
END_TEST

START_TEST(slash_colon_star_and_space_are_legal)
{
    REQUIRE(are_same("a/b:c*d e", "Local\\a/b:c*d e"));
    REQUIRE(are_same("Global\\a/b:c*d e", "Global\\a/b:c*d e"));
}
END_TEST

/* What is local for Windows is not the host's because of a slash. */
START_TEST(local_name_does_not_become_global)
{
    REFUSES(ERROR_INVALID_NAME,
            mapping_try_create(PAGE_READWRITE, MAPPING_PAGE, "global/x"));
    REFUSES(ERROR_INVALID_NAME, mapping_try_create(PAGE_READWRITE, MAPPING_PAGE,
                                                   "Local\\global/x"));
    REQUIRE(are_same("Global\\global/x", "Global\\global/x"));
    REQUIRE(are_same("globals/x", "globals/x"));
}
END_TEST

START_TEST(wide_names_are_the_same_names)
{
    static const WCHAR wide[] = {'L', 'o', 'c',  'a',    'l',    '\\',
                                 'g', 'r', 0xfc, 0xd83d, 0xde00, 0};
    HANDLE made = SegCreateFileMappingW(INVALID_HANDLE_VALUE, NULL,
                                        PAGE_READWRITE, 0, MAPPING_PAGE, wide);
    HANDLE opened = mapping_open(FILE_MAP_READ, "gr\xc3\xbc\xf0\x9f\x98\x80");

    REQUIRE(made != NULL);
    mapping_close(opened);
    opened = SegOpenFileMappingW(FILE_MAP_READ, FALSE, wide);
    REQUIRE(opened != NULL);
    mapping_close(opened);
    mapping_close(made);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("filemapping");
    TCase *tests = mapping_case(suite, "existing names");

    tcase_add_test(tests, existing_name_is_opened_with_its_own_size);
    tcase_add_test(tests, existing_name_ignores_a_size_that_no_host_has);
    tcase_add_test(tests, existing_name_is_opened_with_the_access_asked);

    tests = mapping_case(suite, "sizes");
    tcase_add_test(tests, size_0_is_refused_before_the_name_is_looked_up);
    tcase_add_test(tests, size_0_is_refused_where_no_broker_serves);
    tcase_add_test(tests, memory_is_rounded_up_to_a_page);
    tcase_add_test(tests, size_has_64_bits);

    tests = mapping_case(suite, "protections");
    tcase_add_test(tests, protection_is_exactly_one_of_the_six);
    tcase_add_test(tests, each_protection_gives_its_views);
    tcase_add_test(tests, attributes_that_make_no_sense_are_refused);
    tcase_add_test(tests, large_pages_are_whole_and_of_memory);
    tcase_add_test(tests, attributes_that_cannot_be_honoured_are_refused);
    tcase_add_test(tests, memory_is_committed_or_reserved);
    tcase_add_test(tests, security_attributes_are_honoured_or_refused);

    tests = mapping_case(suite, "names");
    tcase_add_test(tests, names_are_case_sensitive);
    tcase_add_test(tests, local_is_the_plain_name);
    tcase_add_test(tests, names_are_the_brokers);
    tcase_add_test(tests, prefixes_are_case_sensitive);
    tcase_add_test(tests, another_backslash_is_a_path);
    tcase_add_test(tests, prefix_alone_is_no_name);
    tcase_add_test(tests, open_without_a_name_is_refused);
    tcase_add_test(tests, empty_name_makes_an_unnamed_mapping);
    tcase_add_test(tests, slash_colon_star_and_space_are_legal);
    tcase_add_test(tests, local_name_does_not_become_global);
    tcase_add_test(tests, wide_names_are_the_same_names);
    return suite_main(suite);
}
