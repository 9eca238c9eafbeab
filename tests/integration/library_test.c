/*
 * The library against a broker that says what no good one says, or says it
 * when none would (support/fake.h).
 */
#include "client/segbroker.h"
#include "tests/support/fake.h"
#include "tests/support/leak.h"
#include "tests/support/memory.h"
#include "tests/support/process.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

/* The answer to request `id`: a grant of a page's worth of memory. */
#define GRANT(id, access)                                                      \
    "{'id':" id ",'ok':true,'grant':7,'segment':17,'created':true,"            \
    "'size':4000,'mapped_size':4096,'access':'" access                         \
    "','handles':{'memory':0}}"

static segb_client *client;

static void begin(const struct fake_step *script)
{
    fake_start(script);
    REQUIRE_INT(fake_connect(10000, &client), 0);
}

static void end(void)
{
    segb_disconnect(client);
    fake_stop();
}

/* Waits until it is time to dispatch. */
static bool is_readable(void)
{
    return test_await_readable(segb_client_fd(client), 10000);
}

/* ---- hello ---- */

START_TEST(connects_and_keeps_what_the_broker_said)
{
    static const struct fake_step script[] = {
        FAKE_HELLO, {.act = FAKE_HANG_UP}, {0}};
    segb_broker broker;

    begin(script);
    REQUIRE_INT(segb_client_broker(client, &broker), 0);
    REQUIRE_STR(broker.socket, fake_socket());
    REQUIRE_STR(broker.server, "fake/1");
    REQUIRE_STR(broker.you, "user:alice");
    REQUIRE_INT(broker.administrator, 0);
    REQUIRE_STR(broker.features[0], "sealed-size");
    REQUIRE_STR(broker.features[1], "enforced-ro");
    REQUIRE(!broker.features[2]);
    end();
}
END_TEST

START_TEST(says_its_name)
{
    static const struct fake_step script[] = {
        {FAKE_EXPECT, "'version':1,'client':'fake_connect'}", 0}, {0}};

    fake_start(script);
    REQUIRE_INT(fake_connect(10000, &client), SEGB_E_GONE);
    fake_stop();
}
END_TEST

/* The broker hangs up without reading, so that saying hello may fail with
 * EPIPE before the reason is read. */
START_TEST(tells_why_a_connection_was_refused)
{
    static const struct fake_step script[] = {
        {FAKE_SAY,
         "{'id':null,'ok':false,'error':'quota-exceeded','message':"
         "'connections: 8 of 8 used'}",
         0},
        {0}};

    for (int i = 0; i < 100; i++) {
        fake_start(script);
        REQUIRE_INT(fake_connect(10000, &client), SEGB_E_QUOTA_EXCEEDED);
        REQUIRE_STR(segb_last_detail(), "connections: 8 of 8 used");
        fake_stop();
    }
}
END_TEST

START_TEST(refuses_a_welcome_of_another_version)
{
    static const struct fake_step script[] = {
        {FAKE_EXPECT, "hello", 0},
        {FAKE_SAY,
         "{'id':1,'ok':true,'version':2,'server':'fake/1','you':'user:alice',"
         "'administrator':false,'features':[]}",
         0},
        {.act = FAKE_HANG_UP},
        {0}};

    fake_start(script);
    REQUIRE_INT(fake_connect(10000, &client), SEGB_E_PROTOCOL);
    fake_stop();
}
END_TEST

START_TEST(finds_no_broker_where_none_serves)
{
    segb_connect_options options = {.struct_size = sizeof(options),
                                    .socket = "/nowhere/broker.sock"};
    char longest[300];

    REQUIRE_INT(segb_connect(&options, &client), SEGB_E_NO_BROKER);
    REQUIRE_PART(segb_last_detail(), "/nowhere/broker.sock");
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    options.socket = longest;
    REQUIRE_INT(segb_connect(&options, &client), SEGB_E_INVALID_ARGUMENT);
}
END_TEST

/* ---- the end of a connection ---- */

