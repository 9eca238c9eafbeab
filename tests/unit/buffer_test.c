#include "buffer.h"
#include "tests/support/runner.h"

#include <check.h>
#include <string.h>

static struct buffer b;

static void teardown(void)
{
    buffer_deinit(&b);
}

static void expect(const char *text)
{
    ck_assert_uint_eq(b.size, strlen(text));
    if (b.size > 0)
        ck_assert_int_eq(memcmp(b.data, text, b.size), 0);
}

START_TEST(holds_no_memory_until_bytes_come)
{
    buffer_init(&b, 10);
    ck_assert_ptr_null(b.data);
    ck_assert_uint_eq(b.size, 0);
    ck_assert_int_eq(buffer_add(&b, NULL, 0), 0);
    ck_assert_ptr_null(b.data);
}
END_TEST

START_TEST(appends_in_order)
{
    buffer_init(&b, 100);
    ck_assert_int_eq(buffer_add(&b, "one ", 4), 0);
    ck_assert_int_eq(buffer_add(&b, "two", 3), 0);
    expect("one two");
}
END_TEST

START_TEST(fills_to_the_limit_and_refuses_one_byte_more)
{
    buffer_init(&b, 5);
    ck_assert_int_eq(buffer_add(&b, "12345", 5), 0);
    ck_assert_int_eq(buffer_add(&b, "6", 1), BUFFER_E_FULL);
    expect("12345");
    ck_assert_uint_le(b.capacity, 5);
    buffer_consume(&b, 1);
    ck_assert_int_eq(buffer_add(&b, "6", 1), 0);
    expect("23456");
}
END_TEST

START_TEST(refuses_more_than_the_limit_and_stays_as_it_was)
{
    buffer_init(&b, 1000);
    ck_assert_int_eq(buffer_add(&b, "kept", 4), 0);
    ck_assert_int_eq(buffer_add(&b, "", 997), BUFFER_E_FULL);
    ck_assert_int_eq(buffer_reserve(&b, 997), BUFFER_E_FULL);
    ck_assert_int_eq(buffer_reserve(&b, SIZE_MAX), BUFFER_E_FULL);
    expect("kept");
}
END_TEST

START_TEST(grows_to_a_large_limit)
{
    static char bytes[3000];

    memset(bytes, 'x', sizeof(bytes));
    buffer_init(&b, 1 << 20);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(buffer_add(&b, bytes, sizeof(bytes)), 0);
    ck_assert_uint_eq(b.size, 300000);
    ck_assert_uint_ge(b.capacity, b.size);
    ck_assert_uint_le(b.capacity, 1 << 20);
    for (size_t i = 0; i < b.size; i++)
        ck_assert_int_eq(b.data[i], 'x');
}
END_TEST

START_TEST(reserves_room_without_adding)
{
    buffer_init(&b, 1000);
    ck_assert_int_eq(buffer_reserve(&b, 700), 0);
    ck_assert_uint_ge(b.capacity, 700);
    expect("");
}
END_TEST

START_TEST(consumes_from_the_front)
{
    buffer_init(&b, 100);
    ck_assert_int_eq(buffer_add(&b, "one two", 7), 0);
    buffer_consume(&b, 0);
    expect("one two");
    buffer_consume(&b, 4);
    expect("two");
    buffer_consume(&b, 3);
    expect("");
}
END_TEST

START_TEST(truncates_what_was_appended)
{
    buffer_init(&b, 100);
    ck_assert_int_eq(buffer_add(&b, "one two", 7), 0);
    buffer_truncate(&b, 3);
    expect("one");
    buffer_truncate(&b, 50);
    expect("one");
}
END_TEST

START_TEST(is_empty_with_the_same_limit_after_its_end)
{
    buffer_init(&b, 3);
    ck_assert_int_eq(buffer_add(&b, "abc", 3), 0);
    buffer_deinit(&b);
    ck_assert_ptr_null(b.data);
    expect("");
    ck_assert_int_eq(buffer_add(&b, "abcd", 4), BUFFER_E_FULL);
    ck_assert_int_eq(buffer_add(&b, "abc", 3), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("buffer");
    TCase *tests = tcase_create("buffer");

    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_add_test(tests, holds_no_memory_until_bytes_come);
    tcase_add_test(tests, appends_in_order);
    tcase_add_test(tests, fills_to_the_limit_and_refuses_one_byte_more);
    tcase_add_test(tests, refuses_more_than_the_limit_and_stays_as_it_was);
    tcase_add_test(tests, grows_to_a_large_limit);
    tcase_add_test(tests, reserves_room_without_adding);
    tcase_add_test(tests, consumes_from_the_front);
    tcase_add_test(tests, truncates_what_was_appended);
    tcase_add_test(tests, is_empty_with_the_same_limit_after_its_end);
    suite_add_tcase(suite, tests);
    return suite_main(suite);
}
