/*
 * Doorbells: signals between processes, none lost, whoever dies; and what is
 * refused.
 */
#include "client/bell_system.h"
#include "client/segbroker.h"
#include "tests/support/memory.h"
#include "tests/support/recovery.h"
#include "tests/support/role.h"
#include "tests/support/suite.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIGNALS = 1000000,
    SIGNALS_QUICK = 20000,
    SLEEPERS = 3,   /* processes */
    HANG_MS = 60000 /* after so long nobody comes any more */
};

static segb_client *client;
static char output[TEST_PATH_MAX];

static segb_client *connect_to(const char *socket)
{
    segb_connect_options options = {.struct_size = sizeof(options),
                                    .socket = socket};
    segb_client *made;
    REQUIRE_INT(segb_connect(&options, &made), 0);
    return made;
}

static void setup(void)
{
    recovery_start(recovery_config);
    client = connect_to(recovery_broker.socket);
    test_path(output, "%s/output", recovery_broker.folder);
}

static void teardown(void)
{
    segb_disconnect(client);
    recovery_stop();
}

static segb_segment *create(segb_client *by, const char *name)
{
    segb_create_options options = {.struct_size = sizeof(options),
                                   .doorbell = 1};
    segb_segment *made;
    REQUIRE_INT(segb_create(by, name, 4096, &options, &made), 0);
    return made;
}

static segb_segment *open_for(segb_client *by, const char *name, int access)
{
    segb_open_options options = {.struct_size = sizeof(options),
                                 .access = access};
    segb_segment *opened;
    REQUIRE_INT(segb_open(by, name, &options, &opened), 0);
    return opened;
}

static unsigned signals(void)
{
    return suite_quick() ? SIGNALS_QUICK : SIGNALS;
}

/* ---- other processes: their argument is the socket ---- */

static segb_segment *join(const char *socket, const char *name)
{
    return open_for(connect_to(socket), name, SEGB_RO);
}

/* Counts what comes, and tells when all has. */
static void count_signals(const char *socket)
{
    segb_segment *bell = join(socket, "a");
    role_tell("here");
    for (unsigned i = 0; i < signals(); i++)
        REQUIRE_INT(segb_wait(bell, HANG_MS), 0);
    REQUIRE_INT(segb_wait(bell, 0), SEGB_E_TIMEOUT);
    role_tell("all came");
}

static void answer_signals(const char *socket)
{
    segb_segment *ping = join(socket, "a");
    segb_segment *pong = join(socket, "b");
    role_tell("here");
    for (unsigned i = 0; i < signals(); i++) {
        REQUIRE_INT(segb_wait(ping, HANG_MS), 0);
        REQUIRE_INT(segb_signal(pong), 0);
    }
    role_tell("all came");
}

static void wait_once(const char *socket)
{
    segb_segment *bell = join(socket, "a");
    role_tell("here");
    REQUIRE_INT(segb_wait(bell, HANG_MS), 0);
    role_tell("rung");
}

static void wait_and_stay(const char *socket)
{
    wait_once(socket);
    role_sleep();
}

static test_pid start(const char *role)
{
    test_pid pid = role_start(role, recovery_broker.socket, output);
    role_await(pid, output, "here");
    return pid;
}

static void end(test_pid pid)
{
    test_kill(pid);
    test_join(pid);
}

static void expect_done(test_pid pid, const char *line)
{
    role_await(pid, output, line);
    REQUIRE_INT(test_join(pid), 0);
}

/* ---- the page, as the protocol gives it ---- */

static struct bell_words *words;
static int page;

static void open_words(void)
{
    struct message_grant grant;
    test_close(raw_open_segment(&recovery_client, &grant, "'name':'a'"));
    page = raw_bell(&recovery_client, &grant, 0);
    REQUIRE(page >= 0);
    words = test_map(page, sizeof(*words), TEST_RW);
    REQUIRE(words != NULL);
}

static void close_words(void)
{
    test_unmap(words, sizeof(*words));
    test_close(page);
}