START_TEST(ends_a_call_when_the_broker_goes)
{
    static const struct fake_step script[] = {
        FAKE_HELLO, {FAKE_EXPECT, "'op':'ping'", 0}, {0}};
    segb_info info;

    begin(script);
    REQUIRE_INT(segb_ping(client), SEGB_E_GONE);
    REQUIRE_INT(segb_ping(client), SEGB_E_GONE);
    REQUIRE_PART(segb_last_detail(), "the broker closed the connection");
    REQUIRE_INT(segb_stat(client, "x", 0, &info), SEGB_E_GONE);
    REQUIRE_INT(segb_client_dispatch(client), SEGB_E_GONE);
    end();
}
END_TEST

START_TEST(ends_a_call_when_the_broker_goes_within_a_line)
{
    static const struct fake_step script[] = {FAKE_HELLO,
                                              {FAKE_EXPECT, "'op':'ping'", 0},
                                              {FAKE_PART, "{'id':2,'ok':tr", 1},
                                              {0}};

    begin(script);
    REQUIRE_INT(segb_ping(client), SEGB_E_GONE);
    end();
}
END_TEST

/* The request fails with EPIPE before the reason is read. */
START_TEST(tells_why_it_was_cut_off)
{
    static const struct fake_step script[] = {
        FAKE_HELLO,
        {.act = FAKE_WAIT},
        {FAKE_SAY,
         "{'id':null,'ok':false,'error':'shutting-down','message':'bye'}", 0},
        {0}};

    begin(script);
    fake_go();
    REQUIRE(is_readable());
    REQUIRE_INT(segb_ping(client), SEGB_E_SHUTTING_DOWN);
    REQUIRE_STR(segb_last_detail(), "bye");
    REQUIRE_INT(segb_ping(client), SEGB_E_GONE);
    REQUIRE_PART(segb_last_detail(), "bye");
    end();
}
END_TEST

static void require_nonsense(const struct fake_step *answer)
{
    const struct fake_step script[] = {FAKE_HELLO,
                                       {FAKE_EXPECT, "'op':'open'", 0},
                                       *answer,
                                       {.act = FAKE_HANG_UP},
                                       {0}};
    segb_segment *segment = NULL;

    begin(script);
    REQUIRE_INT(segb_open(client, "x", NULL, &segment), SEGB_E_PROTOCOL);
    REQUIRE(!segment);
    REQUIRE_INT(segb_ping(client), SEGB_E_GONE);
    end();
}

START_TEST(ends_the_connection_at_nonsense)
{
    static const struct fake_step answers[] = {
        {FAKE_SAY, "hello", 0},
        {FAKE_SAY, "", 0},
        {FAKE_SAY, "{}", 0},
        {FAKE_SAY, "[1]", 0},
        {FAKE_SAY, "{'ok':true}", 0},
        {FAKE_SAY, "{'id':2}", 0},
        {FAKE_SAY, "{'id':2,'ok':'yes'}", 0},
        {FAKE_SAY, "{'id':2,'ok':false}", 0},
        {FAKE_SAY, "{'id':3,'ok':true}", 0},
        {FAKE_SAY, "{'id':2,'ok':true}", 0},
        {FAKE_SAY, "{'id':2,'ok':true,'grant':1}", 0},
        {FAKE_SAY, "\xff", 0},
        {FAKE_PART, "xxxxxxxxxxxxxxxx", 4096},
    };

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        require_nonsense(&answers[i]);
}
END_TEST

START_TEST(takes_no_second_answer)
{
    static const struct fake_step script[] = {
        FAKE_HELLO,
        {FAKE_EXPECT, "'op':'ping'", 0},
        {FAKE_PART, "{'id':2,'ok':true}\n", 2},
        {.act = FAKE_HANG_UP},
        {0}};

    begin(script);
    REQUIRE_INT(segb_ping(client), 0);
    /* It may have come with the first one or after it. */
    REQUIRE(TEST_UNTIL(5000, segb_client_dispatch(client) == SEGB_E_GONE));
    REQUIRE_PART(segb_last_detail(), "not asked");
    end();
}
END_TEST

/* ---- grants ---- */

