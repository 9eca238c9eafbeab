/*
 * Busy clients of the library go on while brokers, or other clients, are
 * killed: what a call returned with 0 stays true.
 */
#include "client/segbroker.h"
#include "tests/support/broker.h"
#include "tests/support/raw.h"
#include "tests/support/role.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS = 8, ROUNDS = 100, HELD_MAX = 16, SIZE = 8192, BACK_MS = 60000 };

static const char config[] = "[broker]\n"
                             "grace = 20s\n"
                             "[default]\n"
                             "connections = unlimited\n"
                             "segments = unlimited\n"
                             "grants = unlimited\n"
                             "bytes = 1GiB\n";

/* ---- a client ---- */

struct held {
    segb_segment *segment;
    unsigned *view;
    unsigned seed;
    char name[40]; /* "": it has none */
};

static segb_client *client;
static struct held held[HELD_MAX];
static unsigned random_state;
static unsigned number; /* of this client; names begin with it */

static unsigned draw(unsigned below)
{
    random_state = random_state * 1103515245 + 12345;
    return (random_state >> 8) % below;
}

static void fill(const struct held *h)
{
    for (unsigned i = 0; i < SIZE / sizeof(unsigned); i++)
        h->view[i] = h->seed + i;
}

static void expect_filled(const unsigned *view, unsigned seed)
{
    for (unsigned i = 0; i < SIZE / sizeof(unsigned); i++)
        REQUIRE_INT(view[i], seed + i);
}

/* Its name leads to it, and to nothing else. */
static void expect_name(const struct held *h)
{
    segb_segment *found = NULL;
    void *view;
    if (!h->name[0])
        return;
    int r = segb_open(client, h->name, NULL, &found);
    if (r != 0)
        FAIL("%s is lost: %s", h->name, segb_last_detail());
    REQUIRE(segb_id(found) == segb_id(h->segment));
    REQUIRE_INT(segb_map(found, 0, 0, SEGB_RO, &view), 0);
    expect_filled(view, h->seed);
    REQUIRE_INT(segb_unmap(view), 0);
    segb_close(found);
}

static void create(struct held *h)
{
    static unsigned last;
    struct held made = {.seed = draw(1 << 20) * 16};
    segb_create_options options = {.struct_size = sizeof(options),
                                   .access = SEGB_RW,
                                   .fail_if_exists = 1,
                                   .reserve = (int)draw(2)};
    void *view;
    if (draw(4))
        snprintf(made.name, sizeof(made.name), "%s%u.%u",
                 draw(2) ? "global/" : "", number, ++last);
    int r = segb_create(client, made.name[0] ? made.name : NULL, SIZE, &options,
                        &made.segment);
    if (r == SEGB_E_GONE)
        return; /* nobody knows whether there is one */
    if (r != 0)
        FAIL("create %s: %s", made.name, segb_last_detail());
    REQUIRE_INT(segb_map(made.segment, 0, 0, SEGB_RW, &view), 0);
    made.view = view;
    fill(&made);
    *h = made;
}

static void give_back(struct held *h)
{
    expect_filled(h->view, h->seed);
    segb_close(h->segment);
    REQUIRE_INT(segb_unmap(h->view), 0);
    h->segment = NULL;
}

static void take_name_away(struct held *h)
{
    if (!h->name[0])
        return;
    int r = segb_remove(client, h->name, 0);
    /* It may have gone with the broker's answer. */
    if (r != 0 && r != SEGB_E_GONE && r != SEGB_E_NOT_FOUND)
        FAIL("remove %s: %s", h->name, segb_last_detail());
    h->name[0] = '\0';
}

static void work_once(void)
{
    struct held *h = &held[draw(HELD_MAX)];
    if (!h->segment)
        create(h);
    else if (draw(4) == 0)
        give_back(h);
    else if (draw(6) == 0)
        take_name_away(h);
    else
        expect_name(h);
}

