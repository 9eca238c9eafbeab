/*
 * Sizes and numbers as an administrator writes them.
 */
#include "config.h"
#include "tests/support/runner.h"

#include <check.h>
#include <string.h>

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
/* Divides by nothing, so that roundings show. */
#define MEMORY (4 * GIB + 3)
#define LARGEST ((UINT64_C(1) << 53) - 1)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

START_TEST(sizes_are_read)
{
    static const struct {
        const char *text;
        uint64_t size;
    } good[] = {{"0", 0},
                {"1", 1},
                {"007", 7},
                {"4096", 4096},
                {"64KiB", 64 * KIB},
                {"64K", 64 * KIB},
                {"3M", 3 * MIB},
                {"3MiB", 3 * MIB},
                {"2G", 2 * GIB},
                {"2GiB", 2 * GIB},
                {"1T", 1024 * GIB},
                {"1TiB", 1024 * GIB},
                {"8191T", 8191 * 1024 * GIB},
                {"9007199254740991", LARGEST},
                {"0%", 0},
                {"1%", 42949672},
                {"50%", MEMORY / 2},
                {"25%", MEMORY / 4},
                {"100%", MEMORY},
                {"unlimited", CONFIG_UNLIMITED}};
    static const char *const bad[] = {"",
                                      " ",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1.5G",
                                      "1e3",
                                      "0x10",
                                      "101%",
                                      "50%%",
                                      "%",
                                      "K",
                                      "1k",
                                      "1KB",
                                      "1Kib",
                                      "1KiBx",
                                      "1Ki",
                                      "1B",
                                      "1iB",
                                      "1P",
                                      "1 K",
                                      "8192T",
                                      "Unlimited",
                                      "unlimited ",
                                      "unlimite",
                                      "infinity",
                                      "1,000",
                                      "9007199254740992",
                                      "8388608G",
                                      "18446744073709551615",
                                      "18446744073709551616",
                                      "99999999999999999999999999999999999999",
                                      "99999999999999999T"};
    uint64_t size;

    for (size_t i = 0; i < COUNT(good); i++) {
        ck_assert_int_eq(config_size_parse(good[i].text, MEMORY, &size), 0);
        ck_assert_uint_eq(size, good[i].size);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        size = 5;
        ck_assert_int_eq(config_size_parse(bad[i], MEMORY, &size), 1);
        ck_assert_uint_eq(size, 5);
    }
    ck_assert_int_eq(config_size_parse("100%", LARGEST, &size), 0);
    ck_assert_uint_eq(size, LARGEST);
    ck_assert_int_eq(config_size_parse("100%", LARGEST + 1, &size), 1);
    ck_assert_int_eq(config_size_parse("100%", UINT64_MAX, &size), 1);
}
END_TEST

START_TEST(counts_are_read)
{
    static const char *const bad[] = {"",
                                      "-1",
                                      "+1",
                                      "1.0",
                                      "1K",
                                      "50%",
                                      "0x1",
                                      "1 ",
                                      " 1",
                                      "many",
                                      "1e",
                                      "9007199254740992",
                                      "18446744073709551617"};
    uint64_t count;

    ck_assert_int_eq(config_count_parse("0", &count), 0);
    ck_assert_uint_eq(count, 0);
    ck_assert_int_eq(config_count_parse("9007199254740991", &count), 0);
    ck_assert_uint_eq(count, LARGEST);
    ck_assert_int_eq(config_count_parse("unlimited", &count), 0);
    ck_assert_uint_eq(count, CONFIG_UNLIMITED);
    for (size_t i = 0; i < COUNT(bad); i++) {
        count = 5;
        ck_assert_int_eq(config_count_parse(bad[i], &count), 1);
        ck_assert_uint_eq(count, 5);
    }
}
END_TEST

START_TEST(durations_are_read)
{
    static const struct {
        const char *text;
        uint64_t milliseconds;
    } good[] = {{"0s", 0},         {"500ms", 500},     {"10s", 10000},
                {"2min", 120000},  {"60min", 3600000}, {"3600000ms", 3600000},
                {"3600s", 3600000}};
    static const char *const bad[] = {
        "",    "10", "s",     "1.5s",  "-1s",   "10 s",
        "10S", "1h", "61min", "3601s", "10sec", "9007199254740991min"};
    uint64_t value;

    for (size_t i = 0; i < COUNT(good); i++) {
        ck_assert_int_eq(config_duration_parse(good[i].text, &value), 0);
        ck_assert_uint_eq(value, good[i].milliseconds);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        ck_assert_msg(config_duration_parse(bad[i], &value) == 1, "%s", bad[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config_value");
    TCase *tests = tcase_create("config_value");

    tcase_add_test(tests, sizes_are_read);
    tcase_add_test(tests, counts_are_read);
    tcase_add_test(tests, durations_are_read);
    suite_add_tcase(suite, tests);
    return suite_main(suite);
}
