#include "message_fixture.h"

#include <stdio.h>

/* ---- requests ---- */

static const struct {
    const char *read;
    const char *written; /* with every default said */
} requests[] = {
    {"{'id':1,'op':'hello','version':1}", "{'id':1,'op':'hello','version':1}"},
    {"{'id':1,'op':'hello','version':7,'client':'camera/2.1'}",
     "{'id':1,'op':'hello','version':7,'client':'camera/2.1'}"},
    {"{'id':2,'op':'create','size':4096}",
     "{'id':2,'op':'create','size':4096,'access':'rw','if_exists':'open',"
     "'commit':true,'persist':false}"},
    {"{'share':{'write':['user:bob'],'read':['group:video','everyone']},"
     "'persist':true,'commit':false,'if_exists':'fail','access':'cow',"
     "'size':1,'name':'global/cam/0','op':'create','id':3}",
     "{'id':3,'op':'create','name':'global/cam/0','size':1,'access':'cow',"
     "'if_exists':'fail','commit':false,'persist':true,"
     "'share':{'read':['group:video','everyone'],'write':['user:bob']}}"},
    {"{'id':4,'op':'open','name':'a'}",
     "{'id':4,'op':'open','name':'a','access':'ro'}"},
    {"{'id':4,'op':'open','segment':17,'access':'rw'}",
     "{'id':4,'op':'open','segment':17,'access':'rw'}"},
    {"{'id':4,'op':'open','name':'a','wait_ms':86400000}",
     "{'id':4,'op':'open','name':'a','access':'ro','wait_ms':86400000}"},
    {"{'id':5,'op':'release','grant':9}", "{'id':5,'op':'release','grant':9}"},
    {"{'id':6,'op':'remove','name':'a'}", "{'id':6,'op':'remove','name':'a'}"},
    {"{'id':6,'op':'remove','segment':3}",
     "{'id':6,'op':'remove','segment':3}"},
    {"{'id':7,'op':'stat','name':'a'}", "{'id':7,'op':'stat','name':'a'}"},
    {"{'id':7,'op':'stat','segment':3}", "{'id':7,'op':'stat','segment':3}"},
    {"{'id':8,'op':'list'}", "{'id':8,'op':'list','after':0,'limit':100}"},
    {"{'id':8,'op':'list','prefix':'global/','after':4,'limit':1000}",
     "{'id':8,'op':'list','prefix':'global/','after':4,'limit':1000}"},
    {"{'id':8,'op':'watch'}", "{'id':8,'op':'watch'}"},
    {"{'id':8,'op':'watch','prefix':'global/'}",
     "{'id':8,'op':'watch','prefix':'global/'}"},
    {"{'id':8,'op':'unwatch','watch':3}", "{'id':8,'op':'unwatch','watch':3}"},
    {"{'id':9,'op':'usage'}",
     "{'id':9,'op':'usage','all':false,'after':0,'limit':100}"},
    {"{'id':9,'op':'usage','all':true,'after':6,'limit':1}",
     "{'id':9,'op':'usage','all':true,'after':6,'limit':1}"},
    {"{'id':6,'op':'reclaim','segment':3,'handles':{'memory':0}}",
     "{'id':6,'op':'reclaim','segment':3,'access':'ro','handles':"
     "{'memory':0}}"},
    {"{'id':6,'op':'offer','grant':4}",
     "{'id':6,'op':'offer','grant':4,'access':'ro','uses':1,"
     "'expires_ms':60000}"},
    {"{'id':6,'op':'offer','grant':4,'access':'rw','uses':1000,"
     "'expires_ms':86400000}",
     "{'id':6,'op':'offer','grant':4,'access':'rw','uses':1000,"
     "'expires_ms':86400000}"},
    {"{'id':6,'op':'redeem','ticket':'3-00ff'}",
     "{'id':6,'op':'redeem','ticket':'3-00ff'}"},
    {"{'id':6,'op':'freeze','name':'a'}",
     "{'id':6,'op':'freeze','name':'a','mode':'now'}"},
    {"{'id':6,'op':'freeze','segment':3,'mode':'future'}",
     "{'id':6,'op':'freeze','segment':3,'mode':'future'}"},
    {"{'id':2,'op':'create','size':1,'freezable':true}",
     "{'id':2,'op':'create','size':1,'access':'rw','if_exists':'open',"
     "'commit':true,'persist':false,'freezable':true}"},
    {"{'id':2,'op':'create','source':'file','handles':{'file_read':0}}",
     "{'id':2,'op':'create','size':0,'access':'rw','if_exists':'open',"
     "'commit':true,'persist':false,'source':'file',"
     "'handles':{'file_read':0}}"},
    {"{'id':2,'op':'create','source':'file','size':7,"
     "'handles':{'file':1,'file_read':'0x1a4'}}",
     "{'id':2,'op':'create','size':7,'access':'rw','if_exists':'open',"
     "'commit':true,'persist':false,'source':'file',"
     "'handles':{'file':1,'file_read':'0x1a4'}}"},
    {"{'id':2,'op':'create','size':1,'doorbell':true}",
     "{'id':2,'op':'create','size':1,'access':'rw','if_exists':'open',"
     "'commit':true,'persist':false,'doorbell':true}"},
    {"{'id':2,'op':'create','size':1,'publish':'later'}",
     "{'id':2,'op':'create','size':1,'access':'rw','if_exists':'open',"
     "'commit':true,'persist':false,'publish':'later'}"},
    {"{'id':2,'op':'create','size':1,'publish':'now'}",
     "{'id':2,'op':'create','size':1,'access':'rw','if_exists':'open',"
     "'commit':true,'persist':false}"},
    {"{'id':6,'op':'publish','name':'a'}",
     "{'id':6,'op':'publish','name':'a'}"},
    {"{'id':2,'op':'create','size':1,'pages':'2M','numa':1023}",
     "{'id':2,'op':'create','size':1,'access':'rw','if_exists':'open',"
     "'commit':true,'persist':false,'pages':'2M','numa':1023}"},
    {"{'id':2,'op':'create','size':1,'pages':'1G','numa':null}",
     "{'id':2,'op':'create','size':1,'access':'rw','if_exists':'open',"
     "'commit':true,'persist':false,'pages':'1G'}"},
    {"{'id':2,'op':'create','size':1,'pages':'default','numa':0}",
     "{'id':2,'op':'create','size':1,'access':'rw','if_exists':'open',"
     "'commit':true,'persist':false,'numa':0}"},
    {"{'id':6,'op':'revoke','name':'a'}", "{'id':6,'op':'revoke','name':'a'}"},
    {"{'id':10,'op':'ping'}", "{'id':10,'op':'ping'}"},
    {"{'id':11,'op':'stats'}", "{'id':11,'op':'stats'}"},
    {"{'id':12,'op':'clients','after':2,'limit':3}",
     "{'id':12,'op':'clients','after':2,'limit':3}"},
    {"{'id':13,'op':'reload'}", "{'id':13,'op':'reload'}"},
    {"{'id':14,'op':'log-level','level':'debug'}",
     "{'id':14,'op':'log-level','level':'debug'}"},
    {"{'id':15,'op':'restart'}", "{'id':15,'op':'restart'}"},
    {"{'id':9007199254740991,'op':'shutdown'}",
     "{'id':9007199254740991,'op':'shutdown'}"},
};