static void await_waiters(unsigned count)
{
    REQUIRE(TEST_UNTIL(HANG_MS, atomic_load(&words->waiters) == count));
}

static void expect_nothing_charged(void)
{
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS,
                       raw_used(&recovery_client, "total", "bytes") == 0));
}

/* ---- no signal is lost ---- */

START_TEST(signals_one_way_all_come)
{
    segb_segment *bell = create(client, "a");
    test_pid counter = start("counter");
    for (unsigned i = 0; i < signals(); i++)
        REQUIRE_INT(segb_signal(bell), 0);
    expect_done(counter, "all came");
    segb_close(bell);
}
END_TEST

START_TEST(two_processes_exchange_signals_without_losing_one)
{
    segb_segment *ping = create(client, "a");
    segb_segment *pong = create(client, "b");
    test_pid other = start("answerer");
    for (unsigned i = 0; i < signals(); i++) {
        REQUIRE_INT(segb_signal(ping), 0);
        REQUIRE_INT(segb_wait(pong, HANG_MS), 0);
    }
    expect_done(other, "all came");
    REQUIRE_INT(segb_wait(pong, 0), SEGB_E_TIMEOUT);
    segb_close(ping);
    segb_close(pong);
}
END_TEST

START_TEST(signal_before_the_wait_is_kept)
{
    segb_segment *bell = create(client, NULL);
    REQUIRE_INT(segb_wait(bell, 0), SEGB_E_TIMEOUT);
    for (int i = 0; i < 3; i++)
        REQUIRE_INT(segb_signal(bell), 0);
    for (int i = 0; i < 3; i++)
        REQUIRE_INT(segb_wait(bell, i - 1), 0);
    int64_t began = test_clock_us();
    REQUIRE_INT(segb_wait(bell, 100), SEGB_E_TIMEOUT);
    REQUIRE(test_clock_us() - began >= 99000);
    segb_close(bell);
}
END_TEST

START_TEST(signal_wakes_one)
{
    segb_segment *bell = create(client, "a");
    test_pid one = start("waiter");
    REQUIRE_INT(segb_signal(bell), 0);
    expect_done(one, "rung");
    REQUIRE_INT(segb_wait(bell, 0), SEGB_E_TIMEOUT);
    segb_close(bell);
}
END_TEST

/* ---- all ---- */

struct sleeper {
    pthread_t thread;
    segb_segment *bell;
    int outcome;
};

static void *sleep_in_thread(void *data)
{
    struct sleeper *sleeper = data;
    sleeper->outcome = segb_wait(sleeper->bell, HANG_MS);
    return NULL;
}

START_TEST(signal_to_all_wakes_every_waiter)
{
    segb_segment *bell = create(client, "a");
    struct sleeper sleepers[2] = {{.bell = bell}, {.bell = bell}};
    test_pid others[SLEEPERS];
    open_words();
    for (int i = 0; i < SLEEPERS; i++)
        others[i] = start("waiter");
    for (int i = 0; i < 2; i++)
        REQUIRE_INT(pthread_create(&sleepers[i].thread, NULL, sleep_in_thread,
                                   &sleepers[i]),
                    0);
    await_waiters(SLEEPERS + 2);
    REQUIRE_INT(segb_signal_all(bell), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(sleepers[i].thread, NULL);
        REQUIRE_INT(sleepers[i].outcome, 0);
    }
    for (int i = 0; i < SLEEPERS; i++)
        expect_done(others[i], "rung");
    REQUIRE_INT(atomic_load(&words->waiters), 0);
    REQUIRE_INT(segb_wait(bell, 0), SEGB_E_TIMEOUT);
    close_words();
    segb_close(bell);
}
END_TEST

