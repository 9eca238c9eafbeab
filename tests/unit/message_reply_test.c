#include "message_fixture.h"

#include <stdio.h>

/* ---- the writer ---- */

static const char *const texts[] = {
    "plain",
    "",
    "quote \" backslash \\ slash /",
    "\b\f\n\r\t\x01\x1f\x7f",
    "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
};

START_TEST(strings_come_back_as_they_were)
{
    request = (struct message_request){.id = 1, .op = PROTOCOL_LIST};
    request.list.prefix = texts[_i];
    request.list.page.limit = 1;
    ck_assert_int_eq(message_request_write(&out, &request), 0);
    ck_assert_int_eq(
        message_request_decode(out.data, out.size - 1, &request, &problem), 0);
    ck_assert_str_eq(request.list.prefix, texts[_i]);
    ck_assert_ptr_eq(memchr(out.data, '\n', out.size), out.data + out.size - 1);
}
END_TEST

static const uint64_t numbers[] = {
    0, 1, 9, 10, 99, 100, 4096, 65535, UINT64_C(9007199254740991)};

START_TEST(integers_come_back_as_they_were)
{
    char expected[100];

    ck_assert_int_eq(message_ok_write(&out, numbers[_i]), 0);
    snprintf(expected, sizeof(expected), "{'id':%llu,'ok':true}",
             (unsigned long long)numbers[_i]);
    ck_assert_int_eq(message_reply_decode(out.data, out.size - 1, &reply), 0);
    ck_assert_uint_eq(reply.id, numbers[_i]);
    expect_written(expected);
}
END_TEST

START_TEST(line_that_does_not_fit_leaves_the_buffer_as_it_was)
{
    static const struct message_grant grant = {
        .grant = 1, .segment = 17, .size = 8294400, .mapped_size = 8294400};
    static const char before[] = "{\"id\":1,\"ok\":true}\n";
    struct buffer small;
    size_t limit = sizeof(before) - 1;
    int r;

    do {
        buffer_init(&small, limit++);
        ck_assert_int_eq(message_ok_write(&small, 1), 0);
        r = message_grant_write(&small, 2, &grant);
        ck_assert(r == 0 || r == BUFFER_E_FULL);
        if (r != 0)
            ck_assert_uint_eq(small.size, sizeof(before) - 1);
        ck_assert_int_eq(memcmp(small.data, before, sizeof(before) - 1), 0);
        buffer_deinit(&small);
    } while (r != 0);
    ck_assert_uint_gt(limit, 2 * sizeof(before));
}
END_TEST

/* ---- replies ---- */

static void decode_reply(const char *text)
{
    char *line = json(text, strlen(text));

    message_reply_deinit(&reply);
    ck_assert_msg(message_reply_decode(line, strlen(text), &reply) == 0, "%s",
                  text);
    free(line);
}

/* What was written, read back. */
static void read_back(const char *text)
{
    expect_written(text);
    decode_reply(text);
    ck_assert(reply.has_id);
    ck_assert(reply.ok);
}

START_TEST(ok_comes_back)
{
    ck_assert_int_eq(message_ok_write(&out, 4), 0);
    read_back("{'id':4,'ok':true}");
    ck_assert_uint_eq(reply.id, 4);
}
END_TEST

START_TEST(welcome_comes_back)
{
    static const char *const features[] = {"sealed-size", "enforced-ro"};
    struct message_welcome w = {.version = 1,
                                .server = "segbroker/0.1.0",
                                .you = "user:alice",
                                .administrator = true,
                                .features = features,
                                .feature_count = 2};

    ck_assert_int_eq(message_welcome_write(&out, 1, &w), 0);
    read_back("{'id':1,'ok':true,'version':1,'server':'segbroker/0.1.0',"
              "'you':'user:alice','administrator':true,"
              "'features':['sealed-size','enforced-ro'],"
              "'limits':{'line':65536,'handles':253}}");
    ck_assert_int_eq(message_reply_welcome(&reply, &w), 0);
    ck_assert_uint_eq(w.version, 1);
    ck_assert_str_eq(w.server, "segbroker/0.1.0");
    ck_assert_str_eq(w.you, "user:alice");
    ck_assert(w.administrator);
    ck_assert_uint_eq(w.feature_count, 2);
    ck_assert_str_eq(message_reply_feature(&reply, 1), "enforced-ro");
    ck_assert_ptr_null(message_reply_feature(&reply, 2));
}
END_TEST

