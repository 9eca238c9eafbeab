/*
 * What is no request ends its connection, after an answer, and touches no
 * other; what is a wrong request is refused and the connection goes on.
 */
#include "tests/support/bystander.h"
#include "tests/support/memory.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIB = 1 << 20 };

static void setup(void)
{
    struct test_broker_options options = {0};
    bystander_start(&options);
}

/* The line is answered with bad-request, and only its connection ends. */
static void expect_malformed(const void *bytes, size_t size)
{
    struct raw bad;
    raw_open(&bad, bystander_broker.socket);
    raw_send(&bad, bytes, size);
    raw_send(&bad, "\n", 1);
    raw_reply(&bad);
    if (strcmp(raw_outcome(&bad), "bad-request") != 0)
        FAIL("%s instead of bad-request: %.*s", raw_outcome(&bad),
             (int)(size < 200 ? size : 200), (const char *)bytes);
    REQUIRE(raw_ends(&bad, 5000));
    raw_close(&bad);
}

static void expect_malformed_text(const char *text)
{
    expect_malformed(text, strlen(text));
}

/* ---- lines ---- */

/* A ping of that many bytes, its newline included. */
static char *long_ping(size_t size)
{
    char *line = malloc(size);
    REQUIRE(line != NULL);
    int head = snprintf(line, size, "{\"id\":77,\"op\":\"ping\",\"pad\":\"");
    memset(line + head, 'x', size - (size_t)head);
    line[size - 3] = '"';
    line[size - 2] = '}';
    line[size - 1] = '\n';
    return line;
}

START_TEST(line_of_64_kib_is_served_and_longer_ends_the_connection)
{
    struct raw bad;
    char *line = long_ping(PROTOCOL_LINE_MAX);
    raw_open(&bad, bystander_broker.socket);
    REQUIRE(raw_send(&bad, line, PROTOCOL_LINE_MAX));
    REQUIRE_INT(raw_reply(&bad)->id, 77);
    REQUIRE_STR(raw_outcome(&bad), "ok");
    free(line);

    line = long_ping(PROTOCOL_LINE_MAX + 1);
    raw_send(&bad, line, PROTOCOL_LINE_MAX + 1);
    raw_reply(&bad);
    REQUIRE(!bad.reply.has_id);
    REQUIRE_STR(raw_outcome(&bad), "bad-request");
    bystander_expect_served();
    REQUIRE(raw_ends(&bad, 5000));
    free(line);
    raw_close(&bad);
}
END_TEST

START_TEST(requests_before_a_too_long_line_are_answered)
{
    struct raw bad;
    char *line = long_ping(70000);
    raw_open(&bad, bystander_broker.socket);
    raw_say(&bad, "{'id':1,'op':'ping'}");
    raw_send(&bad, line, 70000);
    REQUIRE_INT(raw_reply(&bad)->id, 1);
    REQUIRE_STR(raw_outcome(&bad), "ok");
    raw_reply(&bad);
    REQUIRE_STR(raw_outcome(&bad), "bad-request");
    REQUIRE(raw_ends(&bad, 5000));
    free(line);
    raw_close(&bad);
}
END_TEST

/* That many refused requests and a line that is none, read late: somewhere
 * among these numbers the last answer does not fit any more. */
static void expect_answers_read_late(unsigned count)
{
    static const char request[] = "{\"id\":1,\"op\":\"x\"}\n";
    size_t size = sizeof(request) - 1;
    char *lines = malloc(count * size + sizeof("[]\n"));
    struct raw bad;
    REQUIRE(lines != NULL);
    for (unsigned i = 0; i < count; i++)
        memcpy(lines + i * size, request, size);
    snprintf(lines + count * size, sizeof("[]\n"), "[]\n");
    raw_open(&bad, bystander_broker.socket);
    REQUIRE(raw_send(&bad, lines, count * size + 3));
    free(lines);
    raw_ask(&bystander, "{'id':1,'op':'ping'}");
    for (unsigned i = 0; i < count; i++) {
        REQUIRE_INT(raw_reply(&bad)->id, 1);
        REQUIRE_STR(raw_outcome(&bad), "unknown-op");
    }
    raw_reply(&bad);
    REQUIRE(!bad.reply.has_id);
    REQUIRE_STR(raw_outcome(&bad), "bad-request");
    REQUIRE(raw_ends(&bad, 5000));
    raw_close(&bad);
}

