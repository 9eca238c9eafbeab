/*
 * Rules, as one user alone meets them: who may create which name, by user,
 * group and pattern, and what a share list may name.
 */
#include "tests/support/broker.h"
#include "tests/support/memory.h"
#include "tests/support/raw.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

static struct test_broker broker;
static struct raw raw;

/* Rules for names under global/, with the own user and group filled in. */
static void configure(char *config, size_t size, bool open)
{
    snprintf(config, size,
             "[access global/user/*]\n"
             "create = user:%s\n"
             "[access global/group/*]\n"
             "create = group:%s\n"
             "[access global/all/*]\n"
             "create = everyone\n"
             "[access global/all/but/*]\n"
             "create = user:%s\n"
             "[access global/other/*]\n"
             "create = %s\n"
             "[access global/nobody/*]\n"
             "create =\n",
             test_user(), test_group(), test_other_user(),
             open ? "everyone" : "");
}

static void setup(void)
{
    static char config[1024];
    struct test_broker_options options = {.config = config};
    configure(config, sizeof(config), false);
    test_broker_start(&broker, &options);
    raw_open(&raw, broker.socket);
}

static void teardown(void)
{
    raw_close(&raw);
    test_broker_stop(&broker);
}

static const char *create(const char *name)
{
    raw_ask(&raw, "{'id':1,'op':'create','name':'%s','size':1}", name);
    if (raw.reply.ok)
        test_close(raw_grant(&raw, NULL));
    return raw_outcome(&raw);
}

START_TEST(names_may_be_created_by_user_group_and_everyone)
{
    REQUIRE_STR(create("global/user/a"), "ok");
    REQUIRE_STR(create("global/group/a"), "ok");
    REQUIRE_STR(create("global/all/a"), "ok");
    REQUIRE_STR(create("of/mine"), "ok");
}
END_TEST

START_TEST(names_of_others_may_not)
{
    REQUIRE_STR(create("global/all/but/a"), "access-denied");
    REQUIRE_STR(create("global/nobody/a"), "access-denied");
    REQUIRE_STR(create("global/other/a"), "access-denied");
    REQUIRE_PART(raw.reply.text, "create in [access");
    REQUIRE_INT(raw_count_segments(&raw), 0);
    REQUIRE_INT(raw_used_by_all(&raw, "segments"), 0);
}
END_TEST

START_TEST(reload_changes_rules)
{
    char config[1024];
    REQUIRE_STR(create("global/other/a"), "access-denied");
    configure(config, sizeof(config), true);
    test_broker_configure(&broker, config);
    raw_ask(&raw, "{'id':1,'op':'reload'}");
    REQUIRE_STR(raw_outcome(&raw), "ok");
    REQUIRE_STR(create("global/other/a"), "ok");
}
END_TEST

START_TEST(share_list_names_accounts)
{
    struct message_grant grant;
    test_close(raw_create(&raw, &grant,
                          "'name':'a','size':1,'share':{"
                          "'read':['user:%s','group:%s','everyone'],"
                          "'write':['user:%s']}",
                          test_user(), test_group(), test_other_user()));
    test_close(raw_open_segment(&raw, NULL, "'name':'a','access':'rw'"));
    raw_ask(&raw, "{'id':1,'op':'create','size':1,"
                  "'share':{'read':['user:no such account']}}");
    REQUIRE_STR(raw_outcome(&raw), "invalid-argument");
    REQUIRE_PART(raw.reply.text, "no such account");
    raw_ask(&raw, "{'id':1,'op':'create','size':1,"
                  "'share':{'read':['anybody']}}");
    REQUIRE_STR(raw_outcome(&raw), "invalid-argument");
}
END_TEST

START_TEST(rule_for_nobody_that_exists_is_an_error)
{
    test_broker_configure(&broker, "[access global/*]\n"
                                   "create = user:no such account\n");
    raw_ask(&raw, "{'id':1,'op':'reload'}");
    REQUIRE_STR(raw_outcome(&raw), "invalid-argument");
    REQUIRE_PART(raw.reply.text, "segbroker.conf:2:");
    REQUIRE_PART(raw.reply.text, "no such account");
}
END_TEST

static Suite *rules_suite(void)
{
    Suite *suite = suite_create("rules");
    TCase *tests = suite_case(suite, "rules", 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, names_may_be_created_by_user_group_and_everyone);
    tcase_add_test(tests, names_of_others_may_not);
    tcase_add_test(tests, reload_changes_rules);
    tcase_add_test(tests, share_list_names_accounts);
    tcase_add_test(tests, rule_for_nobody_that_exists_is_an_error);
    return suite;
}

int main(void)
{
    return suite_main(rules_suite());
}