START_TEST(signal_to_all_before_the_wait_is_kept_by_each_handle)
{
    segb_segment *bell = create(client, "a");
    segb_segment *other = open_for(client, "a", SEGB_RO);
    REQUIRE_INT(segb_signal_all(bell), 0);
    REQUIRE_INT(segb_signal_all(other), 0);
    segb_segment *late = open_for(client, "a", SEGB_RO);
    REQUIRE_INT(segb_wait(bell, 0), 0);
    REQUIRE_INT(segb_wait(bell, 0), SEGB_E_TIMEOUT);
    REQUIRE_INT(segb_wait(other, 0), 0);
    REQUIRE_INT(segb_wait(other, 0), SEGB_E_TIMEOUT);
    /* It was not there yet. */
    REQUIRE_INT(segb_wait(late, 0), SEGB_E_TIMEOUT);
    segb_close(bell);
    segb_close(other);
    segb_close(late);
}
END_TEST

START_TEST(who_only_reads_can_signal_too)
{
    segb_segment *bell = create(client, "a");
    segb_segment *reader = open_for(client, "a", SEGB_RO);
    segb_segment *private = open_for(client, "a", SEGB_COW);
    REQUIRE_INT(segb_signal(reader), 0);
    REQUIRE_INT(segb_wait(bell, 0), 0);
    REQUIRE_INT(segb_signal(bell), 0);
    REQUIRE_INT(segb_wait(private, 0), 0);
    segb_close(bell);
    segb_close(reader);
    segb_close(private);
}
END_TEST

/* ---- event loops ---- */

START_TEST(event_is_set_while_there_is_something)
{
    segb_segment *bell = create(client, "a");
    segb_segment *other = open_for(client, "a", SEGB_RO);
    intptr_t event = segb_event_fd(bell);
    REQUIRE(event != -1);
    REQUIRE(segb_event_fd(bell) == event);
    REQUIRE(!test_await_readable((int)event, 0));
    REQUIRE_INT(segb_signal(other), 0);
    REQUIRE_INT(segb_signal(other), 0);
    REQUIRE(test_await_readable((int)event, 10000));
    REQUIRE_INT(segb_wait(bell, 0), 0);
    /* One is left. */
    REQUIRE(test_await_readable((int)event, 0));
    REQUIRE_INT(segb_wait(bell, 0), 0);
    REQUIRE_INT(segb_wait(bell, 0), SEGB_E_TIMEOUT);
    REQUIRE(!test_await_readable((int)event, 0));
    REQUIRE_INT(segb_signal_all(other), 0);
    REQUIRE(test_await_readable((int)event, 10000));
    REQUIRE_INT(segb_wait(bell, 0), 0);
    REQUIRE(!test_await_readable((int)event, 0));
    int64_t began = test_clock_us();
    segb_close(bell);
    REQUIRE(test_clock_us() - began < 900000);
    segb_close(other);
}
END_TEST

START_TEST(event_tells_of_a_signal_of_before)
{
    segb_segment *bell = create(client, "a");
    REQUIRE_INT(segb_signal(bell), 0);
    intptr_t event = segb_event_fd(bell);
    REQUIRE(test_await_readable((int)event, 10000));
    segb_close(bell);
}
END_TEST

START_TEST(event_loop_takes_every_signal_of_another_process)
{
    segb_segment *ping = create(client, "a");
    segb_segment *pong = create(client, "b");
    test_pid other = start("answerer");
    intptr_t event = segb_event_fd(pong);
    unsigned came = 0, sent = 0;
    while (came < signals()) {
        for (; sent < signals() && sent < came + 100; sent++)
            REQUIRE_INT(segb_signal(ping), 0);
        REQUIRE(test_await_readable((int)event, HANG_MS));
        while (segb_wait(pong, 0) == 0)
            came++;
    }
    expect_done(other, "all came");
    segb_close(ping);
    segb_close(pong);
}
END_TEST

/* ---- death ---- */

START_TEST(signal_that_woke_a_waiter_who_is_killed_goes_to_another)
{
    segb_segment *bell = create(client, "a");
    open_words();
    test_pid victim = start("waiter");
    await_waiters(1);
    test_stop(victim);
    test_pid heir = start("waiter");
    await_waiters(2);
    /* The first one who sleeps is woken, and cannot do anything about it. */
    REQUIRE_INT(segb_signal(bell), 0);
    end(victim);
    expect_done(heir, "rung");
    REQUIRE_INT(atomic_load(&words->count), 0);
    close_words();
    segb_close(bell);
}
END_TEST