START_TEST(gives_a_grant_back_whose_handle_was_not_sent)
{
    static const struct fake_step script[] = {
        FAKE_HELLO,
        {FAKE_EXPECT, "'op':'open'", 0},
        {FAKE_SAY, GRANT("2", "ro"), 0},
        {FAKE_EXPECT, "'op':'release','grant':7", 0},
        {FAKE_ANSWER, "'ok':true", 1},
        {.act = FAKE_HANG_UP},
        {0}};
    segb_segment *segment;

    begin(script);
    REQUIRE_INT(segb_open(client, "x", NULL, &segment),
                SEGB_E_TOO_MANY_HANDLES);
    REQUIRE_INT(segb_ping(client), 0);
    end();
}
END_TEST

START_TEST(gives_a_grant_back_whose_doorbell_was_not_sent)
{
    static const struct fake_step script[] = {
        FAKE_HELLO,
        {FAKE_EXPECT, "'op':'create','size':4000", 0},
        {FAKE_GIVE,
         "{'id':2,'ok':true,'grant':7,'segment':17,'created':true,"
         "'size':4000,'mapped_size':4096,'access':'rw',"
         "'handles':{'memory':0,'doorbell':1}}",
         4096},
        {FAKE_EXPECT, "'op':'release','grant':7", 0},
        {FAKE_ANSWER, "'ok':true", 1},
        {.act = FAKE_HANG_UP},
        {0}};
    segb_create_options options = {.struct_size = sizeof(options),
                                   .doorbell = 1};
    segb_segment *segment;

    begin(script);
    REQUIRE_INT(segb_create(client, NULL, 4000, &options, &segment),
                SEGB_E_TOO_MANY_HANDLES);
    REQUIRE_INT(segb_ping(client), 0);
    end();
}
END_TEST

START_TEST(gives_back_what_comes_too_late)
{
    static const struct fake_step script[] = {
        FAKE_HELLO,
        {FAKE_EXPECT, "'op':'open'", 0},
        {.act = FAKE_WAIT},
        {FAKE_GIVE, GRANT("2", "ro"), 4096},
        {FAKE_EXPECT, "'op':'release','grant':7", 0},
        {FAKE_ANSWER, "'ok':true", 0},
        {0}};
    segb_segment *segment;
    int descriptors;

    fake_start(script);
    REQUIRE_INT(fake_connect(300, &client), 0);
    REQUIRE(segb_client_fd(client) >= 0);
    descriptors = leak_descriptors();
    REQUIRE_INT(segb_open(client, "x", NULL, &segment), SEGB_E_TIMEOUT);
    REQUIRE_PART(segb_last_detail(), "300 ms");
    fake_go();
    REQUIRE(is_readable());
    REQUIRE_INT(segb_client_dispatch(client), 0);
    /* The first ping may be late as well, on a slow machine. */
    REQUIRE(TEST_UNTIL(5000, segb_ping(client) == 0));
    REQUIRE_INT(leak_descriptors(), descriptors);
    end();
}
END_TEST

START_TEST(takes_a_reply_that_comes_in_pieces)
{
    static const struct fake_step script[] = {
        FAKE_HELLO,
        {FAKE_EXPECT, "'op':'create','name':'x','size':4000", 0},
        {FAKE_CRAWL, GRANT("2", "rw"), 4096},
        {FAKE_EXPECT, "'op':'release','grant':7", 0},
        {.act = FAKE_HANG_UP},
        {0}};
    segb_segment *segment;

    begin(script);
    REQUIRE_INT(segb_create(client, "x", 4000, NULL, &segment), 0);
    REQUIRE_INT(segb_id(segment), 17);
    REQUIRE_INT(segb_size(segment), 4000);
    REQUIRE_INT(segb_mapped_size(segment), 4096);
    REQUIRE_INT(segb_access(segment), SEGB_RW);
    REQUIRE(segb_created(segment));
    segb_close(segment);
    end();
}
END_TEST

