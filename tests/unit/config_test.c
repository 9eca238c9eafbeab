#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ALICE = 1000, BOB = 1001, VIDEO = 44, SERVICE = 45 };

static const uint64_t MEMORY = 1000 * 1024;

static int find_user(const char *name, uint32_t *id)
{
    if (strcmp(name, "root") == 0)
        *id = 0;
    else if (strcmp(name, "alice") == 0)
        *id = ALICE;
    else if (strcmp(name, "bob") == 0)
        *id = BOB;
    else
        return 1;
    return 0;
}

static int find_group(const char *name, uint32_t *id)
{
    if (strcmp(name, "video") == 0)
        *id = VIDEO;
    else if (strcmp(name, "segbroker") == 0)
        *id = SERVICE;
    else
        return 1;
    return 0;
}

static struct config_host host = {.lookup = {find_user, find_group}};
static struct config *config;
static struct config_problems problems;

static void setup(void)
{
    host.memory = MEMORY;
    config = NULL;
    problems = (struct config_problems){0};
}

static void teardown(void)
{
    config = config_free(config);
    config_problems_deinit(&problems);
}

static int load_bytes(const char *text, size_t size)
{
    teardown();
    return config_load_text(text, size, "f", &host, &config, &problems);
}

static void expect_good(const char *text)
{
    int r = load_bytes(text, strlen(text));

    ck_assert_msg(r == 0, "refused: %s", problems.text ? problems.text : "");
    ck_assert_ptr_null(problems.text);
    ck_assert_ptr_nonnull(config);
}

static void expect_problems(const char *text, const char *expected)
{
    ck_assert_int_eq(load_bytes(text, strlen(text)), CONFIG_INVALID);
    ck_assert_ptr_null(config);
    ck_assert_str_eq(problems.text, expected);
}

static void expect_equal_limits(const struct config_limits *a,
                                const struct config_limits *b)
{
    for (int i = 0; i < CONFIG_BUDGETS; i++)
        ck_assert_uint_eq(a->limit[i], b->limit[i]);
}

/* ---- defaults and the shipped file ---- */

START_TEST(an_empty_file_gives_the_defaults)
{
    expect_good("");
    ck_assert_uint_eq(config->administrators.count, 1);
    ck_assert_uint_eq(config->administrators.items[0].id, 0);
    ck_assert(config->has_group);
    ck_assert_uint_eq(config->group, SERVICE);
    ck_assert_int_eq(config->log_level, 2);
    ck_assert_uint_eq(config->total.limit[CONFIG_BYTES], MEMORY / 2);
    ck_assert_uint_eq(config->total.limit[CONFIG_SEGMENTS], 100000);
    ck_assert_uint_eq(config->defaults.limit[CONFIG_BYTES], MEMORY / 4);
    ck_assert_uint_eq(config->defaults.limit[CONFIG_SEGMENTS], 4096);
    ck_assert_uint_eq(config->defaults.limit[CONFIG_GRANTS], 16384);
    ck_assert_uint_eq(config->defaults.limit[CONFIG_CONNECTIONS], 512);
    ck_assert_uint_eq(config->rule_count, 0);
}
END_TEST

static int no_group(const char *name, uint32_t *id)
{
    (void)name;
    (void)id;
    return 1;
}

START_TEST(the_default_group_need_not_exist)
{
    struct config_host poor = host;

    poor.lookup.group = no_group;
    ck_assert_int_eq(config_load_text("", 0, "f", &poor, &config, &problems),
                     0);
    ck_assert(!config->has_group);
}
END_TEST

/* The shipped file; with `;key = ` uncommented where `uncomment`. */
static char *shipped(bool uncomment)
{
    static char text[64 * 1024];
    FILE *file = fopen("config/segbroker.conf", "r");
    char line[300];
    size_t size = 0;

    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof(line), file)) {
        const char *from = line;

        if (uncomment && line[0] == ';' && line[1] >= 'a' && line[1] <= 'z')
            from++;
        size += (size_t)snprintf(text + size, sizeof(text) - size, "%s", from);
    }
    fclose(file);
    return text;
}

START_TEST(the_shipped_file_says_the_defaults)
{
    struct config *defaults;

    expect_good(shipped(false));
    expect_good("");
    defaults = config;
    config = NULL;
    expect_good(shipped(true));
    ck_assert(config->administrators.set);
    ck_assert_uint_eq(config->administrators.count, 1);
    ck_assert_uint_eq(config->administrators.items[0].id, 0);
    ck_assert_uint_eq(config->group, defaults->group);
    ck_assert_int_eq(config->log_level, defaults->log_level);
    expect_equal_limits(&config->total, &defaults->total);
    expect_equal_limits(&config->defaults, &defaults->defaults);
    config_free(defaults);
}
END_TEST

