#include "config.h"
#include "message.h"
#include "tests/support/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
/* Divides by nothing, so that roundings show. */
#define MEMORY (4 * GIB + 3)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- accounts ---- */

struct known {
    const char *name;
    uint32_t id;
};

static bool service_group = true;

static int find(const struct known *known, const char *name, uint32_t *id)
{
    for (; known->name; known++)
        if (strcmp(known->name, name) == 0) {
            *id = known->id;
            return 0;
        }
    return 1;
}

static int find_user(const char *name, uint32_t *id)
{
    static const struct known users[] = {
        {"root", 0},      {"toor", 0},           {"alice", 1000},
        {"camera", 1001}, {"postgres", 70},      {"b\xc3\xa4r", 1002},
        {"a b", 1003},    {"Domain User", 1004}, {NULL, 0}};

    return find(users, name, id);
}

static int find_group(const char *name, uint32_t *id)
{
    static const struct known groups[] = {
        {"video", 44}, {"adm", 4}, {"staff", 50}, {NULL, 0}};

    if (service_group && strcmp(name, "segbroker") == 0) {
        *id = 999;
        return 0;
    }
    return find(groups, name, id);
}

static const struct config_host host = {
    .lookup = {find_user, find_group, principal_decimal},
    .memory = MEMORY,
    .administrators = {{PRINCIPAL_USER, 0}},
    .administrator_count = 1};

/* ---- every test ---- */

static struct config *config;
static struct config_problems problems;

static void forget(void)
{
    config = config_free(config);
    config_problems_deinit(&problems);
    ck_assert_ptr_null(problems.text);
    ck_assert_uint_eq(problems.count, 0);
}

static void setup(void)
{
    service_group = true;
}

/* ---- loading ---- */

static int load_bytes(const char *text, size_t size)
{
    /* Exactly so large, so that a sanitizer sees a read behind it. */
    char *copy = malloc(size > 0 ? size : 1);
    int r;

    forget();
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text, size);
    r = config_load_text(copy, size, "f", &host, &config, &problems);
    free(copy);
    return r;
}

static void expect_good(int r)
{
    ck_assert_str_eq(problems.text ? problems.text : "", "");
    ck_assert_int_eq(r, 0);
    ck_assert_uint_eq(problems.count, 0);
    ck_assert_ptr_nonnull(config);
}

static void accepts(const char *text)
{
    expect_good(load_bytes(text, strlen(text)));
}

static void expect_bad(int r, const char *expected)
{
    size_t lines = 0;

    ck_assert_int_eq(r, CONFIG_INVALID);
    ck_assert_ptr_null(config);
    ck_assert_ptr_nonnull(problems.text);
    ck_assert_str_eq(problems.text, expected);
    for (const char *at = problems.text; *at; at++)
        lines += *at == '\n';
    ck_assert_uint_eq(problems.count, lines);
}

static void refuses_bytes(const char *text, size_t size, const char *expected)
{
    expect_bad(load_bytes(text, size), expected);
}

static void refuses(const char *text, const char *expected)
{
    refuses_bytes(text, strlen(text), expected);
}

/* `expected` is as `user:1000 group:4 everyone:0 `. */
static void expect_list(const struct config_principals *list,
                        const char *expected)
{
    static const char *const kinds[] = {"user", "group", "everyone"};
    char text[512] = "";
    size_t size = 0;

    ck_assert(list->set);
    for (size_t i = 0; i < list->count && size < sizeof(text); i++)
        size += (size_t)snprintf(text + size, sizeof(text) - size, "%s:%u ",
                                 kinds[list->items[i].kind], list->items[i].id);
    ck_assert_str_eq(text, expected);
}

/* The text's bytes without its NUL. */
static void write_at(char *to, const char *text)
{
    while (*text)
        *to++ = *text++;
}

/* ---- defaults ---- */