START_TEST(last_answer_comes_to_who_reads_late)
{
    for (unsigned count = 100; count < 3000; count += 100)
        expect_answers_read_late(count);
}
END_TEST

START_TEST(endless_line_is_cut_off_and_takes_no_memory)
{
    enum { CHUNK = 65536, CHUNKS = 1600 }; /* 100 MB */
    static char chunk[CHUNK];
    struct raw bad;
    int64_t before = test_process_memory(bystander_broker.serving);
    bool taken = true;
    memset(chunk, 'a', sizeof(chunk));
    raw_open(&bad, bystander_broker.socket);
    int64_t began = test_clock_us();
    for (int i = 0; taken && i < CHUNKS; i++) {
        taken = raw_send(&bad, chunk, sizeof(chunk));
        if (i % 200 == 0)
            bystander_expect_served();
    }
    /* A client that only sends is told at once, too. */
    REQUIRE(!taken);
    REQUIRE(test_clock_us() - began < 5000000);
    raw_reply(&bad);
    REQUIRE_STR(raw_outcome(&bad), "bad-request");
    REQUIRE(raw_ends(&bad, 5000));
    REQUIRE(suite_quick() ||
            test_process_memory(bystander_broker.serving) - before < 2 * MIB);
    raw_close(&bad);
}
END_TEST

START_TEST(deep_nesting_is_malformed)
{
    static char text[100000];
    memset(text, '[', sizeof(text));
    /* Longer than a line; as long as one; inside a request. */
    struct raw bad;
    raw_open(&bad, bystander_broker.socket);
    raw_send(&bad, text, sizeof(text));
    raw_reply(&bad);
    REQUIRE_STR(raw_outcome(&bad), "bad-request");
    REQUIRE(raw_ends(&bad, 5000));
    raw_close(&bad);
    expect_malformed(text, PROTOCOL_LINE_MAX - 1);
    int head = snprintf(text, sizeof(text), "{\"id\":1,\"x\":");
    text[head] = '['; /* over the NUL */
    expect_malformed(text, 60000);
    memset(text, '{', sizeof(text));
    expect_malformed(text, PROTOCOL_LINE_MAX - 1);
    expect_malformed_text("{\"id\":1,\"op\":\"ping\",\"x\":"
                          "[[[[[[[[[[[[1]]]]]]]]]]]]}");
}
END_TEST

START_TEST(nul_bytes_are_malformed)
{
    static const char raw_nul[] = "{\"id\":1,\"op\":\"ping\0\"}";
    static const char in_name[] =
        "{\"id\":1,\"op\":\"create\",\"size\":1,\"name\":\"a\0b\"}";
    static const char only[] = "\0\0\0\0";
    static const char behind[] = "{\"id\":1,\"op\":\"ping\"}\0";
    expect_malformed(raw_nul, sizeof(raw_nul) - 1);
    expect_malformed(in_name, sizeof(in_name) - 1);
    expect_malformed(only, sizeof(only) - 1);
    expect_malformed(behind, sizeof(behind) - 1);
    expect_malformed_text("{\"id\":1,\"op\":\"create\",\"size\":1,"
                          "\"name\":\"a\\u0000b\"}");
    expect_malformed_text("{\"id\":1,\"op\":\"ping\",\"x\\u0000\":1}");
    expect_malformed_text("{\"id\":1,\"op\":\"ping\",\"x\":[\"\\u0000\"]}");
}
END_TEST

static const char *const invalid_utf8[] = {
    "\xff",
    "\x80",
    "\xc3",
    "\xc0\xaf",
    "\xe0\x80\xaf",
    "\xe2\x82",
    "\xed\xa0\x80",
    "\xf0\x80\x80\xaf",
    "\xf4\x90\x80\x80",
};

START_TEST(invalid_utf8_is_malformed)
{
    for (unsigned i = 0; i < sizeof(invalid_utf8) / sizeof(invalid_utf8[0]);
         i++) {
        char text[128];
        const char *bytes = invalid_utf8[i];
        snprintf(text, sizeof(text),
                 "{\"id\":1,\"op\":\"create\",\"size\":1,\"name\":\"a%s\"}",
                 bytes);
        expect_malformed_text(text);
        snprintf(text, sizeof(text), "{\"id\":1,\"op\":\"ping\",\"%s\":1}",
                 bytes);
        expect_malformed_text(text);
        expect_malformed_text(bytes);
    }
}
END_TEST