START_TEST(the_shipped_file_has_every_key_in_both_sections)
{
    const char *text = shipped(false);

    for (int i = 0; i < CONFIG_BUDGETS; i++) {
        char line[64];
        const char *first;

        snprintf(line, sizeof(line),
                 "\n;%s = ", config_budget_name((enum config_budget)i));
        first = strstr(text, line);
        ck_assert_msg(first && strstr(first + 1, line), "not twice:%s", line);
    }
}
END_TEST

/* ---- values ---- */

START_TEST(reads_sizes)
{
    static const struct {
        const char *text;
        uint64_t size;
    } good[] = {{"0", 0},
                {"4096", 4096},
                {"64KiB", 65536},
                {"64K", 65536},
                {"3MiB", 3145728},
                {"2G", UINT64_C(2) << 30},
                {"1TiB", UINT64_C(1) << 40},
                {"50%", 500},
                {"100%", 1000},
                {"0%", 0},
                {"9007199254740991", (UINT64_C(1) << 53) - 1},
                {"unlimited", CONFIG_UNLIMITED}};
    static const char *const bad[] = {
        "",        "-1",     "1.5G", "1.5",
        "G",       "64 KiB", "64MB", "64kib",
        "101%",    "%",      "1%%",  "9007199254740992",
        "8192T",   "0x10",   "1e3",  "99999999999999999999999",
        "infinite"};
    uint64_t size;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_int_eq(config_size_parse(good[i].text, 1000, &size), 0);
        ck_assert_uint_eq(size, good[i].size);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(config_size_parse(bad[i], 1000, &size) == 1, "%s",
                      bad[i]);
}
END_TEST

START_TEST(users_fall_back_to_default_and_groups_to_unlimited)
{
    expect_good("[user alice]\nbytes = 1M\n[group video]\nsegments = 3\n"
                "[default]\nsegments = 7\n");
    ck_assert_uint_eq(config->account_count, 2);
    ck_assert_str_eq(config->accounts[0].name, "alice");
    ck_assert_uint_eq(config->accounts[0].principal.id, ALICE);
    ck_assert_uint_eq(config->accounts[0].limits.limit[CONFIG_BYTES], 1048576);
    ck_assert_uint_eq(config->accounts[0].limits.limit[CONFIG_SEGMENTS], 7);
    ck_assert_uint_eq(config->accounts[1].limits.limit[CONFIG_SEGMENTS], 3);
    ck_assert_uint_eq(config->accounts[1].limits.limit[CONFIG_BYTES],
                      CONFIG_UNLIMITED);
}
END_TEST

START_TEST(lists_go_on_in_indented_lines)
{
    expect_good("[broker]\nadministrators = user:alice,\n"
                "    group:video ; both\n    user:77\n");
    ck_assert_uint_eq(config->administrators.count, 3);
    ck_assert_int_eq(config->administrators.items[1].kind, PRINCIPAL_GROUP);
    ck_assert_uint_eq(config->administrators.items[2].id, 77);
}
END_TEST

START_TEST(an_empty_list_is_nobody)
{
    expect_good("[access global/x]\nread =\n");
    ck_assert(config->rules[0].read.set);
    ck_assert_uint_eq(config->rules[0].read.count, 0);
    ck_assert(!config->rules[0].write.set);
}
END_TEST

/* ---- rules ---- */

static const char *rule_of(const char *name)
{
    const struct config_rule *rule = config_rule_for(config, name);

    return rule ? rule->pattern : NULL;
}

START_TEST(the_most_specific_rule_wins)
{
    expect_good("[access global/*]\n[access global/cam/*]\n"
                "[access global/cam/0]\n[access global/ca*]\n");
    ck_assert_str_eq(rule_of("global/cam/0"), "global/cam/0");
    ck_assert_str_eq(rule_of("global/cam/01"), "global/cam/");
    ck_assert_str_eq(rule_of("global/cat"), "global/ca");
    ck_assert_str_eq(rule_of("global/x"), "global/");
    expect_good("[access global/cam/*]\n");
    ck_assert_ptr_null(rule_of("global/cam"));
}
END_TEST

START_TEST(a_long_pattern_is_kept_whole)
{
    char text[256], pattern[160];

    memset(pattern, 'x', sizeof(pattern));
    memcpy(pattern, "global/", 7);
    pattern[sizeof(pattern) - 1] = '\0';
    snprintf(text, sizeof(text), "[access %s]\n", pattern);
    expect_good(text);
    ck_assert_str_eq(rule_of(pattern), pattern);
}
END_TEST

