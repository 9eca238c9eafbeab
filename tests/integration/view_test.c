/*
 * Views of a segment: any offset, any address inside, never over the end.
 */
#include "client/segbroker.h"
#include "tests/support/fake.h"
#include "tests/support/memory.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

enum { PAGES = 3 };

static size_t page;
static segb_client *client;
static segb_segment *segment;

/* A segment of three pages, opened with that access. */
static void open_segment(int access, const char *word)
{
    static char grant[300];
    static struct fake_step script[] = {FAKE_HELLO,
                                        {FAKE_EXPECT, "'op':'open'", 0},
                                        {FAKE_GIVE, grant, 0},
                                        {.act = FAKE_HANG_UP},
                                        {0}};
    segb_open_options options = {.struct_size = sizeof(options),
                                 .access = access};

    page = 4096;
    snprintf(grant, sizeof(grant),
             "{'id':2,'ok':true,'grant':7,'segment':17,'created':false,"
             "'size':%zu,'mapped_size':%zu,'access':'%s',"
             "'handles':{'memory':0}}",
             PAGES * page - 5, PAGES * page, word);
    script[3].number = PAGES * page;
    fake_start(script);
    REQUIRE_INT(fake_connect(10000, &client), 0);
    REQUIRE_INT(segb_open(client, "x", &options, &segment), 0);
}

static void close_segment(void)
{
    segb_close(segment);
    segb_disconnect(client);
    fake_stop();
}

static unsigned char *map(size_t offset, size_t length, int access)
{
    void *memory = NULL;

    REQUIRE_INT(segb_map(segment, offset, length, access, &memory), 0);
    return memory;
}

/* Of plain memory, which takes no harm: the broker says that its pages are
 * huge. */
START_TEST(huge_pages_are_mapped_whole)
{
    static const struct fake_step script[] = {
        FAKE_HELLO,
        {FAKE_EXPECT, "'op':'open'", 0},
        {FAKE_GIVE,
         "{'id':2,'ok':true,'grant':7,'segment':17,'created':false,"
         "'size':4194304,'mapped_size':4194304,'access':'rw','pages':'2M',"
         "'handles':{'memory':0}}",
         4194304},
        {.act = FAKE_HANG_UP},
        {0}};
    segb_open_options options = {.struct_size = sizeof(options),
                                 .access = SEGB_RW};
    size_t huge = 2 << 20;
    unsigned char *all, *part;

    fake_start(script);
    REQUIRE_INT(fake_connect(10000, &client), 0);
    REQUIRE_INT(segb_open(client, "x", &options, &segment), 0);
    all = map(0, 0, SEGB_RW);
    part = map(huge + 123457, 10, SEGB_RW);
    part[0] = 1;
    REQUIRE_INT(all[huge + 123457], 1);
    /* From the page's beginning to its end. */
    all[huge] = 2;
    all[2 * huge - 1] = 3;
    REQUIRE_INT(part[-123457], 2);
    REQUIRE_INT(part[huge - 123457 - 1], 3);
    REQUIRE_INT(segb_unmap(part - 123457), 0);
    REQUIRE_INT(segb_unmap(part), SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_unmap(all), 0);
    close_segment();
}
END_TEST

START_TEST(maps_any_offset)
{
    unsigned char *all, *part;

    open_segment(SEGB_RW, "rw");
    all = map(0, 0, SEGB_RW);
    for (size_t i = 0; i < PAGES * page; i++)
        all[i] = (unsigned char)(i % 251);
    for (size_t offset = 0; offset < PAGES * page; offset += 997) {
        part = map(offset, 0, SEGB_RO);
        REQUIRE_INT(memcmp(part, all + offset, PAGES * page - offset), 0);
        REQUIRE_INT(segb_unmap(part), 0);
        part = map(offset, 1, SEGB_RO);
        REQUIRE_INT(*part, all[offset]);
        REQUIRE_INT(segb_unmap(part), 0);
    }
    part = map(PAGES * page - 1, 1, SEGB_RW);
    *part = 0;
    REQUIRE_INT(all[PAGES * page - 1], 0);
    REQUIRE_INT(segb_unmap(part), 0);
    REQUIRE_INT(segb_unmap(all), 0);
    close_segment();
}
END_TEST

