/*
 * Watching: who is told what, in which order, how much of it, and that nobody
 * waits for who does not read.
 */
#include "client/segbroker.h"
#include "tests/support/memory.h"
#include "tests/support/recovery.h"
#include "tests/support/suite.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { OF_CONNECTION = 16, OF_USER = 256, QUEUE = 256 };

static struct raw watcher; /* another process's connection */

static void start(const char *config)
{
    recovery_start(config);
    raw_open(&watcher, recovery_broker.socket);
}

static void setup(void)
{
    start(recovery_config);
}

static void teardown(void)
{
    raw_close(&watcher);
    recovery_stop();
}

static uint64_t watch(struct raw *raw, const char *prefix)
{
    uint64_t number;
    raw_ask(raw, "{'id':1,'op':'watch','prefix':'%s'}", prefix);
    REQUIRE_STR(raw_outcome(raw), "ok");
    REQUIRE_INT(message_reply_watch(&raw->reply, &number), 0);
    return number;
}

static const char *unwatch(struct raw *raw, uint64_t number)
{
    raw_ask(raw, "{'id':1,'op':'unwatch','watch':%ju}", (uintmax_t)number);
    return raw_outcome(raw);
}

static struct message_event next_event(struct raw *raw)
{
    struct message_event event;
    raw_reply(raw);
    if (!raw->reply.is_event)
        FAIL("no event: %s", raw->line);
    REQUIRE_INT(message_reply_event(&raw->reply, &event), 0);
    return event;
}

static struct message_event expect(struct raw *raw, enum protocol_event what,
                                   const char *name)
{
    struct message_event event = next_event(raw);
    if (event.event != what || (name && !event.name) ||
        (name && strcmp(name, event.name) != 0))
        FAIL("not %s of %s: %s", message_event_name(what), name, raw->line);
    return event;
}

/* Nothing has come that was to come before this answer. */
static void expect_nothing(struct raw *raw)
{
    raw_ask(raw, "{'id':98,'op':'ping'}");
    if (raw->reply.is_event)
        FAIL("an event: %s", raw->line);
    REQUIRE_INT(raw->reply.id, 98);
}

static void create(struct raw *raw, struct message_grant *made,
                   const char *name)
{
    test_close(raw_create(raw, made, "'name':'%s','size':4096", name));
}

static uint64_t count_watches(void)
{
    struct message_counter counter = {0};
    raw_ask(&recovery_client, "{'id':1,'op':'stats'}");
    for (unsigned i = 0;
         message_reply_counter(&recovery_client.reply, i, &counter) == 0; i++)
        if (strcmp(counter.name, "watches") == 0)
            return counter.value;
    FAIL("there is no counter of watches");
}

/* ---- what is told ---- */

START_TEST(all_that_becomes_of_a_segment)
{
    struct message_grant made;
    struct message_event event;
    uint64_t number = watch(&watcher, "a");
    test_close(raw_create(&recovery_client, &made,
                          "'name':'ab','size':5000,'freezable':true,"
                          "'publish':'later'"));
    event = expect(&watcher, PROTOCOL_CREATED, "ab");
    REQUIRE_INT(event.watch, number);
    REQUIRE_INT(event.segment, made.segment);
    REQUIRE_INT(event.size, 5000);
    REQUIRE_PART(event.owner, "user:");
    REQUIRE(event.unpublished && event.freezable);
    raw_ask(&recovery_client, "{'id':1,'op':'publish','name':'ab'}");
    event = expect(&watcher, PROTOCOL_PUBLISHED, "ab");
    REQUIRE(!event.unpublished);
    raw_ask(&recovery_client, "{'id':1,'op':'publish','name':'ab'}");
    raw_ask(&recovery_client,
            "{'id':1,'op':'freeze','name':'ab','mode':'future'}");
    recovery_expect_outcome("ok");
    event = expect(&watcher, PROTOCOL_FROZEN, "ab");
    REQUIRE_INT(event.frozen, PROTOCOL_FROZEN_FUTURE);
    raw_ask(&recovery_client, "{'id':1,'op':'remove','name':'ab'}");
    expect(&watcher, PROTOCOL_NAME_REMOVED, "ab");
    raw_release(&recovery_client, made.grant);
    event = expect(&watcher, PROTOCOL_GONE, "ab");
    REQUIRE_INT(event.segment, made.segment);
}
END_TEST

