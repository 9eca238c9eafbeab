/*
 * Hostile and unlucky clients. Each test proves two things: that the broker
 * deals with such a client as documented, and that a well-behaved one on the
 * same broker is served before, meanwhile and afterwards by the same process.
 */
#include "tests/support/broker.h"
#include "tests/support/raw.h"
#include "tests/support/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

static const char config[] = "[total]\n"
                             "bytes = unlimited\n"
                             "[default]\n"
                             "bytes = unlimited\n"
                             "connections = unlimited\n";

static struct test_broker broker;
static test_pid broker_pid;
static int broker_descriptors;
static struct raw good;

static void start(const struct test_broker_options *options)
{
    test_broker_start(&broker, options);
    broker_pid = broker.pid;
    raw_open(&good, broker.socket);
    /* What the broker opens once and keeps, it has after this. */
    struct message_grant grant;
    close(raw_create(&good, &grant, "'name':'warm','size':%d", 8 * MIB));
    raw_release(&good, grant.grant);
    broker_descriptors = test_broker_settle(&broker, &good);
}

static void setup(void)
{
    struct test_broker_options options = {.config = config};
    start(&options);
}

/* The good client gets what it asks for, in good time. */
static void expect_good_is_served(void)
{
    static unsigned turn;
    struct message_grant grant;
    struct message_grant opened;
    int64_t began = test_clock_us();
    turn++;
    raw_ask(&good, "{'id':%u,'op':'ping'}", turn);
    REQUIRE_STR(raw_outcome(&good), "ok");
    REQUIRE_INT(good.reply.id, turn);
    int fd = raw_create(&good, &grant, "'name':'good/%u','size':4096", turn);
    unsigned *memory =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    REQUIRE(memory != MAP_FAILED);
    *memory = turn;
    int again = raw_open_segment(&good, &opened, "'name':'good/%u'", turn);
    unsigned seen = 0;
    REQUIRE(pread(again, &seen, sizeof(seen), 0) == sizeof(seen));
    REQUIRE_INT(seen, turn);
    munmap(memory, 4096);
    close(fd);
    close(again);
    raw_release(&good, grant.grant);
    raw_release(&good, opened.grant);
    REQUIRE(test_clock_us() - began < 2000000);
    REQUIRE_INT(broker.pid, broker_pid);
    REQUIRE(test_runs(broker_pid));
}

static void teardown(void)
{
    expect_good_is_served();
    /* Nothing that the bad ones did is left. */
    if (!TEST_UNTIL(5000,
                    raw_used_by_all(&good, "bytes") == 0 &&
                        raw_used_by_all(&good, "segments") == 0 &&
                        raw_used_by_all(&good, "grants") == 0 &&
                        test_broker_descriptors(&broker) == broker_descriptors))
        FAIL("left: %ju bytes, %ju segments, %ju grants, %d descriptors of %d",
             (uintmax_t)raw_used_by_all(&good, "bytes"),
             (uintmax_t)raw_used_by_all(&good, "segments"),
             (uintmax_t)raw_used_by_all(&good, "grants"),
             test_broker_descriptors(&broker), broker_descriptors);
    raw_close(&good);
    test_broker_stop(&broker);
}

/* The line is answered with bad-request, and only its connection ends. */
static void expect_malformed(const void *bytes, size_t size)
{
    struct raw bad;
    raw_open(&bad, broker.socket);
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
    static const char head[] = "{\"id\":77,\"op\":\"ping\",\"pad\":\"";
    char *line = malloc(size);
    REQUIRE(line != NULL);
    memset(line, 'x', size);
    memcpy(line, head, sizeof(head) - 1);
    memcpy(line + size - 3, "\"}\n", 3);
    return line;
}

START_TEST(line_of_64_kib_is_served_and_longer_ends_the_connection)
{
    struct raw bad;
    char *line = long_ping(PROTOCOL_LINE_MAX);
    raw_open(&bad, broker.socket);
    REQUIRE(raw_send(&bad, line, PROTOCOL_LINE_MAX));
    REQUIRE_INT(raw_reply(&bad)->id, 77);
    REQUIRE_STR(raw_outcome(&bad), "ok");
    free(line);

    line = long_ping(PROTOCOL_LINE_MAX + 1);
    raw_send(&bad, line, PROTOCOL_LINE_MAX + 1);
    raw_reply(&bad);
    REQUIRE(!bad.reply.has_id);
    REQUIRE_STR(raw_outcome(&bad), "bad-request");
    expect_good_is_served();
    REQUIRE(raw_ends(&bad, 5000));
    free(line);
    raw_close(&bad);
}
END_TEST

