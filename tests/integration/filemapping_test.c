/*
 * The Win32 calls over a broker: each edge case of Windows has a test of its
 * own, and each fails with Windows' own code.
 */
#include "client/filemapping.h"
#include "client/segbroker.h"
#include "tests/support/broker.h"
#include "tests/support/memory.h"
#include "tests/support/raw.h"
#include "tests/support/role.h"
#include "tests/support/suite.h"

#include <string.h>

enum { PAGE = 4096, GRAIN = 64 * 1024, MIB = 1 << 20 };

/* The call fails, with this code. */
#define REFUSES(error, call)                                                   \
    do {                                                                       \
        SegSetLastError(ERROR_SUCCESS);                                        \
        REQUIRE(!(call));                                                      \
        REQUIRE_INT(SegGetLastError(), (error));                               \
    } while (0)

static struct test_broker broker;
static struct raw admin;

static void setup(void)
{
    static const struct test_broker_options options = {
        .config = "[default]\nsegment_bytes = 64MiB\n"};

    test_broker_start(&broker, &options);
    raw_open(&admin, broker.socket);
    test_environment("SEGBROKER_SOCKET", broker.socket);
}

static void teardown(void)
{
    test_environment("SEGBROKER_SOCKET", NULL);
    raw_close(&admin);
    test_broker_stop(&broker);
}

static HANDLE try_create(DWORD protect, DWORD size, const char *name)
{
    return SegCreateFileMappingA(INVALID_HANDLE_VALUE, NULL, protect, 0, size,
                                 name);
}

static HANDLE create(DWORD protect, DWORD size, const char *name)
{
    HANDLE made = try_create(protect, size, name);

    if (!made)
        FAIL("%s: error %u: %s", name ? name : "unnamed",
             (unsigned)SegGetLastError(), segb_last_detail());
    return made;
}

static HANDLE open_name(DWORD access, const char *name)
{
    HANDLE opened = SegOpenFileMappingA(access, FALSE, name);

    if (!opened)
        FAIL("%s: error %u: %s", name, (unsigned)SegGetLastError(),
             segb_last_detail());
    return opened;
}

static unsigned char *map(HANDLE mapping, DWORD access)
{
    unsigned char *view = SegMapViewOfFile(mapping, access, 0, 0, 0);

    if (!view)
        FAIL("error %u: %s", (unsigned)SegGetLastError(), segb_last_detail());
    return view;
}

static void unmap(void *view)
{
    REQUIRE(SegUnmapViewOfFile(view));
}

static void close_handle(HANDLE handle)
{
    REQUIRE(SegCloseHandle(handle));
}

/* Bytes from the address to its view's end. */
static size_t bytes_from(const void *address)
{
    MEMORY_BASIC_INFORMATION region;

    REQUIRE_INT(SegVirtualQuery(address, &region, sizeof(region)),
                sizeof(region));
    return region.RegionSize;
}

static size_t bytes_of(HANDLE mapping)
{
    void *view = map(mapping, FILE_MAP_READ);
    size_t size = bytes_from(view);

    unmap(view);
    return size;
}

static void expect_no_name(const char *name)
{
    REFUSES(ERROR_FILE_NOT_FOUND,
            SegOpenFileMappingA(FILE_MAP_READ, FALSE, name));
}

/* ---- a name that exists ---- */

START_TEST(existing_name_is_opened_with_its_own_size)
{
    static const DWORD sizes[] = {1, PAGE, 16 * PAGE};
    HANDLE first, again;

    SegSetLastError(ERROR_INVALID_DATA);
    first = create(PAGE_READWRITE, 4 * PAGE, "size");
    REQUIRE_INT(SegGetLastError(), ERROR_SUCCESS);
    for (size_t i = 0; i < 3; i++) {
        again = create(PAGE_READWRITE, sizes[i], "size");
        REQUIRE_INT(SegGetLastError(), ERROR_ALREADY_EXISTS);
        REQUIRE_INT(bytes_of(again), 4 * PAGE);
        close_handle(again);
    }
    close_handle(first);
}
END_TEST

START_TEST(existing_name_ignores_a_size_that_no_host_has)
{
    HANDLE first = create(PAGE_READWRITE, PAGE, "size");
    HANDLE again = SegCreateFileMappingA(INVALID_HANDLE_VALUE, NULL,
                                         PAGE_READWRITE, 0x7fffffff, 0, "size");

    REQUIRE(again != NULL);
    REQUIRE_INT(SegGetLastError(), ERROR_ALREADY_EXISTS);
    REQUIRE_INT(bytes_of(again), PAGE);
    close_handle(again);
    close_handle(first);
}
END_TEST

