/*
 * The library rides through the deaths of brokers.
 */
#include "client/segbroker.h"
#include "tests/support/broker.h"
#include "tests/support/memory.h"
#include "tests/support/raw.h"
#include "tests/support/role.h"
#include "tests/support/suite.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { PAGE = 4096, SOON_MS = 20000 };

static const char config[] = "[broker]\n"
                             "grace = 500ms\n";

static struct test_broker broker;
static segb_client *client;

static void connect_with(int reconnect_ms)
{
    segb_connect_options options = {.struct_size = sizeof(options),
                                    .socket = broker.socket,
                                    .reconnect_ms = reconnect_ms};
    REQUIRE_INT(segb_connect(&options, &client), 0);
}

static void setup(void)
{
    struct test_broker_options options = {.config = config,
                                          .never_pauses = true};
    test_broker_start(&broker, &options);
    connect_with(0);
}

static void teardown(void)
{
    segb_disconnect(client);
    test_broker_stop(&broker);
}

static segb_segment *create(const char *name)
{
    segb_segment *segment;
    REQUIRE_INT(segb_create(client, name, PAGE, NULL, &segment), 0);
    return segment;
}

/* What others see of the segment, on a connection of their own. */
static uint64_t grants_of(const char *name)
{
    struct raw raw;
    uint64_t grants = 0;
    raw_open(&raw, broker.socket);
    raw_ask(&raw, "{'id':1,'op':'stat','name':'%s'}", name);
    if (raw.reply.ok)
        grants = raw_record(&raw).grants;
    raw_close(&raw);
    return grants;
}

START_TEST(views_names_and_grants_outlive_the_broker)
{
    segb_segment *segment = create("n");
    segb_info info;
    unsigned *view;
    void *address;
    uint64_t id = segb_id(segment);
    REQUIRE_INT(segb_map(segment, 0, 0, SEGB_RW, &address), 0);
    view = address;
    *view = 1;
    for (unsigned i = 2; i < 6; i++) {
        test_broker_crash(&broker);
        REQUIRE_INT(*view, i - 1);
        *view = i;
        REQUIRE_INT(segb_stat(client, "n", 0, &info), 0);
        REQUIRE_INT(info.id, id);
        REQUIRE_INT(info.grants, 1);
    }
    /* Longer than the grace: it is held by the new grant. */
    segb_segment *other = create("other");
    REQUIRE(!TEST_UNTIL(1000, grants_of("n") != 1));
    segb_close(segment);
    REQUIRE_INT(segb_stat(client, "n", 0, &info), SEGB_E_NOT_FOUND);
    segb_close(other);
    REQUIRE_INT(segb_unmap(address), 0);
}
END_TEST

/* Names wait only so long, and this program makes no call. */
START_TEST(program_that_makes_no_calls_keeps_its_names)
{
    segb_segment *segment = create("n");
    test_broker_crash(&broker);
    REQUIRE(TEST_UNTIL(SOON_MS, grants_of("n") == 1));
    segb_close(segment);
}
END_TEST

START_TEST(every_access_is_reclaimed)
{
    static const int accesses[] = {SEGB_RO, SEGB_RW, SEGB_COW};
    segb_segment *segments[4] = {create("n")};
    for (int i = 0; i < 3; i++) {
        segb_open_options options = {.struct_size = sizeof(options),
                                     .access = accesses[i]};
        REQUIRE_INT(segb_open(client, "n", &options, &segments[i + 1]), 0);
    }
    test_broker_crash(&broker);
    REQUIRE_INT(segb_ping(client), 0);
    REQUIRE_INT(grants_of("n"), 4);
    for (int i = 0; i < 4; i++)
        segb_close(segments[i]);
    REQUIRE_INT(segb_ping(client), 0);
    REQUIRE_INT(grants_of("n"), 0);
}
END_TEST

/* A limit on requests slows reclaiming down, and takes no name away. */
START_TEST(limited_requests_delay_reclaiming)
{
    enum { SEGMENTS = 150 };
    segb_segment *segments[SEGMENTS];
    char name[16];
    for (int i = 0; i < SEGMENTS; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        segments[i] = create(name);
    }
    test_broker_configure(&broker, "[broker]\ngrace = 30s\n"
                                   "[default]\nrequests_per_second = 100\n");
    test_broker_crash(&broker);
    REQUIRE(TEST_UNTIL(10000, segb_ping(client) == 0));
    test_broker_configure(&broker, config);
    test_broker_crash(&broker);
    for (int i = 0; i < SEGMENTS; i += 37) {
        snprintf(name, sizeof(name), "n%d", i);
        REQUIRE(TEST_UNTIL(SOON_MS, grants_of(name) == 1));
    }
    for (int i = 0; i < SEGMENTS; i++)
        segb_close(segments[i]);
}
END_TEST

