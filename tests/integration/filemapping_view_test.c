/*
 * The Win32 calls over a broker: views, and how long names and memory live.
 */
#include "tests/support/mapping.h"
#include "tests/support/role.h"
#include "tests/support/suite.h"

enum { GRAIN = 64 * 1024, MIB = 1 << 20 };

/* ---- views ---- */

START_TEST(view_offset_is_a_multiple_of_64_kib)
{
    HANDLE made = mapping_create(PAGE_READWRITE, 3 * GRAIN, NULL);
    unsigned char *all = mapping_view(made, FILE_MAP_WRITE);
    unsigned char *part;

    REFUSES(ERROR_MAPPED_ALIGNMENT,
            SegMapViewOfFile(made, FILE_MAP_READ, 0, 1, 0));
    REFUSES(
        ERROR_MAPPED_ALIGNMENT,
        SegMapViewOfFile(made, FILE_MAP_READ, 0, MAPPING_PAGE, MAPPING_PAGE));
    REFUSES(
        ERROR_MAPPED_ALIGNMENT,
        SegMapViewOfFile(made, FILE_MAP_READ, 7, MAPPING_PAGE, MAPPING_PAGE));
    part = SegMapViewOfFile(made, FILE_MAP_READ, 0, 2 * GRAIN, 1);
    REQUIRE(part != NULL);
    all[2 * GRAIN] = 9;
    REQUIRE_INT(*part, 9);
    REQUIRE_INT(mapping_bytes_from(part), MAPPING_PAGE);
    mapping_unview(part);
    mapping_unview(all);
    mapping_close(made);
}
END_TEST

START_TEST(view_offset_is_before_the_end)
{
    HANDLE made = mapping_create(PAGE_READWRITE, GRAIN, NULL);

    REFUSES(ERROR_INVALID_PARAMETER,
            SegMapViewOfFile(made, FILE_MAP_READ, 0, GRAIN, 0));
    REFUSES(ERROR_INVALID_PARAMETER,
            SegMapViewOfFile(made, FILE_MAP_READ, 1, 0, 1));
    REFUSES(ERROR_INVALID_PARAMETER,
            SegMapViewOfFile(made, FILE_MAP_READ, 0xffffffff, 0xffff0000, 1));
    mapping_close(made);
}
END_TEST

START_TEST(view_is_not_longer_than_the_mapping)
{
    HANDLE made = mapping_create(PAGE_READWRITE, 2 * GRAIN - 5, NULL);

    REFUSES(ERROR_ACCESS_DENIED,
            SegMapViewOfFile(made, FILE_MAP_READ, 0, 0, 2 * GRAIN + 1));
    REFUSES(ERROR_ACCESS_DENIED,
            SegMapViewOfFile(made, FILE_MAP_READ, 0, GRAIN, GRAIN + 1));
    REFUSES(ERROR_ACCESS_DENIED,
            SegMapViewOfFile(made, FILE_MAP_READ, 0, GRAIN, (SIZE_T)-1));
    mapping_unview(SegMapViewOfFile(made, FILE_MAP_READ, 0, GRAIN, GRAIN));
    mapping_close(made);
}
END_TEST

START_TEST(view_of_length_0_goes_to_the_end)
{
    HANDLE made = mapping_create(PAGE_READWRITE, 2 * GRAIN, NULL);
    void *view = SegMapViewOfFile(made, FILE_MAP_READ, 0, GRAIN, 0);

    REQUIRE_INT(mapping_bytes_from(view), GRAIN);
    mapping_unview(view);
    mapping_close(made);
}
END_TEST

