/*
 * The library's callbacks and threads: who is told what, when, and by whom.
 */
#include "client/segbroker.h"
#include "tests/support/fake.h"
#include "tests/support/memory.h"
#include "tests/support/raw_system.h"
#include "tests/support/suite.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* The answer to request `id`: a grant of a page's worth of memory. */
#define GRANT(id, access)                                                      \
    "{'id':" id ",'ok':true,'grant':7,'segment':17,'created':true,"            \
    "'size':4000,'mapped_size':4096,'access':'" access                         \
    "','handles':{'memory':0}}"

static segb_client *client;

/* Without a timeout: whoever is not woken hangs, and the test ends that. */
static void begin(const struct fake_step *script)
{
    fake_start(script);
    REQUIRE_INT(fake_connect(-1, &client), 0);
}

static void end(void)
{
    segb_disconnect(client);
    fake_stop();
}

/* Waits until it is time to dispatch. */
static bool is_readable(void)
{
    return test_await_readable(segb_client_fd(client), 10000);
}

/* ---- callbacks ---- */

struct told {
    int calls;
    int status; /* of the last one */
    segb_segment *segment;
};

static void tell(segb_client *from, int status, segb_segment *segment,
                 void *data)
{
    struct told *told = data;

    REQUIRE(from == client);
    told->calls++;
    told->status = status;
    told->segment = segment;
}

START_TEST(calls_back_from_dispatch_only)
{
    static const struct fake_step script[] = {
        FAKE_HELLO,
        {FAKE_EXPECT, "'op':'create'", 0},
        {FAKE_EXPECT, "'op':'open'", 0},
        {FAKE_GIVE, GRANT("2", "rw"), 4096},
        {FAKE_SAY,
         "{'id':3,'ok':false,'error':'not-found','message':'no such segment'}",
         0},
        {.act = FAKE_HANG_UP},
        {0}};
    struct told created = {0}, opened = {0};

    begin(script);
    REQUIRE_INT(segb_client_dispatch(client), 0);
    REQUIRE_INT(segb_create_async(client, "x", 4000, NULL, tell, &created), 0);
    REQUIRE_INT(segb_open_async(client, "y", NULL, tell, &opened), 0);
    REQUIRE_INT(created.calls + opened.calls, 0);
    while (created.calls + opened.calls < 2) {
        REQUIRE(is_readable());
        REQUIRE_INT(segb_client_dispatch(client), 0);
    }
    REQUIRE_INT(created.status, 0);
    REQUIRE_INT(segb_size(created.segment), 4000);
    REQUIRE_INT(opened.status, SEGB_E_NOT_FOUND);
    REQUIRE(!opened.segment);
    REQUIRE_STR(segb_last_detail(), "no such segment");
    segb_close(created.segment);
    end();
}
END_TEST

/* Neither side has room for all of it: requests are read on only as replies
 * are. */
START_TEST(pipelines_without_end_and_without_dispatch)
{
    enum { CALLS = 5000 };
    static const struct fake_step script[] = {
        FAKE_HELLO,
        {FAKE_ANSWER, "'ok':false,'error':'not-found','message':'none'", 0},
        {0}};
    struct told told = {0};

    begin(script);
    for (int i = 0; i < CALLS; i++) {
        REQUIRE_INT(segb_open_async(client, "x", NULL, tell, &told), 0);
        REQUIRE_INT(told.calls, 0);
    }
    while (told.calls < CALLS) {
        REQUIRE(is_readable());
        REQUIRE_INT(segb_client_dispatch(client), 0);
    }
    REQUIRE_INT(told.status, SEGB_E_NOT_FOUND);
    end();
}
END_TEST

START_TEST(wakes_an_event_loop_whose_reply_another_call_read)
{
    static const struct fake_step script[] = {
        FAKE_HELLO,
        {FAKE_EXPECT, "'op':'open'", 0},
        {FAKE_EXPECT, "'op':'ping'", 0},
        {FAKE_GIVE, GRANT("2", "ro"), 4096},
        {FAKE_SAY, "{'id':3,'ok':true}", 0},
        {FAKE_ANSWER, "'ok':true", 0},
        {0}};
    struct told told = {0};

    begin(script);
    REQUIRE_INT(segb_open_async(client, "x", NULL, tell, &told), 0);
    REQUIRE_INT(segb_ping(client), 0);
    REQUIRE_INT(told.calls, 0);
    REQUIRE(is_readable());
    REQUIRE_INT(segb_client_dispatch(client), 0);
    REQUIRE_INT(told.calls, 1);
    segb_close(told.segment);
    end();
}
END_TEST

