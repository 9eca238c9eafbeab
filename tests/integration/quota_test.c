/*
 * Every budget in every section, what a refusal says, reloads, and races for
 * the last room.
 */
#include "tests/support/broker.h"
#include "tests/support/memory.h"
#include "tests/support/raw.h"
#include "tests/support/role.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIB = 1 << 20 };

static struct test_broker broker;
static struct raw admin;

/* The one who is limited: Alice, in TEST_GROUP; without root, oneself. */
static const char *limited_user(void)
{
    return test_is_root() ? "12345" : test_user();
}

static const char *limited_group(void)
{
    return test_is_root() ? "12399" : test_group();
}

static void open_limited(struct raw *raw)
{
    if (test_is_root())
        raw_open_as(raw, broker.socket, TEST_ALICE, TEST_GROUP);
    else
        raw_open(raw, broker.socket);
}

static bool connect_limited(struct raw *raw)
{
    if (test_is_root())
        test_act_as(TEST_ALICE, TEST_GROUP);
    bool connected = raw_try_connect(raw, broker.socket);
    test_act_as_self();
    return connected;
}

static void start(const char *config)
{
    struct test_broker_options options = {.config = config};
    test_broker_start(&broker, &options);
}

static void reload(void)
{
    raw_ask(&admin, "{'id':1,'op':'reload'}");
    if (!admin.reply.ok)
        FAIL("reload: %s", admin.reply.text);
}

/* ---- sections ---- */

/* Which one of the config file sets the limit. */
enum section { TOTAL, DEFAULT, USER, GROUP, SECTIONS };

/* How the config file names a section. */
static void section_header(enum section section, char *text, size_t size)
{
    switch (section) {
    case TOTAL:
        snprintf(text, size, "[total]");
        break;
    case USER:
        snprintf(text, size, "[user %s]", limited_user());
        break;
    case GROUP:
        snprintf(text, size, "[group %s]", limited_group());
        break;
    default:
        snprintf(text, size, "[default]");
    }
}

/* Whose account is full: a refusal's section. */
static void expect_account(const struct raw *raw, enum section section)
{
    const char *account = raw->reply.detail.section;
    if (section == TOTAL)
        REQUIRE_STR(account, "total");
    else if (section == GROUP)
        REQUIRE_PART(account, "group ");
    else if (test_is_root() && raw != &admin)
        REQUIRE_STR(account, "user 12345");
    else
        REQUIRE_PART(account, "user ");
}

/* Starts a broker where only that section limits anything. */
static void start_limited(enum section section, const char *budget,
                          const char *limit)
{
    char header[64];
    char config[1024];
    int size = 0;
    section_header(section, header, sizeof(header));
    for (int i = 0; i < 2; i++) {
        const char *name = i == 0 ? "[total]" : "[default]";
        if (strcmp(name, header) == 0)
            continue;
        size += snprintf(config + size, sizeof(config) - (size_t)size,
                         "%s\nbytes = unlimited\nsegments = unlimited\n"
                         "grants = unlimited\nconnections = unlimited\n",
                         name);
    }
    snprintf(config + size, sizeof(config) - (size_t)size, "%s\n%s = %s\n",
             header, budget, limit);
    start(config);
}

static void expect_refusal(struct raw *raw, enum section section,
                           const char *budget, uint64_t used, uint64_t limit,
                           uint64_t asked)
{
    char header[64];
    section_header(section, header, sizeof(header));
    REQUIRE_STR(raw_outcome(raw), "quota-exceeded");
    REQUIRE(raw->reply.has_detail);
    const struct message_budget *detail = &raw->reply.detail;
    expect_account(raw, section);
    REQUIRE_STR(detail->budget, budget);
    REQUIRE_INT(detail->used, used);
    REQUIRE_INT(detail->limit, limit);
    REQUIRE_INT(detail->asked, asked);
    REQUIRE_PART(raw->reply.text, budget);
    /* The words say which line to change. */
    REQUIRE_PART(raw->reply.text, header);
}