START_TEST(welcome_without_features_comes_back)
{
    struct message_welcome w = {.version = 1, .server = "s", .you = "u"};

    ck_assert_int_eq(message_welcome_write(&out, 1, &w), 0);
    read_back("{'id':1,'ok':true,'version':1,'server':'s','you':'u',"
              "'administrator':false,'features':[],"
              "'limits':{'line':65536,'handles':253}}");
    ck_assert_int_eq(message_reply_welcome(&reply, &w), 0);
    ck_assert_uint_eq(w.feature_count, 0);
    ck_assert_ptr_null(message_reply_feature(&reply, 0));
}
END_TEST

START_TEST(grant_comes_back)
{
    struct message_grant g = {.grant = 5,
                              .segment = 17,
                              .created = true,
                              .size = 5000,
                              .mapped_size = 8192,
                              .access = PROTOCOL_COW,
                              .memory = {MESSAGE_HANDLE_INDEX, 3}};
    struct message_grant read;

    ck_assert_int_eq(message_grant_write(&out, 2, &g), 0);
    read_back("{'id':2,'ok':true,'grant':5,'segment':17,'created':true,"
              "'size':5000,'mapped_size':8192,'access':'cow',"
              "'handles':{'memory':3}}");
    ck_assert_int_eq(message_reply_grant(&reply, &read), 0);
    ck_assert_uint_eq(read.grant, g.grant);
    ck_assert_uint_eq(read.segment, g.segment);
    ck_assert_uint_eq(read.size, g.size);
    ck_assert_uint_eq(read.mapped_size, g.mapped_size);
    ck_assert_int_eq(read.memory.form, g.memory.form);
    ck_assert_uint_eq(read.memory.number, g.memory.number);
    ck_assert_int_eq(read.access, g.access);
    ck_assert(read.created);
}
END_TEST

START_TEST(doorbell_comes_back_with_its_grant)
{
    struct message_grant g = {
        .grant = 5,
        .memory = {MESSAGE_HANDLE_INDEX, 3},
        .bell = {{MESSAGE_HANDLE_INDEX, 4}, {MESSAGE_HANDLE_VALUE, 255}}};
    struct message_grant read;

    ck_assert_int_eq(message_grant_write(&out, 2, &g), 0);
    read_back("{'id':2,'ok':true,'grant':5,'segment':0,'created':false,"
              "'size':0,'mapped_size':0,'access':'ro','handles':{'memory':3,"
              "'doorbell':4,'doorbell_wake':'0xff'}}");
    ck_assert_int_eq(message_reply_grant(&reply, &read), 0);
    ck_assert_int_eq(read.bell[0].form, MESSAGE_HANDLE_INDEX);
    ck_assert_uint_eq(read.bell[0].number, 4);
    ck_assert_int_eq(read.bell[1].form, MESSAGE_HANDLE_VALUE);
    ck_assert_uint_eq(read.bell[1].number, 255);
    ck_assert_int_eq(read.bell[2].form, MESSAGE_HANDLE_NONE);
    decode_reply("{'id':2,'ok':true,'grant':5,'segment':0,'created':false,"
                 "'size':0,'mapped_size':0,'access':'ro','handles':{'memory':3,"
                 "'doorbell':true}}");
    ck_assert_int_eq(message_reply_grant(&reply, &read), MESSAGE_MALFORMED);
}
END_TEST