START_TEST(write_view_needs_a_handle_for_writing)
{
    HANDLE made = mapping_create(PAGE_READWRITE, MAPPING_PAGE, "w");
    HANDLE reader = mapping_open(FILE_MAP_READ, "w");
    HANDLE writer = mapping_open(FILE_MAP_WRITE, "w");

    REFUSES(ERROR_ACCESS_DENIED,
            SegMapViewOfFile(reader, FILE_MAP_WRITE, 0, 0, 0));
    REFUSES(ERROR_ACCESS_DENIED,
            SegMapViewOfFile(reader, FILE_MAP_ALL_ACCESS, 0, 0, 0));
    mapping_unview(mapping_view(writer, FILE_MAP_WRITE));
    /* Opened for writing alone. */
    REFUSES(ERROR_ACCESS_DENIED,
            SegMapViewOfFile(writer, FILE_MAP_READ, 0, 0, 0));
    mapping_close(reader);
    mapping_close(writer);
    mapping_close(made);
}
END_TEST

START_TEST(copy_view_needs_only_to_read_and_is_private)
{
    HANDLE made = mapping_create(PAGE_READWRITE, 2 * MAPPING_PAGE, "copy");
    HANDLE reader = mapping_open(FILE_MAP_COPY, "copy");
    unsigned char *shared = mapping_view(made, FILE_MAP_WRITE);
    unsigned char *copy = mapping_view(reader, FILE_MAP_COPY);

    copy[0] = 1;
    REQUIRE_INT(shared[0], 0);
    /* It is no snapshot: a page that it has not written shows what others
     * write. */
    shared[MAPPING_PAGE] = 2;
    REQUIRE_INT(copy[MAPPING_PAGE], 2);
    shared[0] = 3;
    REQUIRE_INT(copy[0], 1);
    mapping_unview(copy);
    mapping_unview(shared);
    mapping_close(reader);
    mapping_close(made);
}
END_TEST

START_TEST(view_is_placed_where_it_is_asked_for)
{
    HANDLE made = mapping_create(PAGE_READWRITE, GRAIN, NULL);
    HANDLE large = mapping_create(PAGE_READWRITE, 4 * GRAIN, NULL);
    unsigned char *room = mapping_view(large, FILE_MAP_WRITE);
    unsigned char *base = room + (-(uintptr_t)room & (GRAIN - 1));
    unsigned char *view;

    REFUSES(ERROR_INVALID_ADDRESS,
            SegMapViewOfFileEx(made, FILE_MAP_WRITE, 0, 0, 0, base));
    mapping_unview(room);
    view = SegMapViewOfFileEx(made, FILE_MAP_WRITE, 0, 0, 0, base);
    REQUIRE(view == base);
    view[1] = 1;
    mapping_unview(view);
    REFUSES(
        ERROR_MAPPED_ALIGNMENT,
        SegMapViewOfFileEx(made, FILE_MAP_WRITE, 0, 0, 0, base + MAPPING_PAGE));
    mapping_close(large);
    mapping_close(made);
}
END_TEST

START_TEST(unmaps_by_any_address_inside)
{
    HANDLE made = mapping_create(PAGE_READWRITE, 3 * MAPPING_PAGE, NULL);
    unsigned char *view = mapping_view(made, FILE_MAP_READ);

    REQUIRE(SegUnmapViewOfFile(view + 2 * MAPPING_PAGE + 17));
    view = SegMapViewOfFile(made, FILE_MAP_READ, 0, 0, 5);
    /* The last page is the view's, all of it. */
    REQUIRE(SegUnmapViewOfFile(view + MAPPING_PAGE - 1));
    mapping_close(made);
}
END_TEST

START_TEST(unmapping_twice_or_nothing_is_refused)
{
    HANDLE made = mapping_create(PAGE_READWRITE, MAPPING_PAGE, NULL);
    unsigned char *view = mapping_view(made, FILE_MAP_READ);

    mapping_unview(view);
    REFUSES(ERROR_INVALID_ADDRESS, SegUnmapViewOfFile(view));
    REFUSES(ERROR_INVALID_ADDRESS, SegUnmapViewOfFile(NULL));
    REFUSES(ERROR_INVALID_ADDRESS, SegUnmapViewOfFile(&view));
    mapping_close(made);
}
END_TEST