START_TEST(bytes_are_limited)
{
    struct raw raw;
    struct message_grant grant;
    enum section section = (enum section)_i;
    start_limited(section, "bytes", "8MiB");
    open_limited(&raw);
    test_close(raw_create(&raw, &grant, "'size':%d", 6 * MIB));
    raw_ask(&raw, "{'id':2,'op':'create','size':%d}", 4 * MIB);
    expect_refusal(&raw, section, "bytes", 6 * MIB, 8 * MIB, 4 * MIB);
    /* Whole pages are charged. */
    raw_ask(&raw, "{'id':2,'op':'create','size':%d}", 2 * MIB + 1);
    expect_refusal(&raw, section, "bytes", 6 * MIB, 8 * MIB, 2 * MIB + 4096);
    raw_ask(&raw, "{'id':2,'op':'create','size':%d,'commit':false}", 4 * MIB);
    expect_refusal(&raw, section, "bytes", 6 * MIB, 8 * MIB, 4 * MIB);
    test_close(raw_create(&raw, NULL, "'size':%d", 2 * MIB));
    raw_ask(&raw, "{'id':2,'op':'create','size':1}");
    expect_refusal(&raw, section, "bytes", 8 * MIB, 8 * MIB, 4096);
    raw_release(&raw, grant.grant);
    test_close(raw_create(&raw, NULL, "'size':%d", 6 * MIB));
    raw_close(&raw);
    test_broker_stop(&broker);
}
END_TEST

START_TEST(segments_are_limited)
{
    struct raw raw;
    struct message_grant grant;
    enum section section = (enum section)_i;
    start_limited(section, "segments", "3");
    open_limited(&raw);
    test_close(raw_create(&raw, &grant, "'name':'a','size':1"));
    test_close(raw_create(&raw, NULL, "'size':1"));
    test_close(raw_create(&raw, NULL, "'size':1"));
    raw_ask(&raw, "{'id':2,'op':'create','size':1}");
    expect_refusal(&raw, section, "segments", 3, 3, 1);
    /* Opening what is there takes no segment. */
    test_close(raw_create(&raw, NULL, "'name':'a','size':1"));
    raw_ask(&raw, "{'id':2,'op':'remove','segment':%ju}",
            (uintmax_t)grant.segment);
    raw_ask(&raw, "{'id':2,'op':'create','size':1}");
    expect_refusal(&raw, section, "segments", 3, 3, 1);
    raw_close(&raw);
    test_broker_stop(&broker);
}
END_TEST

START_TEST(single_segments_are_limited)
{
    struct raw raw;
    enum section section = (enum section)_i;
    start_limited(section, "segment_bytes", "1MiB");
    open_limited(&raw);
    test_close(raw_create(&raw, NULL, "'size':%d", MIB));
    test_close(raw_create(&raw, NULL, "'size':%d", MIB));
    raw_ask(&raw, "{'id':2,'op':'create','size':%d}", MIB + 1);
    REQUIRE(raw.reply.has_detail);
    expect_refusal(&raw, section, "segment_bytes", raw.reply.detail.used, MIB,
                   MIB + 4096);
    raw_close(&raw);
    test_broker_stop(&broker);
}
END_TEST

START_TEST(grants_are_limited)
{
    struct raw raw;
    struct message_grant grant;
    enum section section = (enum section)_i;
    start_limited(section, "grants", "3");
    open_limited(&raw);
    test_close(raw_create(&raw, NULL, "'name':'a','size':1"));
    test_close(raw_open_segment(&raw, &grant, "'name':'a'"));
    test_close(raw_open_segment(&raw, NULL, "'name':'a'"));
    raw_ask(&raw, "{'id':2,'op':'open','name':'a'}");
    expect_refusal(&raw, section, "grants", 3, 3, 1);
    raw_ask(&raw, "{'id':2,'op':'create','size':1}");
    expect_refusal(&raw, section, "grants", 3, 3, 1);
    /* The refused create left nothing. */
    REQUIRE_INT(raw_count_segments(&raw), 1);
    raw_release(&raw, grant.grant);
    test_close(raw_open_segment(&raw, NULL, "'name':'a'"));
    raw_close(&raw);
    test_broker_stop(&broker);
}
END_TEST