static void expect_limits(const struct config_limits *limits, uint64_t bytes,
                          uint64_t segments, uint64_t grants,
                          uint64_t connections)
{
    ck_assert_uint_eq(limits->limit[CONFIG_BYTES], bytes);
    ck_assert_uint_eq(limits->limit[CONFIG_SEGMENTS], segments);
    ck_assert_uint_eq(limits->limit[CONFIG_GRANTS], grants);
    ck_assert_uint_eq(limits->limit[CONFIG_CONNECTIONS], connections);
    ck_assert_uint_eq(limits->limit[CONFIG_SEGMENT_BYTES], CONFIG_UNLIMITED);
    ck_assert_uint_eq(limits->limit[CONFIG_REQUESTS_PER_SECOND],
                      CONFIG_UNLIMITED);
}

static void expect_defaults(void)
{
    ck_assert_uint_eq(config->administrators.count, 1);
    ck_assert_int_eq(config->administrators.items[0].kind, PRINCIPAL_USER);
    ck_assert_uint_eq(config->administrators.items[0].id, 0);
    ck_assert_int_eq(config->has_group, service_group);
    if (service_group)
        ck_assert_uint_eq(config->group, 999);
    ck_assert_int_eq(config->log_level, PROTOCOL_LOG_INFO);
    expect_limits(&config->total, MEMORY / 2, 100000, 1000000,
                  CONFIG_UNLIMITED);
    expect_limits(&config->defaults, MEMORY / 4, 4096, 16384, 512);
    ck_assert_uint_eq(config->account_count, 0);
    ck_assert_uint_eq(config->rule_count, 0);
}

START_TEST(without_a_file_there_are_defaults)
{
    expect_good(config_load(NULL, &host, &config, &problems));
    expect_defaults();
    ck_assert(!config->administrators.set);
}
END_TEST

START_TEST(empty_texts_give_the_defaults)
{
    static const char *const texts[] = {"",
                                        "\n",
                                        "\r\n\r\n",
                                        "\xef\xbb\xbf",
                                        "; comment",
                                        "# ",
                                        "  \t\n ;x\n",
                                        "[total]\n[total]",
                                        "[broker] ; x\n[default]#"};

    for (size_t i = 0; i < COUNT(texts); i++) {
        accepts(texts[i]);
        expect_defaults();
    }
    forget();
    expect_good(config_load_text(NULL, 0, "f", &host, &config, &problems));
}
END_TEST

START_TEST(the_service_group_need_not_exist)
{
    service_group = false;
    accepts("");
    expect_defaults();
    refuses("[broker]\ngroup = segbroker\n",
            "f:2: group = segbroker: expected a group that exists\n");
}
END_TEST

/* ---- keys ---- */

START_TEST(broker_section_is_read)
{
    accepts("[broker]\nadministrators = user:alice, group:adm,user:7\n"
            "group = staff\nlog_level = debug\n");
    expect_list(&config->administrators, "user:1000 group:4 user:7 ");
    ck_assert(config->has_group);
    ck_assert_uint_eq(config->group, 50);
    ck_assert_int_eq(config->log_level, PROTOCOL_LOG_DEBUG);
    accepts("[broker]\nadministrators =\ngroup = 12\nlog_level = error\n");
    expect_list(&config->administrators, "");
    ck_assert_uint_eq(config->group, 12);
    ck_assert_int_eq(config->log_level, PROTOCOL_LOG_ERROR);
}
END_TEST

START_TEST(every_budget_is_read)
{
    static const char *const sections[] = {"total", "default", "user alice",
                                           "group video"};
    char text[256];

    for (size_t s = 0; s < COUNT(sections); s++)
        for (int b = 0; b < CONFIG_BUDGETS; b++) {
            const struct config_limits *limits;

            snprintf(text, sizeof(text), "[%s]\n%s = 77", sections[s],
                     config_budget_name((enum config_budget)b));
            accepts(text);
            limits = s == 0   ? &config->total
                     : s == 1 ? &config->defaults
                              : &config->accounts[0].limits;
            ck_assert_uint_eq(limits->limit[b], 77);
        }
}
END_TEST

