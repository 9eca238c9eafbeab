/*
 * The library where POSIX gets in its way: signals, a limit of descriptors, and
 * descriptors that come with what makes no sense.
 */
#include "tests/support/fake.h"
#include "tests/support/process.h"
#include "tests/support/suite.h"

#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

static segb_client *client;

static void begin(const struct fake_step *script)
{
    fake_start(script);
    REQUIRE_INT(fake_connect(10000, &client), 0);
}

static void end(void)
{
    segb_disconnect(client);
    fake_stop();
}

#define GRANT(id, access)                                                      \
    "{'id':" id ",'ok':true,'grant':7,'segment':17,'created':true,"            \
    "'size':4000,'mapped_size':4096,'access':'" access                         \
    "','handles':{'memory':0}}"

static void note_signal(int signal)
{
    (void)signal;
}

static struct sigaction former;

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = note_signal};

    sigaction(SIGALRM, &action, &former);
}

static void leave_signals(void)
{
    sigaction(SIGALRM, &former, NULL);
}

START_TEST(goes_on_when_signals_interrupt)
{
    static const struct fake_step script[] = {FAKE_HELLO,
                                              {FAKE_EXPECT, "ping", 0},
                                              {FAKE_PAUSE, "", 100},
                                              {FAKE_PART, "{'id':2,", 1},
                                              {FAKE_PAUSE, "", 100},
                                              {FAKE_SAY, "'ok':true}", 0},
                                              {.act = FAKE_HANG_UP},
                                              {0}};
    struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};

    begin(script);
    setitimer(ITIMER_REAL, &often, NULL);
    int r = segb_ping(client);
    setitimer(ITIMER_REAL, &never, NULL);
    REQUIRE_INT(r, 0);
    end();
}
END_TEST

START_TEST(gives_a_grant_back_whose_handle_found_no_room)
{
    static const struct fake_step script[] = {
        FAKE_HELLO,
        {FAKE_EXPECT, "'op':'open'", 0},
        {FAKE_GIVE, GRANT("2", "ro"), 4096},
        {FAKE_EXPECT, "'op':'release','grant':7", 0},
        {FAKE_EXPECT, "'op':'open'", 0},
        {FAKE_GIVE, GRANT("3", "ro"), 4096},
        {FAKE_EXPECT, "'op':'release','grant':7", 0},
        {.act = FAKE_HANG_UP},
        {0}};
    segb_segment *segment;
    uint64_t limit;
    int lowest, r;

    begin(script);
    /* The lowest free number is the first that it may not have. */
    lowest = dup(0);
    REQUIRE(lowest >= 0);
    close(lowest);
    limit = test_limit_descriptors((uint64_t)lowest);
    r = segb_open(client, "x", NULL, &segment);
    test_limit_descriptors(limit);
    REQUIRE_INT(r, SEGB_E_TOO_MANY_HANDLES);
    REQUIRE_INT(segb_open(client, "x", NULL, &segment), 0);
    segb_close(segment);
    end();
}
END_TEST

#define PING_WITH_A_HANDLE(id)                                                 \
    {FAKE_EXPECT, "ping", 0},                                                  \
    {                                                                          \
        FAKE_GIVE, "{'id':" id ",'ok':true}", 1                                \
    }

START_TEST(takes_no_end_of_handles_that_no_reply_names)
{
    static const struct fake_step script[] = {FAKE_HELLO,
                                              PING_WITH_A_HANDLE("2"),
                                              PING_WITH_A_HANDLE("3"),
                                              PING_WITH_A_HANDLE("4"),
                                              PING_WITH_A_HANDLE("5"),
                                              PING_WITH_A_HANDLE("6"),
                                              PING_WITH_A_HANDLE("7"),
                                              PING_WITH_A_HANDLE("8"),
                                              PING_WITH_A_HANDLE("9"),
                                              PING_WITH_A_HANDLE("10"),
                                              PING_WITH_A_HANDLE("11"),
                                              PING_WITH_A_HANDLE("12"),
                                              PING_WITH_A_HANDLE("13"),
                                              PING_WITH_A_HANDLE("14"),
                                              PING_WITH_A_HANDLE("15"),
                                              PING_WITH_A_HANDLE("16"),
                                              PING_WITH_A_HANDLE("17"),
                                              PING_WITH_A_HANDLE("18"),
                                              {.act = FAKE_HANG_UP},
                                              {0}};

    begin(script);
    for (int i = 0; i < 16; i++)
        REQUIRE_INT(segb_ping(client), 0);
    REQUIRE_INT(segb_ping(client), SEGB_E_PROTOCOL);
    end();
}
END_TEST

static void require_nonsense(const struct fake_step *answer)
{
    const struct fake_step script[] = {FAKE_HELLO,
                                       {FAKE_EXPECT, "'op':'open'", 0},
                                       *answer,
                                       {.act = FAKE_HANG_UP},
                                       {0}};
    segb_segment *segment = NULL;

    begin(script);
    REQUIRE_INT(segb_open(client, "x", NULL, &segment), SEGB_E_PROTOCOL);
    REQUIRE(!segment);
    REQUIRE_INT(segb_ping(client), SEGB_E_GONE);
    end();
}

START_TEST(grants_that_make_no_sense_end_the_connection)
{
    static const struct fake_step answers[] = {
        {FAKE_GIVE, GRANT("2", "rw"), 4096}, /* ro was asked for */
        {FAKE_GIVE,                          /* a view would be SIGBUS */
         "{'id':2,'ok':true,'grant':7,'segment':17,'created':true,"
         "'size':5000,'mapped_size':8192,'access':'ro',"
         "'handles':{'memory':0}}",
         4096},
        {FAKE_GIVE, GRANT("2", "all"), 4096}, /* no access */
        {FAKE_GIVE,
         "{'id':2,'ok':true,'grant':7,'segment':17,'created':true,'size':0,"
         "'mapped_size':4096,'access':'ro','handles':{'memory':0}}",
         4096},
        {FAKE_GIVE,
         "{'id':2,'ok':true,'grant':7,'segment':17,'created':true,'size':4097,"
         "'mapped_size':4096,'access':'ro','handles':{'memory':0}}",
         4096},
    };

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        require_nonsense(&answers[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("interrupted");
    TCase *tests = suite_case(suite, "interrupted", 60);

    tcase_add_checked_fixture(tests, catch_signals, leave_signals);
    tcase_add_test(tests, goes_on_when_signals_interrupt);
    tcase_add_test(tests, gives_a_grant_back_whose_handle_found_no_room);
    tcase_add_test(tests, takes_no_end_of_handles_that_no_reply_names);
    tcase_add_test(tests, grants_that_make_no_sense_end_the_connection);
    return suite_main(suite);
}
