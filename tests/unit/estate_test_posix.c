/*
 * The estate, as it is packed and handed on.
 */
#include "estate.h"
#include "handle.h"
#include "tests/support/runner.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct estate estate;

static void setup(void)
{
    estate_init(&estate);
}

static void teardown(void)
{
    estate_deinit(&estate);
}

/* Memory that one knows again by its first bytes. */
static int make_memory(uint64_t value)
{
    int fd = memfd_create("estate_test", MFD_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, &value, sizeof(value)), sizeof(value));
    return fd;
}

static void keep(uint64_t id, unsigned handles)
{
    struct record record = {.kind = RECORD_KEEP, .handles = handles};
    struct estate_new new = {.id = id, .count = handles};
    struct buffer line;

    record.segment.segment = id;
    record.segment.owner = "1";
    record.segment.mapped_size = 4096;
    buffer_init(&line, PROTOCOL_LINE_MAX);
    ck_assert_int_eq(record_write(&line, &record), 0);
    new.line = line.data;
    new.size = line.size - 1;
    for (unsigned i = 0; i < handles; i++)
        new.handles[i] = make_memory(id * 10 + i);
    ck_assert_int_eq(estate_keep(&estate, &new), 0);
    buffer_deinit(&line);
}

static void expect_kept(uint64_t id, unsigned handles)
{
    struct estate_item *item;
    uint64_t value;

    HASH_FIND(hh, estate.items, &id, sizeof(id), item);
    ck_assert_ptr_nonnull(item);
    ck_assert_uint_eq(item->count, handles);
    for (unsigned i = 0; i < handles; i++) {
        ck_assert_int_eq(pread((int)item->handles[i], &value, sizeof(value), 0),
                         sizeof(value));
        ck_assert_uint_eq(value, id * 10 + i);
    }
}

START_TEST(keeps_replaces_and_forgets)
{
    keep(1, 1);
    keep(5, 2);
    ck_assert_uint_eq(estate.next, 6);
    keep(5, 1);
    ck_assert_uint_eq(estate_count(&estate), 2);
    expect_kept(5, 1);
    estate_forget(&estate, 1);
    estate_forget(&estate, 1);
    estate_forget(&estate, 77);
    ck_assert_uint_eq(estate_count(&estate), 1);
    ck_assert_uint_eq(estate.next, 6);
}
END_TEST

static void pack_and_unpack(bool reversed)
{
    struct estate_pack pack;
    uint64_t next = estate.next;

    ck_assert_int_eq(estate_pack(&estate, &pack), 0);
    estate_deinit(&estate);
    estate_init(&estate);
    /* A service manager gives the two ends in any order. */
    if (reversed) {
        frame_handle first = pack.ends[0];

        pack.ends[0] = pack.ends[1];
        pack.ends[1] = first;
    }
    estate_unpack(&estate, &pack);
    ck_assert_uint_eq(estate.next, next);
}

START_TEST(comes_out_of_its_pack_as_it_went_in)
{
    enum { SEGMENTS = 600 };

    for (unsigned i = 1; i <= SEGMENTS; i++)
        keep(i, 1 + i % 2);
    estate_forget(&estate, 3);
    for (int twice = 0; twice < 2; twice++) {
        pack_and_unpack(_i);
        ck_assert_uint_eq(estate_count(&estate), SEGMENTS - 1);
        for (unsigned i = 1; i <= SEGMENTS; i++)
            if (i != 3)
                expect_kept(i, 1 + i % 2);
    }
}
END_TEST

START_TEST(empty_estate_keeps_its_next_id)
{
    keep(41, 1);
    estate_forget(&estate, 41);
    pack_and_unpack(false);
    ck_assert_uint_eq(estate_count(&estate), 0);
    ck_assert_uint_eq(estate.next, 42);
}
END_TEST

/* Records without their handles, and nonsense, are lost; the rest is not. */
START_TEST(damaged_pack_gives_what_is_there)
{
    static const char junk[] =
        "nonsense\n{\"record\":\"keep\",\"handles\":1}\n";
    struct estate_pack pack;

    keep(1, 1);
    keep(2, 2);
    ck_assert_int_eq(estate_pack(&estate, &pack), 0);
    ck_assert_int_gt(write((int)pack.records, junk, sizeof(junk) - 1), 0);
    estate_deinit(&estate);
    estate_init(&estate);
    estate_unpack(&estate, &pack);
    ck_assert_uint_eq(estate_count(&estate), 2);
    expect_kept(1, 1);
    expect_kept(2, 2);
}
END_TEST