START_TEST(requests_before_a_too_long_line_are_answered)
{
    struct raw bad;
    char *line = long_ping(70000);
    raw_open(&bad, broker.socket);
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

START_TEST(endless_line_is_cut_off_and_takes_no_memory)
{
    enum { CHUNK = 65536, CHUNKS = 1600 }; /* 100 MB */
    static char chunk[CHUNK];
    struct raw bad;
    int64_t before = test_process_memory(broker.pid);
    bool taken = true;
    memset(chunk, 'a', sizeof(chunk));
    raw_open(&bad, broker.socket);
    for (int i = 0; taken && i < CHUNKS; i++) {
        taken = raw_send(&bad, chunk, sizeof(chunk));
        if (i % 200 == 0)
            expect_good_is_served();
    }
    REQUIRE(!taken);
    REQUIRE(raw_ends(&bad, 5000));
    REQUIRE(suite_quick() ||
            test_process_memory(broker.pid) - before < 2 * MIB);
    raw_close(&bad);
}
END_TEST

START_TEST(deep_nesting_is_malformed)
{
    static char text[100000];
    memset(text, '[', sizeof(text));
    /* Longer than a line; as long as one; inside a request. */
    struct raw bad;
    raw_open(&bad, broker.socket);
    raw_send(&bad, text, sizeof(text));
    raw_reply(&bad);
    REQUIRE_STR(raw_outcome(&bad), "bad-request");
    REQUIRE(raw_ends(&bad, 5000));
    raw_close(&bad);
    expect_malformed(text, PROTOCOL_LINE_MAX - 1);
    memcpy(text, "{\"id\":1,\"x\":", 12);
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
    char text[128];
    const char *bytes = invalid_utf8[_i];
    snprintf(text, sizeof(text),
             "{\"id\":1,\"op\":\"create\",\"size\":1,\"name\":\"a%s\"}", bytes);
    expect_malformed_text(text);
    snprintf(text, sizeof(text), "{\"id\":1,\"op\":\"ping\",\"%s\":1}", bytes);
    expect_malformed_text(text);
    expect_malformed_text(bytes);
}
END_TEST

static const char *const duplicates[] = {
    "{\"id\":1,\"op\":\"ping\",\"op\":\"ping\"}",
    "{\"id\":1,\"id\":1,\"op\":\"ping\"}",
    "{\"id\":1,\"op\":\"ping\",\"x\":1,\"x\":1}",
    "{\"id\":1,\"op\":\"create\",\"size\":1,\"size\":1073741824}",
    "{\"id\":1,\"op\":\"create\",\"size\":1,"
    "\"share\":{\"read\":[],\"read\":[\"everyone\"]}}",
    "{\"id\":1,\"op\":\"ping\",\"x\":{\"a\":1,\"\\u0061\":1}}",
    "{\"id\":1,\"op\":\"ping\",\"x\":[{\"a\":1},{\"a\":1,\"a\":1}]}",
};

START_TEST(duplicate_keys_are_malformed)
{
    expect_malformed_text(duplicates[_i]);
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
};

START_TEST(what_is_no_request_is_malformed)
{
    expect_malformed_text(no_requests[_i]);
}
END_TEST

START_TEST(too_many_members_are_malformed)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    REQUIRE(stream != NULL);
    fprintf(stream, "{\"id\":1,\"op\":\"ping\"");
    for (int i = 0; i < 3000; i++)
        fprintf(stream, ",\"%d\":0", i);
    fprintf(stream, "}");
    fclose(stream);
    expect_malformed(text, size);
    free(text);
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
    raw_open(&bad, broker.socket);
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
    REQUIRE_INT(raw_count_segments(&good), 0);
}
END_TEST

static const char *const wrong_hellos[] = {
    "'op':'hello'",
    "'op':'hello','version':'1'",
    "'op':'hello','version':1.5",
    "'op':'hello','version':1,'client':5",
    "'op':'hello','version':1,'client':'"
    "0123456789012345678901234567890123456789012345678901234567890123x'",
    "'op':'hello','version':1,'client':'a\\nb'",
};