START_TEST(lets_a_segment_be_closed_after_its_client)
{
    static const struct fake_step script[] = {
        FAKE_HELLO,
        {FAKE_EXPECT, "'op':'create'", 0},
        {FAKE_GIVE, GRANT("2", "rw"), 4096},
        {.act = FAKE_HANG_UP},
        {0}};
    segb_segment *segment;
    void *memory;

    begin(script);
    REQUIRE_INT(segb_create(client, NULL, 4000, NULL, &segment), 0);
    end();
    REQUIRE_INT(segb_map(segment, 0, 0, SEGB_RW, &memory), 0);
    segb_close(segment);
    memset(memory, 1, 4096);
    REQUIRE_INT(segb_unmap(memory), 0);
}
END_TEST

/* Nobody waits for them: the socket would fill up. */
START_TEST(wants_no_answer_when_it_closes)
{
    static const struct fake_step script[] = {
        FAKE_HELLO,
        {FAKE_EXPECT, "'open'", 0},
        {FAKE_GIVE, GRANT("2", "ro"), 4096},
        {FAKE_EXPECT, "'op':'release','grant':7,'quiet':true", 0},
        /* It was revoked meanwhile, say. */
        {FAKE_SAY,
         "{'id':0,'ok':false,'error':'not-found','message':'no grant'}", 0},
        {FAKE_EXPECT, "'ping'", 0},
        {FAKE_SAY, "{'id':3,'ok':true}", 0},
        {0}};
    segb_segment *segment;

    begin(script);
    REQUIRE_INT(segb_open(client, "x", NULL, &segment), 0);
    segb_close(segment);
    REQUIRE_INT(segb_ping(client), 0);
    end();
}
END_TEST

/* ---- lists ---- */

#define ROW(id)                                                                \
    "{'segment':" id ",'name':'x','owner':'user:alice','size':1,"              \
    "'mapped_size':4096,'state':'named','may':'ro','commit':true,"             \
    "'persist':false,'grants':1,'created_at':5}"

static int count_row(const segb_info *info, void *data)
{
    uint64_t *last = data;

    REQUIRE(info->id > *last);
    REQUIRE_STR(info->owner, "user:alice");
    REQUIRE(info->may_read && !info->may_write && info->commit);
    *last = info->id;
    return info->id == 9 ? 99 : 0;
}

START_TEST(lists_page_by_page)
{
    static const struct fake_step script[] = {
        FAKE_HELLO,
        {FAKE_EXPECT, "'prefix':'cam/','after':0", 0},
        {FAKE_SAY,
         "{'id':2,'ok':true,'segments':[" ROW("1") "," ROW("4") "],'next':4}",
         0},
        {FAKE_EXPECT, "'prefix':'cam/','after':4", 0},
        {FAKE_SAY, "{'id':3,'ok':true,'segments':[" ROW("6") "]}", 0},
        {FAKE_EXPECT, "'after':0", 0},
        {FAKE_SAY, "{'id':4,'ok':true,'segments':[" ROW("9") "],'next':9}", 0},
        {.act = FAKE_HANG_UP},
        {0}};
    uint64_t last = 0;

    begin(script);
    REQUIRE_INT(segb_list(client, "cam/", count_row, &last), 0);
    REQUIRE_INT(last, 6);
    REQUIRE_INT(segb_list(client, NULL, count_row, &last), 99);
    end();
}
END_TEST

START_TEST(does_not_list_for_ever)
{
    static const struct fake_step script[] = {
        FAKE_HELLO,
        {FAKE_EXPECT, "'after':0", 0},
        {FAKE_SAY, "{'id':2,'ok':true,'segments':[],'next':4}", 0},
        {FAKE_EXPECT, "'after':4", 0},
        {FAKE_SAY, "{'id':3,'ok':true,'segments':[],'next':4}", 0},
        {FAKE_EXPECT, "'after':0", 0},
        {FAKE_SAY, "{'id':4,'ok':true,'segments':[{}]}", 0},
        {.act = FAKE_HANG_UP},
        {0}};
    uint64_t last = 0;

    begin(script);
    REQUIRE_INT(segb_list(client, NULL, count_row, &last), SEGB_E_PROTOCOL);
    REQUIRE_INT(segb_list(client, NULL, count_row, &last), SEGB_E_PROTOCOL);
    end();
}
END_TEST

