/*
 * Tickets: who has one gets the segment, and nobody else; once, or as often as
 * was said, also when the broker dies in between.
 */
#include "client/segbroker.h"
#include "tests/support/memory.h"
#include "tests/support/recovery.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

enum { HEX_SIZE = 64, GUESSES = 10 };

#define WRONG                                                                  \
    "1-00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct raw other; /* another process's connection */
static char ticket[SEGB_TICKET_MAX];

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

static void crash(void)
{
    recovery_crash();
    raw_close(&other);
    raw_open(&other, recovery_broker.socket);
}

/* Makes `ticket`; `members` are more of the request's. */
static void offer(uint64_t grant, const char *members)
{
    struct message_ticket made;
    raw_ask(&recovery_client, "{'id':1,'op':'offer','grant':%ju%s}",
            (uintmax_t)grant, members);
    recovery_expect_outcome("ok");
    REQUIRE_INT(message_reply_ticket(&recovery_client.reply, &made), 0);
    snprintf(ticket, sizeof(ticket), "%s", made.ticket);
}

static const char *redeem_as(struct raw *raw, const char *text)
{
    raw_ask(raw, "{'id':1,'op':'redeem','ticket':'%s'}", text);
    return raw_outcome(raw);
}

static const char *redeem(const char *text)
{
    return redeem_as(&other, text);
}

/* It is good, and leads to the same memory. */
static struct message_grant expect_redeemed(int handle)
{
    struct message_grant grant;
    REQUIRE_STR(redeem(ticket), "ok");
    int came = raw_grant(&other, &grant);
    REQUIRE(test_memory_same(came, handle));
    REQUIRE_INT(test_is_writable(came), grant.access == PROTOCOL_RW);
    test_close(came);
    return grant;
}

START_TEST(ticket_leads_to_an_unnamed_segment)
{
    struct message_grant made;
    int fd = raw_create(&recovery_client, &made, "'size':4096");
    offer(made.grant, "");
    REQUIRE_INT(expect_redeemed(fd).access, PROTOCOL_RO);
    REQUIRE_STR(redeem(ticket), "not-found");
    offer(made.grant, ",'access':'cow'");
    REQUIRE_INT(expect_redeemed(fd).access, PROTOCOL_COW);
    offer(made.grant, ",'access':'rw','uses':3");
    for (int i = 0; i < 3; i++)
        REQUIRE_INT(expect_redeemed(fd).access, PROTOCOL_RW);
    REQUIRE_STR(redeem(ticket), "not-found");
    test_close(fd);
}
END_TEST

START_TEST(nobody_offers_more_than_he_has)
{
    struct message_grant made, opened;
    test_close(raw_create(&recovery_client, &made, "'name':'a','size':4096"));
    test_close(raw_open_segment(&recovery_client, &opened,
                                "'name':'a','access':'ro'"));
    raw_ask(&recovery_client, "{'id':1,'op':'offer','grant':%ju,'access':'rw'}",
            (uintmax_t)opened.grant);
    recovery_expect_outcome("access-denied");
    raw_ask(&other, "{'id':1,'op':'offer','grant':%ju}", (uintmax_t)made.grant);
    REQUIRE_STR(raw_outcome(&other), "not-found");
    offer(opened.grant, ",'access':'cow'");
}
END_TEST

START_TEST(ticket_of_a_segment_that_lost_its_name_is_good)
{
    struct message_grant made;
    int fd = raw_create(&recovery_client, &made, "'name':'a','size':4096");
    offer(made.grant, "");
    raw_ask(&recovery_client, "{'id':1,'op':'remove','name':'a'}");
    expect_redeemed(fd);
    test_close(fd);
}
END_TEST

START_TEST(ticket_goes_with_its_segment)
{
    struct message_grant made, again;
    int fd = raw_create(&recovery_client, &made, "'size':4096");
    offer(made.grant, ",'uses':9");
    raw_release(&recovery_client, made.grant);
    REQUIRE_STR(redeem(ticket), "not-found");
    /* Some process has it still, and may show it where the system tells of
     * that: its ticket is gone. */
    raw_reclaim(&recovery_client, made.segment, "rw", fd, &again);
    bool is_back = recovery_client.reply.ok;
    REQUIRE_INT(is_back, raw_knows_holders(recovery_broker.socket));
    REQUIRE_STR(redeem(ticket), "not-found");
    if (is_back)
        raw_release(&recovery_client, again.grant);
    crash();
    REQUIRE_STR(redeem(ticket), "not-found");
    test_close(fd);
}
END_TEST

