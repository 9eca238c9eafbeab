/*
 * Opens that wait for a name: for one that comes, one that is published, one
 * that they may see; as long as was said, and as many as there may be.
 */
#include "client/segbroker.h"
#include "tests/support/memory.h"
#include "tests/support/recovery.h"
#include "tests/support/suite.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { OF_CONNECTION = 64, OF_USER = 1024, LONG_MS = 60000 };

static struct raw other; /* another process's connection */

static void start(const char *config)
{
    recovery_start(config);
    raw_open(&other, recovery_broker.socket);
}

static void setup(void)
{
    start(recovery_config);
}

static void teardown(void)
{
    raw_close(&other);
    recovery_stop();
}

static void begin_wait(struct raw *raw, int id, const char *name, int ms)
{
    raw_say(raw, "{'id':%d,'op':'open','name':'%s','wait_ms':%d}", id, name,
            ms);
}

/* The next reply is to that request. */
static const char *outcome_of(struct raw *raw, int id)
{
    raw_reply(raw);
    REQUIRE_INT(raw->reply.id, id);
    return raw_outcome(raw);
}

static void expect_grant(struct raw *raw, int id, uint64_t segment)
{
    struct message_grant grant;
    REQUIRE_STR(outcome_of(raw, id), "ok");
    test_close(raw_grant(raw, &grant));
    REQUIRE_INT(grant.segment, segment);
    REQUIRE(!grant.created);
}

/* Requests before this one were served, those that wait too. */
static void expect_served(struct raw *raw)
{
    raw_ask(raw, "{'id':99,'op':'ping'}");
    REQUIRE_INT(raw->reply.id, 99);
}

static uint64_t count_waits(void)
{
    struct message_counter counter = {0};
    raw_ask(&recovery_client, "{'id':1,'op':'stats'}");
    for (unsigned i = 0;
         message_reply_counter(&recovery_client.reply, i, &counter) == 0; i++)
        if (strcmp(counter.name, "waits") == 0)
            return counter.value;
    FAIL("there is no counter of waits");
}

/* ---- what is waited for ---- */

START_TEST(name_that_comes_is_opened)
{
    struct message_grant made;
    begin_wait(&other, 5, "a", LONG_MS);
    expect_served(&other);
    REQUIRE_INT(count_waits(), 1);
    test_close(raw_create(&recovery_client, &made, "'name':'a','size':4096"));
    expect_grant(&other, 5, made.segment);
    REQUIRE_INT(count_waits(), 0);
    /* It is there: nobody waits. */
    begin_wait(&other, 6, "a", LONG_MS);
    expect_grant(&other, 6, made.segment);
}
END_TEST

START_TEST(unpublished_one_is_waited_for)
{
    struct message_grant made;
    begin_wait(&other, 5, "a", LONG_MS);
    expect_served(&other);
    test_close(raw_create(&recovery_client, &made,
                          "'name':'a','size':4096,'publish':'later'"));
    begin_wait(&other, 6, "a", LONG_MS);
    expect_served(&other);
    REQUIRE_INT(count_waits(), 2);
    raw_ask(&recovery_client, "{'id':1,'op':'publish','name':'a'}");
    expect_grant(&other, 5, made.segment);
    expect_grant(&other, 6, made.segment);
}
END_TEST

START_TEST(creators_end_leaves_them_waiting)
{
    struct message_grant made;
    begin_wait(&recovery_client, 5, "a", LONG_MS);
    expect_served(&recovery_client);
    test_close(
        raw_create(&other, &made, "'name':'a','size':4096,'publish':'later'"));
    raw_close(&other);
    raw_open(&other, recovery_broker.socket);
    REQUIRE(TEST_UNTIL(
        RECOVERY_SOON_MS,
        (raw_ask(&other, "{'id':1,'op':'stat','name':'a'}"), !other.reply.ok)));
    test_close(raw_create(&other, &made, "'name':'a','size':4096"));
    expect_grant(&recovery_client, 5, made.segment);
}
END_TEST