/* Its segment alone is lost: no other one gets its handles. */
START_TEST(damaged_record_costs_nobody_else)
{
    static const char damage[] = "{\"recorX";
    struct estate_pack pack;
    char text[4096];
    const char *at;

    keep(1, 1);
    keep(2, 2);
    keep(3, 1);
    ck_assert_int_eq(estate_pack(&estate, &pack), 0);
    ck_assert_int_gt(pread((int)pack.records, text, sizeof(text) - 1, 0), 0);
    at = strstr(text, "\"segment\":2,");
    ck_assert_ptr_nonnull(at);
    while (*at != '{')
        at--;
    ck_assert_int_gt(
        pwrite((int)pack.records, damage, sizeof(damage) - 1, at - text), 0);
    estate_deinit(&estate);
    estate_init(&estate);
    estate_unpack(&estate, &pack);
    ck_assert_uint_eq(estate_count(&estate), 2);
    expect_kept(1, 1);
    expect_kept(3, 1);
}
END_TEST

START_TEST(can_be_unpacked_again_by_who_still_has_the_pack)
{
    struct estate_pack pack, again;

    keep(1, 1);
    keep(2, 2);
    ck_assert_int_eq(estate_pack(&estate, &pack), 0);
    again =
        (struct estate_pack){dup((int)pack.records),
                             {dup((int)pack.ends[0]), dup((int)pack.ends[1])}};
    for (int i = 0; i < 2; i++) {
        estate_deinit(&estate);
        estate_init(&estate);
        estate_unpack(&estate, i == 0 ? &pack : &again);
        ck_assert_uint_eq(estate_count(&estate), 2);
        expect_kept(1, 1);
        expect_kept(2, 2);
    }
}
END_TEST

/* Messages that are under way to one end; their handles are closed. */
static unsigned drain(frame_handle end)
{
    unsigned count = 0;
    char byte;

    while (recv((int)end, &byte, 1, MSG_DONTWAIT) == 1)
        count++;
    return count;
}

/* More than one socket's buffer holds by default. */
START_TEST(a_hundred_thousand_handles_fit)
{
    enum { SEGMENTS = 100000 };
    struct estate_pack pack;
    int memory = make_memory(1);

    if (geteuid() != 0) {
        printf("skipped: a_hundred_thousand_handles_fit: root alone may have "
               "so many under way\n");
        close(memory);
        return;
    }
    estate.is_lent = true;
    for (unsigned i = 1; i <= SEGMENTS; i++) {
        struct estate_new new = {
            .id = i, .line = "{}", .size = 2, .count = 1, .handles = {memory}};

        ck_assert_int_eq(estate_keep(&estate, &new), 0);
    }
    ck_assert_int_eq(estate_pack(&estate, &pack), 0);
    ck_assert_uint_eq(drain(pack.ends[0]) + drain(pack.ends[1]),
                      (SEGMENTS + PROTOCOL_HANDLES_MAX - 1) /
                          PROTOCOL_HANDLES_MAX);
    estate_pack_close(&pack);
    close(memory);
}
END_TEST

static struct estate received;
static bool is_ready;

static void on_record(struct link *link, const struct record *record,
                      const char *line, size_t size)
{
    (void)link;
    estate_take(&received, link, record, line, size);
    is_ready = record->kind == RECORD_READY;
}

START_TEST(goes_over_a_link_whole)
{
    struct connection_other other = {HANDLE_NONE, HANDLE_NONE, false};
    struct link *ours, *theirs;
    frame_handle ends[2];
    int listener;

    ck_assert_int_eq(connection_pair(ends), 0);
    ours = link_new(connection_join(ends[0], &other));
    theirs = link_new(connection_join(ends[1], &other));
    theirs->on_record = on_record;
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    estate.listening.socket = listener;
    keep(1, 1);
    keep(2, 2);
    estate_init(&received);
    is_ready = false;
    ck_assert_int_eq(estate_send(&estate, ours), 0);
    ck_assert_int_eq(link_read_until(theirs, &is_ready), 0);
    ck_assert_uint_eq(estate_count(&received), 2);
    /* What does not listen is not taken for a listening socket. */
    ck_assert_int_lt(received.listening.socket, 0);
    link_close(ours);
    ck_assert(link_drain(theirs));
    ck_assert_int_eq(link_read_until(theirs, &(bool){false}), LINK_E_GONE);
    link_close(theirs);
    estate_deinit(&received);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("estate");
    TCase *tests = tcase_create("estate");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, keeps_replaces_and_forgets);
    tcase_add_loop_test(tests, comes_out_of_its_pack_as_it_went_in, 0, 2);
    tcase_add_test(tests, empty_estate_keeps_its_next_id);
    tcase_add_test(tests, damaged_pack_gives_what_is_there);
    tcase_add_test(tests, damaged_record_costs_nobody_else);
    tcase_add_test(tests, can_be_unpacked_again_by_who_still_has_the_pack);
    tcase_add_test(tests, a_hundred_thousand_handles_fit);
    tcase_add_test(tests, goes_over_a_link_whole);
    suite_add_tcase(suite, tests);
    return suite_main(suite);
}