static const char *const duplicates[] = {
    "{\"id\":1,\"op\":\"ping\",\"op\":\"ping\"}",
    "{\"id\":1,\"id\":1,\"op\":\"ping\"}",
    "{\"id\":1,\"op\":\"ping\",\"x\":1,\"x\":1}",
    "{\"id\":1,\"op\":\"create\",\"size\":1,\"size\":1073741824}",
    "{\"id\":1,\"op\":\"create\",\"share\":{\"read\":[],\"read\":[]}}",
    "{\"id\":1,\"op\":\"ping\",\"x\":{\"a\":1,\"\\u0061\":1}}",
    "{\"id\":1,\"op\":\"ping\",\"x\":[{\"a\":1},{\"a\":1,\"a\":1}]}",
};

START_TEST(duplicate_keys_are_malformed)
{
    for (unsigned i = 0; i < sizeof(duplicates) / sizeof(duplicates[0]); i++)
        expect_malformed_text(duplicates[i]);
}
END_TEST

static const char *const no_requests[] = {
    "",
    " ",
    "ping",
    "null",
    "1",
    "\"ping\"",
    "[]",
    "{}",
    "{",
    "{\"id\":1}",
    "{\"op\":\"ping\"}",
    "{\"id\":null,\"op\":\"ping\"}",
    "{\"id\":\"1\",\"op\":\"ping\"}",
    "{\"id\":-1,\"op\":\"ping\"}",
    "{\"id\":1.5,\"op\":\"ping\"}",
    "{\"id\":9007199254740992,\"op\":\"ping\"}",
    "{\"id\":1e300,\"op\":\"ping\"}",
    "{\"id\":1,\"op\":1}",
    "{\"id\":1,\"op\":null}",
    "{\"id\":1,\"op\":\"ping\"} {\"id\":2,\"op\":\"ping\"}",
    "{\"id\":1,\"op\":\"ping\"}x",
    "{\"id\":1,\"op\":\"ping\",}",
    "{'id':1,'op':'ping'}",
    "[{\"id\":1,\"op\":\"ping\"}]",
    "{\"id\":01,\"op\":\"ping\"}",
    "{\"id\":-01,\"op\":\"ping\"}",
    "{\"id\":1.,\"op\":\"ping\"}",
    "{\"id\":1.e3,\"op\":\"ping\"}",
    "{\"id\":1e,\"op\":\"ping\"}",
    "{\"id\":.5,\"op\":\"ping\"}",
    "{\"id\":1,\"op\":\"ping\",\"x\":\"a\tb\"}",
    "{\"id\":1,\"op\":\"ping\",\"x\":\"a\rb\"}",
    "\xef\xbb\xbf{\"id\":1,\"op\":\"ping\"}",
};

START_TEST(what_is_no_request_is_malformed)
{
    for (unsigned i = 0; i < sizeof(no_requests) / sizeof(no_requests[0]); i++)
        expect_malformed_text(no_requests[i]);
}
END_TEST

START_TEST(too_many_members_are_malformed)
{
    enum { MEMBERS = 3000 };
    static char text[MEMBERS * 16];
    int size = snprintf(text, sizeof(text), "{\"id\":1,\"op\":\"ping\"");
    for (int i = 0; i < MEMBERS; i++)
        size +=
            snprintf(text + size, sizeof(text) - (size_t)size, ",\"%d\":0", i);
    text[size++] = '}';
    expect_malformed(text, (size_t)size);
}
END_TEST

/* ---- values ---- */

struct value_case {
    const char *members;
    const char *field; /* the message names it */
};

