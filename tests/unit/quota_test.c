#include "quota.h"
#include "tests/support/runner.h"

#include <check.h>

static struct config config;
static struct quota *quota;
static struct identity alice, bob;
static uint32_t alice_groups[] = {44, 1000}, bob_groups[] = {44, 1001};
static char video[] = "video", alice_name[] = "alice";
static struct config_account accounts[2];

static void unlimited(struct config_limits *limits)
{
    for (int i = 0; i < CONFIG_BUDGETS; i++)
        limits->limit[i] = CONFIG_UNLIMITED;
}

static void setup(void)
{
    config = (struct config){.accounts = accounts, .account_count = 2};
    unlimited(&config.total);
    unlimited(&config.defaults);
    accounts[0] = (struct config_account){.principal = {PRINCIPAL_GROUP, 44},
                                          .name = video};
    accounts[1] = (struct config_account){.principal = {PRINCIPAL_USER, 1000},
                                          .name = alice_name};
    unlimited(&accounts[0].limits);
    unlimited(&accounts[1].limits);
    alice = (struct identity){1000, alice_groups, 2};
    bob = (struct identity){1001, bob_groups, 2};
    ck_assert_int_eq(quota_new(&config, &quota), 0);
}

static void teardown(void)
{
    for (int i = 0; i < CONFIG_BUDGETS; i++)
        ck_assert_uint_eq(quota_used(quota, (enum config_budget)i), 0);
    quota = quota_free(quota);
}

static struct quota_scope *scope_of(const struct identity *who,
                                    const char *name)
{
    struct quota_scope *scope = NULL;

    ck_assert_int_eq(quota_scope_new(quota, who, name, &scope), 0);
    return scope;
}

static int charge(struct quota_scope *scope, uint64_t amount,
                  struct quota_charge *out, struct quota_refusal *refusal)
{
    return quota_charge(scope, CONFIG_BYTES, amount, out, refusal);
}

START_TEST(fills_a_budget_to_the_last_byte)
{
    struct quota_scope *scope = scope_of(&bob, "bob");
    struct quota_charge a = {0}, b = {0};
    struct quota_refusal refusal;

    config.defaults.limit[CONFIG_BYTES] = 100;
    quota_configure(quota, &config);
    ck_assert_int_eq(charge(scope, 60, &a, &refusal), 0);
    ck_assert_int_eq(charge(scope, 41, &b, &refusal), QUOTA_FULL);
    ck_assert_str_eq(refusal.section, "user bob");
    ck_assert_str_eq(refusal.source, "default");
    ck_assert_uint_eq(refusal.used, 60);
    ck_assert_uint_eq(refusal.limit, 100);
    ck_assert_uint_eq(refusal.asked, 41);
    ck_assert_int_eq(charge(scope, 40, &b, &refusal), 0);
    ck_assert_uint_eq(quota_used(quota, CONFIG_BYTES), 100);
    quota_undo(&a);
    quota_undo(&b);
    quota_undo(&b);
    quota_scope_unref(scope);
}
END_TEST

START_TEST(a_refused_charge_takes_from_no_account)
{
    struct quota_scope *scope = scope_of(&alice, "alice");
    struct quota_charge a = {0};
    struct quota_refusal refusal;

    config.total.limit[CONFIG_BYTES] = 10;
    quota_configure(quota, &config);
    ck_assert_int_eq(charge(scope, 11, &a, &refusal), QUOTA_FULL);
    ck_assert_str_eq(refusal.section, "total");
    ck_assert_ptr_null(a.scope);
    ck_assert_uint_eq(quota_used(quota, CONFIG_BYTES), 0);
    quota_scope_unref(scope);
}
END_TEST

START_TEST(members_of_a_group_share_its_budget)
{
    struct quota_scope *hers = scope_of(&alice, "alice");
    struct quota_scope *his = scope_of(&bob, "bob");
    struct quota_charge a = {0}, b = {0};
    struct quota_refusal refusal;

    accounts[0].limits.limit[CONFIG_BYTES] = 10;
    quota_configure(quota, &config);
    ck_assert_int_eq(charge(hers, 7, &a, &refusal), 0);
    ck_assert_int_eq(charge(his, 4, &b, &refusal), QUOTA_FULL);
    ck_assert_str_eq(refusal.section, "group video");
    ck_assert_str_eq(refusal.source, "group video");
    ck_assert_uint_eq(refusal.used, 7);
    ck_assert_int_eq(charge(his, 3, &b, &refusal), 0);
    quota_undo(&a);
    quota_undo(&b);
    quota_scope_unref(hers);
    quota_scope_unref(his);
}
END_TEST