START_TEST(calls_back_when_the_connection_ends)
{
    static const struct fake_step script[] = {
        FAKE_HELLO, {FAKE_EXPECT, "'op':'open'", 0}, {0}};
    struct told told = {0};

    begin(script);
    REQUIRE_INT(segb_open_async(client, "x", NULL, tell, &told), 0);
    REQUIRE(is_readable());
    REQUIRE_INT(segb_client_dispatch(client), SEGB_E_GONE);
    REQUIRE_INT(told.calls, 1);
    REQUIRE_INT(told.status, SEGB_E_GONE);
    REQUIRE_INT(segb_open_async(client, "x", NULL, tell, &told), SEGB_E_GONE);
    REQUIRE_INT(told.calls, 1);
    end();
}
END_TEST

START_TEST(calls_back_when_the_program_disconnects)
{
    static const struct fake_step script[] = {
        FAKE_HELLO, {.act = FAKE_HANG_UP}, {0}};
    struct told told = {0};

    begin(script);
    REQUIRE_INT(segb_open_async(client, "x", NULL, tell, &told), 0);
    end();
    REQUIRE_INT(told.calls, 1);
    REQUIRE_INT(told.status, SEGB_E_GONE);
}
END_TEST

static void disconnect(segb_client *from, int status, segb_segment *segment,
                       void *data)
{
    tell(from, status, segment, data);
    segb_disconnect(from);
}

START_TEST(may_be_disconnected_by_a_callback)
{
    static const struct fake_step script[] = {
        FAKE_HELLO,
        {FAKE_ANSWER, "'ok':false,'error':'not-found','message':'none'", 1},
        {.act = FAKE_HANG_UP},
        {0}};
    struct told first = {0}, second = {0};

    begin(script);
    REQUIRE_INT(segb_open_async(client, "x", NULL, disconnect, &first), 0);
    REQUIRE_INT(segb_open_async(client, "x", NULL, tell, &second), 0);
    REQUIRE(is_readable());
    REQUIRE_INT(segb_client_dispatch(client), SEGB_E_GONE);
    REQUIRE_INT(first.status, SEGB_E_NOT_FOUND);
    REQUIRE_INT(second.status, SEGB_E_GONE);
    fake_stop();
}
END_TEST

struct tally {
    int refused; /* their handle was lost */
    int ended;   /* with the connection */
};

static void count(segb_client *from, int status, segb_segment *segment,
                  void *data)
{
    struct tally *tally = data;

    REQUIRE(from == client && !segment);
    tally->refused += status == SEGB_E_TOO_MANY_HANDLES;
    tally->ended += status == SEGB_E_SYSTEM;
}

/* A grant whose handle was lost is given back. */
#define LOST                                                                   \
    "'ok':true,'grant':9007199254740991,'segment':17,'created':true,"          \
    "'size':4000,'mapped_size':4096,'access':'ro','handles':{'memory':0}}"

/* More is to be given back than waits for a broker that reads nothing, and who
 * was asked last is answered first. */
START_TEST(calls_back_once_where_nothing_more_can_be_given_back)
{
    enum { CALLS = 24000 };
    static char answers[CALLS][sizeof(LOST) + 16];
    static struct fake_step script[2 * CALLS + 4] = {FAKE_HELLO};
    struct fake_step *asked = script + 2, *answered = asked + CALLS;
    struct tally tally = {0};

    SKIP_UNLESS(raw_system_name(0).form == MESSAGE_HANDLE_INDEX,
                "here no handle is lost on its way");
    answered[0].act = FAKE_LET_GO;
    for (int i = 0; i < CALLS; i++) {
        snprintf(answers[i], sizeof(answers[i]), "{'id':%d," LOST,
                 CALLS + 1 - i);
        asked[i] = (struct fake_step){FAKE_EXPECT, "'op':'open'", 0};
        answered[i + 1] = (struct fake_step){FAKE_SAY, answers[i], 0};
    }
    begin(script);
    for (int i = 0; i < CALLS; i++)
        REQUIRE_INT(segb_open_async(client, "x", NULL, count, &tally), 0);
    while (tally.refused + tally.ended < CALLS && is_readable())
        segb_client_dispatch(client);
    end();
    REQUIRE_INT(tally.refused + tally.ended, CALLS);
    REQUIRE(tally.refused > 0 && tally.ended > 0);
}
END_TEST