START_TEST(ticket_expires)
{
    struct message_grant made;
    test_close(raw_create(&recovery_client, &made, "'size':4096"));
    offer(made.grant, ",'expires_ms':1");
    REQUIRE(TEST_UNTIL(
        5000, (raw_ask(&recovery_client, "{'id':1,'op':'stat','segment':%ju}",
                       (uintmax_t)made.segment),
               raw_record(&recovery_client).tickets == 0)));
    REQUIRE_STR(redeem(ticket), "not-found");
}
END_TEST

START_TEST(segment_has_so_many_tickets)
{
    struct message_grant made;
    int fd = raw_create(&recovery_client, &made, "'size':4096");
    for (int i = 0; i < PROTOCOL_TICKETS_MAX; i++)
        offer(made.grant, "");
    raw_ask(&recovery_client, "{'id':1,'op':'offer','grant':%ju}",
            (uintmax_t)made.grant);
    recovery_expect_outcome("busy");
    /* All of them fit into its record. */
    crash();
    expect_redeemed(fd);
    raw_reclaim(&recovery_client, made.segment, "rw", fd, &made);
    offer(made.grant, "");
    test_close(fd);
}
END_TEST

START_TEST(uses_survive_the_broker_and_are_never_spent_twice)
{
    struct message_grant made;
    int fd = raw_create(&recovery_client, &made, "'size':4096");
    offer(made.grant, ",'uses':2,'access':'rw'");
    crash();
    REQUIRE_INT(expect_redeemed(fd).access, PROTOCOL_RW);
    crash();
    expect_redeemed(fd);
    crash();
    REQUIRE_STR(redeem(ticket), "not-found");
    test_close(fd);
}
END_TEST

START_TEST(refusal_by_quota_spends_nothing)
{
    struct message_grant made, blocking;
    int fd = raw_create(&recovery_client, &made, "'size':4096");
    test_close(raw_create(&other, &blocking, "'size':4096"));
    offer(made.grant, "");
    for (int i = 0; i < 3; i++)
        REQUIRE_STR(redeem(ticket), "quota-exceeded");
    raw_release(&other, blocking.grant);
    expect_redeemed(fd);
    test_close(fd);
}
END_TEST

START_TEST(guesses_are_limited)
{
    struct message_grant made;
    int fd = raw_create(&recovery_client, &made, "'size':4096");
    char nearly[SEGB_TICKET_MAX];
    offer(made.grant, "");
    snprintf(nearly, sizeof(nearly), "%s", ticket);
    size_t last = strlen(nearly) - 1;
    nearly[last] = nearly[last] == '0' ? '1' : '0';
    for (int i = 0; i < GUESSES; i++)
        REQUIRE_STR(redeem(i % 2 ? nearly : "nonsense"), "not-found");
    REQUIRE_STR(redeem(nearly), "rate-limited");
    REQUIRE_STR(redeem(ticket), "rate-limited");
    /* By user, not by connection. */
    REQUIRE_STR(redeem_as(&recovery_client, ticket), "rate-limited");
    REQUIRE(TEST_UNTIL(5000, strcmp(redeem(ticket), "ok") == 0));
    int came = raw_grant(&other, NULL);
    REQUIRE(test_memory_same(came, fd));
    test_close(came);
    test_close(fd);
}
END_TEST

START_TEST(no_log_line_has_a_secret)
{
    struct message_grant made;
    test_close(raw_create(&recovery_client, &made, "'size':4096"));
    raw_ask(&recovery_client, "{'id':1,'op':'log-level','level':'debug'}");
    offer(made.grant, ",'uses':2");
    REQUIRE_STR(redeem(ticket), "ok");
    test_close(raw_grant(&other, NULL));
    REQUIRE_STR(redeem(WRONG), "not-found");
    REQUIRE(!strstr(other.line, "00112233"));
    raw_ask(&other, "{'id':1,'op':'redeem','ticket':['%s']}", ticket);
    REQUIRE_STR(raw_outcome(&other), "invalid-argument");
    REQUIRE(!strstr(other.line, ticket + strlen(ticket) - HEX_SIZE));
    raw_ask(&other, "{'id':1,'op':'list'}");
    REQUIRE(!strstr(other.line, ticket + strlen(ticket) - HEX_SIZE));
    crash();
    REQUIRE(test_broker_logged(&recovery_broker, "not-found"));
    REQUIRE(!test_broker_logged(&recovery_broker,
                                ticket + strlen(ticket) - HEX_SIZE));
    REQUIRE(!test_broker_logged(&recovery_broker, "00112233"));
}
END_TEST