START_TEST(doorbell_works_while_no_broker_does)
{
    segb_segment *bell = create(client, "a");
    test_pid one = start("waiter");
    test_broker_crash(&recovery_broker);
    REQUIRE_INT(segb_signal(bell), 0);
    expect_done(one, "rung");
    segb_close(bell);
}
END_TEST

START_TEST(next_broker_hands_out_the_same_doorbell)
{
    segb_segment *bell = create(client, "a");
    segb_info info;
    REQUIRE_INT(segb_signal(bell), 0);
    for (int i = 0; i < 2; i++) {
        recovery_crash();
        REQUIRE_INT(segb_stat(client, "a", 0, &info), 0);
        REQUIRE(info.doorbell);
        segb_segment *opened = open_for(client, "a", SEGB_RO);
        REQUIRE_INT(segb_wait(opened, 0), 0);
        REQUIRE_INT(segb_signal(opened), 0);
        REQUIRE_INT(segb_wait(bell, 0), 0);
        REQUIRE_INT(segb_signal(bell), 0);
        segb_close(opened);
    }
    segb_close(bell);
    /* Else names wait for who held them. */
    if (raw_has_feature(recovery_broker.socket, "exact-lifetime"))
        expect_nothing_charged();
}
END_TEST

START_TEST(waiter_goes_on_when_its_connection_was_lost)
{
    segb_segment *bell = create(client, "a");
    test_pid other = start("stayer");
    recovery_crash();
    segb_segment *opened = open_for(client, "a", SEGB_RO);
    REQUIRE_INT(segb_signal(opened), 0);
    role_await(other, output, "rung");
    end(other);
    segb_close(opened);
    segb_close(bell);
}
END_TEST

/* ---- strangers write what they like ---- */

static void expect_works(segb_segment *bell)
{
    while (segb_wait(bell, 0) == 0)
        ;
    REQUIRE_INT(segb_signal(bell), 0);
    REQUIRE_INT(segb_wait(bell, 1000), 0);
}

START_TEST(any_words_do_no_harm)
{
    static const unsigned values[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff};
    segb_segment *bell = create(client, "a");
    open_words();
    REQUIRE(segb_event_fd(bell) != -1);
    for (int i = 0; i < 5; i++) {
        memset(words, 0, sizeof(*words));
        atomic_store(&words->sequence, values[i]);
        atomic_store(&words->epoch, values[i]);
        atomic_store(&words->waiters, values[i]);
        atomic_store(&words->watchers, values[i]);
        atomic_store(&words->watched, values[i]);
        expect_works(bell);
        REQUIRE_INT(segb_signal_all(bell), 0);
        REQUIRE_INT(segb_wait(bell, 0), 0);
        atomic_store(&words->count, values[i]);
        REQUIRE_INT(segb_signal(bell),
                    values[i] < 0x7fffffff ? 0 : SEGB_E_BUSY);
        REQUIRE_INT(segb_wait(bell, 0), 0);
    }
    memset(words, 0xff, sizeof(*words));
    REQUIRE_INT(segb_wait(bell, 10), 0);
    memset(words, 0, sizeof(*words));
    close_words();
    segb_close(bell);
}
END_TEST

struct vandal {
    pthread_t thread;
    atomic_bool ends;
};

static void *vandalize(void *data)
{
    struct vandal *vandal = data;
    for (unsigned i = 0; !atomic_load(&vandal->ends); i++) {
        atomic_store(&words->count, 0);
        atomic_store(&words->sequence, i);
        atomic_store(&words->waiters, i & 1);
        atomic_store(&words->watched, i);
    }
    return NULL;
}