/* ---- calls in progress ---- */

struct calls {
    bool stop;
    unsigned done;
    unsigned lost;
    int unexpected;
};

static void *call_on(void *data)
{
    struct calls *calls = data;
    while (!__atomic_load_n(&calls->stop, __ATOMIC_ACQUIRE)) {
        segb_segment *made = NULL;
        segb_segment *opened = NULL;
        int r = segb_open(client, "n", NULL, &opened);
        if (r != 0)
            calls->unexpected = r;
        segb_close(opened);
        r = segb_create(client, NULL, PAGE, NULL, &made);
        if (r == SEGB_E_GONE)
            calls->lost++;
        else if (r != 0)
            calls->unexpected = r;
        segb_close(made);
        calls->done++;
    }
    return NULL;
}

/* Calls from many threads until the file `stop` is there. */
static void call_from_threads(const char *argument)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct calls calls[THREADS] = {0};
    char stop[TEST_PATH_MAX];
    REQUIRE(sscanf(argument, "%511[^|]|%511[^|]", broker.socket, stop) == 2);
    connect_with(0);
    segb_segment *segment = create("n");
    for (int i = 0; i < THREADS; i++)
        REQUIRE_INT(pthread_create(&threads[i], NULL, call_on, &calls[i]), 0);
    role_tell("calls");
    while (!test_exists(stop))
        test_pause();
    for (int i = 0; i < THREADS; i++)
        __atomic_store_n(&calls[i].stop, true, __ATOMIC_RELEASE);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        REQUIRE_INT(calls[i].unexpected, 0);
        REQUIRE(calls[i].done > 0);
    }
    segb_close(segment);
    REQUIRE_INT(segb_ping(client), 0);
    segb_disconnect(client);
}

/* In a process of its own: under Wine, which tells a handle's value a moment
 * after it made the handle, one may stay there that no broker knows of. */
START_TEST(threads_call_on_through_many_deaths)
{
    char argument[TEST_PATH_MAX];
    char output[TEST_PATH_MAX];
    char stop[TEST_PATH_MAX];
    test_path(stop, "%s/stop", broker.folder);
    test_path(output, "%s/caller", broker.folder);
    test_path(argument, "%s|%s", broker.socket, stop);
    test_pid caller = role_start("caller", argument, output);
    role_await(caller, output, "calls");
    for (int i = 0; i < (suite_quick() ? 5 : 40); i++)
        test_broker_crash(&broker);
    test_write(stop, "");
    REQUIRE_INT(test_join(caller), 0);
}
END_TEST

/* ---- event loops ---- */

struct told {
    int calls;
    int status;
    segb_segment *segment;
};

static void tell(segb_client *who, int status, segb_segment *segment,
                 void *data)
{
    struct told *told = data;
    (void)who;
    told->calls++;
    told->status = status;
    told->segment = segment;
}

/* What a loop does until its call is answered. */
static void run_loop(int fd, const struct told *told)
{
    int64_t end = test_clock_us() + SOON_MS * 1000;
    while (told->calls == 0 && test_clock_us() < end) {
        if (test_await_readable(fd, 100))
            REQUIRE_INT(segb_client_dispatch(client), 0);
    }
    REQUIRE_INT(told->calls, 1);
}

START_TEST(event_loop_keeps_its_descriptor)
{
    segb_segment *segment = create("n");
    int fd = segb_client_fd(client);
    REQUIRE(fd >= 0);
    for (int i = 0; i < 10; i++) {
        struct told told = {0};
        if (i % 2)
            test_broker_crash(&broker);
        /* The loop may know of the loss by now, or not. */
        REQUIRE_INT(segb_open_async(client, "n", NULL, tell, &told), 0);
        run_loop(fd, &told);
        REQUIRE(told.status == 0 || told.status == SEGB_E_GONE);
        segb_close(told.segment);
        REQUIRE_INT(segb_client_fd(client), fd);
    }
    struct told told = {0};
    REQUIRE_INT(segb_ping(client), 0);
    REQUIRE_INT(segb_open_async(client, "n", NULL, tell, &told), 0);
    run_loop(fd, &told);
    REQUIRE_INT(told.status, 0);
    segb_close(told.segment);
    segb_close(segment);
}
END_TEST