START_TEST(pages_come_back_with_their_grant)
{
    struct message_grant g = {.pages = PROTOCOL_PAGES_1G};
    struct message_grant read;

    ck_assert_int_eq(message_grant_write(&out, 2, &g), 0);
    read_back("{'id':2,'ok':true,'grant':0,'segment':0,'created':false,"
              "'size':0,'mapped_size':0,'access':'ro','pages':'1G'}");
    ck_assert_int_eq(message_reply_grant(&reply, &read), 0);
    ck_assert_int_eq(read.pages, PROTOCOL_PAGES_1G);
    decode_reply("{'id':2,'ok':true,'grant':5,'segment':0,'created':false,"
                 "'size':0,'mapped_size':0,'access':'ro','pages':'4K'}");
    ck_assert_int_eq(message_reply_grant(&reply, &read), MESSAGE_MALFORMED);
}
END_TEST

static const struct message_segment segments[] = {
    {.segment = 1,
     .name = "global/\"a\"",
     .owner = "user:alice",
     .size = 1,
     .mapped_size = 4096,
     .state = PROTOCOL_NAMED,
     .may_read = true,
     .may_write = true,
     .commit = true,
     .persist = true,
     .doorbell = true,
     .grants = 3,
     .created_at = 1700000000},
    {.segment = 2,
     .owner = "user:1001",
     .state = PROTOCOL_UNNAMED,
     .may_read = true},
    {.segment = 3, .name = "x", .owner = "", .state = PROTOCOL_REMOVED},
    {.segment = 4, .name = "x", .owner = "", .state = PROTOCOL_HELD},
    {.segment = 5, .name = "x", .owner = "", .unpublished = true},
    {.segment = 5,
     .owner = "",
     .state = PROTOCOL_UNNAMED,
     .pages = PROTOCOL_PAGES_2M,
     .numa = 1},
};

#define RECORD_0                                                               \
    "{'segment':1,'name':'global/\\\"a\\\"','owner':'user:alice','size':1,"    \
    "'mapped_size':4096,'state':'named','may':'rw','commit':true,"             \
    "'persist':true,'doorbell':true,'grants':3,'created_at':1700000000}"
#define RECORD_1                                                               \
    "{'segment':2,'name':null,'owner':'user:1001','size':0,'mapped_size':0,"   \
    "'state':'unnamed','may':'ro','commit':false,'persist':false,"             \
    "'doorbell':false,'grants':0,'created_at':0}"

static void expect_same(const struct message_segment *a,
                        const struct message_segment *b)
{
    ck_assert_uint_eq(a->segment, b->segment);
    ck_assert_pstr_eq(a->name, b->name);
    ck_assert_str_eq(a->owner, b->owner);
    ck_assert_uint_eq(a->size, b->size);
    ck_assert_uint_eq(a->mapped_size, b->mapped_size);
    ck_assert_int_eq(a->state, b->state);
    ck_assert_int_eq(a->may_read, b->may_read);
    ck_assert_int_eq(a->may_write, b->may_write);
    ck_assert_int_eq(a->commit, b->commit);
    ck_assert_int_eq(a->persist, b->persist);
    ck_assert_int_eq(a->doorbell, b->doorbell);
    ck_assert_int_eq(a->unpublished, b->unpublished);
    ck_assert_int_eq(a->pages, b->pages);
    ck_assert_uint_eq(a->numa, b->numa);
    ck_assert_uint_eq(a->grants, b->grants);
    ck_assert_uint_eq(a->created_at, b->created_at);
}

START_TEST(stat_comes_back)
{
    struct message_segment read;

    ck_assert_int_eq(message_stat_write(&out, 9, &segments[_i]), 0);
    ck_assert_int_eq(message_reply_decode(out.data, out.size - 1, &reply), 0);
    ck_assert_int_eq(message_reply_stat(&reply, &read), 0);
    expect_same(&read, &segments[_i]);
}
END_TEST

static const char *const events[] = {
    "{'event':'created','watch':3,'segment':17,'name':'a','owner':'user:a',"
    "'size':5,'published':false}",
    "{'event':'frozen','watch':3,'segment':17,'name':null,'owner':'user:a',"
    "'size':5,'frozen':'future'}",
    "{'event':'overflow'}",
};

START_TEST(event_comes_back)
{
    size_t size = strlen(events[_i]);
    char *line = json(events[_i], size);
    struct message_event event;

    ck_assert_int_eq(message_reply_decode(line, size, &reply), 0);
    ck_assert(reply.is_event && !reply.has_id);
    ck_assert_int_eq(message_reply_event(&reply, &event), 0);
    ck_assert_int_eq(message_event_write(&out, &event), 0);
    ck_assert_uint_eq(out.size, size + 1);
    ck_assert_int_eq(memcmp(out.data, line, size), 0);
    free(line);
}
END_TEST

