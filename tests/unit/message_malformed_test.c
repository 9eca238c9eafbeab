#include "message_fixture.h"

#include <stdio.h>
#include <time.h>

/* ---- what is no request ---- */

static const char *const no_requests[] = {
    "",
    " ",
    "ping",
    "null",
    "1",
    "'ping'",
    "[]",
    "{}",
    "{",
    "}",
    "{}}",
    "{'id':1",
    "{'id':1,",
    "{'id':1,}",
    "{'id':1,'op':'ping',}",
    "{'id':1,'op':'ping'",
    "{'id':1,'op':'ping'}{}",
    "{'id':1,'op':'ping'} {'id':2,'op':'ping'}",
    "{'id':1,'op':'ping'}x",
    "[{'id':1,'op':'ping'}]",
    "{id:1,op:ping}",
    "{'id':1}",
    "{'op':'ping'}",
    "{'id':'1','op':'ping'}",
    "{'id':-1,'op':'ping'}",
    "{'id':1.5,'op':'ping'}",
    "{'id':9007199254740992,'op':'ping'}",
    "{'id':1e300,'op':'ping'}",
    "{'id':true,'op':'ping'}",
    "{'id':1,'op':1}",
    "{'id':1,'op':null}",
    "{'id':1,'op':['ping']}",
    "{'ID':1,'op':'ping'}",
    "{'id':1,'op':'ping\n'}",
    "{'id':1,'op':'\\ud800'}",
    "{'id':1,'op':'\\udc00\\ud800'}",
    "{'id':1,'op':'\\x41'}",
    "{'id':1,'op':'\\u00'}",
    "{'id':1,'op':'ping}",
    "{'id':1,'op':'ping\\'}",
    "{'id':1,'op':'create','size':1-1}",
    "{'id':1,'op':'create','size':--1}",
    "{'id':1,'op':'create','size':0x10}",
    "{'id':1,'op':'create','size':NaN}",
    "{'id':1,'op':'create','size':Infinity}",
};

START_TEST(what_is_no_request_is_malformed)
{
    expect_malformed(no_requests[_i]);
}
END_TEST

START_TEST(malformed_line_keeps_its_id_where_it_can_be_read)
{
    expect_malformed("{'id':7}");
    ck_assert(problem.has_id);
    ck_assert_uint_eq(problem.id, 7);
    expect_malformed("{'id':7,'op':5}");
    ck_assert(problem.has_id);
    expect_malformed("{'id':'7','op':'ping'}");
    ck_assert(!problem.has_id);
    expect_malformed("{'id':7,'op':'ping'");
    ck_assert(!problem.has_id);
}
END_TEST

START_TEST(nul_bytes_are_malformed)
{
    static const char quoted[] = "{'id':1,'op':'ping\0'}";
    static const char behind[] = "{'id':1,'op':'ping'}\0";
    static const char before[] = "\0{'id':1,'op':'ping'}";
    static const char in_name[] =
        "{'id':1,'op':'create','size':1,'name':'a\0b'}";

    expect_malformed_bytes(quoted, sizeof(quoted) - 1);
    expect_malformed_bytes(behind, sizeof(behind) - 1);
    expect_malformed_bytes(before, sizeof(before) - 1);
    expect_malformed_bytes(in_name, sizeof(in_name) - 1);
    expect_malformed_bytes("\0\0\0\0", 4);
}
END_TEST

START_TEST(escaped_nul_is_malformed_anywhere)
{
    expect_malformed("{'id':1,'op':'create','size':1,'name':'a\\u0000b'}");
    expect_malformed("{'id':1,'op':'ping\\u0000'}");
    expect_malformed("{'id':1,'op':'ping','op\\u0000':1}");
    expect_malformed("{'id':1,'op':'ping','x':[{'y':'\\u0000'}]}");
    expect_malformed("{'id':1,'op':'ping','x':'\\\\\\u0000'}");
    /* A backslash, and then plain text. */
    expect_decoded("{'id':1,'op':'list','prefix':'\\\\u0000'}");
    ck_assert_str_eq(request.list.prefix, "\\u0000");
    expect_decoded("{'id':1,'op':'list','prefix':'u0000\\u0001'}");
    ck_assert_str_eq(request.list.prefix, "u0000\x01");
}
END_TEST