START_TEST(end_of_the_last_holder)
{
    struct message_grant made;
    struct raw holder;
    watch(&watcher, "");
    raw_open(&holder, recovery_broker.socket);
    create(&holder, &made, "a");
    expect(&watcher, PROTOCOL_CREATED, "a");
    raw_close(&holder);
    expect(&watcher, PROTOCOL_NAME_REMOVED, "a");
    expect(&watcher, PROTOCOL_GONE, "a");
    create(&recovery_client, &made, "b");
    expect(&watcher, PROTOCOL_CREATED, "b");
    raw_ask(&recovery_client, "{'id':1,'op':'revoke','name':'b'}");
    expect(&watcher, PROTOCOL_NAME_REMOVED, "b");
    expect(&watcher, PROTOCOL_GONE, "b");
}
END_TEST

START_TEST(only_names_that_begin_so)
{
    struct message_grant made;
    watch(&watcher, "cam/");
    create(&recovery_client, &made, "cam");
    create(&recovery_client, &made, "global/cam/0");
    test_close(raw_create(&recovery_client, &made, "'size':4096"));
    create(&recovery_client, &made, "cam/0");
    expect(&watcher, PROTOCOL_CREATED, "cam/0");
    /* All of them, unnamed ones too. */
    raw_ask(&watcher, "{'id':1,'op':'watch'}");
    test_close(raw_create(&recovery_client, &made, "'size':4096"));
    REQUIRE(!expect(&watcher, PROTOCOL_CREATED, NULL).name);
}
END_TEST

START_TEST(refused_creation_is_none)
{
    struct message_grant made;
    watch(&watcher, "");
    raw_ask(&recovery_client, "{'id':1,'op':'create','name':'a','size':4096,"
                              "'share':{'read':['user:nobody-of-that-name']}}");
    recovery_expect_outcome("invalid-argument");
    raw_ask(&recovery_client,
            "{'id':1,'op':'create','name':'a','size':2199023255552}");
    REQUIRE(!recovery_client.reply.ok);
    create(&recovery_client, &made, "b");
    expect(&watcher, PROTOCOL_CREATED, "b");
}
END_TEST

START_TEST(own_doing_is_told_behind_its_reply)
{
    struct message_grant made;
    watch(&watcher, "");
    create(&watcher, &made, "a");
    expect(&watcher, PROTOCOL_CREATED, "a");
    raw_say(&watcher, "{'id':2,'op':'release','grant':%ju}",
            (uintmax_t)made.grant);
    raw_reply(&watcher);
    REQUIRE_INT(watcher.reply.id, 2);
    expect(&watcher, PROTOCOL_NAME_REMOVED, "a");
    expect(&watcher, PROTOCOL_GONE, "a");
}
END_TEST

START_TEST(each_watch_is_told_until_its_end)
{
    struct message_grant made;
    uint64_t one = watch(&watcher, "a"), two = watch(&watcher, "");
    REQUIRE(one != two);
    create(&recovery_client, &made, "a");
    REQUIRE_INT(expect(&watcher, PROTOCOL_CREATED, "a").watch, one);
    REQUIRE_INT(expect(&watcher, PROTOCOL_CREATED, "a").watch, two);
    REQUIRE_STR(unwatch(&watcher, one), "ok");
    REQUIRE_STR(unwatch(&watcher, one), "not-found");
    REQUIRE_STR(unwatch(&recovery_client, two), "not-found");
    create(&recovery_client, &made, "aa");
    REQUIRE_INT(expect(&watcher, PROTOCOL_CREATED, "aa").watch, two);
    REQUIRE_STR(unwatch(&watcher, two), "ok");
    create(&recovery_client, &made, "ab");
    expect_nothing(&watcher);
    REQUIRE_INT(count_watches(), 0);
}
END_TEST