START_TEST(wrong_hello_is_refused_and_may_be_tried_again)
{
    struct raw bad;
    raw_connect(&bad, broker.socket);
    raw_ask(&bad, "{'id':1,%s}", wrong_hellos[_i]);
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
    raw_open(&bad, broker.socket);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        raw_ask(&bad, "{'id':1,'op':'create','size':1,'name':'%s'}", wrong[i]);
        if (strcmp(raw_outcome(&bad), "invalid-name") != 0)
            FAIL("%s for the name %s", raw_outcome(&bad), wrong[i]);
    }
    raw_ask(&bad, "{'id':1,'op':'open','name':'%s'}", name);
    REQUIRE_STR(raw_outcome(&bad), "invalid-name");
    /* As long as may be, and everything that is legal. */
    name[200] = '\0';
    close(raw_create(&bad, NULL, "'size':1,'name':'%s'", name));
    close(raw_create(&bad, NULL, "'size':1,'name':'/ :*?.. \xc3\xa4'"));
    REQUIRE_INT(raw_count_segments(&good), 2);
    raw_close(&bad);
}
END_TEST

START_TEST(unknown_op_is_refused_and_unknown_fields_are_ignored)
{
    struct raw bad;
    raw_open(&bad, broker.socket);
    raw_ask(&bad, "{'id':1,'op':'destroy','size':'x'}");
    REQUIRE_STR(raw_outcome(&bad), "unknown-op");
    raw_ask(&bad, "{'id':1,'op':''}");
    REQUIRE_STR(raw_outcome(&bad), "unknown-op");
    raw_ask(&bad, "{'id':2,'op':'ping','size':'x','handles':{'memory':0}}");
    REQUIRE_STR(raw_outcome(&bad), "ok");
    raw_close(&bad);
}
END_TEST

/* ---- descriptors ---- */

START_TEST(descriptors_sent_along_are_closed)
{
    enum { MESSAGES = 50 };
    static const char ping[] = "{\"id\":1,\"op\":\"ping\"}\n";
    int descriptors[RAW_BATCH_MAX];
    struct raw bad;
    for (int i = 0; i < RAW_BATCH_MAX; i++)
        descriptors[i] = STDERR_FILENO;
    raw_open(&bad, broker.socket);
    int open_before = test_broker_descriptors(&broker);
    for (int i = 0; i < MESSAGES; i++) {
        REQUIRE(raw_send_with(&bad, ping, sizeof(ping) - 1, descriptors,
                              RAW_BATCH_MAX));
        REQUIRE_STR((raw_reply(&bad), raw_outcome(&bad)), "ok");
    }
    REQUIRE(TEST_UNTIL(5000, test_broker_descriptors(&broker) == open_before));
    /* With a line that stays unfinished, too: nothing is kept for later. */
    for (int i = 0; i < 10; i++)
        REQUIRE(raw_send_with(&bad, "x", 1, descriptors, RAW_BATCH_MAX));
    expect_good_is_served();
    REQUIRE(TEST_UNTIL(5000, test_broker_descriptors(&broker) <= open_before));
    raw_close(&bad);
}
END_TEST

/* Sockets that carry sockets, their own connection among them. */
START_TEST(own_connection_sent_along_does_not_keep_it)
{
    struct raw bad;
    raw_open(&bad, broker.socket);
    close(raw_create(&bad, NULL, "'name':'own','size':1"));
    int own[2] = {bad.fd, good.fd};
    REQUIRE(raw_send_with(&bad, "{", 1, own, 2));
    raw_close(&bad);
    REQUIRE(TEST_UNTIL(5000, raw_count_segments(&good) == 0));
}
END_TEST

/* ---- silence ---- */

START_TEST(half_a_request_then_silence_disturbs_nobody)
{
    enum { SILENT = 100 };
    static struct raw silent[SILENT];
    static const char request[] = "{\"id\":5,\"op\":\"ping\"}\n";
    for (int i = 0; i < SILENT; i++) {
        raw_open(&silent[i], broker.socket);
        REQUIRE(raw_send(&silent[i], request,
                         (size_t)i % (sizeof(request) - 2) + 1));
    }
    for (int i = 0; i < 20; i++)
        expect_good_is_served();
    /* They are served when they go on. */
    for (int i = 0; i < SILENT; i++) {
        size_t sent = (size_t)i % (sizeof(request) - 2) + 1;
        REQUIRE(
            raw_send(&silent[i], request + sent, sizeof(request) - 1 - sent));
        REQUIRE_INT(raw_reply(&silent[i])->id, 5);
        raw_close(&silent[i]);
    }
}
END_TEST