START_TEST(connections_are_limited)
{
    enum { LIMIT = 3 };
    struct raw raw[LIMIT];
    struct raw more;
    enum section section = (enum section)_i;
    start_limited(section, "connections", "3");
    for (int i = 0; i < LIMIT; i++)
        open_limited(&raw[i]);
    REQUIRE(connect_limited(&more));
    /* Windows tells who it is only behind the first bytes. */
    raw_send(&more, "\n", 1);
    raw_reply(&more);
    REQUIRE(!more.reply.has_id);
    expect_refusal(&more, section, "connections", LIMIT, LIMIT, 1);
    REQUIRE(raw_ends(&more, 5000));
    raw_close(&more);
    /* Those in service are, and room that is given back can be taken. */
    raw_ask(&raw[1], "{'id':1,'op':'ping'}");
    REQUIRE_STR(raw_outcome(&raw[1]), "ok");
    raw_close(&raw[0]);
    REQUIRE(TEST_UNTIL(5000,
                       raw_used(&raw[1], "total", "connections") == LIMIT - 1));
    open_limited(&raw[0]);
    for (int i = 0; i < LIMIT; i++)
        raw_close(&raw[i]);
    test_broker_stop(&broker);
}
END_TEST

/* How many of `count` pipelined pings are answered ok. */
static int ping_many(struct raw *raw, int count)
{
    int ok = 0;
    for (int i = 0; i < count; i++)
        raw_say(raw, "{'id':%d,'op':'ping'}", i);
    for (int i = 0; i < count; i++) {
        const struct message_reply *reply = raw_reply(raw);
        REQUIRE_INT(reply->id, i);
        ok += reply->ok;
        if (!reply->ok)
            REQUIRE_STR(raw_outcome(raw), "rate-limited");
    }
    return ok;
}

START_TEST(requests_per_second_are_limited)
{
    struct raw raw;
    char header[64];
    enum section section = (enum section)_i;
    start_limited(section, "requests_per_second", "20");
    open_limited(&raw);
    int64_t began = test_clock_us();
    int ok = ping_many(&raw, 200);
    int64_t seconds = (test_clock_us() - began) / 1000000 + 1;
    REQUIRE(ok > 0 && ok <= 20 + 20 * seconds);
    section_header(section, header, sizeof(header));
    REQUIRE_PART(raw.reply.text, "requests_per_second");
    REQUIRE_PART(raw.reply.text, header);
    /* The connection lives, and its rate comes back. */
    REQUIRE(TEST_UNTIL(5000,
                       (raw_ask(&raw, "{'id':1,'op':'ping'}"), raw.reply.ok)));
    raw_close(&raw);
    test_broker_stop(&broker);
}
END_TEST

/* It would stay taken; and the library does not ask once more. */
START_TEST(who_gives_back_is_not_limited)
{
    enum { COUNT = 30 };
    struct raw raw;
    struct message_grant grants[COUNT];
    start_limited(DEFAULT, "requests_per_second", "40");
    open_limited(&raw);
    for (int i = 0; i < COUNT; i++)
        test_close(raw_create(&raw, &grants[i], "'size':4096"));
    while (ping_many(&raw, 100) == 100)
        continue;
    for (int i = 0; i < COUNT; i++)
        raw_say(&raw, "{'id':1,'op':'release','grant':%ju}",
                (uintmax_t)grants[i].grant);
    for (int i = 0; i < COUNT; i++)
        REQUIRE(raw_reply(&raw)->ok);
    raw_close(&raw);
    test_broker_stop(&broker);
}
END_TEST

START_TEST(user_section_replaces_the_default_and_lacks_fall_back)
{
    struct raw raw;
    char config[256];
    snprintf(config, sizeof(config),
             "[default]\nbytes = 1MiB\nsegments = 2\n[user %s]\nbytes = "
             "4MiB\n",
             limited_user());
    start(config);
    open_limited(&raw);
    test_close(raw_create(&raw, NULL, "'size':%d", 3 * MIB));
    test_close(raw_create(&raw, NULL, "'size':1"));
    raw_ask(&raw, "{'id':1,'op':'create','size':1}");
    REQUIRE_STR(raw_outcome(&raw), "quota-exceeded");
    REQUIRE_STR(raw.reply.detail.budget, "segments");
    REQUIRE_INT(raw.reply.detail.limit, 2);
    raw_close(&raw);
    test_broker_stop(&broker);
}
END_TEST