/* All that happened is told, in its order, to who reads. */
START_TEST(nothing_is_lost_to_who_reads)
{
    enum { AT_ONCE = 20 };
    int rounds = suite_quick() ? 10 : 100;
    struct message_grant made[AT_ONCE];
    uint64_t last = 0;
    watch(&watcher, "");
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < AT_ONCE; i++) {
            create(&recovery_client, &made[i], "a");
            raw_ask(&recovery_client, "{'id':1,'op':'remove','name':'a'}");
        }
        for (int i = 0; i < AT_ONCE; i++) {
            struct message_event event =
                expect(&watcher, PROTOCOL_CREATED, "a");
            REQUIRE(event.segment > last);
            last = event.segment;
            expect(&watcher, PROTOCOL_NAME_REMOVED, "a");
        }
        for (int i = 0; i < AT_ONCE; i++)
            raw_release(&recovery_client, made[i].grant);
        for (int i = 0; i < AT_ONCE; i++)
            expect(&watcher, PROTOCOL_GONE, "a");
    }
}
END_TEST

/* ---- who may know ---- */

START_TEST(only_who_may_list_it)
{
    SKIP_UNLESS(test_is_root(), "needs root to act as other users");
    struct raw alice, bob;
    struct message_grant made;
    raw_open_as(&alice, recovery_broker.socket, TEST_ALICE, 0);
    raw_open_as(&bob, recovery_broker.socket, TEST_BOB, 0);
    watch(&bob, "");
    watch(&watcher, "");
    create(&alice, &made, "secret");
    test_close(raw_create(&alice, &made,
                          "'name':'shared','size':1,"
                          "'share':{'read':['user:%d']}",
                          TEST_BOB));
    raw_release(&alice, made.grant);
    expect(&bob, PROTOCOL_CREATED, "shared");
    expect(&bob, PROTOCOL_NAME_REMOVED, "shared");
    expect(&bob, PROTOCOL_GONE, "shared");
    /* Administrators see all. */
    expect(&watcher, PROTOCOL_CREATED, "secret");
    expect(&watcher, PROTOCOL_CREATED, "shared");
    raw_close(&alice);
    expect_nothing(&bob);
    raw_close(&bob);
}
END_TEST

/* ---- bounds ---- */

START_TEST(connection_has_so_many)
{
    for (int i = 0; i < OF_CONNECTION; i++)
        watch(&watcher, "a");
    raw_ask(&watcher, "{'id':1,'op':'watch'}");
    REQUIRE_STR(raw_outcome(&watcher), "busy");
    REQUIRE_PART(watcher.reply.text, "this connection has 16 watches");
    watch(&recovery_client, "a");
}
END_TEST

START_TEST(user_has_so_many)
{
    enum { CONNECTIONS = OF_USER / OF_CONNECTION };
    static struct raw watchers[CONNECTIONS];
    struct message_grant made;
    for (int i = 0; i < CONNECTIONS; i++) {
        raw_open(&watchers[i], recovery_broker.socket);
        for (int n = 0; n < OF_CONNECTION; n++)
            watch(&watchers[i], "a");
    }
    raw_ask(&watcher, "{'id':1,'op':'watch'}");
    REQUIRE_STR(raw_outcome(&watcher), "busy");
    REQUIRE_PART(watcher.reply.text, "this user has 256 watches");
    REQUIRE_INT(count_watches(), OF_USER);
    create(&recovery_client, &made, "a");
    for (int i = 0; i < CONNECTIONS; i++) {
        for (int n = 0; n < OF_CONNECTION; n++)
            expect(&watchers[i], PROTOCOL_CREATED, "a");
        raw_close(&watchers[i]);
    }
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, count_watches() == 0));
    watch(&watcher, "");
}
END_TEST

START_TEST(what_cannot_be_watched_is_refused)
{
    char prefix[PROTOCOL_NAME_MAX + 2];
    memset(prefix, 'a', sizeof(prefix));
    prefix[sizeof(prefix) - 1] = '\0';
    raw_ask(&watcher, "{'id':1,'op':'watch','prefix':'%s'}", prefix);
    REQUIRE_STR(raw_outcome(&watcher), "invalid-argument");
    raw_ask(&watcher, "{'id':1,'op':'watch','prefix':5}");
    REQUIRE_STR(raw_outcome(&watcher), "invalid-argument");
    raw_ask(&watcher, "{'id':1,'op':'unwatch'}");
    REQUIRE_STR(raw_outcome(&watcher), "invalid-argument");
    REQUIRE_STR(unwatch(&watcher, 0), "not-found");
}
END_TEST

