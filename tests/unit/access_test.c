#include "access.h"
#include "tests/support/runner.h"

#include <check.h>
#include <string.h>

enum { OWNER = 1000, WRITER = 1001, READER = 1002, STRANGER = 1003 };
enum { VIDEO = 44, SERVICE = 45 };

static struct config config;
static struct config_rule rule;
static struct access_share share;

static struct identity user(uint32_t id)
{
    return (struct identity){.user = id};
}

static struct identity member(uint32_t id, uint32_t *group)
{
    return (struct identity){.user = id, .groups = group, .group_count = 1};
}

static struct config_principals list_of(struct principal *items, size_t count)
{
    return (struct config_principals){
        .items = items, .count = count, .set = true};
}

static void setup(void)
{
    static char pattern[] = "global/cam/";

    config = (struct config){.has_group = true, .group = SERVICE};
    rule = (struct config_rule){.pattern = pattern, .size = strlen(pattern)};
    share = (struct access_share){0};
}

static void use_rule(void)
{
    config.rules = &rule;
    config.rule_count = 1;
}

static struct access_rights rights(uint32_t id, const char *global_name)
{
    struct identity caller = user(id);
    struct access_object object = {global_name, OWNER, &share};

    return access_rights(&config, &caller, &object);
}

START_TEST(the_owner_may_do_everything)
{
    struct access_rights r;

    rule.write = list_of(NULL, 0);
    rule.read = list_of(NULL, 0);
    use_rule();
    r = rights(OWNER, "global/cam/0");
    ck_assert(r.read && r.write && r.list && r.remove);
}
END_TEST

START_TEST(a_stranger_sees_nothing)
{
    struct access_rights r = rights(STRANGER, "global/cam/0");

    ck_assert(!r.read && !r.write && !r.list && !r.remove);
}
END_TEST

START_TEST(the_creators_share_counts_without_a_rule)
{
    struct principal reader = {PRINCIPAL_USER, READER};
    struct principal writer = {PRINCIPAL_USER, WRITER};
    struct access_rights r;

    share = (struct access_share){&reader, 1, &writer, 1};
    r = rights(READER, NULL);
    ck_assert(r.read && !r.write && r.list && !r.remove);
    r = rights(WRITER, NULL);
    ck_assert(r.read && r.write && r.list && !r.remove);
}
END_TEST

START_TEST(a_rules_list_replaces_the_creators)
{
    struct principal everyone = {PRINCIPAL_EVERYONE, 0};
    struct principal reader = {PRINCIPAL_USER, READER};

    share = (struct access_share){&everyone, 1, &everyone, 1};
    rule.read = list_of(&reader, 1);
    use_rule();
    ck_assert(rights(READER, "global/cam/0").read);
    ck_assert(!rights(STRANGER, "global/cam/0").read);
    ck_assert(!rights(STRANGER, "global/cam/0").write);
    ck_assert(rights(STRANGER, "global/other").write);
    ck_assert(rights(STRANGER, NULL).write);
}
END_TEST

START_TEST(who_may_write_by_rule_may_read)
{
    struct principal writer = {PRINCIPAL_USER, WRITER};
    struct access_rights r;

    rule.write = list_of(&writer, 1);
    use_rule();
    r = rights(WRITER, "global/cam/0");
    ck_assert(r.read && r.write);
    ck_assert(!rights(READER, "global/cam/0").read);
}
END_TEST

START_TEST(a_rule_may_let_see_without_letting_open)
{
    struct principal everyone = {PRINCIPAL_EVERYONE, 0};
    struct access_rights r;

    rule.list = list_of(&everyone, 1);
    use_rule();
    r = rights(STRANGER, "global/cam/0");
    ck_assert(r.list && !r.read && !r.write && !r.remove);
}
END_TEST

START_TEST(administrators_see_and_remove_but_get_no_memory)
{
    struct principal admin = {PRINCIPAL_USER, STRANGER};
    struct access_rights r;

    config.administrators = list_of(&admin, 1);
    r = rights(STRANGER, NULL);
    ck_assert(r.list && r.remove && !r.read && !r.write);
}
END_TEST

START_TEST(global_names_are_the_service_groups_to_create)
{
    uint32_t service = SERVICE, video = VIDEO;
    struct identity in = member(STRANGER, &service);
    struct identity out = member(STRANGER, &video);

    ck_assert(access_may_create(&config, &in, "global/x"));
    ck_assert(!access_may_create(&config, &out, "global/x"));
    config.has_group = false;
    ck_assert(!access_may_create(&config, &in, "global/x"));
}
END_TEST

START_TEST(a_rule_decides_who_creates)
{
    uint32_t service = SERVICE, video = VIDEO;
    struct identity in = member(STRANGER, &service);
    struct identity out = member(STRANGER, &video);
    struct principal group = {PRINCIPAL_GROUP, VIDEO};

    rule.create = list_of(&group, 1);
    use_rule();
    ck_assert(!access_may_create(&config, &in, "global/cam/0"));
    ck_assert(access_may_create(&config, &out, "global/cam/0"));
    ck_assert(access_may_create(&config, &in, "global/other"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("access");
    TCase *tests = tcase_create("access");

    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, the_owner_may_do_everything);
    tcase_add_test(tests, a_stranger_sees_nothing);
    tcase_add_test(tests, the_creators_share_counts_without_a_rule);
    tcase_add_test(tests, a_rules_list_replaces_the_creators);
    tcase_add_test(tests, who_may_write_by_rule_may_read);
    tcase_add_test(tests, a_rule_may_let_see_without_letting_open);
    tcase_add_test(tests, administrators_see_and_remove_but_get_no_memory);
    tcase_add_test(tests, global_names_are_the_service_groups_to_create);
    tcase_add_test(tests, a_rule_decides_who_creates);
    suite_add_tcase(suite, tests);
    return suite_main(suite);
}