START_TEST(event_that_is_not_known_or_makes_no_sense)
{
    static const char unknown[] = "{'event':'painted','watch':3}";
    static const char *const bad[] = {
        "{'event':5}", "{'event':'created'}",
        "{'event':'created','watch':3,'segment':17,'name':'a','owner':5,"
        "'size':5}",
        "{'event':'created','watch':3,'segment':17,'name':'a','owner':'a',"
        "'size':5,'frozen':'cold'}"};
    struct message_event event;
    char *line = json(unknown, strlen(unknown));

    ck_assert_int_eq(message_reply_decode(line, strlen(unknown), &reply), 0);
    ck_assert_int_eq(message_reply_event(&reply, &event), 0);
    ck_assert_int_eq(event.event, PROTOCOL_EVENTS);
    free(line);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        message_reply_deinit(&reply);
        line = json(bad[i], strlen(bad[i]));
        ck_assert_int_eq(message_reply_decode(line, strlen(bad[i]), &reply), 0);
        ck_assert_int_eq(message_reply_event(&reply, &event),
                         MESSAGE_MALFORMED);
        free(line);
    }
}
END_TEST

START_TEST(stats_come_back)
{
    static const struct message_counter counters[] = {{"requests", 12},
                                                      {"bytes", 0}};
    struct message_counter read;

    ck_assert_int_eq(message_stats_write(&out, 1, counters, 2), 0);
    read_back("{'id':1,'ok':true,'stats':{'requests':12,'bytes':0}}");
    ck_assert_uint_eq(message_reply_rows(&reply), 2);
    ck_assert_int_eq(message_reply_counter(&reply, 0, &read), 0);
    ck_assert_str_eq(read.name, "requests");
    ck_assert_uint_eq(read.value, 12);
    ck_assert_int_eq(message_reply_counter(&reply, 1, &read), 0);
    ck_assert_str_eq(read.name, "bytes");
    ck_assert_int_eq(message_reply_counter(&reply, 2, &read),
                     MESSAGE_MALFORMED);
}
END_TEST

START_TEST(previous_level_is_written)
{
    ck_assert_int_eq(message_level_write(&out, 1, PROTOCOL_LOG_WARNING), 0);
    read_back("{'id':1,'ok':true,'previous':'warning'}");
}
END_TEST

START_TEST(error_comes_back_with_its_figures)
{
    struct message_problem p = {.has_id = true,
                                .id = 5,
                                .error = PROTOCOL_QUOTA_EXCEEDED,
                                .text = "bytes: \"6\" of 8"};
    struct message_budget detail = {.section = "user alice",
                                    .budget = "bytes",
                                    .used = 6,
                                    .limit = 8,
                                    .asked = 4};

    ck_assert_int_eq(message_error_write(&out, &p, &detail), 0);
    ck_assert_int_eq(message_reply_decode(out.data, out.size - 1, &reply), 0);
    expect_written("{'id':5,'ok':false,'error':'quota-exceeded',"
                   "'message':'bytes: \\\"6\\\" of 8','detail':{"
                   "'section':'user alice','budget':'bytes','used':6,"
                   "'limit':8,'asked':4}}");
    ck_assert(!reply.ok);
    ck_assert(reply.has_id);
    ck_assert_uint_eq(reply.id, 5);
    ck_assert_int_eq(reply.error, PROTOCOL_QUOTA_EXCEEDED);
    ck_assert_str_eq(reply.text, p.text);
    ck_assert(reply.has_detail);
    ck_assert_str_eq(reply.detail.section, "user alice");
    ck_assert_str_eq(reply.detail.budget, "bytes");
    ck_assert_uint_eq(reply.detail.used, 6);
    ck_assert_uint_eq(reply.detail.limit, 8);
    ck_assert_uint_eq(reply.detail.asked, 4);
}
END_TEST