static int take_budget(const segb_budget *budget, void *data)
{
    segb_budget *taken = data;

    *taken = *budget;
    return budget->limit == SEGB_UNLIMITED ? 1 : 0;
}

START_TEST(tells_facts)
{
    static const struct fake_step script[] = {
        FAKE_HELLO,
        {FAKE_EXPECT, "'op':'stat','segment':17", 0},
        {FAKE_SAY, "{'id':2,'ok':true,'segment':" ROW("17") "}", 0},
        {FAKE_EXPECT, "'op':'usage','all':true", 0},
        {FAKE_SAY,
         "{'id':3,'ok':true,'usage':[{'section':'total','budget':'bytes',"
         "'used':3,'limit':8},{'section':'total','budget':'grants','used':4}]}",
         0},
        {.act = FAKE_HANG_UP},
        {0}};
    segb_info info;
    segb_budget budget;

    begin(script);
    REQUIRE_INT(segb_stat(client, NULL, 17, &info), 0);
    REQUIRE_INT(info.id, 17);
    REQUIRE_STR(info.name, "x");
    REQUIRE_STR(info.owner, "user:alice");
    REQUIRE_INT(info.state, SEGB_NAMED);
    REQUIRE_INT(info.created_at, 5);
    REQUIRE_INT(segb_usage(client, 1, take_budget, &budget), 1);
    REQUIRE_INT(budget.used, 4);
    end();
}
END_TEST

/* ---- what never reaches the broker ---- */

static void require_refused(int r, int expected, const char *part)
{
    REQUIRE_INT(r, expected);
    REQUIRE_PART(segb_last_detail(), part);
}

static int create_with(segb_create_options options)
{
    segb_segment *segment;

    options.struct_size = sizeof(options);
    return segb_create(client, "x", 1, &options, &segment);
}

START_TEST(checks_arguments_before_it_asks)
{
    static const struct fake_step script[] = {
        FAKE_HELLO, {FAKE_EXPECT, "'op':'ping'", 0}, {0}};
    const char *principals[65] = {"\xff"};
    segb_segment *s;
    segb_info info;

    begin(script);
    require_refused(segb_create(client, "x", 0, NULL, &s),
                    SEGB_E_INVALID_ARGUMENT, "size");
    require_refused(segb_create(client, "x", (size_t)-1, NULL, &s),
                    SEGB_E_INVALID_ARGUMENT, "size");
    require_refused(segb_create(client, "", 1, NULL, &s), SEGB_E_INVALID_NAME,
                    "");
    require_refused(segb_create(client, "a\\b", 1, NULL, &s),
                    SEGB_E_INVALID_NAME, "");
    require_refused(segb_open(client, "\xff", NULL, &s), SEGB_E_INVALID_NAME,
                    "");
    require_refused(segb_open(client, NULL, NULL, &s), SEGB_E_INVALID_ARGUMENT,
                    "name");
    require_refused(segb_open(NULL, "x", NULL, &s), SEGB_E_INVALID_ARGUMENT,
                    "client");
    require_refused(segb_open(client, "x", NULL, NULL), SEGB_E_INVALID_ARGUMENT,
                    "segment");
    require_refused(create_with((segb_create_options){.access = 4}),
                    SEGB_E_INVALID_ARGUMENT, "access");
    require_refused(create_with((segb_create_options){.share_read_count = 1}),
                    SEGB_E_INVALID_ARGUMENT, "share_read");
    require_refused(create_with((segb_create_options){.share_write = principals,
                                                      .share_write_count = 1}),
                    SEGB_E_INVALID_ARGUMENT, "share_write");
    require_refused(create_with((segb_create_options){.share_write = principals,
                                                      .share_write_count = 65}),
                    SEGB_E_INVALID_ARGUMENT, "64");
    require_refused(segb_open_async(client, "x", NULL, NULL, NULL),
                    SEGB_E_INVALID_ARGUMENT, "done");
    require_refused(segb_list(client, "\xff", count_row, NULL),
                    SEGB_E_INVALID_ARGUMENT, "prefix");
    require_refused(segb_list(client, NULL, NULL, NULL),
                    SEGB_E_INVALID_ARGUMENT, "row");
    require_refused(segb_stat(client, NULL, 0, &info), SEGB_E_INVALID_ARGUMENT,
                    "name");
    require_refused(segb_log_level(client, "loud"), SEGB_E_INVALID_ARGUMENT,
                    "loud");
    require_refused(segb_ping(NULL), SEGB_E_INVALID_ARGUMENT, "client");
    REQUIRE_INT(segb_ping(client), SEGB_E_GONE);
    end();
}
END_TEST