/* The name has gone again before the wait is looked at. */
START_TEST(name_that_only_passed_is_waited_for)
{
    struct message_grant made;
    begin_wait(&recovery_client, 5, "a", LONG_MS);
    expect_served(&recovery_client);
    raw_say(&other, "{'id':1,'op':'create','name':'a','size':4096}\n"
                    "{'id':2,'op':'remove','name':'a'}");
    raw_reply(&other);
    test_close(raw_grant(&other, &made));
    REQUIRE_STR(outcome_of(&other, 2), "ok");
    expect_served(&recovery_client);
    test_close(raw_create(&other, &made, "'name':'a','size':4096"));
    expect_grant(&recovery_client, 5, made.segment);
}
END_TEST

START_TEST(memory_that_is_being_committed_is_waited_for)
{
    struct message_grant made;
    raw_say(&recovery_client,
            "{'id':1,'op':'create','name':'a','size':67108864}");
    begin_wait(&other, 5, "a", LONG_MS);
    raw_reply(&recovery_client);
    test_close(raw_grant(&recovery_client, &made));
    expect_grant(&other, 5, made.segment);
}
END_TEST

START_TEST(everybody_who_waits_is_served)
{
    enum { CONNECTIONS = 6, EACH = 50 };
    static struct raw waiters[CONNECTIONS];
    struct message_grant made;
    for (int i = 0; i < CONNECTIONS; i++) {
        raw_open(&waiters[i], recovery_broker.socket);
        for (int n = 0; n < EACH; n++)
            begin_wait(&waiters[i], n, "a", LONG_MS);
        expect_served(&waiters[i]);
    }
    REQUIRE_INT(count_waits(), CONNECTIONS * EACH);
    test_close(raw_create(&recovery_client, &made, "'name':'a','size':4096"));
    for (int i = 0; i < CONNECTIONS; i++) {
        for (int n = 0; n < EACH; n++)
            expect_grant(&waiters[i], n, made.segment);
        raw_close(&waiters[i]);
    }
}
END_TEST

START_TEST(only_who_waits_for_that_name_is_woken)
{
    struct message_grant made;
    begin_wait(&other, 1, "a", LONG_MS);
    begin_wait(&other, 2, "global/a", LONG_MS);
    begin_wait(&other, 3, "aa", LONG_MS);
    expect_served(&other);
    test_close(raw_create(&recovery_client, &made, "'name':'aa','size':1"));
    expect_grant(&other, 3, made.segment);
    test_close(
        raw_create(&recovery_client, &made, "'name':'global/a','size':1"));
    expect_grant(&other, 2, made.segment);
    REQUIRE_INT(count_waits(), 1);
}
END_TEST

/* Of many at once the answer waits for the last. */
START_TEST(items_wait_each_for_its_own_name)
{
    struct message_grant made, opened;
    struct message_reply item;
    test_close(raw_create(&recovery_client, &made, "'name':'a','size':4096"));
    raw_say(&other, "{'id':5,'op':'open','items':[{'name':'a'},"
                    "{'name':'b','wait_ms':60000},"
                    "{'name':'c','wait_ms':30}]}");
    expect_served(&other);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, count_waits() == 1));
    test_close(raw_create(&recovery_client, &made, "'name':'b','size':4096"));
    REQUIRE_STR(outcome_of(&other, 5), "ok");
    for (unsigned i = 0; i < 2; i++) {
        REQUIRE_INT(message_reply_item(&other.reply, i, &item), 0);
        REQUIRE_INT(message_reply_grant(&item, &opened), 0);
    }
    REQUIRE_INT(opened.segment, made.segment);
    REQUIRE_INT(message_reply_item(&other.reply, 2, &item), 0);
    REQUIRE(!item.ok);
    REQUIRE_INT(item.error, PROTOCOL_TIMEOUT);
}
END_TEST

