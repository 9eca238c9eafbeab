/*
 * Deadlines come out in their order, whatever is taken out in between.
 */
#include "deadline.h"
#include "tests/support/runner.h"

#include <check.h>

enum { COUNT = 500 };

static struct deadlines deadlines;
static struct deadline all[COUNT];

static void teardown(void)
{
    deadlines_deinit(&deadlines);
}

static void add_all(uint64_t below)
{
    unsigned random = 1;

    for (int i = 0; i < COUNT; i++) {
        random = random * 1103515245 + 12345;
        all[i] = (struct deadline){.at = (random >> 8) % below};
        ck_assert_int_eq(deadlines_add(&deadlines, &all[i]), 0);
    }
}

static int take_in_order(void)
{
    struct deadline *first;
    uint64_t last = 0;
    int count = 0;

    while ((first = deadlines_first(&deadlines)) != NULL) {
        ck_assert_uint_ge(first->at, last);
        last = first->at;
        deadlines_remove(&deadlines, first);
        count++;
    }
    return count;
}

START_TEST(earliest_comes_first)
{
    ck_assert_ptr_null(deadlines_first(&deadlines));
    add_all(1000000);
    ck_assert_int_eq(take_in_order(), COUNT);
    /* Many at the same time. */
    add_all(7);
    ck_assert_int_eq(take_in_order(), COUNT);
}
END_TEST

START_TEST(any_can_be_taken_out)
{
    add_all(1000);
    for (int i = 0; i < COUNT; i += 3)
        deadlines_remove(&deadlines, &all[i]);
    ck_assert_int_eq(take_in_order(), COUNT - (COUNT + 2) / 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("deadline");
    TCase *tests = tcase_create("deadline");

    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_add_test(tests, earliest_comes_first);
    tcase_add_test(tests, any_can_be_taken_out);
    suite_add_tcase(suite, tests);
    return suite_main(suite);
}