START_TEST(error_without_id_comes_back)
{
    struct message_problem p = {.error = PROTOCOL_BAD_REQUEST, .text = "no"};

    ck_assert_int_eq(message_error_write(&out, &p, NULL), 0);
    ck_assert_int_eq(message_reply_decode(out.data, out.size - 1, &reply), 0);
    expect_written(
        "{'id':null,'ok':false,'error':'bad-request','message':'no'}");
    ck_assert(!reply.has_id);
    ck_assert(!reply.has_detail);
}
END_TEST

START_TEST(error_of_a_later_version_reads_as_internal)
{
    decode_reply("{'id':1,'ok':false,'error':'moon-phase'}");
    ck_assert_int_eq(reply.error, PROTOCOL_INTERNAL);
    ck_assert_str_eq(reply.text, "");
    /* Half a detail is none. */
    decode_reply("{'id':1,'ok':false,'error':'busy','detail':{'used':1}}");
    ck_assert_int_eq(reply.error, PROTOCOL_BUSY);
    ck_assert(!reply.has_detail);
}
END_TEST

static const char *const no_replies[] = {
    "",
    "{}",
    "[]",
    "{'id':1}",
    "{'ok':true}",
    "{'id':null,'ok':true}",
    "{'id':'1','ok':true}",
    "{'id':1,'ok':1}",
    "{'id':1,'ok':'true'}",
    "{'id':1,'ok':false}",
    "{'id':1,'ok':false,'error':5}",
    "{'id':1,'ok':true,'ok':true}",
    "{'id':1,'ok':true}}",
    "{'id':1,'ok':true,'x':'\\u0000'}",
    "{'id':1,'ok':true,'x':'\xff'}",
};

START_TEST(what_is_no_reply_is_malformed)
{
    char *line = json(no_replies[_i], strlen(no_replies[_i]));

    ck_assert_int_eq(message_reply_decode(line, strlen(no_replies[_i]), &reply),
                     MESSAGE_MALFORMED);
    ck_assert_ptr_null(reply.document);
    free(line);
}
END_TEST

/* Reads the body as an op's reply. */
static int read_body(enum protocol_op op)
{
    struct message_welcome welcome;
    struct message_grant grant;
    struct message_segment segment;
    struct message_budget budget;
    struct message_client client;
    struct message_counter counter;

    switch (op) {
    case PROTOCOL_HELLO:
        return message_reply_welcome(&reply, &welcome);
    case PROTOCOL_OPEN:
        return message_reply_grant(&reply, &grant);
    case PROTOCOL_STAT:
        return message_reply_stat(&reply, &segment);
    case PROTOCOL_LIST:
        return message_reply_segment(&reply, 0, &segment);
    case PROTOCOL_USAGE:
        return message_reply_budget(&reply, 0, &budget);
    case PROTOCOL_CLIENTS:
        return message_reply_client(&reply, 0, &client);
    default:
        return message_reply_counter(&reply, 0, &counter);
    }
}

static const struct {
    enum protocol_op op;
    const char *text;
    const char *optional; /* members that may be missing */
} bodies[] = {
    {PROTOCOL_HELLO,
     "{'id':1,'ok':true,'version':1,'server':'s','you':'u',"
     "'administrator':true,'features':[]}",
     ""},
    {PROTOCOL_OPEN,
     "{'id':1,'ok':true,'grant':5,'segment':17,'created':true,'size':1,"
     "'mapped_size':1,'access':'ro','handles':{'memory':0}}",
     "'handles'"},
    {PROTOCOL_STAT, "{'id':1,'ok':true,'segment':" RECORD_0 "}",
     "'name' 'doorbell'"},
    {PROTOCOL_LIST, "{'id':1,'ok':true,'segments':[" RECORD_1 "]}",
     "'name' 'doorbell'"},
    {PROTOCOL_USAGE,
     "{'id':1,'ok':true,'usage':[{'section':'total','budget':'bytes',"
     "'used':1,'limit':2}]}",
     "'limit'"},
    {PROTOCOL_CLIENTS,
     "{'id':1,'ok':true,'clients':[{'client':1,'pid':2,'user':'u',"
     "'name':'n','grants':3,'requests':4,'connected_at':5}]}",
     "'name'"},
    {PROTOCOL_STATS, "{'id':1,'ok':true,'stats':{'x':1}}", "'x'"},
};