/* `argument`: its number, the broker's socket, and the file that ends it. */
static void work(const char *argument)
{
    char socket[TEST_PATH_MAX];
    char stop[TEST_PATH_MAX];
    segb_connect_options options = {.struct_size = sizeof(options),
                                    .socket = socket,
                                    .reconnect_ms = 60000};
    char *rest;
    number = (unsigned)strtoul(argument, &rest, 10);
    REQUIRE(sscanf(rest, "|%511[^|]|%511[^|]", socket, stop) == 2);
    random_state = number * 7919 + 1;
    REQUIRE_INT(segb_connect(&options, &client), 0);
    role_tell("works");
    for (unsigned turn = 0; turn % 50 != 0 || !test_exists(stop); turn++)
        work_once();
    for (int i = 0; i < HELD_MAX; i++) {
        if (!held[i].segment)
            continue;
        expect_name(&held[i]);
        give_back(&held[i]);
    }
    segb_disconnect(client);
}

/* ---- those who kill ---- */

static struct test_broker broker;
static test_pid clients[CLIENTS];
static char outputs[CLIENTS][TEST_PATH_MAX];
static char stop_file[TEST_PATH_MAX];

static void setup(void)
{
    struct test_broker_options options = {.config = config,
                                          .never_pauses = true};
    test_broker_start(&broker, &options);
    test_path(stop_file, "%s/stop", broker.folder);
}

static void start_client(int index)
{
    static unsigned last;
    char argument[TEST_PATH_MAX];
    test_path(argument, "%u|%s|%s", ++last, broker.socket, stop_file);
    test_path(outputs[index], "%s/client%u", broker.folder, last);
    clients[index] = role_start("client", argument, outputs[index]);
    role_await(clients[index], outputs[index], "works");
}

static void fail_with_output(int index, int round, int status)
{
    static char text[16384];
    test_read(outputs[index], text, sizeof(text));
    FAIL("round %d: client %d ended with %d: %s", round, index, status, text);
}

static void expect_clients_work(int round)
{
    for (int i = 0; i < CLIENTS; i++)
        if (!test_runs(clients[i]))
            fail_with_output(i, round, test_join(clients[i]));
}

static void end_clients(void)
{
    test_write(stop_file, "");
    for (int i = 0; i < CLIENTS; i++) {
        int status = test_join(clients[i]);
        if (status != 0)
            fail_with_output(i, ROUNDS, status);
    }
}

static void expect_nothing_left(void)
{
    static const char *const budgets[] = {"bytes", "segments", "grants"};
    struct raw raw;
    raw_open(&raw, broker.socket);
    for (int i = 0; i < 3; i++)
        REQUIRE(TEST_UNTIL(BACK_MS, raw_used_by_all(&raw, budgets[i]) == 0));
    REQUIRE_INT(raw_count_segments(&raw), 0);
    raw_close(&raw);
}

START_TEST(clients_go_on_through_a_hundred_deaths_of_the_broker)
{
    for (int i = 0; i < CLIENTS; i++)
        start_client(i);
    for (int round = 0; round < ROUNDS; round++) {
        test_pause_us(draw(20000));
        test_broker_crash(&broker);
        expect_clients_work(round);
    }
    end_clients();
    expect_nothing_left();
    test_broker_stop(&broker);
}
END_TEST

START_TEST(killed_clients_leave_nothing_and_others_go_on)
{
    for (int i = 0; i < CLIENTS; i++)
        start_client(i);
    for (int round = 0; round < (suite_quick() ? 30 : ROUNDS); round++) {
        test_pause_us(draw(20000));
        int victim = round % CLIENTS;
        expect_clients_work(round);
        test_kill(clients[victim]);
        test_join(clients[victim]);
        start_client(victim);
    }
    end_clients();
    expect_nothing_left();
    test_broker_stop(&broker);
}
END_TEST

static Suite *survival_suite(void)
{
    Suite *suite = suite_create("survival");
    TCase *tests = suite_case(suite, "survival", 280);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, clients_go_on_through_a_hundred_deaths_of_the_broker);
    tcase_add_test(tests, killed_clients_leave_nothing_and_others_go_on);
    return suite;
}

int main(void)
{
    role_offer("client", work);
    return suite_main(survival_suite());
}