/* ---- problems ---- */

START_TEST(says_all_that_is_wrong_at_once)
{
    expect_problems(
        "bytes = 1\n[defalt]\nbytes = x\n[default]\nbyts = 5\nbytes = 5 MB\n"
        "nonsense\n[user nobody]\n[broker]\nadministrators = alice, user:eve\n"
        "log_level = loud\ngroup = nogroup\n",
        "f:1: bytes = 1: expected a section first: [broker], [total], ...\n"
        "f:2: [defalt]: expected [broker], [total], [default], [user NAME], "
        "[group NAME] or [access PATTERN]\n"
        "f:5: byts = 5: expected segments, bytes, segment_bytes, grants, "
        "connections or requests_per_second\n"
        "f:6: bytes = 5 MB: expected a size: 4096, 64KiB, 2G, 50% or "
        "unlimited\n"
        "f:7: nonsense: expected KEY = VALUE\n"
        "f:8: [user nobody]: there is no user of that name\n"
        "f:10: administrators = alice, user:eve: expected user:NAME, "
        "group:NAME or everyone, not alice\n"
        "f:11: log_level = loud: expected error, warning, info or debug\n"
        "f:12: group = nogroup: expected the name of a group that exists\n");
    ck_assert_uint_eq(problems.count, 9);
}
END_TEST

START_TEST(refuses_what_stands_twice)
{
    expect_problems("[total]\nbytes = 1\nbytes = 2\n",
                    "f:3: bytes = 2: it stands in this section already, line "
                    "2\n");
    expect_problems("[user root]\n[user 0]\n",
                    "f:2: [user 0]: that account has a section already, "
                    "root\n");
}
END_TEST

START_TEST(refuses_bad_patterns)
{
    expect_problems("[access cam/*]\n",
                    "f:1: [access cam/*]: expected a pattern that begins with "
                    "global/: all other names are their users' own\n");
    expect_problems("[access global/*/x]\n",
                    "f:1: [access global/*/x]: expected * only at the "
                    "pattern's end\n");
    expect_problems("[access global/a\\b]\n",
                    "f:1: [access global/a\\b]: a name has no backslash\n");
}
END_TEST

START_TEST(refuses_bad_section_lines)
{
    expect_problems("[total\nbytes = x\n",
                    "f:1: [total: expected ] at the section's end\n");
    expect_problems("[total] bytes = 1\n",
                    "f:1: [total] bytes = 1: expected nothing behind ]\n");
    expect_good("[total] ; the host\n");
}
END_TEST

START_TEST(refuses_long_lines_whole)
{
    char text[600];

    snprintf(text, sizeof(text), "[broker]\nadministrators = %0300d\n", 1);
    ck_assert_int_eq(load_bytes(text, strlen(text)), CONFIG_INVALID);
    ck_assert_uint_eq(problems.count, 1);
    ck_assert_ptr_nonnull(
        strstr(problems.text, "expected at most 197 bytes in a line"));
}
END_TEST

START_TEST(refuses_hostile_bytes)
{
    static const char nul[] = "[total]\nbytes\0 = 1\n";
    static const char latin[] = "[total]\n; caf\xe9\n";

    ck_assert_int_eq(load_bytes(nul, sizeof(nul) - 1), CONFIG_INVALID);
    ck_assert_ptr_nonnull(strstr(problems.text, "NUL"));
    ck_assert_int_eq(load_bytes(latin, sizeof(latin) - 1), CONFIG_INVALID);
    ck_assert_ptr_nonnull(strstr(problems.text, "UTF-8"));
}
END_TEST

START_TEST(only_lists_continue)
{
    expect_problems("[total]\nbytes = 1\n  2\n",
                    "f:3: 2: expected KEY = VALUE: only lists go on in an "
                    "indented line\n");
}
END_TEST

START_TEST(reports_at_most_a_hundred)
{
    static char text[8000];

    for (int i = 0; i < 500; i++)
        memcpy(text + (size_t)i * 6, "wrong\n", 6);
    ck_assert_int_eq(load_bytes(text, 3000), CONFIG_INVALID);
    ck_assert_uint_eq(problems.count, 500);
    ck_assert_ptr_nonnull(strstr(problems.text, "f:100: "));
    ck_assert_ptr_null(strstr(problems.text, "f:101: "));
}
END_TEST

/* ---- files ---- */

static char folder[64];

static char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static int load_file(const char *name)
{
    teardown();
    return config_load(path_of(name), &host, &config, &problems);
}