/* Spoils one member's key after the other. */
START_TEST(body_without_a_member_is_malformed)
{
    char text[400], key[40];
    char *at;
    int length;

    decode_reply(bodies[_i].text);
    ck_assert_int_eq(read_body(bodies[_i].op), 0);
    snprintf(text, sizeof(text), "%s", bodies[_i].text);
    for (at = strstr(text, "true,") + 5; (at = strchr(at, '\'')); at++) {
        length = (int)strcspn(at + 1, "'") + 2;
        snprintf(key, sizeof(key), "%.*s", length, at);
        if (at[length] == ':' && !strstr(bodies[_i].optional, key)) {
            at[1]++;
            decode_reply(text);
            ck_assert_msg(read_body(bodies[_i].op) == MESSAGE_MALFORMED, "%s",
                          text);
            at[1]--;
        }
        at += length - 1;
    }
}
END_TEST

static const char *const wrong_bodies[] = {
    "{'id':1,'ok':true}",
    "{'id':1,'ok':true,'grant':'5','segment':17,'created':true,'size':1,"
    "'mapped_size':1,'access':'ro','handles':{'memory':0}}",
    "{'id':1,'ok':true,'grant':5,'segment':17,'created':1,'size':1,"
    "'mapped_size':1,'access':'ro','handles':{'memory':0}}",
    "{'id':1,'ok':true,'grant':5,'segment':17,'created':true,'size':1,"
    "'mapped_size':1,'access':'xo','handles':{'memory':0}}",
    "{'id':1,'ok':true,'grant':5,'segment':17,'created':true,'size':1,"
    "'mapped_size':1,'access':'ro','handles':{'memory':-1}}",
    "{'id':1,'ok':true,'grant':5,'segment':17,'created':true,'size':1,"
    "'mapped_size':1,'access':'ro','handles':[0]}",
};

START_TEST(body_with_a_wrong_value_is_malformed)
{
    decode_reply(wrong_bodies[_i]);
    ck_assert_int_eq(read_body(PROTOCOL_OPEN), MESSAGE_MALFORMED);
}
END_TEST

START_TEST(reading_another_body_than_came_is_malformed)
{
    static const enum protocol_op ops[] = {
        PROTOCOL_HELLO, PROTOCOL_OPEN,    PROTOCOL_STAT, PROTOCOL_LIST,
        PROTOCOL_USAGE, PROTOCOL_CLIENTS, PROTOCOL_STATS};

    decode_reply("{'id':1,'ok':true,'segments':5,'features':{},'segment':[],"
                 "'handles':5,'next':'x'}");
    for (int i = 0; i < COUNT(ops); i++)
        ck_assert_int_eq(read_body(ops[i]), MESSAGE_MALFORMED);
    ck_assert_uint_eq(message_reply_rows(&reply), 0);
    ck_assert_uint_eq(message_reply_next(&reply), 0);
    ck_assert_ptr_null(message_reply_feature(&reply, 0));
}
END_TEST

/* ---- pages ---- */

START_TEST(page_of_segments_comes_back)
{
    struct message_pager pager;
    struct message_segment read;

    ck_assert_int_eq(message_page_begin(&pager, &out, 3, PROTOCOL_LIST), 0);
    ck_assert_int_eq(message_page_add_segment(&pager, &segments[0]), 0);
    ck_assert_int_eq(message_page_add_segment(&pager, &segments[1]), 0);
    ck_assert_int_eq(message_page_end(&pager, 2), 0);
    read_back("{'id':3,'ok':true,'segments':[" RECORD_0 "," RECORD_1
              "],'next':2}");
    ck_assert_uint_eq(message_reply_rows(&reply), 2);
    ck_assert_uint_eq(message_reply_next(&reply), 2);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(message_reply_segment(&reply, i, &read), 0);
        expect_same(&read, &segments[i]);
    }
    ck_assert_int_eq(message_reply_segment(&reply, 2, &read),
                     MESSAGE_MALFORMED);
}
END_TEST