START_TEST(all_or_none_wait_no_longer_than_the_first_refusal)
{
    struct message_grant made;
    raw_say(&other, "{'id':5,'op':'open','atomic':true,'items':["
                    "{'name':'a','wait_ms':60000},{'name':'b','wait_ms':30},"
                    "{'name':'c','wait_ms':60000}]}");
    REQUIRE_STR(outcome_of(&other, 5), "timeout");
    REQUIRE(other.reply.has_item);
    REQUIRE_INT(other.reply.item, 1);
    REQUIRE_INT(count_waits(), 0);
    raw_say(&other, "{'id':6,'op':'open','atomic':true,'items':["
                    "{'name':'a','wait_ms':60000},{'name':'d'}]}");
    REQUIRE_STR(outcome_of(&other, 6), "not-found");
    REQUIRE_INT(count_waits(), 0);
    test_close(raw_create(&recovery_client, &made, "'name':'a','size':4096"));
    expect_served(&other);
    raw_say(&other, "{'id':7,'op':'open','items':[{'name':'e','wait_ms':"
                    "60000}]}");
    expect_served(&other);
    raw_close(&other);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, count_waits() == 0));
    raw_open(&other, recovery_broker.socket);
}
END_TEST

/* ---- the end of waiting ---- */

START_TEST(each_ends_when_its_time_is_over)
{
    static const int times[] = {150, 1, 80, LONG_MS, 40, 110};
    static const int order[] = {1, 4, 2, 5, 0};
    int64_t began = test_clock_us();
    for (int i = 0; i < 6; i++)
        begin_wait(&other, i, "a", times[i]);
    for (int i = 0; i < 5; i++) {
        REQUIRE_STR(outcome_of(&other, order[i]), "timeout");
        REQUIRE_PART(other.reply.text, "within");
        REQUIRE((test_clock_us() - began) / 1000 >= times[order[i]] - 1);
    }
    REQUIRE_INT(count_waits(), 1);
}
END_TEST

START_TEST(wait_ends_with_its_connection)
{
    struct message_grant made;
    for (int i = 0; i < 9; i++)
        begin_wait(&other, i, i % 2 ? "a" : "b", LONG_MS);
    expect_served(&other);
    REQUIRE_INT(count_waits(), 9);
    raw_close(&other);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, count_waits() == 0));
    raw_open(&other, recovery_broker.socket);
    test_close(raw_create(&recovery_client, &made, "'name':'a','size':1"));
    expect_served(&other);
}
END_TEST

START_TEST(refusal_ends_the_wait)
{
    struct message_grant made, blocking;
    test_close(raw_create(&other, &blocking, "'name':'b','size':4096"));
    begin_wait(&other, 5, "a", LONG_MS);
    expect_served(&other);
    test_close(raw_create(&recovery_client, &made, "'name':'a','size':4096"));
    REQUIRE_STR(outcome_of(&other, 5), "quota-exceeded");
}
END_TEST

/* ---- who may ---- */

START_TEST(who_may_not_see_it_waits_on)
{
    SKIP_UNLESS(test_is_root(), "needs root to act as other users");
    struct raw alice, bob;
    struct message_grant made;
    raw_open_as(&alice, recovery_broker.socket, TEST_ALICE, 0);
    raw_open_as(&bob, recovery_broker.socket, TEST_BOB, 0);
    begin_wait(&alice, 1, "global/a", LONG_MS);
    begin_wait(&alice, 2, "global/a", 300);
    expect_served(&alice);
    /* Two users' own names are two. */
    begin_wait(&bob, 3, "a", LONG_MS);
    expect_served(&bob);
    test_close(raw_create(&recovery_client, &made, "'name':'a','size':4096"));
    test_close(
        raw_create(&recovery_client, &made, "'name':'global/a','size':4096"));
    REQUIRE_STR(outcome_of(&alice, 2), "timeout");
    REQUIRE(!raw_pending(&bob));
    raw_ask(&recovery_client, "{'id':1,'op':'remove','name':'global/a'}");
    test_close(raw_create(&recovery_client, &made,
                          "'name':'global/a','size':4096,"
                          "'share':{'read':['user:%d']}",
                          TEST_ALICE));
    expect_grant(&alice, 1, made.segment);
    raw_close(&alice);
    raw_close(&bob);
}
END_TEST

START_TEST(who_sees_it_and_may_not_open_it_is_told)
{
    SKIP_UNLESS(test_is_root(), "needs root to act as other users");
    struct raw alice;
    struct message_grant made;
    raw_open_as(&alice, recovery_broker.socket, TEST_ALICE, 0);
    raw_say(&alice, "{'id':5,'op':'open','name':'global/a','access':'rw',"
                    "'wait_ms':60000}");
    expect_served(&alice);
    test_close(raw_create(&recovery_client, &made,
                          "'name':'global/a','size':4096,"
                          "'share':{'read':['everyone']}"));
    REQUIRE_STR(outcome_of(&alice, 5), "access-denied");
    raw_close(&alice);
}
END_TEST