static const char *const invalid_utf8[] = {
    "\xff",
    "\x80",
    "\xc3",
    "\xc0\xaf",
    "\xc1\xbf",
    "\xe0\x80\xaf",
    "\xe2\x82",
    "\xed\xa0\x80",
    "\xed\xbf\xbf",
    "\xf0\x80\x80\xaf",
    "\xf4\x90\x80\x80",
    "\xf5\x80\x80\x80",
    "\xe2\x28\xa1",
    "\xf0\x9f\x98",
};

START_TEST(invalid_utf8_is_malformed)
{
    const char *bytes = invalid_utf8[_i];
    char text[100];

    snprintf(text, sizeof(text), "{'id':1,'op':'open','name':'a%s'}", bytes);
    expect_malformed(text);
    snprintf(text, sizeof(text), "{'id':1,'op':'ping','%s':1}", bytes);
    expect_malformed(text);
    snprintf(text, sizeof(text), "{'id':1,'op':'ping'}%s", bytes);
    expect_malformed(text);
    expect_malformed(bytes);
}
END_TEST

static const char *const duplicates[] = {
    "{'id':1,'op':'ping','op':'ping'}",
    "{'id':1,'id':1,'op':'ping'}",
    "{'id':1,'op':'ping','x':1,'y':2,'x':null}",
    "{'id':1,'op':'ping','':1,'':2}",
    "{'id':1,'op':'create','size':1,'share':{'read':[],'read':['everyone']}}",
    "{'id':1,'op':'ping','x':{'a':1,'\\u0061':1}}",
    "{'id':1,'op':'ping','x':[{'a':1},{'a':1,'a':1}]}",
};

START_TEST(duplicate_keys_are_malformed)
{
    expect_malformed(duplicates[_i]);
}
END_TEST

START_TEST(equal_keys_of_different_objects_are_fine)
{
    expect_decoded("{'id':1,'op':'ping','x':{'id':1,'op':{'id':1}},'ID':1,"
                   "'y':[{'a':1},{'a':1}]}");
}
END_TEST

START_TEST(object_has_at_most_64_members)
{
    static char text[2000];

    for (int members = 64; members <= 65; members++) {
        int at = snprintf(text, sizeof(text), "{'id':1,'op':'ping'");

        for (int i = 2; i < members; i++)
            at += snprintf(text + at, sizeof(text) - (size_t)at, ",'%d':0", i);
        snprintf(text + at, sizeof(text) - (size_t)at, "}");
        ck_assert_int_eq(decode(text), members > 64 ? MESSAGE_MALFORMED : 0);
    }
}
END_TEST

START_TEST(nesting_is_at_most_8_deep)
{
    expect_decoded("{'id':1,'op':'ping','x':[[[[[[[]]]]]]]}");
    expect_malformed("{'id':1,'op':'ping','x':[[[[[[[[]]]]]]]]}");
    expect_decoded("{'id':1,'op':'ping','x':"
                   "{'x':{'x':{'x':{'x':{'x':{'x':{}}}}}}}}");
    expect_malformed("{'id':1,'op':'ping','x':"
                     "{'x':{'x':{'x':{'x':{'x':{'x':{'x':{}}}}}}}}}");
}
END_TEST

/* ---- hostile lines ---- */

/* A line of that size: head, the pattern over and over, tail. */
static char *fill_line(const char *head, const char *pattern, const char *tail)
{
    static char text[LINE];
    size_t room = sizeof(text) - strlen(tail);
    size_t at = (size_t)snprintf(text, room, "%s", head);

    while (at + strlen(pattern) < room)
        at += (size_t)snprintf(text + at, room - at, "%s", pattern);
    snprintf(text + at, sizeof(text) - at, "%s", tail);
    return text;
}

