/*
 * Names of the Win32 calls become the broker's: prefixes, limits, UTF-16.
 */
#include "client/filemapping_name.h"
#include "message.h"
#include "tests/support/runner.h"

#include <check.h>
#include <string.h>

static struct filemapping_name made;

/* The name becomes the other; NULL: it fails with the code. */
static void expect(const char *name, const char *becomes, DWORD error)
{
    ck_assert_uint_eq(filemapping_name_ansi(name, &made), error);
    if (becomes)
        ck_assert_str_eq(made.text, becomes);
}

static void expect_wide(const WCHAR *name, const char *becomes, DWORD error)
{
    ck_assert_uint_eq(filemapping_name_wide(name, &made), error);
    if (becomes)
        ck_assert_str_eq(made.text, becomes);
}

/* `count` times x behind a prefix. Two of them at a time. */
static const char *long_name(const char *prefix, size_t count)
{
    static char texts[2][2048];
    static unsigned turn;
    char *text = texts[turn++ % 2];
    size_t size = strlen(prefix);

    memcpy(text, prefix, size);
    memset(text + size, 'x', count);
    text[size + count] = '\0';
    return text;
}

START_TEST(takes_prefixes_off)
{
    expect("x", "x", ERROR_SUCCESS);
    expect("Local\\x", "x", ERROR_SUCCESS);
    expect("Global\\x", "global/x", ERROR_SUCCESS);
    expect("Local", "Local", ERROR_SUCCESS);
    expect("Global", "Global", ERROR_SUCCESS);
    expect("global", "global", ERROR_SUCCESS);
    expect("Global/x", "Global/x", ERROR_SUCCESS);
    expect("Global\\global/x", "global/global/x", ERROR_SUCCESS);
}
END_TEST

START_TEST(no_name_is_empty)
{
    expect(NULL, "", ERROR_SUCCESS);
    expect("", "", ERROR_SUCCESS);
    expect_wide(NULL, "", ERROR_SUCCESS);
}
END_TEST

START_TEST(refuses_backslashes_and_what_is_no_name)
{
    expect("a\\b", NULL, ERROR_PATH_NOT_FOUND);
    expect("\\", NULL, ERROR_PATH_NOT_FOUND);
    expect("Local\\\\", NULL, ERROR_PATH_NOT_FOUND);
    expect("local\\x", NULL, ERROR_PATH_NOT_FOUND);
    expect("Local\\", NULL, ERROR_INVALID_NAME);
    expect("Global\\", NULL, ERROR_INVALID_NAME);
    expect("global/", NULL, ERROR_INVALID_NAME);
    expect("global/x", NULL, ERROR_INVALID_NAME);
    expect("Local\\global/x", NULL, ERROR_INVALID_NAME);
    expect("a\nb", NULL, ERROR_INVALID_NAME);
    expect("a\xc2\x85"
           "b",
           NULL, ERROR_INVALID_NAME);
}
END_TEST

START_TEST(refuses_what_is_too_long)
{
    expect(long_name("", 200), long_name("", 200), ERROR_SUCCESS);
    expect(long_name("Local\\", 200), long_name("", 200), ERROR_SUCCESS);
    expect(long_name("Global\\", 193), long_name("global/", 193),
           ERROR_SUCCESS);
    expect(long_name("", 201), NULL, ERROR_FILENAME_EXCED_RANGE);
    expect(long_name("Local\\", 201), NULL, ERROR_FILENAME_EXCED_RANGE);
    expect(long_name("Global\\", 194), NULL, ERROR_FILENAME_EXCED_RANGE);
    expect(long_name("", 2000), NULL, ERROR_FILENAME_EXCED_RANGE);
}
END_TEST

START_TEST(refuses_what_is_not_utf8)
{
    expect("\xff", NULL, ERROR_NO_UNICODE_TRANSLATION);
    expect("a\xc3", NULL, ERROR_NO_UNICODE_TRANSLATION);
    expect("\xed\xa0\x80", NULL, ERROR_NO_UNICODE_TRANSLATION);
}
END_TEST

/* The first and last character of each length of UTF-8. */
START_TEST(wide_characters_become_utf8)
{
    static const WCHAR name[] = {0x20,   0x7e,   0xa0,   0x7ff,  0x800,
                                 0xd7ff, 0xe000, 0xffff, 0xd800, 0xdc00,
                                 0xdbff, 0xdfff, 0};

    expect_wide(name,
                "\x20\x7e\xc2\xa0\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf"
                "\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
                ERROR_SUCCESS);
    ck_assert_ptr_null(message_name_problem(made.text, strlen(made.text)));
}
END_TEST

START_TEST(refuses_half_a_surrogate_pair)
{
    static const WCHAR names[][4] = {{0xd800, 0},
                                     {0xdc00, 0},
                                     {0xd800, 'x', 0},
                                     {0xdc00, 0xd800, 0},
                                     {0xd800, 0xd800, 0xdc00, 0}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        expect_wide(names[i], NULL, ERROR_NO_UNICODE_TRANSLATION);
}
END_TEST

START_TEST(refuses_a_wide_name_that_is_too_long)
{
    static WCHAR name[1000];

    for (size_t i = 0; i < 999; i++)
        name[i] = 0x20ac;
    expect_wide(name, NULL, ERROR_FILENAME_EXCED_RANGE);
    name[67] = 0;
    expect_wide(name, NULL, ERROR_FILENAME_EXCED_RANGE);
    name[66] = 0;
    expect_wide(name, NULL, ERROR_SUCCESS);
    ck_assert_uint_eq(strlen(made.text), 198);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("filemapping_name");
    TCase *tests = tcase_create("names");

    tcase_add_test(tests, takes_prefixes_off);
    tcase_add_test(tests, no_name_is_empty);
    tcase_add_test(tests, refuses_backslashes_and_what_is_no_name);
    tcase_add_test(tests, refuses_what_is_too_long);
    tcase_add_test(tests, refuses_what_is_not_utf8);
    tcase_add_test(tests, wide_characters_become_utf8);
    tcase_add_test(tests, refuses_half_a_surrogate_pair);
    tcase_add_test(tests, refuses_a_wide_name_that_is_too_long);
    suite_add_tcase(suite, tests);
    return suite_main(suite);
}