/* ---- who does not read ---- */

/* Far more than a queue and what the system keeps. */
static void do_much(void)
{
    struct message_grant made;
    for (int i = 0; i < 4000; i++) {
        create(&recovery_client, &made, "a");
        raw_release(&recovery_client, made.grant);
    }
}

/* Reads up to the overflow; how many events came before. */
static int read_until_overflow(void)
{
    int count = 0;
    while (next_event(&watcher).event != PROTOCOL_OVERFLOW)
        count++;
    return count;
}

/* Each of many small messages takes a whole buffer of the system's. Replies
 * that wait for ten seconds get a connection cut off, events do not. */
START_TEST(events_alone_get_nobody_cut_off)
{
    SKIP_UNLESS(!suite_quick(), "takes as long as it takes to be cut off");
    watch(&watcher, "");
    do_much();
    for (int i = 0; i < 24; i++) {
        raw_ask(&recovery_client, "{'id':1,'op':'ping'}");
        REQUIRE(
            !TEST_UNTIL(500, test_broker_logged(&recovery_broker, "cut off")));
    }
    REQUIRE(read_until_overflow() >= QUEUE);
    expect_nothing(&watcher);
}
END_TEST

START_TEST(who_does_not_read_stalls_nobody_and_is_told_what_he_lost)
{
    struct message_grant made;
    watch(&watcher, "");
    do_much();
    int count = read_until_overflow();
    REQUIRE(count >= QUEUE && count < 12000);
    /* From here on all is told again. */
    create(&recovery_client, &made, "b");
    expect(&watcher, PROTOCOL_CREATED, "b");
    do_much();
    REQUIRE(read_until_overflow() >= QUEUE);
    expect_nothing(&watcher);
}
END_TEST

START_TEST(what_is_ended_is_not_told_though_it_was_queued)
{
    uint64_t number = watch(&watcher, "");
    do_much();
    raw_say(&watcher, "{'id':7,'op':'unwatch','watch':%ju}", (uintmax_t)number);
    while (raw_reply(&watcher)->is_event)
        ;
    REQUIRE_INT(watcher.reply.id, 7);
    expect_nothing(&watcher);
}
END_TEST

/* ---- the library ---- */

struct told {
    int count[SEGB_EVENT_ENDED + 1];
    int all;
    segb_watcher *end; /* is ended at the first event */
    char name[32];     /* of the last one */
    uint64_t size;
};

static void note(segb_client *client, const segb_event *event, void *data)
{
    struct told *told = data;
    (void)client;
    told->count[event->event]++;
    told->all++;
    told->size = event->size;
    snprintf(told->name, sizeof(told->name), "%s",
             event->name ? event->name : "");
    if (told->end)
        segb_unwatch(told->end);
    told->end = NULL;
}

static segb_client *connect_library(void)
{
    segb_connect_options options = {.struct_size = sizeof(options),
                                    .socket = recovery_broker.socket,
                                    .reconnect_ms = 20000};
    segb_client *client;
    REQUIRE_INT(segb_connect(&options, &client), 0);
    return client;
}

static void dispatch_until(segb_client *client, const int *count, int wanted)
{
    while (*count < wanted) {
        REQUIRE(test_await_readable((int)segb_client_fd(client), 20000));
        REQUIRE_INT(segb_client_dispatch(client), 0);
    }
    REQUIRE_INT(*count, wanted);
}

START_TEST(library_calls_back)
{
    segb_client *client = connect_library();
    struct told told = {0};
    struct message_grant made;
    segb_watcher *watching;
    REQUIRE_INT(segb_watch(client, "a", note, &told, &watching), 0);
    create(&recovery_client, &made, "ab");
    dispatch_until(client, &told.count[SEGB_EVENT_CREATED], 1);
    REQUIRE_STR(told.name, "ab");
    REQUIRE_INT(told.size, 4096);
    raw_release(&recovery_client, made.grant);
    dispatch_until(client, &told.count[SEGB_EVENT_GONE], 1);
    REQUIRE_INT(told.count[SEGB_EVENT_REMOVED], 1);
    REQUIRE_INT(told.all, 3);
    segb_unwatch(watching);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS, count_watches() == 0));
    segb_disconnect(client);
}
END_TEST