START_TEST(reads_and_writes_every_request)
{
    for (int twice = 0; twice < 2; twice++) {
        expect_decoded(twice ? requests[_i].written : requests[_i].read);
        ck_assert_int_eq(message_request_write(&out, &request), 0);
        expect_written(requests[_i].written);
    }
}
END_TEST

START_TEST(knows_a_request_for_every_op)
{
    bool known[PROTOCOL_OPS] = {false};

    for (int i = 0; i < COUNT(requests); i++) {
        expect_decoded(requests[i].read);
        known[request.op] = true;
    }
    for (int i = 0; i < PROTOCOL_OPS; i++)
        ck_assert_msg(known[i], "%s", message_op_name((enum protocol_op)i));
}
END_TEST

START_TEST(null_is_as_good_as_absent)
{
    expect_decoded("{'id':1,'op':'create','size':5,'name':null,'access':null,"
                   "'if_exists':null,'commit':null,'persist':null,"
                   "'share':null}");
    ck_assert_ptr_null(request.create.name);
    ck_assert_int_eq(request.create.access, PROTOCOL_RW);
    ck_assert(request.create.commit);
    expect_decoded("{'id':1,'op':'create','size':5,"
                   "'share':{'read':null,'write':[]}}");
    ck_assert_uint_eq(request.create.share.read_count, 0);
    expect_decoded("{'id':1,'op':'open','name':'a','segment':null}");
    expect_refused("{'id':1,'op':'create','size':null}",
                   PROTOCOL_INVALID_ARGUMENT);
    expect_malformed("{'id':null,'op':'ping'}");
}
END_TEST