START_TEST(group_members_share_their_budget)
{
    SKIP_UNLESS(test_is_root(), "needs root to act as other users");
    struct raw alice;
    struct raw bob;
    struct raw carol;
    start("[group 12399]\nbytes = 8MiB\n");
    raw_open_as(&alice, broker.socket, TEST_ALICE, TEST_GROUP);
    raw_open_as(&bob, broker.socket, TEST_BOB, TEST_GROUP);
    raw_open_as(&carol, broker.socket, TEST_CAROL, 0);
    test_close(raw_create(&alice, NULL, "'size':%d", 6 * MIB));
    raw_ask(&bob, "{'id':1,'op':'create','size':%d}", 4 * MIB);
    expect_refusal(&bob, GROUP, "bytes", 6 * MIB, 8 * MIB, 4 * MIB);
    test_close(raw_create(&carol, NULL, "'size':%d", 16 * MIB));
    REQUIRE_INT(raw_used(&bob, "group 12399", "bytes"), 6 * MIB);
    raw_close(&alice);
    REQUIRE(TEST_UNTIL(5000, raw_used(&bob, "group 12399", "bytes") == 0));
    test_close(raw_create(&bob, NULL, "'size':%d", 4 * MIB));
    raw_close(&bob);
    raw_close(&carol);
    test_broker_stop(&broker);
}
END_TEST

START_TEST(users_of_the_default_do_not_share_it)
{
    SKIP_UNLESS(test_is_root(), "needs root to act as other users");
    struct raw alice;
    struct raw bob;
    start("[default]\nbytes = 8MiB\n");
    raw_open_as(&alice, broker.socket, TEST_ALICE, 0);
    raw_open_as(&bob, broker.socket, TEST_BOB, 0);
    test_close(raw_create(&alice, NULL, "'size':%d", 8 * MIB));
    test_close(raw_create(&bob, NULL, "'size':%d", 8 * MIB));
    /* Two connections of one user do. */
    struct raw again;
    raw_open_as(&again, broker.socket, TEST_ALICE, 0);
    raw_ask(&again, "{'id':1,'op':'create','size':1}");
    expect_refusal(&again, DEFAULT, "bytes", 8 * MIB, 8 * MIB, 4096);
    raw_close(&again);
    raw_close(&alice);
    raw_close(&bob);
    test_broker_stop(&broker);
}
END_TEST

START_TEST(zero_allows_nothing)
{
    struct raw raw;
    start("[default]\nsegments = 0\n");
    raw_open(&raw, broker.socket);
    raw_ask(&raw, "{'id':1,'op':'create','size':1}");
    REQUIRE_STR(raw_outcome(&raw), "quota-exceeded");
    REQUIRE_INT(raw.reply.detail.limit, 0);
    raw_close(&raw);
    test_broker_stop(&broker);
}
END_TEST

START_TEST(default_install_is_bounded_by_half_of_the_memory)
{
    struct raw raw;
    struct message_budget row;
    start("");
    raw_open(&raw, broker.socket);
    uint64_t memory = test_host_memory();
    uint64_t limit = 0;
    const struct message_reply *reply =
        raw_ask(&raw, "{'id':1,'op':'usage','limit':1000}");
    for (unsigned i = 0; message_reply_budget(reply, i, &row) == 0; i++) {
        if (strcmp(row.section, "total") == 0 &&
            strcmp(row.budget, "bytes") == 0)
            limit = row.limit;
    }
    REQUIRE(limit > memory / 100 * 45 && limit < memory / 100 * 55);
    /* Reserved is charged, so this takes nothing. */
    raw_ask(&raw, "{'id':2,'op':'create','size':%ju,'commit':false}",
            (uintmax_t)(memory / 4 * 3));
    REQUIRE_STR(raw_outcome(&raw), "quota-exceeded");
    raw_close(&raw);
    test_broker_stop(&broker);
}
END_TEST

/* ---- races ---- */