START_TEST(existing_name_is_opened_with_the_access_asked)
{
    HANDLE first = create(PAGE_READWRITE, PAGE, "access");
    HANDLE reader = create(PAGE_READONLY, PAGE, "access");
    unsigned char *written = map(first, FILE_MAP_WRITE);
    unsigned char *read = map(reader, FILE_MAP_READ);

    REFUSES(ERROR_ACCESS_DENIED,
            SegMapViewOfFile(reader, FILE_MAP_WRITE, 0, 0, 0));
    written[5] = 7;
    REQUIRE_INT(read[5], 7);
    unmap(written);
    unmap(read);
    close_handle(reader);
    close_handle(first);
}
END_TEST

/* ---- sizes ---- */

START_TEST(size_0_is_refused_before_the_name_is_looked_up)
{
    HANDLE first = create(PAGE_READWRITE, PAGE, "zero");

    REFUSES(ERROR_INVALID_PARAMETER, try_create(PAGE_READWRITE, 0, "zero"));
    REFUSES(ERROR_INVALID_PARAMETER, try_create(PAGE_READWRITE, 0, "a\\b"));
    REFUSES(ERROR_INVALID_PARAMETER, try_create(PAGE_READWRITE, 0, NULL));
    close_handle(first);
}
END_TEST

START_TEST(size_0_is_refused_where_no_broker_serves)
{
    test_environment("SEGBROKER_SOCKET", "/nowhere/broker.sock");
    REFUSES(ERROR_INVALID_PARAMETER, try_create(PAGE_READWRITE, 0, "zero"));
}
END_TEST

START_TEST(memory_is_rounded_up_to_a_page)
{
    static const DWORD sizes[] = {1, PAGE - 1, PAGE, PAGE + 1};
    static const size_t pages[] = {1, 1, 1, 2};

    for (size_t i = 0; i < 4; i++) {
        HANDLE made = create(PAGE_READWRITE, sizes[i], NULL);
        unsigned char *view = map(made, FILE_MAP_WRITE);

        REQUIRE_INT(bytes_from(view), pages[i] * PAGE);
        view[pages[i] * PAGE - 1] = 1;
        unmap(view);
        close_handle(made);
    }
}
END_TEST

START_TEST(size_has_64_bits)
{
    /* 4 GiB and a page, which no quota here lets through; not a page. */
    REFUSES(ERROR_NOT_ENOUGH_QUOTA,
            SegCreateFileMappingA(INVALID_HANDLE_VALUE, NULL,
                                  PAGE_READWRITE | SEC_RESERVE, 1, PAGE, "x"));
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
        REFUSES(ERROR_INVALID_PARAMETER, try_create(wrong[i], PAGE, "x"));
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
        HANDLE made = create(cases[i].protect, PAGE, NULL);

        unmap(map(made, FILE_MAP_READ));
        unmap(map(made, FILE_MAP_COPY));
        if (cases[i].writes) {
            unmap(map(made, FILE_MAP_WRITE));
            unmap(map(made, FILE_MAP_ALL_ACCESS));
        } else {
            REFUSES(ERROR_ACCESS_DENIED,
                    SegMapViewOfFile(made, FILE_MAP_WRITE, 0, 0, 0));
            REFUSES(ERROR_ACCESS_DENIED,
                    SegMapViewOfFile(made, FILE_MAP_ALL_ACCESS, 0, 0, 0));
        }
        REFUSES(ERROR_NOT_SUPPORTED, SegMapViewOfFile(made, 0, 0, 0, 0));
        close_handle(made);
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
        REFUSES(ERROR_INVALID_PARAMETER,
                try_create(PAGE_READWRITE | wrong[i], PAGE, "x"));
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
        SEC_LARGE_PAGES | SEC_COMMIT,
    };

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        REFUSES(ERROR_NOT_SUPPORTED,
                try_create(PAGE_READWRITE | refused[i], PAGE, "x"));
    expect_no_name("x");
}
END_TEST

