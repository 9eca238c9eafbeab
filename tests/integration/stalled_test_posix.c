/*
 * Clients that ask and never read: they are cut off, and what they take
 * meanwhile is bounded.
 */
#include "tests/support/bystander.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

static void setup(void)
{
    struct test_broker_options options = {0};
    bystander_start(&options);
}

/* ---- a client that asks and never reads ---- */

enum { STALLED = 32, USERS = 8, PIPELINED = 10000 };

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
        raw_ask(&bystander, "{'id':1,'op':'clients','limit':1000}");
    REQUIRE_STR(raw_outcome(&bystander), "ok");
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
    int64_t before = test_process_memory(bystander_broker.serving);
    int most_descriptors = 0;
    /* Connections, and a few for each segment: however many replies wait. */
    int enough_descriptors =
        test_broker_descriptors(&bystander_broker) + STALLED + 4 * users + 8;

    memset(stalled, 0, sizeof(stalled));
    for (int i = 0; i < STALLED; i++) {
        uint32_t user = TEST_ALICE + 1000 * (i % users);
        stalled_prepare(&stalled[i], creators && i % 2);
        raw_open_as(&stalled[i].raw, bystander_broker.socket, user, 0);
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
        bystander_expect_served();
        int64_t memory = test_process_memory(bystander_broker.serving) - before;
        most_memory = memory > most_memory ? memory : most_memory;
        int descriptors = test_broker_descriptors(&bystander_broker);
        most_descriptors =
            descriptors > most_descriptors ? descriptors : most_descriptors;
        test_pause();
    }
    bystander_expect_served();
    /* They get what was under way, and then the end. */
    for (int i = 0; i < STALLED; i++)
        REQUIRE(raw_ends(&stalled[i].raw, 5000));
    REQUIRE(
        TEST_UNTIL(5000, raw_used(&bystander, "total", "connections") == 1));
    for (int i = 0; i < STALLED; i++) {
        raw_close(&stalled[i].raw);
        free(stalled[i].requests);
    }
    REQUIRE(creators || most_descriptors <= enough_descriptors);
    REQUIRE(suite_quick() || most_memory < 32 * MIB);
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
    struct test_broker_options options = {
        .user = test_is_root() ? TEST_SERVICE : 0, .descriptors = 1024};
    bystander_start(&options);
}

START_TEST(clients_that_never_read_do_not_use_up_descriptors)
{
    SKIP_UNLESS(test_is_root(), "needs root to act as other users");
    static const int users[] = {1, USERS};
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
    raw_open(&slow, bystander_broker.socket);
    for (int i = 0; i < REQUESTS; i++) {
        long more = raw_send_some(&slow, batch + sent, size - sent);
        REQUIRE(more >= 0);
        sent += (size_t)more;
        REQUIRE_INT(raw_reply(&slow)->id, i);
        if (i % 300 == 0)
            bystander_expect_served();
    }
    free(batch);
    raw_close(&slow);
}
END_TEST

/* Its own end of the connection lies where nobody reads any more, and so stays
 * open when it has gone. */
START_TEST(client_that_sent_itself_along_goes_all_the_same)
{
    static const char create[] = "{\"id\":1,\"op\":\"create\",\"size\":1}\n";
    enum { CREATES = 600, SIZE = sizeof(create) - 1 };
    static char lines[CREATES * SIZE];
    struct raw lost;
    for (int i = 0; i < CREATES; i++)
        memcpy(lines + (size_t)i * SIZE, create, SIZE);
    raw_open(&lost, bystander_broker.socket);
    REQUIRE(raw_send(&lost, lines, sizeof(lines)));
    /* When it has answered others it has done what it does for this one. */
    for (int i = 0; i < 20; i++)
        raw_ask(&bystander, "{'id':1,'op':'ping'}");
    int self = lost.fd;
    REQUIRE(raw_send_with(&lost, "x", 1, &self, 1));
    raw_close(&lost);
    REQUIRE(TEST_UNTIL(40000, bystander_all_is_back()));
}
END_TEST

static Suite *stalled_suite(void)
{
    Suite *suite = suite_create("stalled");
    TCase *tests = suite_case(suite, "stalled", 100);
    tcase_add_checked_fixture(tests, setup, bystander_stop);
    tcase_add_test(tests, slow_reader_is_not_cut_off);
    tcase_add_test(tests, clients_that_never_read_are_cut_off);
    tcase_add_test(tests, client_that_sent_itself_along_goes_all_the_same);

    tests = suite_case(suite, "small", 100);
    tcase_add_checked_fixture(tests, setup_small, bystander_stop);
    tcase_add_loop_test(
        tests, clients_that_never_read_do_not_use_up_descriptors, 0, 2);
    return suite;
}

int main(void)
{
    return suite_main(stalled_suite());
}
