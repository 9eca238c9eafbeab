#include "mapping.h"

#include "client/segbroker.h"
#include "suite.h"

struct test_broker mapping_broker;
struct raw mapping_admin;

static void setup(void)
{
    static const struct test_broker_options options = {
        .config = "[default]\nsegment_bytes = 64MiB\n"};

    test_broker_start(&mapping_broker, &options);
    raw_open(&mapping_admin, mapping_broker.socket);
    test_environment("SEGBROKER_SOCKET", mapping_broker.socket);
}

static void teardown(void)
{
    test_environment("SEGBROKER_SOCKET", NULL);
    raw_close(&mapping_admin);
    test_broker_stop(&mapping_broker);
}

TCase *mapping_case(Suite *suite, const char *name)
{
    TCase *tests = suite_case(suite, name, 60);

    tcase_add_checked_fixture(tests, setup, teardown);
    return tests;
}

static void *must(void *result, const char *what)
{
    if (!result)
        FAIL("%s: error %u: %s", what ? what : "unnamed",
             (unsigned)SegGetLastError(), segb_last_detail());
    return result;
}

HANDLE mapping_try_create(DWORD protect, DWORD size, const char *name)
{
    return SegCreateFileMappingA(INVALID_HANDLE_VALUE, NULL, protect, 0, size,
                                 name);
}

HANDLE mapping_create(DWORD protect, DWORD size, const char *name)
{
    return must(mapping_try_create(protect, size, name), name);
}

HANDLE mapping_open(DWORD access, const char *name)
{
    return must(SegOpenFileMappingA(access, FALSE, name), name);
}

void mapping_close(HANDLE handle)
{
    REQUIRE(SegCloseHandle(handle));
}

void mapping_expect_none(const char *name)
{
    REFUSES(ERROR_FILE_NOT_FOUND,
            SegOpenFileMappingA(FILE_MAP_READ, FALSE, name));
}

unsigned char *mapping_view(HANDLE mapping, DWORD access)
{
    return must(SegMapViewOfFile(mapping, access, 0, 0, 0), "view");
}

void mapping_unview(void *view)
{
    REQUIRE(SegUnmapViewOfFile(view));
}

size_t mapping_bytes_from(const void *address)
{
    MEMORY_BASIC_INFORMATION region;

    REQUIRE_INT(SegVirtualQuery(address, &region, sizeof(region)),
                sizeof(region));
    return region.RegionSize;
}

size_t mapping_bytes_of(HANDLE mapping)
{
    void *view = mapping_view(mapping, FILE_MAP_READ);
    size_t size = mapping_bytes_from(view);

    mapping_unview(view);
    return size;
}
