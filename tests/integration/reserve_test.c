/*
 * Views of memory that nobody has touched yet: of a segment made to reserve,
 * pages come when they are needed, for whatever access.
 */
#include "client/segbroker.h"
#include "tests/support/broker.h"
#include "tests/support/suite.h"

enum { SIZE = 1 << 20 };

static struct test_broker broker;
static segb_client *client;

static void setup(void)
{
    segb_connect_options options = {.struct_size = sizeof(options)};
    test_broker_start(&broker, NULL);
    options.socket = broker.socket;
    REQUIRE_INT(segb_connect(&options, &client), 0);
}

static void teardown(void)
{
    segb_disconnect(client);
    test_broker_stop(&broker);
}

static segb_segment *make(int access)
{
    segb_create_options options = {
        .struct_size = sizeof(options), .access = access, .reserve = 1};
    segb_segment *segment;
    REQUIRE_INT(segb_create(client, NULL, SIZE, &options, &segment), 0);
    return segment;
}

static unsigned char *map(segb_segment *segment, size_t offset, int access)
{
    void *view;
    REQUIRE_INT(segb_map(segment, offset, 0, access, &view), 0);
    return view;
}

START_TEST(untouched_memory_reads_as_zeros)
{
    static const int accesses[] = {SEGB_RO, SEGB_RW, SEGB_COW};
    segb_segment *segment = make(accesses[_i]);
    unsigned char *view = map(segment, 0, accesses[_i]);
    for (int i = 0; i < SIZE; i += 1000)
        REQUIRE_INT(view[i], 0);
    segb_unmap(view);
    segb_close(segment);
}
END_TEST

START_TEST(untouched_memory_takes_private_writes)
{
    segb_segment *segment = make(SEGB_RW);
    unsigned char *copy = map(segment, 4096, SEGB_COW);
    unsigned char *shared = map(segment, 4096, SEGB_RW);
    copy[5] = 1;
    copy[SIZE - 4097] = 2;
    REQUIRE_INT(shared[5], 0);
    REQUIRE_INT(shared[SIZE - 4097], 0);
    shared[100000] = 3;
    REQUIRE_INT(copy[100000], 3);
    REQUIRE_INT(copy[5], 1);
    segb_unmap(copy);
    segb_unmap(shared);
    segb_close(segment);
}
END_TEST

static Suite *reserve_suite(void)
{
    Suite *suite = suite_create("reserve");
    TCase *tests = suite_case(suite, "reserve", 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, untouched_memory_reads_as_zeros, 0, 3);
    tcase_add_test(tests, untouched_memory_takes_private_writes);
    return suite;
}

int main(void)
{
    return suite_main(reserve_suite());
}