static const struct value_case wrong_values[] = {
    {"'op':'create'", "size"},
    {"'op':'create','size':0", "size"},
    {"'op':'create','size':-1", "size"},
    {"'op':'create','size':1.5", "size"},
    {"'op':'create','size':9007199254740992", "size"},
    {"'op':'create','size':18446744073709551616", "size"},
    {"'op':'create','size':18446744073709551617", "size"},
    {"'op':'create','size':1e400", "size"},
    {"'op':'create','size':'4096'", "size"},
    {"'op':'create','size':true", "size"},
    {"'op':'create','size':null", "size"},
    {"'op':'create','size':[4096]", "size"},
    {"'op':'create','size':{}", "size"},
    {"'op':'create','size':1,'name':5", "name"},
    {"'op':'create','size':1,'name':['a']", "name"},
    {"'op':'create','size':1,'name':true", "name"},
    {"'op':'create','size':1,'access':'wo'", "access"},
    {"'op':'create','size':1,'access':'RW'", "access"},
    {"'op':'create','size':1,'access':''", "access"},
    {"'op':'create','size':1,'access':2", "access"},
    {"'op':'create','size':1,'if_exists':'maybe'", "if_exists"},
    {"'op':'create','size':1,'if_exists':false", "if_exists"},
    {"'op':'create','size':1,'commit':1", "commit"},
    {"'op':'create','size':1,'commit':'true'", "commit"},
    {"'op':'create','size':1,'name':'a','persist':0", "persist"},
    {"'op':'create','size':1,'share':[]", "share"},
    {"'op':'create','size':1,'share':'everyone'", "share"},
    {"'op':'create','size':1,'share':{'read':'everyone'}", "read"},
    {"'op':'create','size':1,'share':{'read':[5]}", "read"},
    {"'op':'create','size':1,'share':{'write':{}}", "write"},
    {"'op':'create','size':1,'share':{'write':[null]}", "write"},
    {"'op':'open'", "name"},
    {"'op':'open','name':5", "name"},
    {"'op':'open','segment':'5'", "segment"},
    {"'op':'open','segment':-5", "segment"},
    {"'op':'open','segment':0.5", "segment"},
    {"'op':'open','name':'a','access':'x'", "access"},
    {"'op':'release'", "grant"},
    {"'op':'release','grant':'1'", "grant"},
    {"'op':'release','grant':-1", "grant"},
    {"'op':'release','grant':9007199254740992", "grant"},
    {"'op':'release','grant':1,'quiet':1", "quiet"},
    {"'op':'remove'", "name"},
    {"'op':'remove','name':null", "name"},
    {"'op':'stat','segment':true", "segment"},
    {"'op':'list','prefix':5", "prefix"},
    {"'op':'list','after':-1", "after"},
    {"'op':'list','after':'1'", "after"},
    {"'op':'list','limit':0", "limit"},
    {"'op':'list','limit':1001", "limit"},
    {"'op':'list','limit':1.5", "limit"},
    {"'op':'usage','all':1", "all"},
    {"'op':'usage','limit':0", "limit"},
    {"'op':'clients','limit':'all'", "limit"},
    {"'op':'clients','after':-1", "after"},
    {"'op':'log-level'", "level"},
    {"'op':'log-level','level':1", "level"},
    {"'op':'log-level','level':'LOUD'", "level"},
};

enum { WRONG_VALUES = sizeof(wrong_values) / sizeof(wrong_values[0]) };

START_TEST(wrong_values_are_refused_and_the_connection_goes_on)
{
    struct raw bad;
    raw_open(&bad, bystander_broker.socket);
    for (int i = 0; i < WRONG_VALUES; i++) {
        const struct value_case *c = &wrong_values[i];
        raw_ask(&bad, "{'id':%d,%s}", i, c->members);
        if (strcmp(raw_outcome(&bad), "invalid-argument") != 0)
            FAIL("%s for %s", raw_outcome(&bad), c->members);
        REQUIRE(bad.reply.has_id);
        REQUIRE_INT(bad.reply.id, i);
        if (!strstr(bad.reply.text, c->field))
            FAIL("%s does not name %s: %s", c->members, c->field,
                 bad.reply.text);
    }
    raw_ask(&bad, "{'id':1,'op':'ping'}");
    REQUIRE_STR(raw_outcome(&bad), "ok");
    raw_close(&bad);
    REQUIRE_INT(raw_count_segments(&bystander), 0);
}
END_TEST

static const char *const wrong_hellos[] = {
    "'op':'hello'",
    "'op':'hello','version':'1'",
    "'op':'hello','version':1.5",
    "'op':'hello','version':1,'client':5",
    "'op':'hello','version':1,'client':'a\\nb'",
};

START_TEST(wrong_hello_is_refused_and_may_be_tried_again)
{
    struct raw bad;
    raw_connect(&bad, bystander_broker.socket);
    for (unsigned i = 0; i < sizeof(wrong_hellos) / sizeof(wrong_hellos[0]);
         i++) {
        raw_ask(&bad, "{'id':1,%s}", wrong_hellos[i]);
        REQUIRE_STR(raw_outcome(&bad), "invalid-argument");
    }
    raw_ask(&bad, "{'id':1,'op':'hello','version':1,'client':'%065d'}", 0);
    REQUIRE_STR(raw_outcome(&bad), "invalid-argument");
    raw_ask(&bad, "{'id':1,'op':'ping'}");
    REQUIRE_STR(raw_outcome(&bad), "bad-request");
    raw_ask(&bad, "{'id':1,'op':'hello','version':1}");
    REQUIRE_STR(raw_outcome(&bad), "ok");
    raw_close(&bad);
}
END_TEST