START_TEST(unknown_fields_are_ignored)
{
    expect_decoded("{'id':1,'x':{'y':[1,2,{}]},'op':'ping','grant':'no',"
                   "'OP':'none','':0}");
    ck_assert_int_eq(request.op, PROTOCOL_PING);
    expect_decoded("{'id':1,'op':'create','size':1,'share':{'list':[1]}}");
}
END_TEST

START_TEST(white_space_around_tokens_is_fine)
{
    expect_decoded(" \t{ 'id' : 1 ,\t'op' : 'ping' } \r");
}
END_TEST

static const struct {
    const char *text;
    uint64_t value;
} integers[] = {
    {"1", 1},
    {"4096.0", 4096},
    {"1e3", 1000},
    {"1E+3", 1000},
    {"2.5e1", 25},
    {"10e-1", 1},
    {"9007199254740991", UINT64_C(9007199254740991)},
    {"9007199254740991.0", UINT64_C(9007199254740991)},
};

START_TEST(integers_count_by_their_value)
{
    char text[100];

    snprintf(text, sizeof(text), "{'id':1,'op':'create','size':%s}",
             integers[_i].text);
    expect_decoded(text);
    ck_assert_uint_eq(request.create.size, integers[_i].value);
}
END_TEST

static const struct {
    const char *members;
    const char *text;
} wrong_values[] = {
    {"'op':'create'",
     "size is missing: expected an integer of bytes from 1 to 2^53-1"},
    {"'op':'create','size':0",
     "size: expected an integer of bytes from 1 to 2^53-1, not 0"},
    {"'op':'create','size':-1",
     "size: expected an integer of bytes from 1 to 2^53-1, not -1"},
    {"'op':'create','size':1.5",
     "size: expected an integer of bytes from 1 to 2^53-1, not 1.5"},
    {"'op':'create','size':9007199254740992",
     "size: expected an integer of bytes from 1 to 2^53-1, not "
     "9007199254740992"},
    {"'op':'create','size':18446744073709551616",
     "size: expected an integer of bytes from 1 to 2^53-1, not "
     "1.8446744073709552e+19"},
    {"'op':'create','size':18446744073709551617",
     "size: expected an integer of bytes from 1 to 2^53-1, not "
     "1.8446744073709552e+19"},
    {"'op':'create','size':1e400",
     "size: expected an integer of bytes from 1 to 2^53-1, not inf"},
    {"'op':'create','size':'4096'",
     "size: expected an integer of bytes from 1 to 2^53-1, not \"4096\""},
    {"'op':'create','size':true",
     "size: expected an integer of bytes from 1 to 2^53-1, not true"},
    {"'op':'create','size':[4096]",
     "size: expected an integer of bytes from 1 to 2^53-1, not an array"},
    {"'op':'create','size':{}",
     "size: expected an integer of bytes from 1 to 2^53-1, not an object"},
    {"'op':'create','size':1,'name':5", "name: expected a string, not 5"},
    {"'op':'create','size':1,'access':'wo'",
     "access: expected \"ro\", \"rw\" or \"cow\", not \"wo\""},
    {"'op':'create','size':1,'access':'RW'",
     "access: expected \"ro\", \"rw\" or \"cow\", not \"RW\""},
    {"'op':'create','size':1,'access':2", "access: expected a string, not 2"},
    {"'op':'create','size':1,'if_exists':'maybe'",
     "if_exists: expected \"open\" or \"fail\", not \"maybe\""},
    {"'op':'create','size':1,'commit':1",
     "commit: expected true or false, not 1"},
    {"'op':'create','size':1,'source':'tape'",
     "source: expected \"memory\" or \"file\", not \"tape\""},
    {"'op':'create','source':'file'",
     "handles is missing: expected an object with a handle, file or "
     "file_read or both"},
    {"'op':'create','source':'file','handles':{'file':'x'}",
     "handles: expected an object of handles, not an object"},
    {"'op':'create','source':'file','name':'a','persist':true,"
     "'handles':{'file':0}",
     "persist: a file stays by itself, its segment's name does not"},
    {"'op':'create','source':'file','freezable':true,'handles':{'file':0}",
     "freezable: a file cannot be frozen"},
    {"'op':'create','size':1,'name':'a','persist':'yes'",
     "persist: expected true or false, not \"yes\""},
    {"'op':'create','size':1,'persist':true",
     "persist: expected a name with it, since only a named segment can "
     "persist"},
    {"'op':'create','size':1,'share':[]",
     "share: expected an object, not an array"},
    {"'op':'create','size':1,'share':{'read':'everyone'}",
     "share.read: expected an array of principals, not \"everyone\""},
    {"'op':'create','size':1,'share':{'read':['everyone',5]}",
     "share.read: expected principals of 1 to 128 bytes, not 5"},
    {"'op':'create','size':1,'share':{'write':[null]}",
     "share.write: expected principals of 1 to 128 bytes, not null"},
    {"'op':'create','size':1,'share':{'write':['']}",
     "share.write: expected principals of 1 to 128 bytes, not \"\""},
    {"'op':'create','size':1,'share':{'write':['user:a\\nb']}",
     "share.write: expected principals of 1 to 128 bytes, not \"user:a?b\""},
    {"'op':'open'", "name is missing, and segment too: expected one of them"},
    {"'op':'open','name':'a','segment':1",
     "name and segment: expected one of them, not both"},
    {"'op':'open','segment':'5'",
     "segment: expected an integer from 0 to 2^53-1, not \"5\""},
    {"'op':'release'",
     "grant is missing: expected an integer from 0 to 2^53-1"},
    {"'op':'release','grant':-1",
     "grant: expected an integer from 0 to 2^53-1, not -1"},
    {"'op':'remove','name':null",
     "name is missing, and segment too: expected one of them"},
    {"'op':'stat','segment':true",
     "segment: expected an integer from 0 to 2^53-1, not true"},
    {"'op':'list','prefix':5", "prefix: expected a string, not 5"},
    {"'op':'list','after':-1",
     "after: expected an integer from 0 to 2^53-1, not -1"},
    {"'op':'list','limit':0", "limit: expected an integer from 1 to 1000, "
                              "not 0"},
    {"'op':'list','limit':1001",
     "limit: expected an integer from 1 to 1000, not 1001"},
    {"'op':'usage','all':1", "all: expected true or false, not 1"},
    {"'op':'usage','limit':'all'",
     "limit: expected an integer from 1 to 1000, not \"all\""},
    {"'op':'clients','after':0.5",
     "after: expected an integer from 0 to 2^53-1, not 0.5"},
    {"'op':'log-level'", "level is missing: expected \"error\", \"warning\", "
                         "\"info\" or \"debug\""},
    {"'op':'log-level','level':'LOUD'",
     "level: expected \"error\", \"warning\", \"info\" or \"debug\", not "
     "\"LOUD\""},
    {"'op':'log-level','level':[]", "level: expected a string, not an array"},
    {"'op':'hello'",
     "version is missing: expected an integer from 0 to 2^53-1"},
    {"'op':'hello','version':'1'",
     "version: expected an integer from 0 to 2^53-1, not \"1\""},
    {"'op':'hello','version':1,'client':5", "client: expected a string, not 5"},
    {"'op':'hello','version':1,'client':'a\\u0007b'",
     "client: expected no control characters, not \"a?b\""},
    {"'op':'hello','version':1,'client':"
     "'01234567890123456789012345678901234567890123456789012345678901234'",
     "client: expected at most 64 bytes, not 65"},
};