START_TEST(memory_is_committed_or_reserved)
{
    HANDLE committed = create(PAGE_READWRITE | SEC_COMMIT, MIB, "now");
    HANDLE reserved = create(PAGE_READWRITE | SEC_RESERVE, MIB, "later");
    unsigned char *view = map(reserved, FILE_MAP_WRITE);

    view[MIB - 1] = 1;
    raw_ask(&admin, "{'id':1,'op':'stat','name':'now'}");
    REQUIRE(raw_record(&admin).commit);
    raw_ask(&admin, "{'id':1,'op':'stat','name':'later'}");
    REQUIRE(!raw_record(&admin).commit);
    unmap(view);
    close_handle(committed);
    close_handle(reserved);
}
END_TEST

START_TEST(security_attributes_are_honoured_or_refused)
{
    SECURITY_ATTRIBUTES attributes = {sizeof(attributes), NULL, FALSE};
    HANDLE made = SegCreateFileMappingA(INVALID_HANDLE_VALUE, &attributes,
                                        PAGE_READWRITE, 0, PAGE, NULL);

    REQUIRE(made != NULL);
    close_handle(made);
    attributes.bInheritHandle = TRUE;
    REFUSES(ERROR_NOT_SUPPORTED,
            SegCreateFileMappingA(INVALID_HANDLE_VALUE, &attributes,
                                  PAGE_READWRITE, 0, PAGE, NULL));
    attributes.bInheritHandle = FALSE;
    attributes.lpSecurityDescriptor = &attributes;
    REFUSES(ERROR_NOT_SUPPORTED,
            SegCreateFileMappingA(INVALID_HANDLE_VALUE, &attributes,
                                  PAGE_READWRITE, 0, PAGE, NULL));
    attributes.nLength = 1;
    REFUSES(ERROR_INVALID_PARAMETER,
            SegCreateFileMappingA(INVALID_HANDLE_VALUE, &attributes,
                                  PAGE_READWRITE, 0, PAGE, NULL));
}
END_TEST

/* ---- names ---- */

/* Two names of one mapping, or of two. */
static bool are_same(const char *one, const char *other)
{
    HANDLE first = create(PAGE_READWRITE, PAGE, one);
    HANDLE second = SegOpenFileMappingA(FILE_MAP_READ, FALSE, other);
    DWORD error = SegGetLastError();

    close_handle(first);
    if (second)
        close_handle(second);
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
    HANDLE local = create(PAGE_READWRITE, PAGE, "Local\\mine");
    HANDLE global = create(PAGE_READWRITE, PAGE, "Global\\ours");

    raw_ask(&admin, "{'id':1,'op':'stat','name':'mine'}");
    REQUIRE_STR(raw_outcome(&admin), "ok");
    raw_ask(&admin, "{'id':1,'op':'stat','name':'global/ours'}");
    REQUIRE_STR(raw_outcome(&admin), "ok");
    close_handle(local);
    close_handle(global);
}
END_TEST

START_TEST(prefixes_are_case_sensitive)
{
    REFUSES(ERROR_PATH_NOT_FOUND, try_create(PAGE_READWRITE, PAGE, "local\\x"));
    REFUSES(ERROR_PATH_NOT_FOUND,
            try_create(PAGE_READWRITE, PAGE, "GLOBAL\\x"));
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
                try_create(PAGE_READWRITE, PAGE, names[i]));
        REFUSES(ERROR_PATH_NOT_FOUND,
                SegOpenFileMappingA(FILE_MAP_READ, FALSE, names[i]));
    }
}
END_TEST

START_TEST(prefix_alone_is_no_name)
{
    REFUSES(ERROR_INVALID_NAME, try_create(PAGE_READWRITE, PAGE, "Local\\"));
    REFUSES(ERROR_INVALID_NAME, try_create(PAGE_READWRITE, PAGE, "Global\\"));
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
    HANDLE first = create(PAGE_READWRITE, PAGE, "");
    HANDLE second = create(PAGE_READWRITE, PAGE, "");

    REQUIRE_INT(SegGetLastError(), ERROR_SUCCESS);
    close_handle(first);
    close_handle(second);
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
    REFUSES(ERROR_INVALID_NAME, try_create(PAGE_READWRITE, PAGE, "global/x"));
    REFUSES(ERROR_INVALID_NAME,
            try_create(PAGE_READWRITE, PAGE, "Local\\global/x"));
    REQUIRE(are_same("Global\\global/x", "Global\\global/x"));
    REQUIRE(are_same("globals/x", "globals/x"));
}
END_TEST