START_TEST(request_byte_by_byte_is_served)
{
    static const char request[] =
        "{\"id\":5,\"op\":\"create\",\"name\":\"slow\",\"size\":4096}\n";
    struct raw slow;
    raw_open(&slow, broker.socket);
    for (size_t i = 0; i < sizeof(request) - 1; i++)
        REQUIRE(raw_send(&slow, request + i, 1));
    raw_reply(&slow);
    close(raw_grant(&slow, NULL));
    raw_close(&slow);
}
END_TEST

START_TEST(half_closed_client_gets_its_answers)
{
    struct raw half;
    raw_open(&half, broker.socket);
    for (int i = 0; i < 50; i++)
        raw_say(&half, "{'id':%d,'op':'create','size':4096}", i);
    REQUIRE(shutdown(half.fd, 1) == 0);
    for (int i = 0; i < 50; i++) {
        REQUIRE_INT(raw_reply(&half)->id, i);
        close(raw_grant(&half, NULL));
    }
    REQUIRE(raw_ends(&half, 5000));
    raw_close(&half);
}
END_TEST

/* ---- a client that asks and never reads ---- */

enum { STALLED = 8, PIPELINED = 10000 };

struct stalled {
    struct raw raw;
    char *requests;
    size_t size;
    size_t sent;
    bool ended;
};

static void stalled_prepare(struct stalled *stalled, bool creates)
{
    FILE *stream = open_memstream(&stalled->requests, &stalled->size);
    REQUIRE(stream != NULL);
    for (int i = 0; i < PIPELINED; i++) {
        if (creates)
            fprintf(stream, "{\"id\":%d,\"op\":\"create\",\"size\":1}\n", i);
        else
            fprintf(stream,
                    "{\"id\":%d,\"op\":\"open\",\"name\":\"stalled\"}\n", i);
    }
    fclose(stream);
}

/* Pushes what the broker takes. */
static void stalled_push(struct stalled *stalled)
{
    if (stalled->ended)
        return;
    long sent = raw_send_some(&stalled->raw, stalled->requests + stalled->sent,
                              stalled->size - stalled->sent);
    if (sent < 0)
        stalled->ended = true;
    else
        stalled->sent += (size_t)sent;
}

/* The grants of all clients but the good one, which is the only root. */
static uint64_t stalled_grants(void)
{
    struct message_client row;
    uint64_t grants = 0;
    const struct message_reply *reply =
        raw_ask(&good, "{'id':1,'op':'clients','limit':1000}");
    REQUIRE_STR(raw_outcome(&good), "ok");
    for (unsigned i = 0; message_reply_client(reply, i, &row) == 0; i++) {
        if (strcmp(row.user, "user:root") != 0)
            grants += row.grants;
    }
    return grants;
}

/* Stalled clients of so many users. All open one segment again and again, or
 * every other one of them creates. */
static void expect_stalled_are_cut_off(int users, bool creators)
{
    static struct stalled stalled[STALLED];
    int64_t most_memory = 0;
    int64_t before = test_process_memory(broker.pid);

    memset(stalled, 0, sizeof(stalled));
    for (int i = 0; i < STALLED; i++) {
        uint32_t user = TEST_ALICE + 1000 * (i % users);
        stalled_prepare(&stalled[i], creators && i % 2);
        raw_open_as(&stalled[i].raw, broker.socket, user, 0);
        close(raw_create(&stalled[i].raw, NULL, "'name':'stalled','size':1"));
        stalled_push(&stalled[i]);
    }
    int64_t end = test_clock_us() + 30 * 1000000;
    while (stalled_grants() > 0) {
        if (test_clock_us() > end)
            FAIL("stalled clients are served after 30 s, %ju grants",
                 (uintmax_t)stalled_grants());
        for (int i = 0; i < STALLED; i++)
            stalled_push(&stalled[i]);
        expect_good_is_served();
        int64_t memory = test_process_memory(broker.pid) - before;
        most_memory = memory > most_memory ? memory : most_memory;
        test_pause();
    }
    expect_good_is_served();
    /* They get what was under way, and then the end. */
    for (int i = 0; i < STALLED; i++)
        REQUIRE(raw_ends(&stalled[i].raw, 5000));
    REQUIRE(TEST_UNTIL(5000, raw_used(&good, "total", "connections") == 1));
    for (int i = 0; i < STALLED; i++) {
        raw_close(&stalled[i].raw);
        free(stalled[i].requests);
    }
    REQUIRE(suite_quick() || most_memory < 16 * MIB);
}