START_TEST(refuses_wrong_values_and_says_what_was_expected)
{
    char text[400];

    snprintf(text, sizeof(text), "{'id':%d,%s}", _i, wrong_values[_i].members);
    expect_refused(text, PROTOCOL_INVALID_ARGUMENT);
    ck_assert_uint_eq(problem.id, (uint64_t)_i);
    ck_assert_str_eq(problem.text, wrong_values[_i].text);
}
END_TEST

START_TEST(the_first_of_several_problems_is_told)
{
    expect_refused("{'id':1,'op':'create','size':'x','name':'','access':5}",
                   PROTOCOL_INVALID_NAME);
    expect_refused("{'id':1,'op':'list','limit':0,'after':-1}",
                   PROTOCOL_INVALID_ARGUMENT);
    ck_assert_str_eq(problem.text,
                     "after: expected an integer from 0 to 2^53-1, not -1");
}
END_TEST

START_TEST(unknown_op_is_refused)
{
    expect_refused("{'id':8,'op':'destroy','size':[]}", PROTOCOL_UNKNOWN_OP);
    ck_assert_uint_eq(problem.id, 8);
    ck_assert_str_eq(problem.text, "there is no op \"destroy\"");
    expect_refused("{'id':8,'op':''}", PROTOCOL_UNKNOWN_OP);
    expect_refused("{'id':8,'op':'Ping'}", PROTOCOL_UNKNOWN_OP);
    expect_refused("{'id':8,'op':'pin'}", PROTOCOL_UNKNOWN_OP);
}
END_TEST