START_TEST(parallel_creates_fill_exactly_the_room)
{
    enum { CLIENTS = 64, ROOM = 8 };
    static struct raw raw[CLIENTS];
    int ok = 0;
    start("[default]\nbytes = 8MiB\n");
    for (int i = 0; i < CLIENTS; i++)
        raw_open(&raw[i], broker.socket);
    for (int i = 0; i < CLIENTS; i++)
        raw_say(&raw[i], "{'id':1,'op':'create','size':%d}", MIB);
    for (int i = 0; i < CLIENTS; i++) {
        raw_reply(&raw[i]);
        if (raw[i].reply.ok) {
            ok++;
            test_close(raw_grant(&raw[i], NULL));
            continue;
        }
        REQUIRE_STR(raw_outcome(&raw[i]), "quota-exceeded");
    }
    REQUIRE_INT(ok, ROOM);
    REQUIRE_INT(raw_used(&raw[0], NULL, "bytes"), ROOM * MIB);
    for (int i = 1; i < CLIENTS; i++)
        raw_close(&raw[i]);
    REQUIRE(TEST_UNTIL(5000, raw_used(&raw[0], NULL, "segments") <= 1));
    raw_close(&raw[0]);
    test_broker_stop(&broker);
}
END_TEST

/* Waits for the file `argument` names, then creates. */
static void race(const char *argument)
{
    struct raw raw;
    char socket[TEST_PATH_MAX];
    char gate[TEST_PATH_MAX];
    REQUIRE(sscanf(argument, "%511[^|]|%511[^|]", socket, gate) == 2);
    raw_open(&raw, socket);
    role_tell("ready");
    REQUIRE(TEST_UNTIL(60000, test_exists(gate)));
    raw_ask(&raw, "{'id':1,'op':'create','size':%d}", MIB);
    if (!raw.reply.ok)
        REQUIRE_STR(raw_outcome(&raw), "quota-exceeded");
    role_tell(raw.reply.ok ? "created" : "refused");
    role_sleep();
}

START_TEST(parallel_processes_fill_exactly_the_room)
{
    enum { PROCESSES = 24, ROOM = 8 };
    static char output[PROCESSES][TEST_PATH_MAX];
    test_pid pids[PROCESSES];
    char argument[TEST_PATH_MAX];
    char gate[TEST_PATH_MAX];
    char answer[64];
    int ok = 0;
    start("[default]\nbytes = 8MiB\n");
    test_path(gate, "%s/gate", broker.folder);
    test_path(argument, "%s|%s", broker.socket, gate);
    for (int i = 0; i < PROCESSES; i++) {
        test_path(output[i], "%s/racer%d", broker.folder, i);
        pids[i] = role_start("racer", argument, output[i]);
    }
    for (int i = 0; i < PROCESSES; i++)
        role_await(pids[i], output[i], "ready");
    test_write(gate, "");
    for (int i = 0; i < PROCESSES; i++) {
        REQUIRE(TEST_UNTIL(20000, (test_read(output[i], answer, sizeof(answer)),
                                   strstr(answer, "ed") != NULL)));
        ok += strstr(answer, "created") != NULL;
    }
    REQUIRE_INT(ok, ROOM);
    for (int i = 0; i < PROCESSES; i++) {
        test_kill(pids[i]);
        test_join(pids[i]);
    }
    test_broker_stop(&broker);
}
END_TEST

START_TEST(pipelined_creates_fill_exactly_the_room)
{
    enum { REQUESTS = 64, ROOM = 8 };
    struct raw raw;
    int ok = 0;
    start("[default]\nbytes = 8MiB\n");
    raw_open(&raw, broker.socket);
    for (int i = 0; i < REQUESTS; i++)
        raw_say(&raw, "{'id':%d,'op':'create','size':%d}", i, MIB);
    for (int i = 0; i < REQUESTS; i++) {
        raw_reply(&raw);
        ok += raw.reply.ok;
        if (raw.reply.ok)
            test_close(raw_grant(&raw, NULL));
    }
    REQUIRE_INT(ok, ROOM);
    raw_close(&raw);
    test_broker_stop(&broker);
}
END_TEST

/* ---- usage ---- */

