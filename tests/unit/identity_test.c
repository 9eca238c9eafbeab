/*
 * Identities as texts, which the keeper gives back to the next broker.
 */
#include "identity.h"
#include "tests/support/runner.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct identity again;

/* Of the process itself, whose ids every system knows. */
static void identity_of(struct identity *identity, const char *text)
{
    ck_assert_int_eq(identity_read(text, identity), 0);
}

static void own_id(char text[IDENTITY_ID_MAX])
{
    identity_id_write(identity_self(), text);
}

START_TEST(comes_back_from_its_text)
{
    struct identity identity;
    char user[IDENTITY_ID_MAX];
    char *text;

    own_id(user);
    identity_of(&identity, user);
    ck_assert_uint_eq(identity.user, identity_self());
    ck_assert_uint_eq(identity.group_count, 0);
    text = identity_write(&identity);
    ck_assert_ptr_nonnull(text);
    ck_assert_str_eq(text, user);
    identity_of(&again, text);
    ck_assert_uint_eq(again.user, identity.user);
    free(text);
    identity_deinit(&again);
    identity_deinit(&identity);
}
END_TEST

START_TEST(has_its_groups_in_order)
{
    char user[IDENTITY_ID_MAX], text[3 * IDENTITY_ID_MAX];

    own_id(user);
    snprintf(text, sizeof(text), "%s,%s,%s", user, user, user);
    identity_of(&again, text);
    ck_assert_uint_eq(again.group_count, 2);
    ck_assert(identity_in_group(&again, identity_self()));
    ck_assert(!identity_in_group(&again, identity_self() + 1));
    identity_deinit(&again);
}
END_TEST

START_TEST(refuses_what_is_none)
{
    ck_assert_int_lt(identity_read("", &again), 0);
    ck_assert_int_lt(identity_read("alice", &again), 0);
    ck_assert_int_lt(identity_read(",", &again), 0);
    ck_assert_int_lt(identity_read("99999999999999", &again), 0);
}
END_TEST

/* More groups than a text has room for. */
START_TEST(leaves_out_what_has_no_room)
{
    enum { GROUPS = IDENTITY_TEXT_MAX };
    struct identity many = {.user = identity_self(), .group_count = GROUPS};
    char *text;

    many.groups = malloc(GROUPS * sizeof(uint32_t));
    ck_assert_ptr_nonnull(many.groups);
    for (size_t i = 0; i < GROUPS; i++)
        many.groups[i] = identity_self();
    text = identity_write(&many);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_lt(strlen(text), IDENTITY_TEXT_MAX);
    identity_of(&again, text);
    ck_assert_uint_gt(again.group_count, 100);
    ck_assert_uint_lt(again.group_count, GROUPS);
    free(text);
    identity_deinit(&again);
    identity_deinit(&many);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("identity");
    TCase *tests = tcase_create("identity");

    tcase_add_test(tests, comes_back_from_its_text);
    tcase_add_test(tests, has_its_groups_in_order);
    tcase_add_test(tests, refuses_what_is_none);
    tcase_add_test(tests, leaves_out_what_has_no_room);
    suite_add_tcase(suite, tests);
    return suite_main(suite);
}