START_TEST(wide_names_are_the_same_names)
{
    static const WCHAR wide[] = {'L', 'o', 'c',  'a',    'l',    '\\',
                                 'g', 'r', 0xfc, 0xd83d, 0xde00, 0};
    HANDLE made = SegCreateFileMappingW(INVALID_HANDLE_VALUE, NULL,
                                        PAGE_READWRITE, 0, PAGE, wide);
    HANDLE opened = open_name(FILE_MAP_READ, "gr\xc3\xbc\xf0\x9f\x98\x80");

    REQUIRE(made != NULL);
    close_handle(opened);
    opened = SegOpenFileMappingW(FILE_MAP_READ, FALSE, wide);
    REQUIRE(opened != NULL);
    close_handle(opened);
    close_handle(made);
}
END_TEST

/* ---- views ---- */

START_TEST(view_offset_is_a_multiple_of_64_kib)
{
    HANDLE made = create(PAGE_READWRITE, 3 * GRAIN, NULL);
    unsigned char *all = map(made, FILE_MAP_WRITE);
    unsigned char *part;

    REFUSES(ERROR_MAPPED_ALIGNMENT,
            SegMapViewOfFile(made, FILE_MAP_READ, 0, 1, 0));
    REFUSES(ERROR_MAPPED_ALIGNMENT,
            SegMapViewOfFile(made, FILE_MAP_READ, 0, PAGE, PAGE));
    REFUSES(ERROR_MAPPED_ALIGNMENT,
            SegMapViewOfFile(made, FILE_MAP_READ, 7, PAGE, PAGE));
    part = SegMapViewOfFile(made, FILE_MAP_READ, 0, 2 * GRAIN, 1);
    REQUIRE(part != NULL);
    all[2 * GRAIN] = 9;
    REQUIRE_INT(*part, 9);
    REQUIRE_INT(bytes_from(part), PAGE);
    unmap(part);
    unmap(all);
    close_handle(made);
}
END_TEST

START_TEST(view_offset_is_before_the_end)
{
    HANDLE made = create(PAGE_READWRITE, GRAIN, NULL);

    REFUSES(ERROR_INVALID_PARAMETER,
            SegMapViewOfFile(made, FILE_MAP_READ, 0, GRAIN, 0));
    REFUSES(ERROR_INVALID_PARAMETER,
            SegMapViewOfFile(made, FILE_MAP_READ, 1, 0, 1));
    REFUSES(ERROR_INVALID_PARAMETER,
            SegMapViewOfFile(made, FILE_MAP_READ, 0xffffffff, 0xffff0000, 1));
    close_handle(made);
}
END_TEST

START_TEST(view_is_not_longer_than_the_mapping)
{
    HANDLE made = create(PAGE_READWRITE, 2 * GRAIN - 5, NULL);

    REFUSES(ERROR_ACCESS_DENIED,
            SegMapViewOfFile(made, FILE_MAP_READ, 0, 0, 2 * GRAIN + 1));
    REFUSES(ERROR_ACCESS_DENIED,
            SegMapViewOfFile(made, FILE_MAP_READ, 0, GRAIN, GRAIN + 1));
    REFUSES(ERROR_ACCESS_DENIED,
            SegMapViewOfFile(made, FILE_MAP_READ, 0, GRAIN, (SIZE_T)-1));
    unmap(SegMapViewOfFile(made, FILE_MAP_READ, 0, GRAIN, GRAIN));
    close_handle(made);
}
END_TEST

START_TEST(view_of_length_0_goes_to_the_end)
{
    HANDLE made = create(PAGE_READWRITE, 2 * GRAIN, NULL);
    void *view = SegMapViewOfFile(made, FILE_MAP_READ, 0, GRAIN, 0);

    REQUIRE_INT(bytes_from(view), GRAIN);
    unmap(view);
    close_handle(made);
}
END_TEST

START_TEST(write_view_needs_a_handle_for_writing)
{
    HANDLE made = create(PAGE_READWRITE, PAGE, "w");
    HANDLE reader = open_name(FILE_MAP_READ, "w");
    HANDLE writer = open_name(FILE_MAP_WRITE, "w");

    REFUSES(ERROR_ACCESS_DENIED,
            SegMapViewOfFile(reader, FILE_MAP_WRITE, 0, 0, 0));
    REFUSES(ERROR_ACCESS_DENIED,
            SegMapViewOfFile(reader, FILE_MAP_ALL_ACCESS, 0, 0, 0));
    unmap(map(writer, FILE_MAP_WRITE));
    /* Opened for writing alone. */
    REFUSES(ERROR_ACCESS_DENIED,
            SegMapViewOfFile(writer, FILE_MAP_READ, 0, 0, 0));
    close_handle(reader);
    close_handle(writer);
    close_handle(made);
}
END_TEST