START_TEST(lowering_a_limit_takes_nothing_away)
{
    struct quota_scope *scope = scope_of(&alice, "alice");
    struct quota_charge a = {0}, b = {0};
    struct quota_refusal refusal;

    ck_assert_int_eq(charge(scope, 50, &a, &refusal), 0);
    accounts[1].limits.limit[CONFIG_BYTES] = 10;
    quota_configure(quota, &config);
    ck_assert_uint_eq(quota_used(quota, CONFIG_BYTES), 50);
    ck_assert_int_eq(charge(scope, 1, &b, &refusal), QUOTA_FULL);
    ck_assert_uint_eq(refusal.used, 50);
    ck_assert_uint_eq(refusal.limit, 10);
    quota_undo(&a);
    ck_assert_int_eq(charge(scope, 1, &b, &refusal), 0);
    quota_undo(&b);
    quota_scope_unref(scope);
}
END_TEST

START_TEST(a_charge_is_undone_where_it_was_made)
{
    struct quota_scope *before = scope_of(&bob, "bob");
    struct quota_scope *after;
    struct quota_charge a = {0}, b = {0};
    struct quota_refusal refusal;

    ck_assert_int_eq(charge(before, 5, &a, &refusal), 0);
    config.account_count = 0;
    quota_configure(quota, &config);
    after = scope_of(&bob, "bob");
    quota_scope_unref(before);
    ck_assert_int_eq(charge(after, 6, &b, &refusal), 0);
    quota_undo(&a);
    ck_assert_uint_eq(quota_used(quota, CONFIG_BYTES), 6);
    quota_undo(&b);
    quota_scope_unref(after);
}
END_TEST

START_TEST(limits_the_size_of_one_segment)
{
    struct quota_scope *scope = scope_of(&bob, "bob");
    struct quota_refusal refusal;

    config.defaults.limit[CONFIG_SEGMENT_BYTES] = 4096;
    quota_configure(quota, &config);
    ck_assert_int_eq(quota_allows_segment(scope, 4096, &refusal), 0);
    ck_assert_int_eq(quota_allows_segment(scope, 4097, &refusal), QUOTA_FULL);
    ck_assert_uint_eq(refusal.asked, 4097);
    quota_scope_unref(scope);
}
END_TEST

static unsigned take_until_full(struct quota_scope *scope, uint64_t now)
{
    struct quota_refusal refusal;
    unsigned count = 0;

    while (quota_take_request(scope, now, &refusal) == 0 && count < 1000)
        count++;
    return count;
}

START_TEST(refills_the_rate_evenly)
{
    struct quota_scope *scope = scope_of(&bob, "bob");

    config.defaults.limit[CONFIG_REQUESTS_PER_SECOND] = 100;
    quota_configure(quota, &config);
    ck_assert_uint_eq(take_until_full(scope, 5000), 100);
    ck_assert_uint_eq(take_until_full(scope, 5000), 0);
    ck_assert_uint_eq(take_until_full(scope, 5100), 10);
    ck_assert_uint_eq(take_until_full(scope, 90000), 100);
    quota_scope_unref(scope);
}
END_TEST

START_TEST(a_rate_of_nothing_lets_nothing_in)
{
    struct quota_scope *scope = scope_of(&bob, "bob");

    config.defaults.limit[CONFIG_REQUESTS_PER_SECOND] = 0;
    quota_configure(quota, &config);
    ck_assert_uint_eq(take_until_full(scope, 5000), 0);
    ck_assert_uint_eq(take_until_full(scope, 9000), 0);
    quota_scope_unref(scope);
}
END_TEST

START_TEST(lists_the_accounts_of_a_scope_and_of_all)
{
    struct quota_scope *hers = scope_of(&alice, "alice");
    struct quota_scope *his = scope_of(&bob, "bob");
    struct quota_row row;
    uint64_t rows = 0;

    while (quota_row(quota, hers, 1, rows, &row))
        rows++;
    ck_assert_uint_eq(rows, 3 * CONFIG_BUDGETS);
    ck_assert(quota_row(quota, hers, 1, 0, &row));
    ck_assert_str_eq(row.section, "user alice");
    for (rows = 0; quota_row(quota, NULL, 1, rows, &row);)
        rows++;
    ck_assert_uint_eq(rows, 4 * CONFIG_BUDGETS);
    quota_scope_unref(hers);
    quota_scope_unref(his);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("quota");
    TCase *tests = tcase_create("quota");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, fills_a_budget_to_the_last_byte);
    tcase_add_test(tests, a_refused_charge_takes_from_no_account);
    tcase_add_test(tests, members_of_a_group_share_its_budget);
    tcase_add_test(tests, lowering_a_limit_takes_nothing_away);
    tcase_add_test(tests, a_charge_is_undone_where_it_was_made);
    tcase_add_test(tests, limits_the_size_of_one_segment);
    tcase_add_test(tests, refills_the_rate_evenly);
    tcase_add_test(tests, a_rate_of_nothing_lets_nothing_in);
    tcase_add_test(tests, lists_the_accounts_of_a_scope_and_of_all);
    suite_add_tcase(suite, tests);
    return suite_main(suite);
}