START_TEST(another_user_redeems_what_he_may_not_open)
{
    SKIP_UNLESS(test_is_root(), "needs root to act as other users");
    struct raw alice, bob;
    struct message_grant made, came;
    raw_open_as(&alice, recovery_broker.socket, TEST_ALICE, 0);
    raw_open_as(&bob, recovery_broker.socket, TEST_BOB, 0);
    int fd = raw_create(&alice, &made, "'name':'a','size':4096");
    raw_ask(&bob, "{'id':1,'op':'open','segment':%ju}",
            (uintmax_t)made.segment);
    REQUIRE_STR(raw_outcome(&bob), "not-found");
    struct message_ticket offered;
    raw_ask(&alice, "{'id':1,'op':'offer','grant':%ju}", (uintmax_t)made.grant);
    REQUIRE_INT(message_reply_ticket(&alice.reply, &offered), 0);
    snprintf(ticket, sizeof(ticket), "%s", offered.ticket);
    REQUIRE_STR(redeem_as(&bob, ticket), "ok");
    int handle = raw_grant(&bob, &came);
    REQUIRE(test_memory_same(handle, fd));
    REQUIRE_INT(raw_used(&bob, NULL, "grants"), 1);
    REQUIRE_INT(raw_used(&bob, NULL, "segments"), 0);
    /* One who guesses takes nothing from others. */
    for (int i = 0; i < GUESSES; i++)
        redeem_as(&bob, WRONG);
    REQUIRE_STR(redeem_as(&bob, WRONG), "rate-limited");
    REQUIRE_STR(redeem_as(&alice, WRONG), "not-found");
    test_close(handle);
    test_close(fd);
    raw_close(&alice);
    raw_close(&bob);
}
END_TEST

/* ---- the library ---- */

START_TEST(library_offers_and_redeems)
{
    segb_client *one = recovery_connect(), *two = recovery_connect();
    segb_offer_options options = {
        .struct_size = sizeof(options), .access = SEGB_RW, .uses = 2};
    segb_segment *made, *came;
    void *memory, *view;
    REQUIRE_INT(segb_create(one, NULL, 4096, NULL, &made), 0);
    REQUIRE_INT(segb_map(made, 0, 0, SEGB_RW, &memory), 0);
    REQUIRE_INT(segb_offer(made, &options, ticket, sizeof(ticket)), 0);
    REQUIRE_INT(segb_redeem(two, ticket, &came), 0);
    REQUIRE_INT(segb_access(came), SEGB_RW);
    REQUIRE_INT(segb_id(came), segb_id(made));
    REQUIRE_INT(segb_map(came, 0, 0, SEGB_RW, &view), 0);
    memcpy(view, "hello", 6);
    REQUIRE_STR((const char *)memory, "hello");
    segb_unmap(view);
    segb_unmap(memory);
    segb_close(came);
    segb_close(made);
    /* Closing does not wait. */
    REQUIRE_INT(segb_ping(one), 0);
    REQUIRE_INT(segb_redeem(two, ticket, &came), SEGB_E_NOT_FOUND);
    segb_disconnect(one);
    segb_disconnect(two);
}
END_TEST