START_TEST(copy_view_needs_only_to_read_and_is_private)
{
    HANDLE made = create(PAGE_READWRITE, 2 * PAGE, "copy");
    HANDLE reader = open_name(FILE_MAP_COPY, "copy");
    unsigned char *shared = map(made, FILE_MAP_WRITE);
    unsigned char *copy = map(reader, FILE_MAP_COPY);

    copy[0] = 1;
    REQUIRE_INT(shared[0], 0);
    /* It is no snapshot: a page that it has not written shows what others
     * write. */
    shared[PAGE] = 2;
    REQUIRE_INT(copy[PAGE], 2);
    shared[0] = 3;
    REQUIRE_INT(copy[0], 1);
    unmap(copy);
    unmap(shared);
    close_handle(reader);
    close_handle(made);
}
END_TEST

START_TEST(view_is_placed_where_it_is_asked_for)
{
    HANDLE made = create(PAGE_READWRITE, GRAIN, NULL);
    HANDLE large = create(PAGE_READWRITE, 4 * GRAIN, NULL);
    unsigned char *room = map(large, FILE_MAP_WRITE);
    unsigned char *base = room + (-(uintptr_t)room & (GRAIN - 1));
    unsigned char *view;

    REFUSES(ERROR_INVALID_ADDRESS,
            SegMapViewOfFileEx(made, FILE_MAP_WRITE, 0, 0, 0, base));
    unmap(room);
    view = SegMapViewOfFileEx(made, FILE_MAP_WRITE, 0, 0, 0, base);
    REQUIRE(view == base);
    view[1] = 1;
    unmap(view);
    REFUSES(ERROR_MAPPED_ALIGNMENT,
            SegMapViewOfFileEx(made, FILE_MAP_WRITE, 0, 0, 0, base + PAGE));
    close_handle(large);
    close_handle(made);
}
END_TEST

START_TEST(unmaps_by_any_address_inside)
{
    HANDLE made = create(PAGE_READWRITE, 3 * PAGE, NULL);
    unsigned char *view = map(made, FILE_MAP_READ);

    REQUIRE(SegUnmapViewOfFile(view + 2 * PAGE + 17));
    view = SegMapViewOfFile(made, FILE_MAP_READ, 0, 0, 5);
    /* The last page is the view's, all of it. */
    REQUIRE(SegUnmapViewOfFile(view + PAGE - 1));
    close_handle(made);
}
END_TEST

START_TEST(unmapping_twice_or_nothing_is_refused)
{
    HANDLE made = create(PAGE_READWRITE, PAGE, NULL);
    unsigned char *view = map(made, FILE_MAP_READ);

    unmap(view);
    REFUSES(ERROR_INVALID_ADDRESS, SegUnmapViewOfFile(view));
    REFUSES(ERROR_INVALID_ADDRESS, SegUnmapViewOfFile(NULL));
    REFUSES(ERROR_INVALID_ADDRESS, SegUnmapViewOfFile(&view));
    close_handle(made);
}
END_TEST

START_TEST(flush_of_memory_succeeds)
{
    HANDLE made = create(PAGE_READWRITE, 2 * PAGE, NULL);
    unsigned char *view = map(made, FILE_MAP_WRITE);

    REQUIRE(SegFlushViewOfFile(view, 0));
    REQUIRE(SegFlushViewOfFile(view, 2 * PAGE));
    REQUIRE(SegFlushViewOfFile(view + PAGE + 1, PAGE - 1));
    unmap(view);
    close_handle(made);
}
END_TEST