START_TEST(user_sections_fall_back_to_default_and_group_sections_to_nothing)
{
    const struct config_account *account;

    accepts("[user alice]\nbytes=0\n[group video]\nsegments = 1\n"
            "[default]\nsegments = 9\nbytes = 10\n[user 70]\n"
            "[user Domain User]\ngrants=3\n");
    ck_assert_uint_eq(config->account_count, 4);
    account = &config->accounts[0];
    ck_assert_str_eq(account->name, "alice");
    ck_assert_int_eq(account->principal.kind, PRINCIPAL_USER);
    ck_assert_uint_eq(account->principal.id, 1000);
    expect_limits(&account->limits, 0, 9, 16384, 512);
    account = &config->accounts[1];
    ck_assert_str_eq(account->name, "video");
    ck_assert_int_eq(account->principal.kind, PRINCIPAL_GROUP);
    ck_assert_uint_eq(account->principal.id, 44);
    expect_limits(&account->limits, CONFIG_UNLIMITED, 1, CONFIG_UNLIMITED,
                  CONFIG_UNLIMITED);
    account = &config->accounts[2];
    ck_assert_str_eq(account->name, "70");
    expect_limits(&account->limits, 10, 9, 16384, 512);
    ck_assert_uint_eq(config->accounts[3].principal.id, 1004);
}
END_TEST

START_TEST(a_section_may_stand_twice_with_other_keys)
{
    accepts("[user alice]\nbytes = 1\n[total]\n[user alice]\ngrants = 2\n");
    ck_assert_uint_eq(config->account_count, 1);
    expect_limits(&config->accounts[0].limits, 1, 4096, 2, 512);
    /* The user 44 and the group 44 are two. */
    accepts("[user 44]\n[group 44]\n");
    ck_assert_uint_eq(config->account_count, 2);
}
END_TEST

/* ---- rules ---- */

START_TEST(rules_are_read)
{
    const struct config_rule *rule;

    accepts("[access global/cam/*]\ncreate = user:camera\nwrite =\n"
            "read = group:video , user:b\xc3\xa4r,,user:a b,\n[access "
            "\tglobal/x]\n");
    ck_assert_uint_eq(config->rule_count, 2);
    rule = &config->rules[0];
    ck_assert_str_eq(rule->pattern, "global/x");
    ck_assert(rule->exact);
    ck_assert(!rule->create.set && !rule->write.set && !rule->read.set &&
              !rule->list.set);
    rule = &config->rules[1];
    ck_assert_str_eq(rule->pattern, "global/cam/");
    ck_assert_uint_eq(rule->size, strlen("global/cam/"));
    ck_assert(!rule->exact);
    expect_list(&rule->create, "user:1001 ");
    expect_list(&rule->write, "");
    expect_list(&rule->read, "group:44 user:1002 user:1003 ");
    ck_assert(!rule->list.set);
}
END_TEST

static void expect_rule(const char *name, const char *pattern)
{
    const struct config_rule *rule = config_rule_for(config, name);

    if (!pattern) {
        ck_assert_ptr_null(rule);
        return;
    }
    ck_assert_ptr_nonnull(rule);
    ck_assert_str_eq(rule->pattern, pattern);
}

START_TEST(the_most_specific_rule_counts)
{
    accepts("[access global/cam/*]\n[access global/cam/front]\n"
            "[access global/c*]\n[access global/cam/front*]\n"
            "[access global/camera]\n");
    expect_rule("global/cam/0", "global/cam/");
    expect_rule("global/cam/", "global/cam/");
    expect_rule("global/cam/front", "global/cam/front");
    ck_assert(config_rule_for(config, "global/cam/front")->exact);
    expect_rule("global/cam/frontal", "global/cam/front");
    ck_assert(!config_rule_for(config, "global/cam/frontal")->exact);
    expect_rule("global/camera", "global/camera");
    expect_rule("global/cam", "global/c");
    expect_rule("global/other", NULL);
    expect_rule("global/", NULL);
    accepts("[access global/*]\n");
    expect_rule("global/any", "global/");
}
END_TEST