START_TEST(refuses_what_reaches_over_the_end)
{
    static const size_t most = (size_t)-1;
    size_t size;
    void *memory = &size;

    open_segment(SEGB_RW, "rw");
    size = PAGES * page;
    const size_t ranges[][2] = {
        {size, 0},
        {size, 1},
        {size + 1, 0},
        {most, 0},
        {most, 1},
        {0, size + 1},
        {1, size},
        {size - 1, 2},
        {1, most},
        {most, most},
        {page, most - 10},
        {size - 1, most},
        {page - 1, most - page + 2},
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        REQUIRE_INT(
            segb_map(segment, ranges[i][0], ranges[i][1], SEGB_RO, &memory),
            SEGB_E_INVALID_ARGUMENT);
    REQUIRE(memory == &size);
    close_segment();
}
END_TEST

START_TEST(unmaps_by_any_address_inside)
{
    unsigned char *view;

    open_segment(SEGB_RO, "ro");
    view = map(page + 10, 100, SEGB_RO);
    REQUIRE_INT(segb_unmap(view + 100), SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_unmap(view + 99), 0);
    REQUIRE_INT(segb_unmap(view + 99), SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_unmap(NULL), SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_unmap(&view), SEGB_E_INVALID_ARGUMENT);
    close_segment();
}
END_TEST

START_TEST(finds_each_of_many_views)
{
    enum { VIEWS = 300 };
    unsigned char *views[VIEWS];

    open_segment(SEGB_RO, "ro");
    for (size_t i = 0; i < VIEWS; i++)
        views[i] = map(i % 3 * page, page, SEGB_RO);
    /* In an order that is neither the one nor the other. */
    for (size_t i = 0; i < VIEWS; i++) {
        size_t at = i * 7 % VIEWS;

        REQUIRE_INT(segb_flush(views[at] + page - 1, 1), 0);
        REQUIRE_INT(segb_unmap(views[at] + i), 0);
        REQUIRE_INT(segb_flush(views[at], 0), SEGB_E_INVALID_ARGUMENT);
    }
    close_segment();
}
END_TEST

START_TEST(keeps_to_the_access_of_the_segment)
{
    static const struct {
        int access;
        const char *word;
        int allowed[4]; /* by the view's access */
    } cases[] = {
        {SEGB_RO, "ro", {[SEGB_RO] = 1, [SEGB_RW] = 0, [SEGB_COW] = 1}},
        {SEGB_RW, "rw", {[SEGB_RO] = 1, [SEGB_RW] = 1, [SEGB_COW] = 1}},
        {SEGB_COW, "cow", {[SEGB_RO] = 1, [SEGB_RW] = 0, [SEGB_COW] = 1}},
    };
    void *memory;

    for (size_t i = 0; i < 3; i++) {
        open_segment(cases[i].access, cases[i].word);
        for (int access = SEGB_RO; access <= SEGB_COW; access++) {
            int r = segb_map(segment, 0, 0, access, &memory);

            REQUIRE_INT(r, cases[i].allowed[access] ? 0 : SEGB_E_ACCESS_DENIED);
            if (r == 0)
                REQUIRE_INT(segb_unmap(memory), 0);
        }
        REQUIRE_INT(segb_map(segment, 0, 0, 0, &memory),
                    SEGB_E_INVALID_ARGUMENT);
        REQUIRE_INT(segb_map(segment, 0, 0, 4, &memory),
                    SEGB_E_INVALID_ARGUMENT);
        close_segment();
    }
}
END_TEST

START_TEST(keeps_a_private_view_private)
{
    unsigned char *shared, *copy;

    open_segment(SEGB_RW, "rw");
    shared = map(0, 0, SEGB_RW);
    copy = map(0, 0, SEGB_COW);
    copy[10] = 1;
    REQUIRE_INT(shared[10], 0);
    shared[10] = 2;
    REQUIRE_INT(copy[10], 1);
    REQUIRE_INT(segb_unmap(shared), 0);
    REQUIRE_INT(segb_unmap(copy), 0);
    close_segment();
}
END_TEST

START_TEST(flushes_within_a_view)
{
    unsigned char *view;

    open_segment(SEGB_RW, "rw");
    view = map(5, 100, SEGB_RW);
    REQUIRE_INT(segb_flush(view, 0), 0);
    REQUIRE_INT(segb_flush(view, 100), 0);
    REQUIRE_INT(segb_flush(view + 60, 40), 0);
    REQUIRE_INT(segb_flush(view + 60, 41), SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_flush(view + 60, (size_t)-1), SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_flush(view + 100, 0), SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_unmap(view), 0);
    close_segment();
}
END_TEST

/* Somebody unmaps a view by himself: its address may then be another's, and
 * what the library remembers of it must not unmap that one. */
START_TEST(forgets_views_unmapped_behind_its_back)
{
    unsigned char *large, *small;

    open_segment(SEGB_RW, "rw");
    large = map(0, 0, SEGB_RW);
    test_unmap(large, PAGES * page);
    small = map(0, page, SEGB_RW);
    *small = 1;
    REQUIRE_INT(segb_unmap(small), 0);
    /* It was, where the kernel fills holes. */
    if (small >= large && small < large + PAGES * page)
        REQUIRE_INT(segb_unmap(large), SEGB_E_INVALID_ARGUMENT);
    close_segment();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("view");
    TCase *tests = suite_case(suite, "views", 60);

    tcase_add_test(tests, maps_any_offset);
    tcase_add_test(tests, huge_pages_are_mapped_whole);
    tcase_add_test(tests, refuses_what_reaches_over_the_end);
    tcase_add_test(tests, unmaps_by_any_address_inside);
    tcase_add_test(tests, finds_each_of_many_views);
    tcase_add_test(tests, keeps_to_the_access_of_the_segment);
    tcase_add_test(tests, keeps_a_private_view_private);
    tcase_add_test(tests, flushes_within_a_view);
    tcase_add_test(tests, forgets_views_unmapped_behind_its_back);
    return suite_main(suite);
}