START_TEST(page_of_budgets_comes_back)
{
    static const struct message_budget rows[] = {
        {.section = "user alice", .budget = "bytes", .used = 1, .limit = 0},
        {.section = "total", .budget = "grants", .limit = MESSAGE_NONE}};
    struct message_pager pager;
    struct message_budget read;

    ck_assert_int_eq(message_page_begin(&pager, &out, 3, PROTOCOL_USAGE), 0);
    ck_assert_int_eq(message_page_add_budget(&pager, &rows[0]), 0);
    ck_assert_int_eq(message_page_add_budget(&pager, &rows[1]), 0);
    ck_assert_int_eq(message_page_end(&pager, 0), 0);
    read_back("{'id':3,'ok':true,'usage':[{'section':'user alice',"
              "'budget':'bytes','used':1,'limit':0},{'section':'total',"
              "'budget':'grants','used':0}]}");
    ck_assert_uint_eq(message_reply_rows(&reply), 2);
    ck_assert_uint_eq(message_reply_next(&reply), 0);
    ck_assert_int_eq(message_reply_budget(&reply, 0, &read), 0);
    ck_assert_uint_eq(read.limit, 0);
    ck_assert_int_eq(message_reply_budget(&reply, 1, &read), 0);
    ck_assert_str_eq(read.section, "total");
    ck_assert_str_eq(read.budget, "grants");
    ck_assert(read.limit == MESSAGE_NONE);
    ck_assert_int_eq(message_reply_budget(&reply, 2, &read), MESSAGE_MALFORMED);
}
END_TEST

START_TEST(page_of_clients_comes_back)
{
    struct message_client client = {.client = 7,
                                    .pid = 1234,
                                    .user = "user:alice",
                                    .name = "camera",
                                    .grants = 2,
                                    .requests = 9,
                                    .connected_at = 1700000000};
    struct message_pager pager;
    struct message_client read;

    ck_assert_int_eq(message_page_begin(&pager, &out, 3, PROTOCOL_CLIENTS), 0);
    ck_assert_int_eq(message_page_add_client(&pager, &client), 0);
    client.name = NULL;
    ck_assert_int_eq(message_page_add_client(&pager, &client), 0);
    ck_assert_int_eq(message_page_end(&pager, 7), 0);
    read_back("{'id':3,'ok':true,'clients':[{'client':7,'pid':1234,"
              "'user':'user:alice','name':'camera','grants':2,'requests':9,"
              "'connected_at':1700000000},{'client':7,'pid':1234,"
              "'user':'user:alice','name':null,'grants':2,'requests':9,"
              "'connected_at':1700000000}],'next':7}");
    ck_assert_int_eq(message_reply_client(&reply, 0, &read), 0);
    ck_assert_str_eq(read.name, "camera");
    ck_assert_uint_eq(read.pid, 1234);
    ck_assert_int_eq(message_reply_client(&reply, 1, &read), 0);
    ck_assert_ptr_null(read.name);
}
END_TEST

START_TEST(empty_page_comes_back)
{
    struct message_pager pager;

    ck_assert_int_eq(message_page_begin(&pager, &out, 3, PROTOCOL_LIST), 0);
    ck_assert_int_eq(message_page_end(&pager, 0), 0);
    read_back("{'id':3,'ok':true,'segments':[]}");
    ck_assert_uint_eq(message_reply_rows(&reply), 0);
}
END_TEST