/* ---- bounds ---- */

START_TEST(connection_has_so_many)
{
    struct message_grant made;
    for (int i = 0; i < OF_CONNECTION; i++)
        begin_wait(&other, i, "a", LONG_MS);
    begin_wait(&other, 100, "a", LONG_MS);
    REQUIRE_STR(outcome_of(&other, 100), "busy");
    REQUIRE_PART(other.reply.text, "64 opens of this connection");
    /* Others have room, and what waits otherwise too. */
    begin_wait(&recovery_client, 7, "b", 1);
    REQUIRE_STR(outcome_of(&recovery_client, 7), "timeout");
    test_close(raw_create(&other, &made, "'name':'c','size':1048576"));
    test_close(raw_create(&recovery_client, &made, "'name':'a','size':4096"));
    for (int i = 0; i < OF_CONNECTION; i++)
        expect_grant(&other, i, made.segment);
}
END_TEST

START_TEST(user_has_so_many)
{
    enum { CONNECTIONS = OF_USER / OF_CONNECTION };
    static struct raw waiters[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++) {
        raw_open(&waiters[i], recovery_broker.socket);
        for (int n = 0; n < OF_CONNECTION; n++)
            begin_wait(&waiters[i], n, "a", LONG_MS);
        expect_served(&waiters[i]);
    }
    begin_wait(&other, 100, "a", LONG_MS);
    REQUIRE_STR(outcome_of(&other, 100), "busy");
    REQUIRE_PART(other.reply.text, "1024 opens of this user");
    for (int i = 0; i < CONNECTIONS; i++)
        raw_close(&waiters[i]);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, count_waits() == 0));
    begin_wait(&other, 101, "a", 1);
    REQUIRE_STR(outcome_of(&other, 101), "timeout");
}
END_TEST

START_TEST(what_cannot_be_waited_for_is_refused)
{
    raw_ask(&other, "{'id':1,'op':'open','segment':1,'wait_ms':1}");
    REQUIRE_STR(raw_outcome(&other), "invalid-argument");
    REQUIRE_PART(other.reply.text, "wait_ms");
    raw_ask(&other, "{'id':1,'op':'open','name':'a','wait_ms':86400001}");
    REQUIRE_STR(raw_outcome(&other), "invalid-argument");
    raw_ask(&other, "{'id':1,'op':'open','name':'a','wait_ms':-1}");
    REQUIRE_STR(raw_outcome(&other), "invalid-argument");
    raw_ask(&other, "{'id':1,'op':'open','name':'a','wait_ms':0}");
    REQUIRE_STR(raw_outcome(&other), "not-found");
}
END_TEST

/* ---- the library ---- */

static segb_client *connect_library(int timeout_ms)
{
    segb_connect_options options = {.struct_size = sizeof(options),
                                    .socket = recovery_broker.socket,
                                    .timeout_ms = timeout_ms,
                                    .reconnect_ms = 20000};
    segb_client *client;
    REQUIRE_INT(segb_connect(&options, &client), 0);
    return client;
}

static const segb_open_options patient = {.struct_size = sizeof(patient),
                                          .wait_ms = LONG_MS};

/* Opens, and finds every word as the writer left it. */
struct reader {
    pthread_t thread;
    int round;
    segb_client *client; /* NULL: its own */
};

enum { WORDS = 16384 / sizeof(unsigned) };

static void name_round(char *name, size_t size, int round)
{
    snprintf(name, size, "round %d", round);
}

static void *read_when_there(void *data)
{
    const struct reader *reader = data;
    segb_client *client = reader->client ? reader->client : connect_library(0);
    segb_segment *segment;
    void *view;
    char name[32];
    name_round(name, sizeof(name), reader->round);
    REQUIRE_INT(segb_open(client, name, &patient, &segment), 0);
    REQUIRE_INT(segb_map(segment, 0, 0, SEGB_RO, &view), 0);
    for (unsigned i = 0; i < WORDS; i++)
        REQUIRE_INT(((const unsigned *)view)[i], i + 1);
    REQUIRE_INT(segb_unmap(view), 0);
    segb_close(segment);
    if (!reader->client)
        segb_disconnect(client);
    return NULL;
}