START_TEST(clients_that_never_read_are_cut_off)
{
    SKIP_UNLESS(test_is_root(), "needs root to act as other users");
    expect_stalled_are_cut_off(1, true);
}
END_TEST

/* Where a broker is not root, the kernel counts what is under way against
 * the limit of its user: nobody may use that up for the others. */
static void setup_small(void)
{
    struct test_broker_options options = {.config = config,
                                          .user =
                                              test_is_root() ? TEST_SERVICE : 0,
                                          .descriptors = 1024};
    start(&options);
}

START_TEST(clients_that_never_read_do_not_use_up_descriptors)
{
    SKIP_UNLESS(test_is_root(), "needs root to act as other users");
    static const int users[] = {1, 2, STALLED};
    expect_stalled_are_cut_off(users[_i], false);
}
END_TEST

START_TEST(slow_reader_is_not_cut_off)
{
    enum { REQUESTS = 3000 };
    struct raw slow;
    char *batch = NULL;
    size_t size = 0;
    size_t sent = 0;
    FILE *stream = open_memstream(&batch, &size);
    REQUIRE(stream != NULL);
    for (int i = 0; i < REQUESTS; i++)
        fprintf(stream, "{\"id\":%d,\"op\":\"ping\"}\n", i);
    fclose(stream);
    raw_open(&slow, broker.socket);
    for (int i = 0; i < REQUESTS; i++) {
        long more = raw_send_some(&slow, batch + sent, size - sent);
        REQUIRE(more >= 0);
        sent += (size_t)more;
        REQUIRE_INT(raw_reply(&slow)->id, i);
        if (i % 300 == 0)
            expect_good_is_served();
    }
    free(batch);
    raw_close(&slow);
}
END_TEST

/* ---- short of descriptors ---- */

START_TEST(client_at_its_descriptor_limit_loses_only_the_handle)
{
    struct raw poor;
    struct message_grant grant;
    raw_open(&poor, broker.socket);
    close(raw_create(&poor, NULL, "'name':'a','size':4096"));
    /* The lowest free descriptor is the limit: no further one fits. */
    int lowest = dup(poor.fd);
    close(lowest);
    uint64_t before = test_limit_descriptors((uint64_t)lowest);
    raw_ask(&poor, "{'id':1,'op':'open','name':'a'}");
    test_limit_descriptors(before);
    REQUIRE_STR(raw_outcome(&poor), "ok");
    REQUIRE(poor.truncated);
    REQUIRE_INT(raw_grant(&poor, &grant), -1);
    /* The grant can be given back, and the next one is whole. */
    raw_release(&poor, grant.grant);
    int fd = raw_open_segment(&poor, NULL, "'name':'a'");
    close(fd);
    raw_close(&poor);
}
END_TEST

static void setup_tiny(void)
{
    struct test_broker_options options = {.config = config, .descriptors = 256};
    start(&options);
}

START_TEST(broker_at_its_descriptor_limit_pauses_accepting)
{
    enum { CROWD = 300 };
    static struct raw crowd[CROWD];
    int served = 0;
    for (int i = 0; i < CROWD; i++) {
        raw_connect(&crowd[i], broker.socket);
        raw_say(&crowd[i], "{'id':1,'op':'hello','version':1}");
    }
    /* Those in service are, creates and opens included. */
    for (int i = 0; i < 50; i++)
        expect_good_is_served();
    for (int i = 0; i < CROWD; i++)
        served += raw_pending(&crowd[i]);
    REQUIRE(served > 10 && served < CROWD);
    /* Waiting for room costs no time of the processor. */
    int64_t cpu = test_process_cpu_ms(broker.pid);
    int64_t began = test_clock_us();
    while (test_clock_us() - began < 500000)
        test_pause();
    REQUIRE(test_process_cpu_ms(broker.pid) - cpu < 150);
    /* Whoever waits gets in when others leave. */
    int64_t end = test_clock_us() + 20 * 1000000;
    int left = CROWD;
    while (left > 0) {
        REQUIRE(test_clock_us() < end);
        for (int i = 0; i < CROWD; i++) {
            if (crowd[i].fd < 0 || !raw_pending(&crowd[i]))
                continue;
            raw_reply(&crowd[i]);
            REQUIRE_STR(raw_outcome(&crowd[i]), "ok");
            raw_close(&crowd[i]);
            left--;
        }
        test_pause();
    }
}
END_TEST