static const char *const patterns[][3] = {
    {"", "[", ""},
    {"", "[", "}"},
    {"{'id':1,'op':'ping','x':", "[", "}"},
    {"", "{'a':", "}"},
    {"{'id':1,'op':'ping','x':[", "{},", "0]}"},
    {"{'id':1,'op':'ping','x':[", "[],", "0]}"},
    {"{'id':1,'op':'ping','x':[", "0,", "0]}"},
    {"{'id':1,'op':'ping','x':'", "\\\\", "'}"},
    {"{'id':1,'op':'ping','x':'", "\\u0001", "'}"},
    {"{'id':1,'op':'", "\\n", "'}"},
    {"{'id':1,'op':'open','name':'", "x", "'}"},
    {"{'id':1,'op':'create','size':", "9", "}"},
    {"{'id':1,'op':'ping'", ",'a':1", "}"},
    {"{'id':1,'op':'ping','x':[", "{'a':1,'b':1,'c':1,'d':1,'e':1,'f':1},",
     "0]}"},
    {"{'id':1,'op':'ping'}", " ", " "},
    {"", "\xf0\x9f\x98\x80", ""},
};

/* Costs are linear but for the 64 members; the bound is generous because of
 * sanitizers and slow machines. */
START_TEST(hostile_line_is_done_in_no_time)
{
    char *text = fill_line(patterns[_i][0], patterns[_i][1], patterns[_i][2]);
    clock_t begin = clock();

    for (int i = 0; i < 10; i++)
        decode(text);
    ck_assert_int_lt((clock() - begin) / (CLOCKS_PER_SEC / 1000), 2000);
}
END_TEST

START_TEST(many_large_objects_are_done_in_no_time)
{
    static char text[LINE];
    int at = snprintf(text, sizeof(text), "{'id':1,'op':'ping','x':[");
    clock_t begin;

    while (at < LINE - 600) {
        at += snprintf(text + at, sizeof(text) - (size_t)at, "{");
        for (int i = 0; i < 64; i++)
            at += snprintf(text + at, sizeof(text) - (size_t)at, "%s'a%d':0",
                           i ? "," : "", i);
        at += snprintf(text + at, sizeof(text) - (size_t)at, "},");
    }
    snprintf(text + at, sizeof(text) - (size_t)at, "0]}");
    begin = clock();
    for (int i = 0; i < 10; i++)
        expect_decoded(text);
    ck_assert_int_lt((clock() - begin) / (CLOCKS_PER_SEC / 1000), 2000);
}
END_TEST

static void add_malformed_tests(Suite *suite)
{
    TCase *tests = add_case(suite, "malformed");

    tcase_add_loop_test(tests, what_is_no_request_is_malformed, 0,
                        COUNT(no_requests));
    tcase_add_test(tests, malformed_line_keeps_its_id_where_it_can_be_read);
    tcase_add_test(tests, nul_bytes_are_malformed);
    tcase_add_test(tests, escaped_nul_is_malformed_anywhere);
    tcase_add_loop_test(tests, invalid_utf8_is_malformed, 0,
                        COUNT(invalid_utf8));
    tcase_add_loop_test(tests, duplicate_keys_are_malformed, 0,
                        COUNT(duplicates));
    tcase_add_test(tests, equal_keys_of_different_objects_are_fine);
    tcase_add_test(tests, object_has_at_most_64_members);
    tcase_add_test(tests, nesting_is_at_most_8_deep);
    tcase_add_loop_test(tests, hostile_line_is_done_in_no_time, 0,
                        COUNT(patterns));
    tcase_add_test(tests, many_large_objects_are_done_in_no_time);
}

int main(void)
{
    Suite *suite = suite_create("malformed messages");

    add_malformed_tests(suite);
    return suite_main(suite);
}