static void write_round(segb_client *client, int round)
{
    segb_create_options later = {
        .struct_size = sizeof(later), .persist = 1, .publish_later = 1};
    segb_segment *segment;
    void *view;
    char name[32];
    name_round(name, sizeof(name), round);
    REQUIRE_INT(
        segb_create(client, name, WORDS * sizeof(unsigned), &later, &segment),
        0);
    REQUIRE_INT(segb_map(segment, 0, 0, SEGB_RW, &view), 0);
    for (unsigned i = 0; i < WORDS; i++) {
        ((unsigned *)view)[i] = i + 1;
        if (i % (WORDS / 4) == 0)
            test_pause();
    }
    REQUIRE_INT(segb_publish(client, NULL, segb_id(segment)), 0);
    REQUIRE_INT(segb_unmap(view), 0);
    segb_close(segment);
}

START_TEST(nobody_sees_half_initialised_memory)
{
    enum { READERS = 6 };
    int rounds = suite_quick() ? 5 : 20;
    segb_client *writer = connect_library(0);
    segb_client *shared = connect_library(0);
    struct reader readers[READERS];
    char name[32];
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < READERS; i++) {
            readers[i] = (struct reader){.round = round,
                                         .client = i % 2 ? shared : NULL};
            REQUIRE_INT(pthread_create(&readers[i].thread, NULL,
                                       read_when_there, &readers[i]),
                        0);
        }
        write_round(writer, round);
        for (int i = 0; i < READERS; i++)
            pthread_join(readers[i].thread, NULL);
        name_round(name, sizeof(name), round);
        REQUIRE_INT(segb_remove(writer, name, 0), 0);
    }
    segb_disconnect(shared);
    segb_disconnect(writer);
}
END_TEST

START_TEST(library_waits_on_at_the_next_broker)
{
    struct reader reader = {.round = 1};
    segb_client *writer;
    REQUIRE_INT(pthread_create(&reader.thread, NULL, read_when_there, &reader),
                0);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, count_waits() == 1));
    recovery_crash();
    REQUIRE(TEST_UNTIL(20000, count_waits() == 1));
    writer = connect_library(0);
    write_round(writer, 1);
    pthread_join(reader.thread, NULL);
    REQUIRE_INT(segb_remove(writer, "round 1", 0), 0);
    segb_disconnect(writer);
}
END_TEST

START_TEST(library_waits_for_many)
{
    segb_client *client = connect_library(100);
    segb_open_options brief = {.struct_size = sizeof(brief), .wait_ms = 500};
    segb_item items[2] = {{.name = "a", .open_options = &patient},
                          {.name = "b", .open_options = &brief}};
    struct message_grant made;
    test_close(raw_create(&recovery_client, &made, "'name':'a','size':4096"));
    REQUIRE_INT(segb_open_many(client, items, 2, 0), SEGB_E_TIMEOUT);
    REQUIRE_PART(segb_last_detail(), "items[1]");
    REQUIRE_INT(items[0].result, 0);
    REQUIRE_INT(items[1].result, SEGB_E_TIMEOUT);
    segb_close(items[0].segment);
    segb_disconnect(client);
}
END_TEST

/* The client's own timeout is for the broker's answer, not for the wait. */
START_TEST(library_waits_as_long_as_it_was_told)
{
    segb_client *client = connect_library(100);
    segb_open_options options = {.struct_size = sizeof(options),
                                 .wait_ms = 700};
    segb_segment *segment;
    int64_t began = test_clock_us();
    REQUIRE_INT(segb_open(client, "a", &options, &segment), SEGB_E_TIMEOUT);
    REQUIRE_PART(segb_last_detail(), "within 700 ms");
    REQUIRE((test_clock_us() - began) / 1000 >= 699);
    options.wait_ms = 86400001;
    REQUIRE_INT(segb_open(client, "a", &options, &segment),
                SEGB_E_INVALID_ARGUMENT);
    options.wait_ms = 1;
    options.id = 1;
    REQUIRE_INT(segb_open(client, NULL, &options, &segment),
                SEGB_E_INVALID_ARGUMENT);
    segb_disconnect(client);
}
END_TEST