START_TEST(library_refuses_what_makes_no_sense)
{
    segb_client *client = recovery_connect();
    segb_offer_options options = {.struct_size = sizeof(options), .uses = 1001};
    segb_segment *made, *came = NULL;
    REQUIRE_INT(segb_create(client, NULL, 4096, NULL, &made), 0);
    REQUIRE_INT(segb_offer(NULL, NULL, ticket, sizeof(ticket)),
                SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_offer(made, NULL, NULL, 0), SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_offer(made, NULL, ticket, SEGB_TICKET_MAX - 1),
                SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_offer(made, &options, ticket, sizeof(ticket)),
                SEGB_E_INVALID_ARGUMENT);
    options = (segb_offer_options){.struct_size = sizeof(options),
                                   .expires_ms = 86400001};
    REQUIRE_INT(segb_offer(made, &options, ticket, sizeof(ticket)),
                SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_redeem(client, NULL, &came), SEGB_E_INVALID_ARGUMENT);
    REQUIRE_INT(segb_redeem(client, "1-\xff", &came), SEGB_E_INVALID_ARGUMENT);
    REQUIRE(!strstr(segb_last_detail(), "1-"));
    REQUIRE_INT(segb_redeem(client, WRONG, &came), SEGB_E_NOT_FOUND);
    segb_close(made);
    segb_disconnect(client);
}
END_TEST

/* Grants have other numbers then: the first one's is the second's before. */
START_TEST(library_offers_the_right_one_after_the_broker_died)
{
    segb_client *client = recovery_connect();
    segb_segment *first, *second, *came;
    REQUIRE_INT(segb_create(client, NULL, 4096, NULL, &first), 0);
    REQUIRE_INT(segb_create(client, NULL, 4096, NULL, &second), 0);
    segb_close(first);
    REQUIRE_INT(segb_create(client, NULL, 4096, NULL, &first), 0);
    crash();
    REQUIRE_INT(segb_offer(first, NULL, ticket, sizeof(ticket)), 0);
    REQUIRE_INT(segb_redeem(client, ticket, &came), 0);
    REQUIRE_INT(segb_id(came), segb_id(first));
    segb_close(came);
    REQUIRE_INT(segb_offer(second, NULL, ticket, sizeof(ticket)), 0);
    REQUIRE_INT(segb_redeem(client, ticket, &came), 0);
    REQUIRE_INT(segb_id(came), segb_id(second));
    segb_close(came);
    segb_close(first);
    segb_close(second);
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

START_TEST(library_redeems_for_an_event_loop)
{
    segb_client *client = recovery_connect();
    segb_segment *made, *came = NULL;
    REQUIRE_INT(segb_create(client, NULL, 4096, NULL, &made), 0);
    REQUIRE_INT(segb_offer(made, NULL, ticket, sizeof(ticket)), 0);
    REQUIRE_INT(segb_redeem_async(client, ticket, note_segment, &came), 0);
    while (!came) {
        REQUIRE(test_await_readable((int)segb_client_fd(client), 10000));
        REQUIRE_INT(segb_client_dispatch(client), 0);
    }
    REQUIRE_INT(segb_id(came), segb_id(made));
    REQUIRE_INT(segb_access(came), SEGB_RO);
    segb_close(came);
    segb_close(made);
    segb_disconnect(client);
}
END_TEST

static void setup_tight(void)
{
    start("[default]\n"
          "grants = 2\n");
}

static Suite *ticket_suite(void)
{
    Suite *suite = suite_create("ticket");
    TCase *tests = suite_case(suite, "ticket", 60);
    TCase *tight = suite_case(suite, "tight", 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, ticket_leads_to_an_unnamed_segment);
    tcase_add_test(tests, nobody_offers_more_than_he_has);
    tcase_add_test(tests, ticket_of_a_segment_that_lost_its_name_is_good);
    tcase_add_test(tests, ticket_goes_with_its_segment);
    tcase_add_test(tests, ticket_expires);
    tcase_add_test(tests, segment_has_so_many_tickets);
    tcase_add_test(tests, uses_survive_the_broker_and_are_never_spent_twice);
    tcase_add_test(tests, guesses_are_limited);
    tcase_add_test(tests, no_log_line_has_a_secret);
    tcase_add_test(tests, another_user_redeems_what_he_may_not_open);
    tcase_add_test(tests, library_offers_and_redeems);
    tcase_add_test(tests, library_refuses_what_makes_no_sense);
    tcase_add_test(tests, library_offers_the_right_one_after_the_broker_died);
    tcase_add_test(tests, library_redeems_for_an_event_loop);
    tcase_add_checked_fixture(tight, setup_tight, teardown);
    tcase_add_test(tight, refusal_by_quota_spends_nothing);
    return suite;
}

int main(void)
{
    return suite_main(ticket_suite());
}