START_TEST(wait_ends_in_time_whatever_others_do_meanwhile)
{
    segb_segment *bell = create(client, "a");
    struct vandal vandal = {.ends = false};
    open_words();
    REQUIRE(segb_event_fd(bell) != -1);
    REQUIRE_INT(pthread_create(&vandal.thread, NULL, vandalize, &vandal), 0);
    int64_t began = test_clock_us();
    REQUIRE_INT(segb_wait(bell, 200), SEGB_E_TIMEOUT);
    REQUIRE(test_clock_us() - began < 5000000);
    atomic_store(&vandal.ends, true);
    pthread_join(vandal.thread, NULL);
    memset(words, 0, sizeof(*words));
    close_words();
    segb_close(bell);
}
END_TEST

/* ---- what is refused, and what it costs ---- */

START_TEST(without_a_doorbell_there_is_none)
{
    segb_segment *plain;
    segb_info info;
    REQUIRE_INT(segb_create(client, "a", 4096, NULL, &plain), 0);
    REQUIRE_INT(segb_signal(plain), SEGB_E_NOT_SUPPORTED);
    REQUIRE_INT(segb_signal_all(plain), SEGB_E_NOT_SUPPORTED);
    REQUIRE_INT(segb_wait(plain, -1), SEGB_E_NOT_SUPPORTED);
    REQUIRE(segb_event_fd(plain) == -1);
    REQUIRE_PART(segb_last_detail(), "without a doorbell");
    REQUIRE_INT(segb_signal(NULL), SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_wait(NULL, 0), SEGB_E_INVALID_ARGUMENT);
    REQUIRE(segb_event_fd(NULL) == -1);
    REQUIRE_INT(segb_stat(client, "a", 0, &info), 0);
    REQUIRE(!info.doorbell);
    /* The existing one is as it is. */
    segb_segment *again = create(client, "a");
    REQUIRE_INT(segb_signal(again), SEGB_E_NOT_SUPPORTED);
    segb_close(again);
    segb_close(plain);
}
END_TEST

START_TEST(page_is_charged_and_given_back)
{
    REQUIRE(raw_has_feature(recovery_broker.socket, "doorbell"));
    segb_segment *bell = create(client, "a");
    REQUIRE_INT(raw_used(&recovery_client, "total", "bytes"),
                2 * segb_mapped_size(bell));
    segb_close(bell);
    expect_nothing_charged();
}
END_TEST

START_TEST(page_counts_for_the_quota)
{
    static const char text[] = "[default]\nbytes = 4096\n";
    struct message_grant grant;
    test_broker_configure(&recovery_broker, text);
    raw_ask(&recovery_client, "{'id':1,'op':'reload'}");
    raw_ask(&recovery_client,
            "{'id':1,'op':'create','size':1,'doorbell':true}");
    recovery_expect_outcome("quota-exceeded");
    test_close(raw_create(&recovery_client, &grant, "'size':1"));
}
END_TEST

START_TEST(who_keeps_the_page_alone_keeps_it_charged)
{
    SKIP_UNLESS(raw_has_feature(recovery_broker.socket, "exact-lifetime"),
                "the broker does not list exact-lifetime");
    struct message_grant made;
    test_close(raw_create(&recovery_client, &made,
                          "'size':4096,"
                          "'doorbell':true"));
    page = raw_bell(&recovery_client, &made, 0);
    raw_release(&recovery_client, made.grant);
    raw_ask(&recovery_client, "{'id':1,'op':'stat','segment':%ju}",
            (uintmax_t)made.segment);
    REQUIRE_INT(raw_record(&recovery_client).state, PROTOCOL_HELD);
    test_close(page);
    expect_nothing_charged();
}
END_TEST

START_TEST(ticket_gives_the_doorbell_too)
{
    segb_segment *bell = create(client, NULL);
    segb_segment *redeemed;
    char ticket[SEGB_TICKET_MAX];
    REQUIRE_INT(segb_offer(bell, NULL, ticket, sizeof(ticket)), 0);
    REQUIRE_INT(segb_redeem(client, ticket, &redeemed), 0);
    REQUIRE_INT(segb_signal(redeemed), 0);
    REQUIRE_INT(segb_wait(bell, 0), 0);
    segb_close(redeemed);
    segb_close(bell);
}
END_TEST