START_TEST(patterns_may_be_as_long_as_names)
{
    char text[512], name[201];

    memset(name, 'n', sizeof(name) - 1);
    memcpy(name, "global/", 7);
    name[200] = '\0';
    snprintf(text, sizeof(text), "[access %s]\n[access %s*] ;x\n", name, name);
    accepts(text);
    ck_assert_uint_eq(config->rule_count, 2);
    expect_rule(name, name);
    snprintf(text, sizeof(text), "[access %sm]\n", name);
    refuses(
        text,
        "f:1: [access global/nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn..."
        ": a name has at most 200 bytes\n");
}
END_TEST

START_TEST(lists_go_on_in_indented_lines)
{
    accepts("[access global/x]\nread = user:alice,\n  group:video ; the crew\n"
            "\n\t;comment\n\tuser:7, user:8\nlist =\n everyone\n"
            "[broker]\nadministrators = user:1 ; one\n\n user:2\n");
    ck_assert_uint_eq(config->rule_count, 1);
    expect_list(&config->rules[0].read, "user:1000 group:44 user:7 user:8 ");
    expect_list(&config->rules[0].list, "everyone:0 ");
    expect_list(&config->administrators, "user:1 user:2 ");
}
END_TEST

START_TEST(a_section_ends_what_may_go_on)
{
    accepts("[access global/x]\nread = user:1\n[access global/y ;z]\n"
            "  write = user:2\n");
    ck_assert_uint_eq(config->rule_count, 2);
    ck_assert_str_eq(config->rules[0].pattern, "global/y ;z");
    expect_list(&config->rules[0].write, "user:2 ");
    ck_assert(!config->rules[0].read.set);
    expect_list(&config->rules[1].read, "user:1 ");
}
END_TEST

START_TEST(line_ends_and_white_space_are_taken_as_they_come)
{
    accepts("\xef\xbb\xbf  [total]\t; x\r\n \tbytes\t=\t1\t;x\r\n"
            "segments=2 ;x\r\n\r\ngrants  =  3  \r\n\t# x\n[user alice] # x\n"
            "connections = 4");
    expect_limits(&config->total, 1, 2, 3, CONFIG_UNLIMITED);
    expect_limits(&config->accounts[0].limits, MEMORY / 4, 4096, 16384, 4);
}
END_TEST

/* ---- what is wrong ---- */

#define NO_VALUE "expected \"key = value\"\n"
#define NO_TEXT "expected UTF-8 without control characters\n"
#define NO_SIZE                                                                \
    "expected a size below 8192T, such as 4096, 64KiB, 2G, 50% (of the "       \
    "memory), or unlimited\n"
#define NO_COUNT "expected a whole number below 2^53, or unlimited\n"
#define NO_SECTION                                                             \
    "expected [broker], [total], [default], [user NAME], [group NAME] or "     \
    "[access PATTERN]\n"
#define NO_BUDGET                                                              \
    "expected one of segments, bytes, segment_bytes, grants, connections, "    \
    "requests_per_second\n"
#define NO_PATTERN                                                             \
    "expected a pattern that begins with global/: all other names are their "  \
    "users' own\n"
#define NO_MORE                                                                \
    "expected \"key = value\" without white space before it: only a list "     \
    "goes on in an indented line\n"