/* Behind another reply, which must not count. */
START_TEST(page_ends_at_the_line_limit_and_stays_whole)
{
    char name[PROTOCOL_NAME_MAX + 1];
    struct message_segment segment = segments[0];
    struct message_pager pager;
    size_t start;
    int r;

    memset(name, '"', PROTOCOL_NAME_MAX);
    name[PROTOCOL_NAME_MAX] = '\0';
    segment.name = name;
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(message_ok_write(&out, 1), 0);
    start = out.size;
    ck_assert_int_eq(
        message_page_begin(&pager, &out, PROTOCOL_INTEGER_MAX, PROTOCOL_LIST),
        0);
    while ((r = message_page_add_segment(&pager, &segment)) == 0)
        segment.segment++;
    ck_assert_int_eq(r, BUFFER_E_FULL);
    ck_assert_uint_eq(pager.rows, segment.segment - 1);
    ck_assert_int_eq(message_page_end(&pager, PROTOCOL_INTEGER_MAX), 0);
    ck_assert_uint_le(out.size - start, LINE);
    ck_assert_uint_gt(out.size - start, LINE - 1000);
    ck_assert_int_eq(
        message_reply_decode(out.data + start, out.size - start - 1, &reply),
        0);
    ck_assert_uint_eq(message_reply_rows(&reply), pager.rows);
    ck_assert_uint_eq(message_reply_next(&reply), PROTOCOL_INTEGER_MAX);
    ck_assert_int_eq(message_reply_segment(&reply, pager.rows - 1, &segment),
                     0);
    ck_assert_uint_eq(segment.segment, pager.rows);
}
END_TEST

START_TEST(page_that_cannot_end_leaves_the_buffer_as_it_was)
{
    struct message_pager pager;
    struct buffer small;

    buffer_init(&small, 60);
    ck_assert_int_eq(message_ok_write(&small, 1), 0);
    ck_assert_int_eq(message_page_begin(&pager, &small, 3, PROTOCOL_LIST), 0);
    ck_assert_int_eq(message_page_end(&pager, PROTOCOL_INTEGER_MAX),
                     BUFFER_E_FULL);
    ck_assert_uint_eq(small.size, strlen("{'id':1,'ok':true}\n"));
    buffer_deinit(&small);
}
END_TEST

static void add_reply_tests(Suite *suite)
{
    TCase *tests = add_case(suite, "replies");

    tcase_add_loop_test(tests, strings_come_back_as_they_were, 0, COUNT(texts));
    tcase_add_loop_test(tests, integers_come_back_as_they_were, 0,
                        COUNT(numbers));
    tcase_add_test(tests, line_that_does_not_fit_leaves_the_buffer_as_it_was);
    tcase_add_test(tests, ok_comes_back);
    tcase_add_test(tests, welcome_comes_back);
    tcase_add_test(tests, welcome_without_features_comes_back);
    tcase_add_test(tests, grant_comes_back);
    tcase_add_test(tests, doorbell_comes_back_with_its_grant);
    tcase_add_test(tests, pages_come_back_with_their_grant);
    tcase_add_loop_test(tests, stat_comes_back, 0, COUNT(segments));
    tcase_add_loop_test(tests, event_comes_back, 0, 3);
    tcase_add_test(tests, event_that_is_not_known_or_makes_no_sense);
    tcase_add_test(tests, stats_come_back);
    tcase_add_test(tests, previous_level_is_written);
    tcase_add_test(tests, error_comes_back_with_its_figures);
    tcase_add_test(tests, error_without_id_comes_back);
    tcase_add_test(tests, error_of_a_later_version_reads_as_internal);
    tcase_add_loop_test(tests, what_is_no_reply_is_malformed, 0,
                        COUNT(no_replies));
    tcase_add_loop_test(tests, body_without_a_member_is_malformed, 0,
                        COUNT(bodies));
    tcase_add_loop_test(tests, body_with_a_wrong_value_is_malformed, 0,
                        COUNT(wrong_bodies));
    tcase_add_test(tests, reading_another_body_than_came_is_malformed);
}

static void add_page_tests(Suite *suite)
{
    TCase *tests = add_case(suite, "pages");

    tcase_add_test(tests, page_of_segments_comes_back);
    tcase_add_test(tests, page_of_budgets_comes_back);
    tcase_add_test(tests, page_of_clients_comes_back);
    tcase_add_test(tests, empty_page_comes_back);
    tcase_add_test(tests, page_ends_at_the_line_limit_and_stays_whole);
    tcase_add_test(tests, page_that_cannot_end_leaves_the_buffer_as_it_was);
}

int main(void)
{
    Suite *suite = suite_create("replies");

    add_reply_tests(suite);
    add_page_tests(suite);
    return suite_main(suite);
}