START_TEST(broker_at_its_descriptor_limit_refuses_segments)
{
    enum { CREATES = 400 };
    struct raw greedy;
    int ok = 0;
    raw_open(&greedy, broker.socket);
    for (int i = 0; i < CREATES; i++) {
        raw_ask(&greedy, "{'id':1,'op':'create','size':1}");
        ok += greedy.reply.ok;
        if (greedy.reply.ok)
            close(raw_grant(&greedy, NULL));
        else
            REQUIRE_STR(raw_outcome(&greedy), "too-many-handles");
    }
    REQUIRE(ok > 10 && ok < CREATES);
    raw_ask(&good, "{'id':1,'op':'ping'}");
    REQUIRE_STR(raw_outcome(&good), "ok");
    raw_close(&greedy);
    REQUIRE(TEST_UNTIL(5000, raw_count_segments(&good) == 0));
}
END_TEST

/* ---- memory ---- */

static const char *const huge_sizes[] = {
    "1125899906842624", /* 2^50 */
    "1125899906842624,'commit':false",
    "9007199254740991", /* 2^53-1 */
    "9007199254740991,'commit':false",
    "2147483648", /* more than the broker's file size */
    "2147483648,'commit':false",
};

/* The broker runs with a small RLIMIT_FSIZE: whatever it checks or forgets,
 * the host is safe. */
START_TEST(huge_segment_is_refused_at_once_and_nothing_else_suffers)
{
    struct raw bad;
    raw_open(&bad, broker.socket);
    int64_t began = test_clock_us();
    raw_say(&bad, "{'id':1,'op':'create','name':'huge','size':%s}",
            huge_sizes[_i]);
    expect_good_is_served();
    raw_reply(&bad);
    REQUIRE_STR(raw_outcome(&bad), "no-memory");
    /* What fits the machine, but not the limit, may be found out late. */
    if (_i < 4)
        REQUIRE(test_clock_us() - began < 1000000);
    REQUIRE_INT(raw_used_by_all(&good, "bytes"), 0);
    raw_ask(&bad, "{'id':1,'op':'open','name':'huge'}");
    REQUIRE_STR(raw_outcome(&bad), "not-found");
    raw_close(&bad);
}
END_TEST

/* ---- races and deaths ---- */

START_TEST(racing_creators_of_one_name_get_one_segment)
{
    enum { CREATORS = 200 };
    static struct raw raw[CREATORS];
    struct message_grant grant;
    int created = 0;
    uint64_t segment = 0;
    for (int i = 0; i < CREATORS; i++)
        raw_open(&raw[i], broker.socket);
    for (int i = 0; i < CREATORS; i++)
        raw_say(&raw[i], "{'id':1,'op':'create','name':'one','size':%d}",
                _i ? 8 * MIB : 4096);
    for (int i = 0; i < CREATORS; i++) {
        raw_reply(&raw[i]);
        int fd = raw_grant(&raw[i], &grant);
        REQUIRE(fd >= 0);
        close(fd);
        created += grant.created;
        segment = segment ? segment : grant.segment;
        REQUIRE_INT(grant.segment, segment);
    }
    REQUIRE_INT(created, 1);
    for (int i = 0; i < CREATORS; i++)
        raw_close(&raw[i]);
}
END_TEST

struct racer {
    int begin; /* a byte for each: create now */
    int end;   /* a byte for each: let go */
    int result;
};

static void racer_body(void *data)
{
    const struct racer *racer = data;
    struct message_grant grant;
    struct raw raw;
    char byte;
    raw_open(&raw, broker.socket);
    REQUIRE(write(racer->result, "", 1) == 1);
    REQUIRE(read(racer->begin, &byte, 1) == 1);
    int fd = raw_create(&raw, &grant, "'name':'one','size':4096");
    REQUIRE(fd >= 0);
    REQUIRE(write(racer->result, &grant, sizeof(grant)) == sizeof(grant));
    REQUIRE(read(racer->end, &byte, 1) == 1);
}

