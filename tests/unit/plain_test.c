/*
 * Lines that are read at once give the tree that cJSON gives, and those that
 * are no good lines are never taken.
 */
#include "plain.h"

#include "json.h"
#include "protocol.h"
#include "tests/support/runner.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_SIZE = 8192 };

/* Whether it is taken; then cJSON takes it too, and finds the same. */
static bool takes(const char *line, size_t size)
{
    cJSON *plain = plain_parse(line, size), *odd;
    const char *problem = NULL;

    if (!plain)
        return false;
    odd = json_parse_odd(line, size, &problem);
    ck_assert_msg(odd != NULL, "%s: %.*s", problem, (int)size, line);
    ck_assert_msg(cJSON_Compare(plain, odd, true), "%.*s", (int)size, line);
    ck_assert_int_eq(cJSON_GetArraySize(plain), cJSON_GetArraySize(odd));
    ck_assert(plain_is(plain) && !plain_is(odd));
    json_free(plain);
    json_free(odd);
    return true;
}

static const char *const plain_lines[] = {
    "{}",
    " { }",
    "{\"id\":1,\"op\":\"open\",\"name\":\"frames/1\",\"access\":\"ro\"}",
    "{\"id\": 0, \"op\": \"create\", \"size\": 999999999999999, \"x\": \"\"}",
    "{\"id\":7,\"ok\":true,\"a\":false,\"b\":null,\"handles\":{\"memory\":0,"
    "\"doorbell\":[1,2]},\"list\":[],\"object\":{},\"\":[[],[{}]]}",
    "{\"a\":{\"id\":1},\"b\":{\"id\":1},\"id\":{\"id\":2}}",
    "{\"a\":\"{[,:]}\",\"b\":\" \"}",
    "{\"1\":[[[[[[[]]]]]]]}",
};

/* Not at once: cJSON's, or nobody's. */
static const char *const other_lines[] = {
    "",
    " ",
    "}",
    "{",
    "[]",
    "{} ",
    "{}}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{,}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":[1,]}",
    "{\"a\":[1 2]}",
    "{\"a\":[1}",
    "{\"a\":{]}",
    "{\"a\":\"b}",
    "{\"a\":1}{}",
    "{\"a\":1}x}",
    "{\"a\":01}",
    "{\"a\":-1}",
    "{\"a\":1.0}",
    "{\"a\":1e3}",
    "{\"a\":1000000000000000}",
    "{\"a\":truE}",
    "{\"a\":nulL}",
    "{\"a\":tru}",
    "{\"a\":\"\\u0041\"}",
    "{\"a\":\"\t\"}",
    "{\"a\":\"\xc3\xa9\"}",
    "{\"a\":1,\"a\":2}",
    "{\"x\":{\"ab\":1,\"c\":2,\"ab\":1}}",
    "{\"1\":[[[[[[[[]]]]]]]]}",
};

START_TEST(plain_line_is_read_as_by_cjson)
{
    ck_assert(takes(plain_lines[_i], strlen(plain_lines[_i])));
}
END_TEST

START_TEST(other_line_is_not_taken)
{
    ck_assert(!takes(other_lines[_i], strlen(other_lines[_i])));
}
END_TEST

/* Whatever stands at whatever place, nothing is taken that cJSON refuses or
 * reads otherwise. */
START_TEST(changed_line_is_read_as_by_cjson_or_not_at_all)
{
    static const char bytes[] = "\"{}[]:, 019-.eEtfna\\\x01\x7f\xff";
    char line[256];
    size_t size = strlen(plain_lines[_i]);

    memcpy(line, plain_lines[_i], size);
    for (size_t at = 0; at < size; at++) {
        char was = line[at];

        for (size_t i = 0; i < sizeof(bytes); i++) {
            line[at] = bytes[i]; /* the NUL too */
            takes(line, size);
        }
        line[at] = was;
        takes(line, at);
        takes(line + at, size - at);
    }
}
END_TEST

/* An object of that many members. */
static size_t write_members(char *line, unsigned count)
{
    size_t size = 0;

    for (unsigned i = 0; i < count; i++)
        size += (size_t)snprintf(line + size, LINE_MAX_SIZE - size,
                                 "%c\"key%u\":%u", i ? ',' : '{', i, i);
    line[size++] = '}';
    return size;
}

START_TEST(object_of_too_many_members_is_not_taken)
{
    static char line[LINE_MAX_SIZE];

    ck_assert(takes(line, write_members(line, PROTOCOL_MEMBERS_MAX)));
    ck_assert(!takes(line, write_members(line, PROTOCOL_MEMBERS_MAX + 1)));
    ck_assert(!takes(line, write_members(line, 200)));
}
END_TEST

/* More than there is room for. */
START_TEST(very_many_values_are_not_taken)
{
    static char line[LINE_MAX_SIZE] = "{\"a\":[1";
    size_t size = strlen(line);

    for (int count = 1; size < 1000; count++, size += 2) {
        memcpy(line + size, "]}", 2);
        bool taken = takes(line, size + 2);

        ck_assert(taken || count > 5);
        ck_assert(!taken || count < 20);
        memcpy(line + size, ",1", 2);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plain");
    TCase *tests = tcase_create("plain");
    int plain = sizeof(plain_lines) / sizeof(plain_lines[0]);
    int other = sizeof(other_lines) / sizeof(other_lines[0]);

    tcase_add_loop_test(tests, plain_line_is_read_as_by_cjson, 0, plain);
    tcase_add_loop_test(tests, other_line_is_not_taken, 0, other);
    tcase_add_loop_test(tests, changed_line_is_read_as_by_cjson_or_not_at_all,
                        0, plain);
    tcase_add_test(tests, object_of_too_many_members_is_not_taken);
    tcase_add_test(tests, very_many_values_are_not_taken);
    suite_add_tcase(suite, tests);
    return suite_main(suite);
}