START_TEST(callback_ends_its_own_watching)
{
    segb_client *client = connect_library();
    struct told told = {0}, other = {0};
    struct message_grant made;
    segb_watcher *watching;
    REQUIRE_INT(segb_watch(client, NULL, note, &told, &told.end), 0);
    REQUIRE_INT(segb_watch(client, NULL, note, &other, &watching), 0);
    create(&recovery_client, &made, "a");
    create(&recovery_client, &made, "b");
    dispatch_until(client, &other.all, 2);
    REQUIRE_INT(told.all, 1);
    segb_disconnect(client);
    segb_unwatch(watching);
}
END_TEST

START_TEST(library_watches_on_at_the_next_broker)
{
    segb_client *client = connect_library();
    struct told told = {0};
    struct message_grant made;
    segb_watcher *watching;
    REQUIRE_INT(segb_watch(client, "a", note, &told, &watching), 0);
    recovery_crash();
    dispatch_until(client, &told.count[SEGB_EVENT_OVERFLOW], 1);
    create(&recovery_client, &made, "a");
    create(&recovery_client, &made, "b");
    dispatch_until(client, &told.count[SEGB_EVENT_CREATED], 1);
    REQUIRE_STR(told.name, "a");
    REQUIRE_INT(told.all, 2);
    segb_unwatch(watching);
    segb_disconnect(client);
}
END_TEST

/* What a callback may use until segb_unwatch has returned. */
struct lent {
    atomic_bool is_back;
    atomic_int uses;
    atomic_int misuses;
};

static void use(segb_client *client, const segb_event *event, void *data)
{
    struct lent *lent = data;
    int misuses = atomic_load(&lent->is_back);
    (void)client;
    (void)event;
    atomic_fetch_add(&lent->uses, 1);
    test_pause_us(100);
    misuses += atomic_load(&lent->is_back);
    atomic_fetch_add(&lent->misuses, misuses);
}

static atomic_bool is_enough;

static void *dispatch_on(void *data)
{
    while (!atomic_load(&is_enough))
        if (test_await_readable((int)segb_client_fd(data), 100) &&
            segb_client_dispatch(data) != 0)
            return data;
    return NULL;
}

static void *do_on(void *data)
{
    segb_segment *segment;
    while (!atomic_load(&is_enough)) {
        if (segb_create(data, "a", 4096, NULL, &segment) != 0)
            return data;
        segb_close(segment);
    }
    return NULL;
}

static void lend_once(segb_client *client, struct lent *lent)
{
    segb_watcher *watching;
    REQUIRE_INT(segb_watch(client, NULL, use, lent, &watching), 0);
    for (int i = 0; i < 100000 && atomic_load(&lent->uses) == 0; i++)
        test_pause_us(100);
    segb_unwatch(watching);
    atomic_store(&lent->is_back, true);
    REQUIRE(atomic_load(&lent->uses) > 0);
}

START_TEST(library_uses_nothing_of_who_has_unwatched)
{
    enum { ROUNDS = 1000 };
    static struct lent lent[ROUNDS];
    segb_client *client = connect_library(), *other = connect_library();
    pthread_t loop, doer;
    void *failed[2];
    int rounds = suite_quick() ? 200 : ROUNDS;
    REQUIRE_INT(pthread_create(&loop, NULL, dispatch_on, client), 0);
    REQUIRE_INT(pthread_create(&doer, NULL, do_on, other), 0);
    for (int i = 0; i < rounds; i++)
        lend_once(client, &lent[i]);
    atomic_store(&is_enough, true);
    pthread_join(loop, &failed[0]);
    pthread_join(doer, &failed[1]);
    REQUIRE(!failed[0] && !failed[1]);
    for (int i = 0; i < rounds; i++)
        REQUIRE_INT(atomic_load(&lent[i].misuses), 0);
    segb_disconnect(other);
    segb_disconnect(client);
}
END_TEST