/* As a program sees it that was built with another version's header. */
struct later_options {
    segb_open_options known;
    int unknown;
};

START_TEST(takes_options_of_other_versions)
{
    static const struct fake_step script[] = {
        FAKE_HELLO,
        {FAKE_EXPECT, "'op':'open','segment':17,'access':'rw'", 0},
        {FAKE_SAY, "{'id':2,'ok':false,'error':'busy','message':'later'}", 0},
        {FAKE_EXPECT, "'op':'open','name':'x','access':'rw'", 0},
        {FAKE_SAY, "{'id':3,'ok':false,'error':'busy','message':'later'}", 0},
        {.act = FAKE_HANG_UP},
        {0}};
    struct later_options later = {
        .known = {.struct_size = sizeof(later), .access = SEGB_RW, .id = 17}};
    segb_open_options *options = &later.known;
    segb_segment *s;

    begin(script);
    REQUIRE_INT(segb_open(client, NULL, options, &s), SEGB_E_BUSY);
    later.unknown = 1;
    require_refused(segb_open(client, NULL, options, &s),
                    SEGB_E_INVALID_ARGUMENT, "options");
    /* An older one, from before `id`. */
    options->struct_size = offsetof(segb_open_options, id);
    require_refused(segb_open(client, NULL, options, &s),
                    SEGB_E_INVALID_ARGUMENT, "id");
    REQUIRE_INT(segb_open(client, "x", options, &s), SEGB_E_BUSY);
    options->struct_size = 0;
    require_refused(segb_open(client, "x", options, &s),
                    SEGB_E_INVALID_ARGUMENT, "struct_size");
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("library");
    TCase *tests = suite_case(suite, "connection", 60);

    tcase_add_test(tests, connects_and_keeps_what_the_broker_said);
    tcase_add_test(tests, says_its_name);
    tcase_add_test(tests, tells_why_a_connection_was_refused);
    tcase_add_test(tests, refuses_a_welcome_of_another_version);
    tcase_add_test(tests, finds_no_broker_where_none_serves);
    tcase_add_test(tests, ends_a_call_when_the_broker_goes);
    tcase_add_test(tests, ends_a_call_when_the_broker_goes_within_a_line);
    tcase_add_test(tests, tells_why_it_was_cut_off);
    tcase_add_test(tests, ends_the_connection_at_nonsense);
    tcase_add_test(tests, takes_no_second_answer);
    tests = suite_case(suite, "grants", 60);
    tcase_add_test(tests, gives_a_grant_back_whose_handle_was_not_sent);
    tcase_add_test(tests, gives_a_grant_back_whose_doorbell_was_not_sent);
    tcase_add_test(tests, gives_back_what_comes_too_late);
    tcase_add_test(tests, takes_a_reply_that_comes_in_pieces);
    tcase_add_test(tests, lets_a_segment_be_closed_after_its_client);
    tcase_add_test(tests, wants_no_answer_when_it_closes);
    tests = suite_case(suite, "lists", 60);
    tcase_add_test(tests, lists_page_by_page);
    tcase_add_test(tests, does_not_list_for_ever);
    tcase_add_test(tests, tells_facts);
    tests = suite_case(suite, "arguments", 60);
    tcase_add_test(tests, checks_arguments_before_it_asks);
    tcase_add_test(tests, takes_options_of_other_versions);
    return suite_main(suite);
}