/* What a peer says is shown, but not at length, and spoils no terminal. */
START_TEST(refusals_show_strings_safely)
{
    expect_refused("{'id':1,'op':'a\\n\\u001b[31m\\u0085b'}",
                   PROTOCOL_UNKNOWN_OP);
    ck_assert_str_eq(problem.text, "there is no op \"a??[31m??b\"");
    expect_refused("{'id':1,'op':'012345678901234567890123456789012345678901234"
                   "5678901234567890123456789012345678901234567890123456789'}",
                   PROTOCOL_UNKNOWN_OP);
    ck_assert_str_eq(problem.text,
                     "there is no op "
                     "\"012345678901234567890123456789012345678901"
                     "...\"");
    /* Characters of three bytes are not cut, wherever they begin. */
    for (int i = 0; i < 4; i++) {
        char text[400];

        snprintf(text, sizeof(text),
                 "{'id':1,'op':'%.*s\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac"
                 "\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac'}",
                 i, "xxxx");
        expect_refused(text, PROTOCOL_UNKNOWN_OP);
        ck_assert_ptr_nonnull(strstr(problem.text, "\u20ac...\""));
    }
}
END_TEST

/* ---- names ---- */

static const char *const wrong_names[] = {
    "",       "a\\nb", "\\t",     "a\\u001fb", "\\u007f", "\\u0085",
    "a\\\\b", "\\\\",  "global/", "a\\u009f",  "\x7f",
};

START_TEST(refuses_wrong_names)
{
    static const char *const ops[] = {"create','size':1,'x':'", "open", "stat",
                                      "remove"};
    char text[100];

    for (int i = 0; i < COUNT(ops); i++) {
        snprintf(text, sizeof(text), "{'id':1,'op':'%s','name':'%s'}", ops[i],
                 wrong_names[_i]);
        expect_refused(text, PROTOCOL_INVALID_NAME);
    }
}
END_TEST

START_TEST(refusal_of_a_name_says_which_and_why)
{
    expect_refused("{'id':1,'op':'open','name':'a\\\\b'}",
                   PROTOCOL_INVALID_NAME);
    ck_assert_str_eq(problem.text, "name \"a\\b\": a name has no backslash");
    expect_refused("{'id':1,'op':'open','name':''}", PROTOCOL_INVALID_NAME);
    ck_assert_str_eq(problem.text, "name \"\": a name has at least one byte");
}
END_TEST

START_TEST(name_has_at_most_200_bytes)
{
    char name[202];

    memset(name, 'n', sizeof(name));
    ck_assert_ptr_null(message_name_problem(name, 1));
    ck_assert_ptr_null(message_name_problem(name, 200));
    ck_assert_ptr_nonnull(message_name_problem(name, 201));
    ck_assert_ptr_nonnull(message_name_problem(name, 0));
    /* They are bytes, not characters. */
    for (int i = 0; i < 200; i++)
        name[i] = i % 2 ? '\xa4' : '\xc3';
    ck_assert_ptr_null(message_name_problem(name, 200));
}
END_TEST