static void note_segment(segb_client *client, int status, segb_segment *segment,
                         void *data)
{
    (void)client;
    REQUIRE_INT(status, 0);
    *(segb_segment **)data = segment;
}

START_TEST(library_waits_for_an_event_loop)
{
    segb_client *client = connect_library(0);
    segb_segment *made, *came = NULL;
    REQUIRE_INT(segb_open_async(client, "a", &patient, note_segment, &came), 0);
    REQUIRE_INT(segb_create(client, "a", 4096, NULL, &made), 0);
    while (!came) {
        REQUIRE(test_await_readable((int)segb_client_fd(client), 10000));
        REQUIRE_INT(segb_client_dispatch(client), 0);
    }
    REQUIRE_INT(segb_id(came), segb_id(made));
    segb_close(came);
    segb_close(made);
    segb_disconnect(client);
}
END_TEST

START_TEST(who_may_see_more_after_a_reload_is_served)
{
    SKIP_UNLESS(test_is_root(), "needs root to act as other users");
    struct message_grant made;
    struct raw alice;
    char config[1024];
    raw_open_as(&alice, recovery_broker.socket, TEST_ALICE, 0);
    test_close(raw_create(&other, &made, "'name':'global/a','size':4096"));
    begin_wait(&alice, 1, "global/a", LONG_MS);
    expect_served(&alice);
    snprintf(config, sizeof(config), "%s[access global/a]\nread = user:%u\n",
             recovery_config, TEST_ALICE);
    test_broker_configure(&recovery_broker, config);
    raw_ask(&other, "{'id':1,'op':'reload'}");
    REQUIRE_STR(raw_outcome(&other), "ok");
    expect_grant(&alice, 1, made.segment);
    raw_close(&alice);
}
END_TEST

static void setup_tight(void)
{
    start("[default]\n"
          "grants = 2\n");
}

static Suite *wait_suite(void)
{
    Suite *suite = suite_create("wait");
    TCase *tests = suite_case(suite, "wait", 60);
    TCase *tight = suite_case(suite, "tight", 60);
    TCase *library = suite_case(suite, "library", 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, name_that_comes_is_opened);
    tcase_add_test(tests, unpublished_one_is_waited_for);
    tcase_add_test(tests, creators_end_leaves_them_waiting);
    tcase_add_test(tests, name_that_only_passed_is_waited_for);
    tcase_add_test(tests, memory_that_is_being_committed_is_waited_for);
    tcase_add_test(tests, everybody_who_waits_is_served);
    tcase_add_test(tests, only_who_waits_for_that_name_is_woken);
    tcase_add_test(tests, items_wait_each_for_its_own_name);
    tcase_add_test(tests, all_or_none_wait_no_longer_than_the_first_refusal);
    tcase_add_test(tests, each_ends_when_its_time_is_over);
    tcase_add_test(tests, wait_ends_with_its_connection);
    tcase_add_test(tests, who_may_not_see_it_waits_on);
    tcase_add_test(tests, who_sees_it_and_may_not_open_it_is_told);
    tcase_add_test(tests, who_may_see_more_after_a_reload_is_served);
    tcase_add_test(tests, connection_has_so_many);
    tcase_add_test(tests, user_has_so_many);
    tcase_add_test(tests, what_cannot_be_waited_for_is_refused);
    tcase_add_checked_fixture(tight, setup_tight, teardown);
    tcase_add_test(tight, refusal_ends_the_wait);
    tcase_add_checked_fixture(library, setup, teardown);
    tcase_add_test(library, nobody_sees_half_initialised_memory);
    tcase_add_test(library, library_waits_on_at_the_next_broker);
    tcase_add_test(library, library_waits_as_long_as_it_was_told);
    tcase_add_test(library, library_waits_for_an_event_loop);
    tcase_add_test(library, library_waits_for_many);
    return suite;
}

int main(void)
{
    return suite_main(wait_suite());
}