static const struct {
    const char *text;
    const char *problems;
} MISTAKES[] = {
    /* Sections */
    {"[nonsense]\nbytes = x\ny\n",
     "f:1: [nonsense]: " NO_SECTION "f:3: y: " NO_VALUE},
    {"[Total]\n[user]\n[total x]\n[]\n",
     "f:1: [Total]: " NO_SECTION "f:2: [user]: " NO_SECTION
     "f:3: [total x]: " NO_SECTION "f:4: []: " NO_SECTION},
    {"\n[total\nbytes = x\n", "f:2: [total: expected \"]\" at the section's "
                              "end\n"},
    {"[total] x\nbytes = x\n", "f:1: [total] x: expected nothing behind "
                               "\"]\"\n"},
    {"bytes = 1\n", "f:1: bytes = 1: expected a section first, such as "
                    "[broker]\n"},
    {"[user bob]\nbytes = x\n", "f:1: [user bob]: expected a user that "
                                "exists\n"},
    {"[user ]\n[group alice]", "f:1: [user ]: expected a user that exists\n"
                               "f:2: [group alice]: expected a group that "
                               "exists\n"},
    {"[user root]\n[total]\n[user 0]\nbytes = x\n",
     "f:3: [user 0]: expected one section for this user: it is [user root] of "
     "line 1\n"},
    {"[group 44]\n[group 44]\n[group video]\n",
     "f:3: [group video]: expected one section for this group: it is "
     "[group 44] of line 1\n"},
    /* Patterns */
    {"[access cam/*]\n[access *]\n[access Global/x]\n[access ]\n",
     "f:1: [access cam/*]: " NO_PATTERN "f:2: [access *]: " NO_PATTERN
     "f:3: [access Global/x]: " NO_PATTERN "f:4: [access ]: " NO_PATTERN},
    {"[access global/*/x]\n[access global/**]\n[access global/*x*]\n",
     "f:1: [access global/*/x]: expected * only at the pattern's end\n"
     "f:2: [access global/**]: expected * only at the pattern's end\n"
     "f:3: [access global/*x*]: expected * only at the pattern's end\n"},
    {"[access global/]\n",
     "f:1: [access global/]: something must follow global/\n"},
    {"[access global/a\\b]\n",
     "f:1: [access global/a\\b]: a name has no backslash\n"},
    {"[access global/a\tb]\n",
     "f:1: [access global/a b]: a name has no control characters\n"},
    {"[access global/a]b]\n", "f:1: [access global/a]b]: expected nothing "
                              "behind \"]\"\n"},
    /* Keys */
    {"[total]\nbites = 1\n", "f:2: bites = 1: " NO_BUDGET},
    {"[default]\nBytes = 1\n", "f:2: Bytes = 1: " NO_BUDGET},
    {"[user alice]\ncreate = user:0\n", "f:2: create = user:0: " NO_BUDGET},
    {"[broker]\ngraces = 10s\n", "f:2: graces = 10s: expected one of "
                                 "administrators, group, log_level, grace\n"},
    {"[access global/x]\nwrit = e\n", "f:2: writ = e: expected one of create, "
                                      "write, read, list\n"},
    {"[total]\nbytes = 1\n[broker]\n[total]\nbytes = 1\n",
     "f:5: bytes = 1: expected it once in its section: it stands in line 2\n"},
    {"[access global/x]\nread = everyone\nread =\n",
     "f:3: read =: expected it once in its section: it stands in line 2\n"},
    /* Values */
    {"[broker]\ngrace = 10\n",
     "f:2: grace = 10: expected a time up to an hour, "
     "such as 500ms, 10s or 2min\n"},
    {"[broker]\ngrace = 61min\n",
     "f:2: grace = 61min: expected a time up to an hour, "
     "such as 500ms, 10s or 2min\n"},
    {"[total]\nbytes =\nsegment_bytes = 1.5G\n",
     "f:2: bytes =: " NO_SIZE "f:3: segment_bytes = 1.5G: " NO_SIZE},
    {"[total]\nsegments =\ngrants = 5%\nconnections = -1\n",
     "f:2: segments =: " NO_COUNT "f:3: grants = 5%: " NO_COUNT
     "f:4: connections = -1: " NO_COUNT},
    {"[total]\nbytes = 2;x\n", "f:2: bytes = 2;x: " NO_SIZE},
    {"[total]\nbytes = 2 # x\n", "f:2: bytes = 2 # x: " NO_SIZE},
    {"[broker]\ngroup =\nlog_level = loud\n",
     "f:2: group =: expected a group that exists\n"
     "f:3: log_level = loud: expected error, warning, info or debug\n"},
    {"[broker]\nadministrators = user:bob, alice, user:0,group:,user:eve\n",
     "f:2: administrators = user:bob, alice, user:0,group:,user:eve: expected "
     "an account that exists, not user:bob; expected user:NAME, group:NAME or "
     "everyone, not alice; expected user:NAME, group:NAME or everyone, not "
     "group:; expected an account that exists, not user:eve\n"},
    {"[access global/x]\nread = user:alice user:0\n",
     "f:2: read = user:alice user:0: expected an account that exists, not "
     "user:alice user:0\n"},
    /* Lines */
    {"[total]\nbytes\nx ;y = 1\nbytes: 1\ngroup:x = 1\n",
     "f:2: bytes: " NO_VALUE "f:3: x ;y = 1: " NO_VALUE
     "f:4: bytes: 1: " NO_VALUE "f:5: group:x = 1: " NO_VALUE},
    {"[total]\n= 1\n  bytes = 5\n grants = 1\n",
     "f:2: = 1: " NO_BUDGET "f:4: grants = 1: " NO_MORE},
    {"[broker]\ngroup = adm\n  user:0\n  user:1\n", "f:3: user:0: " NO_MORE},
    {"[access global/x]\nread = user:bob\n ghost\n user:0\nreed = x\n y\n"
     "read = y\n z\n",
     "f:2: read = user:bob: expected an account that exists, not user:bob\n"
     "f:3: ghost: expected user:NAME, group:NAME or everyone, not ghost\n"
     "f:5: reed = x: expected one of create, write, read, list\n"
     "f:7: read = y: expected it once in its section: it stands in line 2\n"},
    {"[access global/x]\nwrite\n user:bob\n", "f:2: write: " NO_VALUE},
    /* A section that inih alone would not end its memory of a key at. */
    {"[access global/x]\nread = user:1\n[access global/y ;z]\n user:2\n",
     "f:4: user:2: " NO_VALUE},
    {"[access global/x]\nread = user:1\n[\n user:2 = 3\n",
     "f:3: [: expected \"]\" at the section's end\n"
     "f:4: user:2 = 3: " NO_VALUE},
    {"[access global/x]\nread = user:1\n [total]\n",
     "f:3: [total]: expected user:NAME, group:NAME or everyone, not "
     "[total]\n"},
};

