/*
 * Many idle connections: what each costs the broker, and that a request among
 * them is answered as fast as among none.
 */
#include "tests/support/broker.h"
#include "tests/support/raw.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CONNECTIONS = 10000,
    SPARE_DESCRIPTORS = 100, /* what both processes need besides */
    BYTES_EACH = 320,
    ROUNDS = 31,
    PINGS = 150,
    TRIES = 10
};

static const double slowdown_max = 1.5;

static const char config[] = "[default]\n"
                             "connections = unlimited\n";

static struct test_broker empty;
static struct test_broker crowded;
static int sockets[CONNECTIONS];

/* Says hello and keeps nothing but the descriptor. */
static int connect_idle(const char *socket)
{
    struct raw raw;
    raw_open(&raw, socket);
    int kept = dup(raw.fd);
    REQUIRE(kept >= 0);
    raw_close(&raw);
    return kept;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(values[0]), compare);
    return values[count / 2];
}

static double ping_time(struct raw *raw)
{
    int64_t began = test_clock_ns();
    raw_ask(raw, "{'id':1,'op':'ping'}");
    int64_t ended = test_clock_ns();
    REQUIRE_STR(raw_outcome(raw), "ok");
    return (double)(ended - began);
}

/* The ratio of the median times of pings among the crowd and alone. They take
 * turns, in changing order, so that whatever else the machine does hits both
 * alike. */
static double one_ratio(struct raw *alone, struct raw *among)
{
    static double times_alone[PINGS];
    static double times_among[PINGS];
    for (int i = 0; i < PINGS; i++) {
        if (i % 2)
            times_alone[i] = ping_time(alone);
        times_among[i] = ping_time(among);
        if (i % 2 == 0)
            times_alone[i] = ping_time(alone);
    }
    return median(times_among, PINGS) / median(times_alone, PINGS);
}

/* All three on one processor: else the scheduler may leave one broker beside
 * the client and the other across, which alone makes a factor of five. */
static void pin(bool any)
{
    test_process_pin(test_self(), any);
    test_process_pin(empty.serving, any);
    test_process_pin(crowded.serving, any);
}

static double slowdown(void)
{
    static double ratios[ROUNDS];
    struct raw alone;
    struct raw among;
    raw_open(&alone, empty.socket);
    raw_open(&among, crowded.socket);
    one_ratio(&alone, &among);
    for (int i = 0; i < ROUNDS; i++)
        ratios[i] = one_ratio(&alone, &among);
    raw_close(&alone);
    raw_close(&among);
    return median(ratios, ROUNDS);
}

/* A broker that looks at all of its connections is slow at every try; one
 * whose processor is shared with others' work for a second is not. */
static double least_slowdown(void)
{
    pin(false);
    double least = slowdown();
    for (int i = 1; i < TRIES && least > slowdown_max; i++) {
        double ratio = slowdown();
        least = ratio < least ? ratio : least;
    }
    pin(true);
    return least;
}

START_TEST(idle_connections_cost_little_and_slow_nobody_down)
{
    int count = suite_quick() ? 500 : CONNECTIONS;
    char reason[128];
    uint64_t before = test_limit_descriptors(0);
    uint64_t limit = test_limit_descriptors(0);
    snprintf(reason, sizeof(reason),
             "needs %d descriptors, the hard limit is %ju",
             CONNECTIONS + SPARE_DESCRIPTORS, (uintmax_t)limit);
    SKIP_UNLESS(limit >= (uint64_t)count + SPARE_DESCRIPTORS, reason);

    struct test_broker_options options = {.config = config};
    test_broker_start(&empty, &options);
    test_broker_start(&crowded, &options);
    int first = connect_idle(crowded.socket);
    int64_t memory = test_process_memory(crowded.serving);
    for (int i = 0; i < count; i++)
        sockets[i] = connect_idle(crowded.socket);
    int64_t each = (test_process_memory(crowded.serving) - memory) / count;
    double ratio = least_slowdown();
    printf("%d idle connections: %jd bytes each, a ping takes %.2f of the "
           "time without them\n",
           count, (intmax_t)each, ratio);
    fflush(stdout);
    if (!suite_quick()) {
        REQUIRE(memory > 0);
        REQUIRE(each <= BYTES_EACH);
        REQUIRE(ratio <= slowdown_max);
    }
    for (int i = 0; i < count; i++)
        close(sockets[i]);
    close(first);
    test_broker_stop(&crowded);
    test_broker_stop(&empty);
    test_limit_descriptors(before);
}
END_TEST

/* What a crowd took is given back for the next one. */
START_TEST(crowds_that_come_and_go_leave_nothing)
{
    enum { CROWD = 300 };
    int crowds = suite_quick() ? 3 : 20;
    struct test_broker_options options = {.config = config};
    int64_t memory = 0;
    struct raw raw;
    test_broker_start(&crowded, &options);
    raw_open(&raw, crowded.socket);
    int descriptors = test_broker_settle(&crowded, &raw);
    for (int crowd = 0; crowd < crowds; crowd++) {
        for (int i = 0; i < CROWD; i++)
            sockets[i] = connect_idle(crowded.socket);
        for (int i = 0; i < CROWD; i++)
            close(sockets[i]);
        REQUIRE(TEST_UNTIL(5000, raw_used(&raw, "total", "connections") == 1));
        if (crowd == 1)
            memory = test_process_memory(crowded.serving);
    }
    REQUIRE(TEST_UNTIL(5000, test_broker_descriptors(&crowded) == descriptors));
    REQUIRE(suite_quick() ||
            test_process_memory(crowded.serving) - memory < 512 * 1024);
    raw_close(&raw);
    test_broker_stop(&crowded);
}
END_TEST

static Suite *idle_suite(void)
{
    Suite *suite = suite_create("idle");
    TCase *tests = suite_case(suite, "idle", 120);
    tcase_add_test(tests, idle_connections_cost_little_and_slow_nobody_down);
    tcase_add_test(tests, crowds_that_come_and_go_leave_nothing);
    return suite;
}

int main(void)
{
    return suite_main(idle_suite());
}