START_TEST(racing_processes_get_one_segment)
{
    enum { CREATORS = 200 };
    static char go[CREATORS];
    test_pid pids[CREATORS];
    struct message_grant grant;
    int begin[2];
    int end[2];
    int result[2];
    int created = 0;
    uint64_t segment = 0;
    char byte;
    REQUIRE(pipe2(begin, O_CLOEXEC) == 0 && pipe2(end, O_CLOEXEC) == 0 &&
            pipe2(result, O_CLOEXEC) == 0);
    struct racer racer = {begin[0], end[0], result[1]};
    for (int i = 0; i < CREATORS; i++)
        pids[i] = test_fork(racer_body, &racer);
    for (int i = 0; i < CREATORS; i++)
        REQUIRE(read(result[0], &byte, 1) == 1);
    REQUIRE(write(begin[1], go, CREATORS) == CREATORS);
    for (int i = 0; i < CREATORS; i++) {
        REQUIRE(read(result[0], &grant, sizeof(grant)) == sizeof(grant));
        created += grant.created;
        segment = segment ? segment : grant.segment;
        REQUIRE_INT(grant.segment, segment);
    }
    REQUIRE_INT(created, 1);
    REQUIRE(write(end[1], go, CREATORS) == CREATORS);
    for (int i = 0; i < CREATORS; i++)
        REQUIRE_INT(test_join(pids[i]), 0);
    for (int i = 0; i < 2; i++) {
        close(begin[i]);
        close(end[i]);
        close(result[i]);
    }
}
END_TEST

/* What a client does before it is killed: everything up to `bytes` of the
 * request, or the whole and a part of the answer. */
struct death {
    const char *request; /* with its newline; NULL: not even hello */
    size_t bytes;
    bool reads;
    int ready;
};

static void death_body(void *data)
{
    const struct death *death = data;
    struct raw raw;
    raw_open(&raw, broker.socket);
    close(raw_create(&raw, NULL,
                     "'name':'mine','size':65536,'if_exists':'open'"));
    int fd = raw_open_segment(&raw, NULL, "'name':'mine','access':'rw'");
    REQUIRE(mmap(NULL, 65536, PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED);
    REQUIRE(raw_send(&raw, death->request, death->bytes));
    if (death->reads)
        raw_reply(&raw);
    REQUIRE(write(death->ready, "", 1) == 1);
    for (;;)
        pause();
}

static const char *const deaths[] = {
    "{\"id\":1,\"op\":\"hello\",\"version\":1}\n",
    "{\"id\":1,\"op\":\"create\",\"name\":\"new\",\"size\":4096}\n",
    "{\"id\":1,\"op\":\"create\",\"size\":67108864}\n",
    "{\"id\":1,\"op\":\"create\",\"name\":\"mine\",\"size\":4096}\n",
    "{\"id\":1,\"op\":\"open\",\"name\":\"mine\"}\n",
    "{\"id\":1,\"op\":\"release\",\"grant\":1}\n",
    "{\"id\":1,\"op\":\"remove\",\"name\":\"mine\"}\n",
    "{\"id\":1,\"op\":\"stat\",\"name\":\"mine\"}\n",
    "{\"id\":1,\"op\":\"list\"}\n",
    "{\"id\":1,\"op\":\"usage\",\"all\":true}\n",
    "{\"id\":1,\"op\":\"ping\"}\n",
    "{\"id\":1,\"op\":\"stats\"}\n",
    "{\"id\":1,\"op\":\"clients\"}\n",
    "{\"id\":1,\"op\":\"reload\"}\n",
    "{\"id\":1,\"op\":\"log-level\",\"level\":\"info\"}\n",
};

enum { DEATHS = sizeof(deaths) / sizeof(deaths[0]) };

static void die_at(const char *request, size_t bytes, bool reads)
{
    int ends[2];
    char byte;
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    struct death death = {request, bytes, reads, ends[1]};
    test_pid pid = test_fork(death_body, &death);
    close(ends[1]);
    ssize_t got = read(ends[0], &byte, 1);
    close(ends[0]);
    test_kill(pid);
    REQUIRE_INT(test_join(pid), TEST_SIGNALLED + SIGKILL);
    REQUIRE_INT(got, 1);
    REQUIRE(TEST_UNTIL(5000, raw_used_by_all(&good, "bytes") == 0 &&
                                 raw_used_by_all(&good, "segments") == 0 &&
                                 raw_used_by_all(&good, "grants") == 0));
    REQUIRE(TEST_UNTIL(5000, raw_used(&good, "total", "connections") == 1));
}

START_TEST(client_killed_at_every_step_leaves_nothing)
{
    const char *request = deaths[_i];
    size_t size = strlen(request);
    size_t step = suite_quick() ? 16 : 5;
    for (size_t bytes = 0; bytes < size; bytes += step)
        die_at(request, bytes, false);
    die_at(request, size - 1, false);
    die_at(request, size, false);
    die_at(request, size, true);
    expect_good_is_served();
}
END_TEST

/* The same without a process: hang-ups right behind the request, many at
 * once, so that they meet the broker in the middle of its work. */
START_TEST(hang_ups_behind_every_request_leave_nothing)
{
    enum { ROUNDS = 20 };
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < DEATHS; i++) {
            struct raw raw;
            raw_connect(&raw, broker.socket);
            raw_say(&raw, "{'id':0,'op':'hello','version':1}");
            raw_say(&raw, "{'id':0,'op':'create','name':'mine%d','size':9}",
                    round);
            raw_send(&raw, deaths[i], strlen(deaths[i]));
            raw_close(&raw);
        }
        expect_good_is_served();
    }
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
        raw_connect(&bad, broker.socket);
        raw_send(&bad, noise, sizeof(noise));
        raw_send(&bad, "\n", 1);
        REQUIRE(raw_ends(&bad, 5000));
        raw_close(&bad);
    }
}
END_TEST

