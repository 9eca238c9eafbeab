#include "principal.h"
#include "tests/support/runner.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static int looked_up; /* times */

static int find_user(const char *name, uint32_t *id)
{
    looked_up++;
    if (strcmp(name, "alice") != 0 && strcmp(name, "4294967295") != 0)
        return 1;
    *id = 1000;
    return 0;
}

static int find_group(const char *name, uint32_t *id)
{
    looked_up++;
    if (strcmp(name, "video") != 0)
        return 1;
    *id = 44;
    return 0;
}

static const struct principal_lookup lookup = {find_user, find_group,
                                               principal_decimal};

static void setup(void)
{
    looked_up = 0;
}

static int parse_bytes(const char *text, size_t size, struct principal *found)
{
    /* Exactly so large, so that a sanitizer sees a read behind it. */
    char *copy = malloc(size > 0 ? size : 1);
    int r;

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text, size);
    r = principal_parse(copy, size, &lookup, found);
    free(copy);
    return r;
}

static void accepts(const char *text, enum principal_kind kind, uint32_t id)
{
    struct principal found = {PRINCIPAL_EVERYONE, 77};

    ck_assert_int_eq(parse_bytes(text, strlen(text), &found), 0);
    ck_assert_int_eq(found.kind, kind);
    ck_assert_uint_eq(found.id, id);
}

static void refuses(const char *text, size_t size, int outcome)
{
    struct principal found = {PRINCIPAL_GROUP, 77};

    ck_assert_int_eq(parse_bytes(text, size, &found), outcome);
    ck_assert_int_eq(found.kind, PRINCIPAL_GROUP);
    ck_assert_uint_eq(found.id, 77);
}

START_TEST(names_are_looked_up)
{
    accepts("user:alice", PRINCIPAL_USER, 1000);
    accepts("group:video", PRINCIPAL_GROUP, 44);
    ck_assert_int_eq(looked_up, 2);
}
END_TEST

START_TEST(numbers_and_everyone_need_no_look_up)
{
    accepts("user:0", PRINCIPAL_USER, 0);
    accepts("group:100", PRINCIPAL_GROUP, 100);
    accepts("user:4294967294", PRINCIPAL_USER, 4294967294U);
    accepts("user:00000000000000000000000000000000007", PRINCIPAL_USER, 7);
    accepts("everyone", PRINCIPAL_EVERYONE, 0);
    ck_assert_int_eq(looked_up, 0);
}
END_TEST

START_TEST(a_number_too_large_is_a_name)
{
    accepts("user:4294967295", PRINCIPAL_USER, 1000);
    ck_assert_int_eq(looked_up, 1);
    refuses("user:4294967296", strlen("user:4294967296"), PRINCIPAL_NOBODY);
    refuses("user:18446744073709551616", strlen("user:18446744073709551616"),
            PRINCIPAL_NOBODY);
}
END_TEST

START_TEST(unknown_accounts_are_nobody)
{
    static const char *const texts[] = {
        "user:bob", "user:video", "group:alice", "user:-1",
        "user:+1",  "user: 1",    "user:0x10",   "user:alice "};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        refuses(texts[i], strlen(texts[i]), PRINCIPAL_NOBODY);
}
END_TEST

START_TEST(other_forms_are_refused)
{
    static const char *const texts[] = {
        "",      "alice",  "user",      "user:",     "group:",
        "users", "User:0", "everyone ", "everyones", "everyon",
        ":",     "gruop:", "everyone:", " user:0"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        refuses(texts[i], strlen(texts[i]), PRINCIPAL_BAD_FORM);
    ck_assert_int_eq(looked_up, 0);
}
END_TEST

START_TEST(a_nul_does_not_shorten_a_name)
{
    static const char text[] = "user:alice\0x";

    refuses(text, sizeof(text) - 1, PRINCIPAL_BAD_FORM);
}
END_TEST

START_TEST(names_have_at_most_255_bytes)
{
    char text[512];

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i < 5 ? "user:"[i] : 'a';
    refuses(text, 5 + 255, PRINCIPAL_NOBODY);
    refuses(text, 5 + 256, PRINCIPAL_BAD_FORM);
    refuses(text, sizeof(text), PRINCIPAL_BAD_FORM);
    ck_assert_int_eq(looked_up, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("principal");
    TCase *tests = tcase_create("principal");

    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, names_are_looked_up);
    tcase_add_test(tests, numbers_and_everyone_need_no_look_up);
    tcase_add_test(tests, a_number_too_large_is_a_name);
    tcase_add_test(tests, unknown_accounts_are_nobody);
    tcase_add_test(tests, other_forms_are_refused);
    tcase_add_test(tests, a_nul_does_not_shorten_a_name);
    tcase_add_test(tests, names_have_at_most_255_bytes);
    suite_add_tcase(suite, tests);
    return suite_main(suite);
}