START_TEST(flush_outside_a_view_is_refused)
{
    HANDLE made = create(PAGE_READWRITE, 2 * PAGE, NULL);
    unsigned char *view = map(made, FILE_MAP_WRITE);

    REFUSES(ERROR_INVALID_PARAMETER, SegFlushViewOfFile(view, 2 * PAGE + 1));
    REFUSES(ERROR_INVALID_PARAMETER, SegFlushViewOfFile(view + 1, 2 * PAGE));
    REFUSES(ERROR_INVALID_PARAMETER, SegFlushViewOfFile(NULL, 0));
    unmap(view);
    REFUSES(ERROR_INVALID_PARAMETER, SegFlushViewOfFile(view, 1));
    close_handle(made);
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
    HANDLE made = create(PAGE_READWRITE, 3 * PAGE, NULL);
    MEMORY_BASIC_INFORMATION region;

    for (size_t i = 0; i < 3; i++) {
        unsigned char *view = map(made, cases[i].access);

        REQUIRE_INT(SegVirtualQuery(view + PAGE + 5, &region, sizeof(region)),
                    sizeof(region));
        REQUIRE(region.BaseAddress == view + PAGE);
        REQUIRE(region.AllocationBase == view);
        REQUIRE_INT(region.RegionSize, 2 * PAGE);
        REQUIRE_INT(region.AllocationProtect, cases[i].protect);
        REQUIRE_INT(region.Protect, cases[i].protect);
        REQUIRE_INT(region.State, MEM_COMMIT);
        REQUIRE_INT(region.Type, MEM_MAPPED);
        unmap(view);
        REFUSES(ERROR_NOT_SUPPORTED,
                SegVirtualQuery(view, &region, sizeof(region)));
    }
    REFUSES(ERROR_BAD_LENGTH, SegVirtualQuery(&region, &region, 8));
    REFUSES(ERROR_BAD_LENGTH, SegVirtualQuery(&region, NULL, sizeof(region)));
    close_handle(made);
}
END_TEST

/* ---- lifetime ---- */

START_TEST(name_dies_with_the_last_handle)
{
    HANDLE made = create(PAGE_READWRITE, PAGE, "life");
    HANDLE opened = open_name(FILE_MAP_READ, "life");
    unsigned char *view = map(made, FILE_MAP_WRITE);

    close_handle(made);
    close_handle(open_name(FILE_MAP_READ, "life"));
    close_handle(opened);
    expect_no_name("life");
    view[0] = 1;
    unmap(view);
}
END_TEST

START_TEST(new_mapping_of_an_old_name_is_another_one)
{
    HANDLE made = create(PAGE_READWRITE, PAGE, "life");
    unsigned char *old = map(made, FILE_MAP_WRITE);
    unsigned char *new;

    old[0] = 1;
    close_handle(made);
    made = create(PAGE_READWRITE, PAGE, "life");
    REQUIRE_INT(SegGetLastError(), ERROR_SUCCESS);
    new = map(made, FILE_MAP_WRITE);
    REQUIRE_INT(new[0], 0);
    new[0] = 2;
    REQUIRE_INT(old[0], 1);
    unmap(new);
    unmap(old);
    close_handle(made);
}
END_TEST

START_TEST(memory_dies_with_the_last_view)
{
    SKIP_UNLESS(raw_has_feature(broker.socket, "exact-lifetime"),
                "the broker does not list exact-lifetime");
    HANDLE made = create(PAGE_READWRITE, MIB, NULL);
    unsigned char *view = map(made, FILE_MAP_WRITE);

    close_handle(made);
    REQUIRE_INT(raw_used(&admin, "total", "bytes"), MIB);
    unmap(view);
    REQUIRE(TEST_UNTIL(5000, raw_used(&admin, "total", "bytes") == 0));
}
END_TEST

/* Holds a name, in a process that is killed. */
static void hold_name(const char *name)
{
    create(PAGE_READWRITE, PAGE, name);
    role_tell("holds");
    role_sleep();
}

START_TEST(name_dies_with_its_process)
{
    char output[TEST_PATH_MAX];
    test_pid holder;

    test_path(output, "%s/holder", broker.folder);
    holder = role_start("holder", "held", output);
    role_await(holder, output, "holds");
    close_handle(open_name(FILE_MAP_WRITE, "held"));
    test_kill(holder);
    test_join(holder);
    REQUIRE(TEST_UNTIL(5000, raw_count_segments(&admin) == 0));
    expect_no_name("held");
}
END_TEST

START_TEST(mappings_outlive_the_broker)
{
    HANDLE made = create(PAGE_READWRITE, PAGE, "kept");
    unsigned char *view = map(made, FILE_MAP_WRITE);
    HANDLE opened;
    unsigned char *other;

    view[0] = 5;
    raw_close(&admin);
    test_broker_crash(&broker);
    opened = open_name(FILE_MAP_READ, "kept");
    other = map(opened, FILE_MAP_READ);
    REQUIRE_INT(other[0], 5);
    unmap(other);
    unmap(view);
    close_handle(opened);
    close_handle(made);
    raw_open(&admin, broker.socket);
}
END_TEST