START_TEST(each_mistake_is_named_with_its_place)
{
    refuses(MISTAKES[_i].text, MISTAKES[_i].problems);
}
END_TEST

START_TEST(all_mistakes_are_named_at_once_and_nothing_is_loaded)
{
    refuses("[total]\nbytes = 5\nbytes = 6\n[nowhere]\n[user bob]\n[default]\n"
            "grants = none\nx = 1\n[broker]\nlog_level = debug\n",
            "f:3: bytes = 6: expected it once in its section: it stands in "
            "line 2\nf:4: [nowhere]: " NO_SECTION
            "f:5: [user bob]: expected a user that exists\n"
            "f:7: grants = none: " NO_COUNT "f:8: x = 1: " NO_BUDGET);
}
END_TEST

START_TEST(problems_are_bounded_and_counted)
{
    char text[1200];
    const char *last;
    size_t size = 0;

    for (int i = 0; i < 150; i++)
        size += (size_t)snprintf(text + size, sizeof(text) - size, "x%d\n", i);
    ck_assert_int_eq(load_bytes(text, size), CONFIG_INVALID);
    ck_assert_uint_eq(problems.count, 150);
    last = strstr(problems.text, "f:100: x99: ");
    ck_assert_ptr_nonnull(last);
    ck_assert_str_eq(last, "f:100: x99: " NO_VALUE "and 50 more\n");
}
END_TEST

/* `[access global/x]`, then `read=user:0,user:0,...`, so many bytes long. */
static size_t write_long_list(char *text, size_t size)
{
    static const char head[] = "[access global/x]\nread=";
    size_t end = strlen("[access global/x]\n") + size;

    write_at(text, head);
    for (size_t i = strlen(head); i < end; i++)
        text[i] = "user:0,"[(i - strlen(head)) % 7];
    return end;
}