START_TEST(usage_tells_every_budget_and_returns_to_zero)
{
    static const char *const budgets[] = {"segments", "bytes", "grants"};
    struct raw raw;
    struct message_grant grant;
    start("");
    open_limited(&raw);
    test_close(raw_create(&raw, &grant, "'name':'a','size':%d", MIB));
    test_close(raw_open_segment(&raw, NULL, "'name':'a'"));
    REQUIRE_INT(raw_used(&raw, NULL, "segments"), 1);
    REQUIRE_INT(raw_used(&raw, NULL, "bytes"), MIB);
    REQUIRE_INT(raw_used(&raw, NULL, "grants"), 2);
    REQUIRE_INT(raw_used(&raw, NULL, "connections"), 1);
    REQUIRE_INT(raw_used(&raw, "total", "grants"), 2);
    raw_open(&admin, broker.socket);
    raw_close(&raw);
    for (int i = 0; i < 3; i++)
        REQUIRE(TEST_UNTIL(5000, raw_used_by_all(&admin, budgets[i]) == 0));
    REQUIRE(TEST_UNTIL(5000, raw_used(&admin, "total", "connections") == 1));
    raw_close(&admin);
    test_broker_stop(&broker);
}
END_TEST

START_TEST(usage_pages)
{
    struct raw raw;
    unsigned rows = 0;
    unsigned pages = 0;
    uint64_t after = 0;
    char config[256];
    snprintf(config, sizeof(config),
             "[user %s]\nbytes = 1\n[group %s]\nbytes = 1\n", test_user(),
             test_group());
    start(config);
    raw_open(&raw, broker.socket);
    unsigned all = message_reply_rows(
        raw_ask(&raw, "{'id':1,'op':'usage','all':true,'limit':1000}"));
    do {
        const struct message_reply *reply = raw_ask(
            &raw, "{'id':1,'op':'usage','all':true,'limit':5,'after':%ju}",
            (uintmax_t)after);
        REQUIRE(message_reply_rows(reply) <= 5);
        rows += message_reply_rows(reply);
        pages++;
        after = message_reply_next(reply);
    } while (after);
    REQUIRE_INT(rows, all);
    REQUIRE_INT(pages, (all + 4) / 5);
    raw_close(&raw);
    test_broker_stop(&broker);
}
END_TEST

/* ---- reload ---- */

START_TEST(lowering_takes_nothing_away_and_refuses_what_is_new)
{
    struct raw raw;
    struct message_grant grant;
    start("[default]\nbytes = 8MiB\n");
    raw_open(&admin, broker.socket);
    open_limited(&raw);
    int fd = raw_create(&raw, &grant, "'name':'a','size':%d", 6 * MIB);
    test_broker_configure(&broker, "[default]\nbytes = 2MiB\n");
    reload();
    unsigned char *memory = test_map(fd, 6 * MIB, TEST_RW);
    memory[5 * MIB] = 1; /* it is all there */
    test_unmap(memory, 6 * MIB);
    test_close(fd);
    test_close(raw_open_segment(&raw, NULL, "'name':'a'"));
    raw_ask(&raw, "{'id':1,'op':'create','size':1}");
    expect_refusal(&raw, DEFAULT, "bytes", 6 * MIB, 2 * MIB, 4096);
    REQUIRE_INT(raw_used(&raw, NULL, "bytes"), 6 * MIB);
    test_broker_configure(&broker, "[default]\nbytes = 16MiB\n");
    reload();
    test_close(raw_create(&raw, NULL, "'size':%d", 10 * MIB));
    raw_close(&raw);
    raw_close(&admin);
    test_broker_stop(&broker);
}
END_TEST

START_TEST(charges_move_with_sections_that_come_and_go)
{
    char config[128];
    struct raw raw;
    struct message_grant grant;
    start("[default]\nbytes = 8MiB\n");
    raw_open(&admin, broker.socket);
    open_limited(&raw);
    test_close(raw_create(&raw, &grant, "'size':%d", 6 * MIB));
    snprintf(config, sizeof(config),
             "[user %s]\nbytes = 7MiB\n[group %s]\nbytes = 6MiB\n",
             limited_user(), limited_group());
    test_broker_configure(&broker, config);
    reload();
    raw_ask(&raw, "{'id':1,'op':'create','size':%d}", 2 * MIB);
    REQUIRE_STR(raw_outcome(&raw), "quota-exceeded");
    REQUIRE_INT(raw.reply.detail.used, 6 * MIB);
    raw_release(&raw, grant.grant);
    test_close(raw_create(&raw, &grant, "'size':%d", 5 * MIB));
    test_broker_configure(&broker, "");
    reload();
    raw_release(&raw, grant.grant);
    REQUIRE_INT(raw_used(&raw, NULL, "bytes"), 0);
    raw_close(&raw);
    raw_close(&admin);
    test_broker_stop(&broker);
}
END_TEST