/* ---- handles ---- */

START_TEST(handle_that_is_none_is_refused)
{
    static const uintptr_t numbers[] = {0, 1, 4, 5, 8, 0xdeadbeef, 1 << 27};
    HANDLE made = create(PAGE_READWRITE, PAGE, NULL);

    close_handle(made);
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
                                  PAGE_READWRITE, 0, PAGE, NULL));
    REFUSES(ERROR_INVALID_HANDLE,
            SegMapViewOfFile(INVALID_HANDLE_VALUE, FILE_MAP_READ, 0, 0, 0));
}
END_TEST

START_TEST(handle_is_not_given_again_at_once)
{
    HANDLE first = create(PAGE_READWRITE, PAGE, NULL);
    HANDLE second;

    close_handle(first);
    second = create(PAGE_READWRITE, PAGE, NULL);
    REQUIRE(first != second);
    REFUSES(ERROR_INVALID_HANDLE, SegCloseHandle(first));
    close_handle(second);
}
END_TEST

START_TEST(finds_each_of_many_handles)
{
    enum { MANY = 200 };
    HANDLE handles[MANY];

    for (unsigned i = 0; i < MANY; i++)
        handles[i] = create(PAGE_READWRITE, (i + 1) * PAGE, NULL);
    for (unsigned i = 0; i < MANY; i++) {
        unsigned at = i * 7 % MANY;

        REQUIRE_INT(bytes_of(handles[at]), (at + 1) * PAGE);
        close_handle(handles[at]);
    }
    REQUIRE_INT(raw_count_segments(&admin), 0);
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
    HANDLE made = create(PAGE_READWRITE, PAGE, "twice");
    HANDLE copy = duplicate(made, 0, DUPLICATE_SAME_ACCESS);
    HANDLE moved;

    close_handle(made);
    close_handle(open_name(FILE_MAP_READ, "twice"));
    unmap(map(copy, FILE_MAP_WRITE));
    moved = duplicate(copy, 0, DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE);
    REFUSES(ERROR_INVALID_HANDLE, SegCloseHandle(copy));
    unmap(map(moved, FILE_MAP_WRITE));
    close_handle(moved);
    expect_no_name("twice");
}
END_TEST

START_TEST(duplicate_may_have_less_access)
{
    HANDLE made = create(PAGE_READWRITE, PAGE, NULL);
    HANDLE reader = duplicate(made, FILE_MAP_READ, 0);
    HANDLE all = duplicate(made, FILE_MAP_ALL_ACCESS, 0);
    HANDLE target = NULL;

    unmap(map(reader, FILE_MAP_READ));
    REFUSES(ERROR_ACCESS_DENIED,
            SegMapViewOfFile(reader, FILE_MAP_WRITE, 0, 0, 0));
    unmap(map(all, FILE_MAP_WRITE));
    close_handle(reader);
    close_handle(all);
    close_handle(made);
    made = create(PAGE_READONLY, PAGE, NULL);
    REFUSES(ERROR_ACCESS_DENIED,
            SegDuplicateHandle(SegGetCurrentProcess(), made,
                               SegGetCurrentProcess(), &target, FILE_MAP_WRITE,
                               FALSE, 0));
    REQUIRE(target == NULL);
    close_handle(made);
}
END_TEST

START_TEST(duplicate_stays_in_the_process)
{
    HANDLE made = create(PAGE_READWRITE, PAGE, NULL);
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
    close_handle(made);
}
END_TEST

START_TEST(handles_are_not_inherited)
{
    HANDLE made = create(PAGE_READWRITE, PAGE, "x");

    REFUSES(ERROR_NOT_SUPPORTED, SegOpenFileMappingA(FILE_MAP_READ, TRUE, "x"));
    close_handle(made);
}
END_TEST

START_TEST(open_takes_an_access)
{
    HANDLE made = create(PAGE_READWRITE, PAGE, "x");

    REFUSES(ERROR_NOT_SUPPORTED, SegOpenFileMappingA(0, FALSE, "x"));
    REFUSES(
        ERROR_NOT_SUPPORTED,
        SegOpenFileMappingA(FILE_MAP_READ | FILE_MAP_LARGE_PAGES, FALSE, "x"));
    close_handle(open_name(FILE_MAP_ALL_ACCESS, "x"));
    close_handle(open_name(FILE_MAP_READ | FILE_MAP_WRITE, "x"));
    close_handle(made);
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
            try_create(PAGE_READWRITE, 65 * MIB, "big"));
    REQUIRE_PART(segb_last_detail(), "segment_bytes");
    expect_no_name("big");
}
END_TEST