static Suite *hostile_suite(void)
{
    Suite *suite = suite_create("hostile");
    TCase *tests = suite_case(suite, "input", 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests,
                   line_of_64_kib_is_served_and_longer_ends_the_connection);
    tcase_add_test(tests, requests_before_a_too_long_line_are_answered);
    tcase_add_test(tests, endless_line_is_cut_off_and_takes_no_memory);
    tcase_add_test(tests, deep_nesting_is_malformed);
    tcase_add_test(tests, nul_bytes_are_malformed);
    tcase_add_loop_test(tests, invalid_utf8_is_malformed, 0,
                        sizeof(invalid_utf8) / sizeof(invalid_utf8[0]));
    tcase_add_loop_test(tests, duplicate_keys_are_malformed, 0,
                        sizeof(duplicates) / sizeof(duplicates[0]));
    tcase_add_loop_test(tests, what_is_no_request_is_malformed, 0,
                        sizeof(no_requests) / sizeof(no_requests[0]));
    tcase_add_test(tests, too_many_members_are_malformed);
    tcase_add_test(tests, wrong_values_are_refused_and_the_connection_goes_on);
    tcase_add_loop_test(tests, wrong_hello_is_refused_and_may_be_tried_again, 0,
                        sizeof(wrong_hellos) / sizeof(wrong_hellos[0]));
    tcase_add_test(tests, wrong_names_are_refused);
    tcase_add_test(tests, unknown_op_is_refused_and_unknown_fields_are_ignored);
    tcase_add_test(tests, noise_ends_only_its_own_connection);

    tests = suite_case(suite, "behaviour", 100);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, descriptors_sent_along_are_closed);
    tcase_add_test(tests, own_connection_sent_along_does_not_keep_it);
    tcase_add_test(tests, half_a_request_then_silence_disturbs_nobody);
    tcase_add_test(tests, request_byte_by_byte_is_served);
    tcase_add_test(tests, half_closed_client_gets_its_answers);
    tcase_add_test(tests, slow_reader_is_not_cut_off);
    tcase_add_test(tests, clients_that_never_read_are_cut_off);
    tcase_add_test(tests, client_at_its_descriptor_limit_loses_only_the_handle);
    tcase_add_loop_test(
        tests, huge_segment_is_refused_at_once_and_nothing_else_suffers, 0, 6);
    tcase_add_loop_test(tests, racing_creators_of_one_name_get_one_segment, 0,
                        2);
    tcase_add_test(tests, racing_processes_get_one_segment);
    tcase_add_loop_test(tests, client_killed_at_every_step_leaves_nothing, 0,
                        DEATHS);
    tcase_add_test(tests, hang_ups_behind_every_request_leave_nothing);

    tests = suite_case(suite, "small", 100);
    tcase_add_checked_fixture(tests, setup_small, teardown);
    tcase_add_loop_test(
        tests, clients_that_never_read_do_not_use_up_descriptors, 0, 3);

    tests = suite_case(suite, "tiny", 60);
    tcase_add_checked_fixture(tests, setup_tiny, teardown);
    tcase_add_test(tests, broker_at_its_descriptor_limit_pauses_accepting);
    tcase_add_test(tests, broker_at_its_descriptor_limit_refuses_segments);
    return suite;
}

int main(void)
{
    return suite_main(hostile_suite());
}