static void make_folder(void)
{
    const char *base = getenv("TMPDIR");

    setup();
    snprintf(folder, sizeof(folder), "%s/configXXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
    static const char *const names[] = {"conf.d/10-a.conf", "conf.d/20-b.conf",
                                        "conf.d/c.txt", "main.conf", "fifo"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(path_of(names[i]));
    rmdir(path_of("conf.d"));
    ck_assert_int_eq(rmdir(folder), 0);
    teardown();
}

START_TEST(drop_ins_replace_in_the_order_of_their_names)
{
    write_file("main.conf", "[total]\nsegments = 1\ngrants = 1\n"
                            "[broker]\nadministrators = user:alice\n");
    ck_assert_int_eq(mkdir(path_of("conf.d"), 0700), 0);
    write_file("conf.d/20-b.conf", "[total]\nsegments = 3\n");
    write_file("conf.d/10-a.conf",
               "[total]\nsegments = 2\n[broker]\nadministrators = user:bob\n");
    write_file("conf.d/c.txt", "not read\n");
    ck_assert_int_eq(load_file("main.conf"), 0);
    ck_assert_uint_eq(config->total.limit[CONFIG_SEGMENTS], 3);
    ck_assert_uint_eq(config->total.limit[CONFIG_GRANTS], 1);
    ck_assert_uint_eq(config->administrators.count, 1);
    ck_assert_uint_eq(config->administrators.items[0].id, BOB);
}
END_TEST

START_TEST(a_bad_drop_in_spoils_the_whole)
{
    write_file("main.conf", "[total]\nsegments = 1\n");
    ck_assert_int_eq(mkdir(path_of("conf.d"), 0700), 0);
    write_file("conf.d/10-a.conf", "[total]\nsegments = x\n");
    ck_assert_int_eq(load_file("main.conf"), CONFIG_INVALID);
    ck_assert_ptr_null(config);
    ck_assert_ptr_nonnull(strstr(problems.text, "10-a.conf:2: "));
}
END_TEST

START_TEST(refuses_what_is_no_regular_file)
{
    ck_assert_int_eq(mkfifo(path_of("fifo"), 0600), 0);
    ck_assert_int_eq(load_file("fifo"), CONFIG_INVALID);
    ck_assert_ptr_nonnull(strstr(problems.text, "not a regular file"));
    ck_assert_int_eq(load_file("."), CONFIG_INVALID);
    ck_assert_int_eq(load_file("missing"), CONFIG_INVALID);
    ck_assert_ptr_nonnull(strstr(problems.text, "No such file"));
}
END_TEST

START_TEST(refuses_a_huge_file)
{
    write_file("main.conf", "");
    ck_assert_int_eq(truncate(path_of("main.conf"), 2 << 20), 0);
    ck_assert_int_eq(load_file("main.conf"), CONFIG_INVALID);
    ck_assert_ptr_nonnull(strstr(problems.text, "larger than 1 MiB"));
}
END_TEST

static void add_text_tests(Suite *suite)
{
    TCase *tests = tcase_create("text");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, an_empty_file_gives_the_defaults);
    tcase_add_test(tests, the_default_group_need_not_exist);
    tcase_add_test(tests, the_shipped_file_says_the_defaults);
    tcase_add_test(tests, the_shipped_file_has_every_key_in_both_sections);
    tcase_add_test(tests, reads_sizes);
    tcase_add_test(tests, users_fall_back_to_default_and_groups_to_unlimited);
    tcase_add_test(tests, lists_go_on_in_indented_lines);
    tcase_add_test(tests, an_empty_list_is_nobody);
    tcase_add_test(tests, the_most_specific_rule_wins);
    tcase_add_test(tests, a_long_pattern_is_kept_whole);
    tcase_add_test(tests, says_all_that_is_wrong_at_once);
    tcase_add_test(tests, refuses_what_stands_twice);
    tcase_add_test(tests, refuses_bad_patterns);
    tcase_add_test(tests, refuses_bad_section_lines);
    tcase_add_test(tests, refuses_long_lines_whole);
    tcase_add_test(tests, refuses_hostile_bytes);
    tcase_add_test(tests, only_lists_continue);
    tcase_add_test(tests, reports_at_most_a_hundred);
    suite_add_tcase(suite, tests);
}

static void add_file_tests(Suite *suite)
{
    TCase *tests = tcase_create("files");

    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_add_test(tests, drop_ins_replace_in_the_order_of_their_names);
    tcase_add_test(tests, a_bad_drop_in_spoils_the_whole);
    tcase_add_test(tests, refuses_what_is_no_regular_file);
    tcase_add_test(tests, refuses_a_huge_file);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    Suite *suite = suite_create("config");
    SRunner *runner;
    int failed;

    add_text_tests(suite);
    add_file_tests(suite);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