START_TEST(no_broker_is_a_service_that_is_not_active)
{
    test_environment("SEGBROKER_SOCKET", "/nowhere/broker.sock");
    REFUSES(ERROR_SERVICE_NOT_ACTIVE, try_create(PAGE_READWRITE, PAGE, "x"));
    REFUSES(ERROR_SERVICE_NOT_ACTIVE,
            SegOpenFileMappingA(FILE_MAP_READ, FALSE, "x"));
}
END_TEST

START_TEST(connection_ends_with_the_last_handle)
{
    HANDLE first = create(PAGE_READWRITE, PAGE, NULL);
    HANDLE second = create(PAGE_READWRITE, PAGE, NULL);

    REQUIRE_INT(raw_used(&admin, "total", "connections"), 2);
    close_handle(first);
    REQUIRE_INT(raw_used(&admin, "total", "connections"), 2);
    close_handle(second);
    REQUIRE(TEST_UNTIL(5000, raw_used(&admin, "total", "connections") == 1));
    expect_no_name("x");
    REQUIRE(TEST_UNTIL(5000, raw_used(&admin, "total", "connections") == 1));
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

static TCase *new_case(Suite *suite, const char *name)
{
    TCase *tests = suite_case(suite, name, 60);

    tcase_add_checked_fixture(tests, setup, teardown);
    return tests;
}

static Suite *make_suite(void)
{
    Suite *suite = suite_create("filemapping");
    TCase *tests = new_case(suite, "existing names");

    tcase_add_test(tests, existing_name_is_opened_with_its_own_size);
    tcase_add_test(tests, existing_name_ignores_a_size_that_no_host_has);
    tcase_add_test(tests, existing_name_is_opened_with_the_access_asked);

    tests = new_case(suite, "sizes");
    tcase_add_test(tests, size_0_is_refused_before_the_name_is_looked_up);
    tcase_add_test(tests, size_0_is_refused_where_no_broker_serves);
    tcase_add_test(tests, memory_is_rounded_up_to_a_page);
    tcase_add_test(tests, size_has_64_bits);

    tests = new_case(suite, "protections");
    tcase_add_test(tests, protection_is_exactly_one_of_the_six);
    tcase_add_test(tests, each_protection_gives_its_views);
    tcase_add_test(tests, attributes_that_make_no_sense_are_refused);
    tcase_add_test(tests, attributes_that_cannot_be_honoured_are_refused);
    tcase_add_test(tests, memory_is_committed_or_reserved);
    tcase_add_test(tests, security_attributes_are_honoured_or_refused);

    tests = new_case(suite, "names");
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

    tests = new_case(suite, "views");
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

    tests = new_case(suite, "lifetime");
    tcase_add_test(tests, name_dies_with_the_last_handle);
    tcase_add_test(tests, new_mapping_of_an_old_name_is_another_one);
    tcase_add_test(tests, memory_dies_with_the_last_view);
    tcase_add_test(tests, name_dies_with_its_process);
    tcase_add_test(tests, mappings_outlive_the_broker);

    tests = new_case(suite, "handles");
    tcase_add_test(tests, handle_that_is_none_is_refused);
    tcase_add_test(tests, handle_is_not_given_again_at_once);
    tcase_add_test(tests, finds_each_of_many_handles);
    tcase_add_test(tests, duplicate_keeps_the_name);
    tcase_add_test(tests, duplicate_may_have_less_access);
    tcase_add_test(tests, duplicate_stays_in_the_process);
    tcase_add_test(tests, handles_are_not_inherited);
    tcase_add_test(tests, open_takes_an_access);
    tcase_add_test(tests, file_handle_of_nothing_is_invalid);

    tests = new_case(suite, "the broker");
    tcase_add_test(tests, quota_is_told_as_windows_has_it);
    tcase_add_test(tests, no_broker_is_a_service_that_is_not_active);
    tcase_add_test(tests, connection_ends_with_the_last_handle);
    tcase_add_test(tests, errors_are_each_threads_own_to_set);
    return suite;
}

int main(void)
{
    role_offer("holder", hold_name);
    return suite_main(make_suite());
}