START_TEST(wrong_names_are_refused)
{
    char name[202];
    memset(name, 'n', sizeof(name));
    name[201] = '\0';
    const char *const wrong[] = {"",     name,       "a\\nb",   "a\\\\b",
                                 "\\\\", "a\\u001f", "global/", "\\u007f",
                                 "\\t",  "a\\u0085b"};
    struct raw bad;
    raw_open(&bad, bystander_broker.socket);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        raw_ask(&bad, "{'id':1,'op':'create','size':1,'name':'%s'}", wrong[i]);
        if (strcmp(raw_outcome(&bad), "invalid-name") != 0)
            FAIL("%s for the name %s", raw_outcome(&bad), wrong[i]);
    }
    raw_ask(&bad, "{'id':1,'op':'open','name':'%s'}", name);
    REQUIRE_STR(raw_outcome(&bad), "invalid-name");
    /* As long as may be, and everything that is legal. */
    name[200] = '\0';
    test_close(raw_create(&bad, NULL, "'size':1,'name':'%s'", name));
    test_close(raw_create(&bad, NULL, "'size':1,'name':'/ :*?.. \xc3\xa4'"));
    REQUIRE_INT(raw_count_segments(&bystander), 2);
    raw_close(&bad);
}
END_TEST

START_TEST(unknown_op_is_refused_and_unknown_fields_are_ignored)
{
    struct raw bad;
    raw_open(&bad, bystander_broker.socket);
    raw_ask(&bad, "{'id':1,'op':'destroy','size':'x'}");
    REQUIRE_STR(raw_outcome(&bad), "unknown-op");
    raw_ask(&bad, "{'id':1,'op':''}");
    REQUIRE_STR(raw_outcome(&bad), "unknown-op");
    raw_ask(&bad, "{'id':2,'op':'ping','size':'x','handles':{'memory':0}}");
    REQUIRE_STR(raw_outcome(&bad), "ok");
    raw_close(&bad);
}
END_TEST

/* ---- noise ---- */

START_TEST(noise_ends_only_its_own_connection)
{
    enum { ROUNDS = 300 };
    uint64_t random = 88172645463325252u;
    for (int round = 0; round < ROUNDS; round++) {
        char noise[512];
        struct raw bad;
        for (size_t i = 0; i < sizeof(noise); i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            noise[i] = (char)random;
        }
        raw_connect(&bad, bystander_broker.socket);
        raw_send(&bad, noise, sizeof(noise));
        raw_send(&bad, "\n", 1);
        REQUIRE(raw_ends(&bad, 5000));
        raw_close(&bad);
    }
}
END_TEST

static Suite *malformed_suite(void)
{
    Suite *suite = suite_create("malformed");
    TCase *tests = suite_case(suite, "malformed", 60);
    tcase_add_checked_fixture(tests, setup, bystander_stop);
    tcase_add_test(tests,
                   line_of_64_kib_is_served_and_longer_ends_the_connection);
    tcase_add_test(tests, requests_before_a_too_long_line_are_answered);
    tcase_add_test(tests, last_answer_comes_to_who_reads_late);
    tcase_add_test(tests, endless_line_is_cut_off_and_takes_no_memory);
    tcase_add_test(tests, deep_nesting_is_malformed);
    tcase_add_test(tests, nul_bytes_are_malformed);
    tcase_add_test(tests, invalid_utf8_is_malformed);
    tcase_add_test(tests, duplicate_keys_are_malformed);
    tcase_add_test(tests, what_is_no_request_is_malformed);
    tcase_add_test(tests, too_many_members_are_malformed);
    tcase_add_test(tests, wrong_values_are_refused_and_the_connection_goes_on);
    tcase_add_test(tests, wrong_hello_is_refused_and_may_be_tried_again);
    tcase_add_test(tests, wrong_names_are_refused);
    tcase_add_test(tests, unknown_op_is_refused_and_unknown_fields_are_ignored);
    tcase_add_test(tests, noise_ends_only_its_own_connection);
    return suite;
}

int main(void)
{
    return suite_main(malformed_suite());
}