START_TEST(lines_that_inih_would_cut_are_refused)
{
    static const char cut[] =
        "f:2: read=user:0,user:0,user:0,user:0,user:0,user:0,user:0,user:0..."
        ": expected at most 198 bytes in a line: a list may go on in an "
        "indented line\n";
    char text[512];
    size_t size;

    /* 5 bytes, and 27 accounts with 4 bytes over: `user`. */
    size = write_long_list(text, 5 + 27 * 7 - 1);
    expect_good(load_bytes(text, size));
    ck_assert_uint_eq(config->rules[0].read.count, 27);
    size = write_long_list(text, 198);
    text[size - 1] = text[size - 2] = text[size - 3] = text[size - 4] = ' ';
    expect_good(load_bytes(text, size));
    size = write_long_list(text, 199);
    refuses_bytes(text, size, cut);
    /* What continues it belongs to nothing. */
    write_at(text + size, "\n x\n");
    refuses_bytes(text, size + 4, cut);
}
END_TEST

START_TEST(comments_may_be_long_and_sections_longer_than_inih_reads)
{
    static char text[20000];
    char name[161];

    memset(text, 'x', sizeof(text));
    write_at(text, "# ");
    write_at(text + sizeof(text) - 10, "\n[total]\nx");
    refuses_bytes(text, sizeof(text), "f:3: x: " NO_VALUE);
    memset(name, 'x', sizeof(name) - 1);
    name[160] = '\0';
    snprintf(text, sizeof(text), "[%s%s]\n", name, name);
    refuses(text,
            "f:1: [xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
            "...: expected at most 264 bytes between \"[\" and \"]\"\n");
    /* inih keeps 49 bytes: these two would be one. */
    snprintf(text, sizeof(text),
             "[access global/%.100s]\nread =\n[access global/%.101s]\nread =\n",
             name, name);
    accepts(text);
    ck_assert_uint_eq(config->rule_count, 2);
}
END_TEST

#define REFUSES_BYTES(text, expected)                                          \
    refuses_bytes(text, sizeof(text) - 1, expected)

START_TEST(hostile_bytes_are_refused_and_not_repeated)
{
    REFUSES_BYTES("[total]\nbytes = 1\0x\n", "f:2: bytes = 1?x: " NO_TEXT);
    REFUSES_BYTES("\0", "f:1: ?: " NO_TEXT);
    REFUSES_BYTES("; \0\n# \xff\n", "f:1: ; ?: " NO_TEXT "f:2: # ?: " NO_TEXT);
    REFUSES_BYTES("[total\x1b[2J]\nbytes = x", "f:1: [total?[2J]: " NO_TEXT);
    REFUSES_BYTES("[broker]\rgroup = adm\r",
                  "f:1: [broker]?group = adm: " NO_TEXT);
    /* CSI as one character; overlong; a surrogate; above U+10FFFF; cut off */
    REFUSES_BYTES("\xc2\x9b"
                  "2J",
                  "f:1: ??2J: " NO_TEXT);
    REFUSES_BYTES("\xc0\xaf", "f:1: ??: " NO_TEXT);
    REFUSES_BYTES("\xed\xa0\x80", "f:1: ???: " NO_TEXT);
    REFUSES_BYTES("\xf4\x90\x80\x80", "f:1: ????: " NO_TEXT);
    REFUSES_BYTES("\xe2\x82", "f:1: ??: " NO_TEXT);
    REFUSES_BYTES("\xe2\x82\xac", "f:1: \xe2\x82\xac: " NO_VALUE);
    /* A key is not cut to one that there is. */
    REFUSES_BYTES("[total]\nbytes\0 = 1\n", "f:2: bytes? = 1: " NO_TEXT);
}
END_TEST