START_TEST(request_of_an_event_loop_waits_for_the_next_broker)
{
    segb_segment *segment = create("n");
    struct told told = {0};
    int fd = segb_client_fd(client);
    test_broker_kill(&broker);
    REQUIRE(test_await_readable(fd, SOON_MS));
    REQUIRE_INT(segb_client_dispatch(client), 0);
    REQUIRE_INT(segb_create_async(client, "later", PAGE, NULL, tell, &told), 0);
    test_broker_run(&broker);
    while (told.calls == 0) {
        REQUIRE(test_await_readable(fd, SOON_MS));
        REQUIRE_INT(segb_client_dispatch(client), 0);
    }
    REQUIRE_INT(told.status, 0);
    segb_close(told.segment);
    segb_close(segment);
}
END_TEST

START_TEST(request_of_an_event_loop_waits_only_so_long)
{
    segb_disconnect(client);
    connect_with(300);
    struct told told = {0};
    struct told second = {0};
    int fd = segb_client_fd(client);
    test_broker_kill(&broker);
    REQUIRE(test_await_readable(fd, SOON_MS));
    REQUIRE_INT(segb_client_dispatch(client), 0);
    REQUIRE_INT(segb_create_async(client, "a", PAGE, NULL, tell, &told), 0);
    REQUIRE_INT(segb_create_async(client, "b", PAGE, NULL, tell, &second), 0);
    run_loop(fd, &told);
    run_loop(fd, &second);
    REQUIRE_INT(told.status, SEGB_E_GONE);
    REQUIRE_INT(second.status, SEGB_E_GONE);
    /* They are not asked for by the next connection. */
    test_broker_run(&broker);
    REQUIRE(TEST_UNTIL(SOON_MS, segb_ping(client) == 0));
    REQUIRE_INT(grants_of("a"), 0);
    REQUIRE_INT(grants_of("b"), 0);
}
END_TEST

/* ---- when everything is lost ---- */

START_TEST(calls_wait_for_a_lost_broker_only_so_long)
{
    segb_info info;
    segb_disconnect(client);
    connect_with(300);
    segb_segment *segment = create("n");
    void *address;
    REQUIRE_INT(segb_map(segment, 0, 0, SEGB_RW, &address), 0);
    test_broker_kill(&broker);
    int64_t began = test_clock_us();
    REQUIRE_INT(segb_stat(client, "n", 0, &info), SEGB_E_GONE);
    REQUIRE(test_clock_us() - began < 3 * 1000000);
    test_broker_run(&broker);
    REQUIRE(TEST_UNTIL(SOON_MS, segb_ping(client) == 0));
    /* Nobody kept it: the memory is this program's alone now. */
    REQUIRE_INT(segb_stat(client, "n", 0, &info), SEGB_E_NOT_FOUND);
    *(unsigned *)address = 1;
    segb_segment *other = create("n");
    REQUIRE(segb_created(other));
    segb_close(segment);
    REQUIRE_INT(segb_stat(client, "n", 0, &info), 0);
    segb_close(other);
    REQUIRE_INT(segb_unmap(address), 0);
}
END_TEST

START_TEST(client_that_shall_not_reconnect_does_not)
{
    segb_disconnect(client);
    connect_with(-1);
    segb_segment *segment = create("n");
    test_broker_crash(&broker);
    REQUIRE_INT(segb_ping(client), SEGB_E_GONE);
    REQUIRE_INT(segb_ping(client), SEGB_E_GONE);
    REQUIRE_INT(segb_client_dispatch(client), SEGB_E_GONE);
    segb_close(segment);
}
END_TEST

START_TEST(client_can_end_while_no_broker_is_there)
{
    segb_segment *one = create("one");
    segb_segment *two = create("two");
    test_broker_kill(&broker);
    segb_close(one);
    segb_disconnect(client);
    segb_close(two);
    test_broker_run(&broker);
    connect_with(0);
}
END_TEST

static Suite *reconnect_suite(void)
{
    Suite *suite = suite_create("reconnect");
    TCase *tests = suite_case(suite, "reconnect", 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, views_names_and_grants_outlive_the_broker);
    tcase_add_test(tests, program_that_makes_no_calls_keeps_its_names);
    tcase_add_test(tests, every_access_is_reclaimed);
    tcase_add_test(tests, limited_requests_delay_reclaiming);
    tcase_add_test(tests, threads_call_on_through_many_deaths);
    tcase_add_test(tests, event_loop_keeps_its_descriptor);
    tcase_add_test(tests, request_of_an_event_loop_waits_for_the_next_broker);
    tcase_add_test(tests, request_of_an_event_loop_waits_only_so_long);
    tcase_add_test(tests, calls_wait_for_a_lost_broker_only_so_long);
    tcase_add_test(tests, client_that_shall_not_reconnect_does_not);
    tcase_add_test(tests, client_can_end_while_no_broker_is_there);
    return suite;
}

int main(void)
{
    role_offer("caller", call_from_threads);
    return suite_main(reconnect_suite());
}