START_TEST(many_pipelined_replies_bring_their_doorbells)
{
    enum { MANY = 200 };
    struct message_grant grant;
    segb_segment *bell = create(client, "a");
    for (int i = 0; i < MANY; i++)
        raw_say(&recovery_client, "{'id':%d,'op':'open','name':'a'}", i);
    for (int i = 0; i < MANY; i++) {
        raw_reply(&recovery_client);
        int memory = raw_grant(&recovery_client, &grant);
        page = raw_bell(&recovery_client, &grant, 0);
        REQUIRE(memory >= 0 && page >= 0);
        REQUIRE(!test_memory_same(memory, page));
        test_close(memory);
        test_close(page);
    }
    segb_close(bell);
}
END_TEST

/* The example is started with a text, or without. */
static test_pid start_example(const char *text)
{
    const char *build = getenv("BUILD");
    char program[TEST_PATH_MAX];
    char socket[TEST_PATH_MAX];
    const char *const argv[] = {program, "letter", text, NULL};
    const char *const environment[] = {socket, NULL};
    struct test_spawn spawn = {
        .argv = argv, .environment = environment, .output = output};
    test_path(program, "%s/examples/doorbell%s", build ? build : "build",
              test_broker_suffix);
    test_path(socket, "SEGBROKER_SOCKET=%s", recovery_broker.socket);
    return test_spawn(&spawn);
}

START_TEST(example_passes_a_text_on)
{
    char text[100];
    test_pid waiter = start_example(NULL);
    /* Else it would be gone with the one who gives it. */
    REQUIRE(TEST_UNTIL(HANG_MS, recovery_is_found("letter")));
    REQUIRE_INT(test_join(start_example("good morning")), 0);
    REQUIRE_INT(test_join(waiter), 0);
    test_read(output, text, sizeof(text));
    REQUIRE_PART(text, "good morning");
}
END_TEST

static Suite *doorbell_suite(void)
{
    Suite *suite = suite_create("doorbell");
    TCase *tests = suite_case(suite, "doorbell", 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, signals_one_way_all_come);
    tcase_add_test(tests, two_processes_exchange_signals_without_losing_one);
    tcase_add_test(tests, signal_before_the_wait_is_kept);
    tcase_add_test(tests, signal_wakes_one);
    tcase_add_test(tests, signal_to_all_wakes_every_waiter);
    tcase_add_test(tests, signal_to_all_before_the_wait_is_kept_by_each_handle);
    tcase_add_test(tests, who_only_reads_can_signal_too);
    tcase_add_test(tests, event_is_set_while_there_is_something);
    tcase_add_test(tests, event_tells_of_a_signal_of_before);
    tcase_add_test(tests, event_loop_takes_every_signal_of_another_process);
    tcase_add_test(tests,
                   signal_that_woke_a_waiter_who_is_killed_goes_to_another);
    tcase_add_test(tests, doorbell_works_while_no_broker_does);
    tcase_add_test(tests, next_broker_hands_out_the_same_doorbell);
    tcase_add_test(tests, waiter_goes_on_when_its_connection_was_lost);
    tcase_add_test(tests, any_words_do_no_harm);
    tcase_add_test(tests, wait_ends_in_time_whatever_others_do_meanwhile);
    tcase_add_test(tests, without_a_doorbell_there_is_none);
    tcase_add_test(tests, page_is_charged_and_given_back);
    tcase_add_test(tests, page_counts_for_the_quota);
    tcase_add_test(tests, who_keeps_the_page_alone_keeps_it_charged);
    tcase_add_test(tests, ticket_gives_the_doorbell_too);
    tcase_add_test(tests, many_pipelined_replies_bring_their_doorbells);
    tcase_add_test(tests, example_passes_a_text_on);
    return suite;
}

int main(void)
{
    role_offer("counter", count_signals);
    role_offer("answerer", answer_signals);
    role_offer("waiter", wait_once);
    role_offer("stayer", wait_and_stay);
    return suite_main(doorbell_suite());
}