static bool is_told_of(segb_client *client, const struct told *told,
                       const char *name)
{
    segb_segment *segment;
    REQUIRE_INT(segb_create(client, name, 4096, NULL, &segment), 0);
    segb_close(segment);
    REQUIRE_INT(segb_client_dispatch(client), 0);
    return strcmp(told->name, name) == 0;
}

/* Other calls take the events in, and nobody dispatches. */
START_TEST(library_keeps_so_many_and_tells_what_is_lost)
{
    segb_client *client = connect_library();
    struct told told = {0};
    segb_watcher *watching;
    segb_segment *segment;
    REQUIRE_INT(segb_watch(client, NULL, note, &told, &watching), 0);
    for (int i = 0; i < 2000; i++) {
        REQUIRE_INT(segb_create(client, "a", 4096, NULL, &segment), 0);
        segb_close(segment);
    }
    REQUIRE_INT(segb_ping(client), 0);
    while (told.count[SEGB_EVENT_OVERFLOW] == 0) {
        REQUIRE(test_await_readable((int)segb_client_fd(client), 20000));
        REQUIRE_INT(segb_client_dispatch(client), 0);
    }
    REQUIRE(told.all >= QUEUE && told.all < 6000);
    /* The broker may have lost some too, and more until it has said so. */
    REQUIRE(TEST_UNTIL(20000, is_told_of(client, &told, "b")));
    segb_unwatch(watching);
    segb_disconnect(client);
}
END_TEST

START_TEST(library_refuses_what_makes_no_sense)
{
    segb_client *client = connect_library();
    segb_watcher *watchers[OF_CONNECTION], *more;
    struct told told = {0};
    for (int i = 0; i < OF_CONNECTION; i++)
        REQUIRE_INT(segb_watch(client, "a", note, &told, &watchers[i]), 0);
    REQUIRE_INT(segb_watch(client, "a", note, &told, &more), SEGB_E_BUSY);
    REQUIRE_INT(segb_watch(client, "a", NULL, &told, &more),
                SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_watch(client, "a", note, &told, NULL),
                SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_watch(NULL, "a", note, &told, &more),
                SEGB_E_INVALID_ARGUMENT);
    for (int i = 0; i < OF_CONNECTION; i++)
        segb_unwatch(watchers[i]);
    REQUIRE_INT(segb_watch(client, "a", note, &told, &more), 0);
    segb_unwatch(more);
    segb_unwatch(NULL);
    segb_disconnect(client);
}
END_TEST

static Suite *watch_suite(void)
{
    Suite *suite = suite_create("watch");
    TCase *tests = suite_case(suite, "watch", 60);
    TCase *library = suite_case(suite, "library", 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, all_that_becomes_of_a_segment);
    tcase_add_test(tests, end_of_the_last_holder);
    tcase_add_test(tests, only_names_that_begin_so);
    tcase_add_test(tests, refused_creation_is_none);
    tcase_add_test(tests, own_doing_is_told_behind_its_reply);
    tcase_add_test(tests, each_watch_is_told_until_its_end);
    tcase_add_test(tests, nothing_is_lost_to_who_reads);
    tcase_add_test(tests, only_who_may_list_it);
    tcase_add_test(tests, connection_has_so_many);
    tcase_add_test(tests, user_has_so_many);
    tcase_add_test(tests, what_cannot_be_watched_is_refused);
    tcase_add_test(tests,
                   who_does_not_read_stalls_nobody_and_is_told_what_he_lost);
    tcase_add_test(tests, events_alone_get_nobody_cut_off);
    tcase_add_test(tests, what_is_ended_is_not_told_though_it_was_queued);
    tcase_add_checked_fixture(library, setup, teardown);
    tcase_add_test(library, library_calls_back);
    tcase_add_test(library, callback_ends_its_own_watching);
    tcase_add_test(library, library_uses_nothing_of_who_has_unwatched);
    tcase_add_test(library, library_watches_on_at_the_next_broker);
    tcase_add_test(library, library_keeps_so_many_and_tells_what_is_lost);
    tcase_add_test(library, library_refuses_what_makes_no_sense);
    return suite;
}

int main(void)
{
    return suite_main(watch_suite());
}