static const char *const good_names[] = {
    "a",       "/",        "/ :*?.. \xc3\xa4",
    "global",  "global/x", "globa/",
    "Global/", "global//", "x/global/",
    "\u00a0",  "'",        "\xf0\x9f\x98\x80"};

START_TEST(accepts_everything_else_in_names)
{
    const char *name = good_names[_i];

    ck_assert_ptr_null(message_name_problem(name, strlen(name)));
}
END_TEST

START_TEST(name_problem_sees_invalid_utf8_and_nul)
{
    ck_assert_ptr_nonnull(message_name_problem("a\xff", 2));
    ck_assert_ptr_nonnull(message_name_problem("a\xc2", 2));
    ck_assert_ptr_nonnull(message_name_problem("a\0b", 3));
}
END_TEST

START_TEST(reads_escapes_in_names)
{
    expect_decoded("{'id':1,'op':'open','name':"
                   "'\\u0061\\/\\u00e4\\ud83d\\ude00\\\"'}");
    ck_assert_str_eq(request.open.target.name, "a/\xc3\xa4\xf0\x9f\x98\x80\"");
}
END_TEST

/* ---- share lists ---- */

/* `count` principals of `size` bytes each. */
static void write_share(char *text, size_t capacity, int count, int size)
{
    int at = snprintf(text, capacity,
                      "{'id':1,'op':'create','size':1,'share':{'write':[");

    for (int i = 0; i < count; i++)
        at += snprintf(text + at, capacity - (size_t)at, "%s'%0*d'",
                       i ? "," : "", size, i);
    snprintf(text + at, capacity - (size_t)at, "]}}");
}

START_TEST(share_lists_are_bounded)
{
    static char text[20000];

    write_share(text, sizeof(text), PROTOCOL_SHARE_MAX, PROTOCOL_PRINCIPAL_MAX);
    expect_decoded(text);
    ck_assert_uint_eq(request.create.share.write_count, PROTOCOL_SHARE_MAX);
    ck_assert_uint_eq(strlen(request.create.share.write[63]),
                      PROTOCOL_PRINCIPAL_MAX);
    write_share(text, sizeof(text), PROTOCOL_SHARE_MAX + 1, 5);
    expect_refused(text, PROTOCOL_INVALID_ARGUMENT);
    ck_assert_str_eq(problem.text,
                     "share.write: expected at most 64 principals, not 65");
    write_share(text, sizeof(text), 1, PROTOCOL_PRINCIPAL_MAX + 1);
    expect_refused(text, PROTOCOL_INVALID_ARGUMENT);
}
END_TEST

static void add_request_tests(Suite *suite)
{
    TCase *tests = add_case(suite, "requests");

    tcase_add_loop_test(tests, reads_and_writes_every_request, 0,
                        COUNT(requests));
    tcase_add_test(tests, knows_a_request_for_every_op);
    tcase_add_test(tests, null_is_as_good_as_absent);
    tcase_add_test(tests, unknown_fields_are_ignored);
    tcase_add_test(tests, white_space_around_tokens_is_fine);
    tcase_add_loop_test(tests, integers_count_by_their_value, 0,
                        COUNT(integers));
    tcase_add_loop_test(tests, refuses_wrong_values_and_says_what_was_expected,
                        0, COUNT(wrong_values));
    tcase_add_test(tests, the_first_of_several_problems_is_told);
    tcase_add_test(tests, unknown_op_is_refused);
    tcase_add_test(tests, refusals_show_strings_safely);
    tcase_add_loop_test(tests, refuses_wrong_names, 0, COUNT(wrong_names));
    tcase_add_test(tests, refusal_of_a_name_says_which_and_why);
    tcase_add_test(tests, name_has_at_most_200_bytes);
    tcase_add_loop_test(tests, accepts_everything_else_in_names, 0,
                        COUNT(good_names));
    tcase_add_test(tests, name_problem_sees_invalid_utf8_and_nul);
    tcase_add_test(tests, reads_escapes_in_names);
    tcase_add_test(tests, share_lists_are_bounded);
}

int main(void)
{
    Suite *suite = suite_create("message");

    add_request_tests(suite);
    return suite_main(suite);
}