START_TEST(shown_text_is_cut_between_characters)
{
    char text[] = "12345678901234567890123456789012345678901234567890"
                  "12345678\xe2\x82\xac"
                  "x";

    refuses(text, "f:1: 12345678901234567890123456789012345678901234567890"
                  "12345678...: " NO_VALUE);
    /* A file's name is shown with as much care. */
    forget();
    expect_bad(config_load_text("x", 1, "a\nb\xff", &host, &config, &problems),
               "a?b?:1: x: " NO_VALUE);
}
END_TEST

/* ---- what the protocol says too ---- */

START_TEST(log_levels_are_the_protocols)
{
    char text[64];

    for (int i = 0; i < PROTOCOL_LOG_LEVELS; i++) {
        snprintf(text, sizeof(text), "[broker]\nlog_level = %s\n",
                 message_level_name((enum protocol_log_level)i));
        accepts(text);
        ck_assert_int_eq(config->log_level, i);
    }
}
END_TEST

START_TEST(patterns_are_valid_names)
{
    static const char *const names[] = {"a",        "a b",  " ",   "a/b",
                                        "\xc3\xa4", "a\\b", "a;b", "a#b",
                                        "a=b:c",    ".",    "\"",  "'[x"};
    char text[64];

    for (size_t i = 0; i < COUNT(names); i++) {
        int r;

        snprintf(text, sizeof(text), "global/%s", names[i]);
        r = message_name_problem(text, strlen(text)) ? CONFIG_INVALID : 0;
        snprintf(text, sizeof(text), "[access global/%s]", names[i]);
        ck_assert_int_eq(load_bytes(text, strlen(text)), r);
    }
}
END_TEST

/* ---- all tests ---- */

static TCase *good_tests(void)
{
    TCase *tests = tcase_create("good");

    tcase_add_checked_fixture(tests, setup, forget);
    tcase_add_test(tests, without_a_file_there_are_defaults);
    tcase_add_test(tests, empty_texts_give_the_defaults);
    tcase_add_test(tests, the_service_group_need_not_exist);
    tcase_add_test(tests, broker_section_is_read);
    tcase_add_test(tests, every_budget_is_read);
    tcase_add_test(
        tests,
        user_sections_fall_back_to_default_and_group_sections_to_nothing);
    tcase_add_test(tests, a_section_may_stand_twice_with_other_keys);
    tcase_add_test(tests, rules_are_read);
    tcase_add_test(tests, the_most_specific_rule_counts);
    tcase_add_test(tests, patterns_may_be_as_long_as_names);
    tcase_add_test(tests, lists_go_on_in_indented_lines);
    tcase_add_test(tests, a_section_ends_what_may_go_on);
    tcase_add_test(tests, line_ends_and_white_space_are_taken_as_they_come);
    return tests;
}

static TCase *bad_tests(void)
{
    TCase *tests = tcase_create("bad");

    tcase_add_checked_fixture(tests, setup, forget);
    tcase_add_loop_test(tests, each_mistake_is_named_with_its_place, 0,
                        COUNT(MISTAKES));
    tcase_add_test(tests, all_mistakes_are_named_at_once_and_nothing_is_loaded);
    tcase_add_test(tests, problems_are_bounded_and_counted);
    tcase_add_test(tests, lines_that_inih_would_cut_are_refused);
    tcase_add_test(tests,
                   comments_may_be_long_and_sections_longer_than_inih_reads);
    tcase_add_test(tests, hostile_bytes_are_refused_and_not_repeated);
    tcase_add_test(tests, shown_text_is_cut_between_characters);
    return tests;
}

static TCase *agreement_tests(void)
{
    TCase *tests = tcase_create("agreement");

    tcase_add_checked_fixture(tests, setup, forget);
    tcase_add_test(tests, log_levels_are_the_protocols);
    tcase_add_test(tests, patterns_are_valid_names);
    return tests;
}

int main(void)
{
    Suite *suite = suite_create("config");

    suite_add_tcase(suite, good_tests());
    suite_add_tcase(suite, bad_tests());
    suite_add_tcase(suite, agreement_tests());
    return suite_main(suite);
}