/* ---- threads ---- */

struct asker {
    pthread_t thread;
    const char *name;
    int rounds;
    int wrong; /* answers that were not for it */
};

static void *ask(void *data)
{
    struct asker *asker = data;
    segb_segment *segment;

    for (int i = 0; i < asker->rounds; i++)
        if (segb_open(client, asker->name, NULL, &segment) !=
                SEGB_E_NOT_FOUND ||
            strcmp(segb_last_detail(), "none") != 0)
            asker->wrong++;
    return NULL;
}

static void ask_with(struct asker *askers, int count)
{
    for (int i = 0; i < count; i++)
        REQUIRE_INT(pthread_create(&askers[i].thread, NULL, ask, &askers[i]),
                    0);
    for (int i = 0; i < count; i++) {
        pthread_join(askers[i].thread, NULL);
        REQUIRE_INT(askers[i].wrong, 0);
    }
}

START_TEST(serves_several_threads_at_once)
{
    enum { THREADS = 4, ROUNDS = 500 };
    static const struct fake_step script[] = {
        FAKE_HELLO,
        {FAKE_ANSWER, "'ok':false,'error':'not-found','message':'none'",
         THREADS * ROUNDS},
        {.act = FAKE_HANG_UP},
        {0}};
    struct asker askers[THREADS];

    for (int i = 0; i < THREADS; i++)
        askers[i] = (struct asker){.name = "x", .rounds = ROUNDS};
    begin(script);
    ask_with(askers, THREADS);
    end();
}
END_TEST

/* Whoever reads has the other's reply in hand first. */
START_TEST(gives_each_thread_its_own_reply_in_any_order)
{
    static const struct fake_step script[] = {
        FAKE_HELLO,
        {FAKE_EXPECT, "'op':'open'", 0},
        {FAKE_EXPECT, "'op':'open'", 0},
        {FAKE_SAY, "{'id':3,'ok':false,'error':'not-found','message':'none'}",
         0},
        {FAKE_PAUSE, "", 50},
        {FAKE_SAY, "{'id':2,'ok':false,'error':'not-found','message':'none'}",
         0},
        {.act = FAKE_HANG_UP},
        {0}};
    struct asker askers[] = {{.name = "x", .rounds = 1},
                             {.name = "y", .rounds = 1}};

    begin(script);
    ask_with(askers, 2);
    end();
}
END_TEST

static void *dispatch(void *data)
{
    struct told *told = data;

    while (told->calls == 0 && is_readable())
        if (segb_client_dispatch(client) != 0)
            break;
    return NULL;
}

START_TEST(lets_an_event_loop_and_other_threads_share_a_client)
{
    enum { ROUNDS = 300 };
    static const struct fake_step script[] = {
        FAKE_HELLO,
        {FAKE_ANSWER, "'ok':false,'error':'not-found','message':'none'", 0},
        {0}};
    struct asker asker = {.name = "x", .rounds = 20};
    pthread_t loop;

    begin(script);
    for (int i = 0; i < ROUNDS; i++) {
        struct told told = {0};

        REQUIRE_INT(segb_open_async(client, "y", NULL, tell, &told), 0);
        REQUIRE_INT(pthread_create(&loop, NULL, dispatch, &told), 0);
        ask_with(&asker, 1);
        pthread_join(loop, NULL);
        REQUIRE_INT(told.calls, 1);
    }
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("callback");
    TCase *tests = suite_case(suite, "callbacks", 60);
    tcase_add_test(tests, calls_back_from_dispatch_only);
    tcase_add_test(tests, pipelines_without_end_and_without_dispatch);
    tcase_add_test(tests, wakes_an_event_loop_whose_reply_another_call_read);
    tcase_add_test(tests, calls_back_when_the_connection_ends);
    tcase_add_test(tests, calls_back_when_the_program_disconnects);
    tcase_add_test(tests, may_be_disconnected_by_a_callback);
    tcase_add_test(tests, calls_back_once_where_nothing_more_can_be_given_back);
    tests = suite_case(suite, "threads", 30);
    tcase_add_test(tests, serves_several_threads_at_once);
    tcase_add_test(tests, gives_each_thread_its_own_reply_in_any_order);
    tcase_add_test(tests, lets_an_event_loop_and_other_threads_share_a_client);
    return suite_main(suite);
}