START_TEST(flush_of_memory_succeeds)
{
    HANDLE made = mapping_create(PAGE_READWRITE, 2 * MAPPING_PAGE, NULL);
    unsigned char *view = mapping_view(made, FILE_MAP_WRITE);

    REQUIRE(SegFlushViewOfFile(view, 0));
    REQUIRE(SegFlushViewOfFile(view, 2 * MAPPING_PAGE));
    REQUIRE(SegFlushViewOfFile(view + MAPPING_PAGE + 1, MAPPING_PAGE - 1));
    mapping_unview(view);
    mapping_close(made);
}
END_TEST

START_TEST(flush_outside_a_view_is_refused)
{
    HANDLE made = mapping_create(PAGE_READWRITE, 2 * MAPPING_PAGE, NULL);
    unsigned char *view = mapping_view(made, FILE_MAP_WRITE);

    REFUSES(ERROR_INVALID_PARAMETER,
            SegFlushViewOfFile(view, 2 * MAPPING_PAGE + 1));
    REFUSES(ERROR_INVALID_PARAMETER,
            SegFlushViewOfFile(view + 1, 2 * MAPPING_PAGE));
    REFUSES(ERROR_INVALID_PARAMETER, SegFlushViewOfFile(NULL, 0));
    mapping_unview(view);
    REFUSES(ERROR_INVALID_PARAMETER, SegFlushViewOfFile(view, 1));
    mapping_close(made);
}
END_TEST

START_TEST(query_tells_of_a_view)
{
    static const struct {
        DWORD access;
        DWORD protect;
    } cases[] = {{FILE_MAP_READ, PAGE_READONLY},
                 {FILE_MAP_WRITE, PAGE_READWRITE},
                 {FILE_MAP_COPY, PAGE_WRITECOPY}};
    HANDLE made = mapping_create(PAGE_READWRITE, 3 * MAPPING_PAGE, NULL);
    MEMORY_BASIC_INFORMATION region;

    for (size_t i = 0; i < 3; i++) {
        unsigned char *view = mapping_view(made, cases[i].access);

        REQUIRE_INT(
            SegVirtualQuery(view + MAPPING_PAGE + 5, &region, sizeof(region)),
            sizeof(region));
        REQUIRE(region.BaseAddress == view + MAPPING_PAGE);
        REQUIRE(region.AllocationBase == view);
        REQUIRE_INT(region.RegionSize, 2 * MAPPING_PAGE);
        REQUIRE_INT(region.AllocationProtect, cases[i].protect);
        REQUIRE_INT(region.Protect, cases[i].protect);
        REQUIRE_INT(region.State, MEM_COMMIT);
        REQUIRE_INT(region.Type, MEM_MAPPED);
        mapping_unview(view);
        REFUSES(ERROR_NOT_SUPPORTED,
                SegVirtualQuery(view, &region, sizeof(region)));
    }
    REFUSES(ERROR_BAD_LENGTH, SegVirtualQuery(&region, &region, 8));
    REFUSES(ERROR_BAD_LENGTH, SegVirtualQuery(&region, NULL, sizeof(region)));
    mapping_close(made);
}
END_TEST

/* ---- lifetime ---- */

START_TEST(name_dies_with_the_last_handle)
{
    HANDLE made = mapping_create(PAGE_READWRITE, MAPPING_PAGE, "life");
    HANDLE opened = mapping_open(FILE_MAP_READ, "life");
    unsigned char *view = mapping_view(made, FILE_MAP_WRITE);

    mapping_close(made);
    mapping_close(mapping_open(FILE_MAP_READ, "life"));
    mapping_close(opened);
    mapping_expect_none("life");
    view[0] = 1;
    mapping_unview(view);
}
END_TEST