START_TEST(bad_reload_changes_nothing_and_says_where)
{
    char place[TEST_PATH_MAX];
    struct raw raw;
    start("[default]\nsegments = 1\n");
    raw_open(&admin, broker.socket);
    open_limited(&raw);
    test_broker_configure(&broker, "[default]\nsegments = 5\n"
                                   "bites = 3\n[total]\nbytes = many\n");
    raw_ask(&admin, "{'id':1,'op':'reload'}");
    REQUIRE_STR(raw_outcome(&admin), "invalid-argument");
    test_path(place, "%s:3:", broker.config);
    REQUIRE_PART(admin.reply.text, place);
    REQUIRE_PART(admin.reply.text, "bites");
    REQUIRE_PART(admin.reply.text, "2 problems");
    test_close(raw_create(&raw, NULL, "'size':1"));
    raw_ask(&raw, "{'id':1,'op':'create','size':1}");
    expect_refusal(&raw, DEFAULT, "segments", 1, 1, 1);
    raw_close(&raw);
    raw_close(&admin);
    test_broker_stop(&broker);
}
END_TEST

START_TEST(drop_ins_are_read_and_their_errors_placed)
{
    char folder[TEST_PATH_MAX];
    char drop_in[TEST_PATH_MAX];
    start("[default]\nsegments = 5\n");
    raw_open(&admin, broker.socket);
    test_path(folder, "%s/conf.d", broker.folder);
    test_path(drop_in, "%s/50-few.conf", folder);
    test_folder_add(folder, 0, 0755);
    test_write(drop_in, "[default]\nsegments = 0\n");
    reload();
    raw_ask(&admin, "{'id':1,'op':'create','size':1}");
    expect_refusal(&admin, DEFAULT, "segments", 0, 0, 1);
    test_write(drop_in, "[default]\nsegment = 0\n");
    raw_ask(&admin, "{'id':1,'op':'reload'}");
    REQUIRE_STR(raw_outcome(&admin), "invalid-argument");
    REQUIRE_PART(admin.reply.text, "50-few.conf:2:");
    raw_close(&admin);
    test_broker_stop(&broker);
}
END_TEST

static Suite *quota_suite(void)
{
    Suite *suite = suite_create("quota");
    TCase *tests = suite_case(suite, "budgets", 60);
    tcase_add_loop_test(tests, bytes_are_limited, 0, SECTIONS);
    tcase_add_loop_test(tests, segments_are_limited, 0, SECTIONS);
    tcase_add_loop_test(tests, single_segments_are_limited, 0, SECTIONS);
    tcase_add_loop_test(tests, grants_are_limited, 0, SECTIONS);
    tcase_add_loop_test(tests, connections_are_limited, 0, SECTIONS);
    tcase_add_loop_test(tests, requests_per_second_are_limited, 0, SECTIONS);
    tcase_add_test(tests, who_gives_back_is_not_limited);
    tcase_add_test(tests,
                   user_section_replaces_the_default_and_lacks_fall_back);
    tcase_add_test(tests, group_members_share_their_budget);
    tcase_add_test(tests, users_of_the_default_do_not_share_it);
    tcase_add_test(tests, zero_allows_nothing);
    tcase_add_test(tests, default_install_is_bounded_by_half_of_the_memory);
    tcase_add_test(tests, parallel_creates_fill_exactly_the_room);
    tcase_add_test(tests, parallel_processes_fill_exactly_the_room);
    tcase_add_test(tests, pipelined_creates_fill_exactly_the_room);
    tcase_add_test(tests, usage_tells_every_budget_and_returns_to_zero);
    tcase_add_test(tests, usage_pages);

    tests = suite_case(suite, "reload", 60);
    tcase_add_test(tests, lowering_takes_nothing_away_and_refuses_what_is_new);
    tcase_add_test(tests, charges_move_with_sections_that_come_and_go);
    tcase_add_test(tests, bad_reload_changes_nothing_and_says_where);
    tcase_add_test(tests, drop_ins_are_read_and_their_errors_placed);
    return suite;
}

int main(void)
{
    role_offer("racer", race);
    return suite_main(quota_suite());
}