START_TEST(new_mapping_of_an_old_name_is_another_one)
{
    HANDLE made = mapping_create(PAGE_READWRITE, MAPPING_PAGE, "life");
    unsigned char *old = mapping_view(made, FILE_MAP_WRITE);
    unsigned char *new;

    old[0] = 1;
    mapping_close(made);
    made = mapping_create(PAGE_READWRITE, MAPPING_PAGE, "life");
    REQUIRE_INT(SegGetLastError(), ERROR_SUCCESS);
    new = mapping_view(made, FILE_MAP_WRITE);
    REQUIRE_INT(new[0], 0);
    new[0] = 2;
    REQUIRE_INT(old[0], 1);
    mapping_unview(new);
    mapping_unview(old);
    mapping_close(made);
}
END_TEST

START_TEST(memory_dies_with_the_last_view)
{
    SKIP_UNLESS(raw_has_feature(mapping_broker.socket, "exact-lifetime"),
                "the broker does not list exact-lifetime");
    HANDLE made = mapping_create(PAGE_READWRITE, MIB, NULL);
    unsigned char *view = mapping_view(made, FILE_MAP_WRITE);

    mapping_close(made);
    REQUIRE_INT(raw_used(&mapping_admin, "total", "bytes"), MIB);
    mapping_unview(view);
    REQUIRE(TEST_UNTIL(5000, raw_used(&mapping_admin, "total", "bytes") == 0));
}
END_TEST

/* Holds a name, in a process that is killed. */
static void hold_name(const char *name)
{
    mapping_create(PAGE_READWRITE, MAPPING_PAGE, name);
    role_tell("holds");
    role_sleep();
}

START_TEST(name_dies_with_its_process)
{
    char output[TEST_PATH_MAX];
    test_pid holder;

    test_path(output, "%s/holder", mapping_broker.folder);
    holder = role_start("holder", "held", output);
    role_await(holder, output, "holds");
    mapping_close(mapping_open(FILE_MAP_WRITE, "held"));
    test_kill(holder);
    test_join(holder);
    REQUIRE(TEST_UNTIL(5000, raw_count_segments(&mapping_admin) == 0));
    mapping_expect_none("held");
}
END_TEST

START_TEST(mappings_outlive_the_broker)
{
    HANDLE made = mapping_create(PAGE_READWRITE, MAPPING_PAGE, "kept");
    unsigned char *view = mapping_view(made, FILE_MAP_WRITE);
    HANDLE opened;
    unsigned char *other;

    view[0] = 5;
    raw_close(&mapping_admin);
    test_broker_crash(&mapping_broker);
    opened = mapping_open(FILE_MAP_READ, "kept");
    other = mapping_view(opened, FILE_MAP_READ);
    REQUIRE_INT(other[0], 5);
    mapping_unview(other);
    mapping_unview(view);
    mapping_close(opened);
    mapping_close(made);
    raw_open(&mapping_admin, mapping_broker.socket);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("filemapping_view");
    TCase *tests = mapping_case(suite, "views");

    role_offer("holder", hold_name);
    tcase_add_test(tests, view_offset_is_a_multiple_of_64_kib);
    tcase_add_test(tests, view_offset_is_before_the_end);
    tcase_add_test(tests, view_is_not_longer_than_the_mapping);
    tcase_add_test(tests, view_of_length_0_goes_to_the_end);
    tcase_add_test(tests, write_view_needs_a_handle_for_writing);
    tcase_add_test(tests, copy_view_needs_only_to_read_and_is_private);
    tcase_add_test(tests, view_is_placed_where_it_is_asked_for);
    tcase_add_test(tests, unmaps_by_any_address_inside);
    tcase_add_test(tests, unmapping_twice_or_nothing_is_refused);
    tcase_add_test(tests, flush_of_memory_succeeds);
    tcase_add_test(tests, flush_outside_a_view_is_refused);
    tcase_add_test(tests, query_tells_of_a_view);

    tests = mapping_case(suite, "lifetime");
    tcase_add_test(tests, name_dies_with_the_last_handle);
    tcase_add_test(tests, new_mapping_of_an_old_name_is_another_one);
    tcase_add_test(tests, memory_dies_with_the_last_view);
    tcase_add_test(tests, name_dies_with_its_process);
    tcase_add_test(tests, mappings_outlive_the_broker);
    return suite_main(suite);
}
