#include "tests/support/runner.h"
#include "ticket.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

enum { NOW = 1000 };

static struct tickets tickets;

static void teardown(void)
{
    tickets_clear(&tickets);
}

static struct ticket add(uint64_t uses, uint64_t expires_at)
{
    struct ticket ticket = {
        .access = PROTOCOL_RW, .uses = uses, .expires_at = expires_at};

    ck_assert_int_eq(tickets_add(&tickets, &ticket, NOW), 0);
    return ticket;
}

START_TEST(finds_the_ticket_of_a_secret)
{
    struct ticket first = add(1, NOW + 5), second = add(2, NOW + 9);
    const struct ticket *found = tickets_find(&tickets, second.secret, NOW);

    ck_assert_ptr_nonnull(found);
    ck_assert_uint_eq(found->uses, 2);
    ck_assert_ptr_nonnull(tickets_find(&tickets, first.secret, NOW + 4));
    ck_assert_ptr_null(tickets_find(&tickets, first.secret, NOW + 5));
    ck_assert_ptr_null(tickets_find(NULL, first.secret, NOW));
    first.secret[TICKET_SECRET_SIZE - 1] ^= 1;
    ck_assert_ptr_null(tickets_find(&tickets, first.secret, NOW));
}
END_TEST

START_TEST(no_secret_of_zeros_is_found)
{
    static const unsigned char zeros[TICKET_SECRET_SIZE];

    ck_assert_ptr_null(tickets_find(NULL, zeros, NOW));
    add(1, NOW + 1);
    ck_assert_ptr_null(tickets_find(&tickets, zeros, NOW));
}
END_TEST

START_TEST(dead_ones_make_room)
{
    struct ticket ticket = {.uses = 1, .expires_at = NOW + 9};

    for (int i = 0; i < PROTOCOL_TICKETS_MAX; i++)
        add(1, i == 7 ? NOW + 1 : NOW + 9);
    ck_assert_uint_eq(tickets_count(&tickets, NOW), PROTOCOL_TICKETS_MAX);
    ck_assert_int_eq(tickets_add(&tickets, &ticket, NOW), TICKETS_FULL);
    ck_assert_uint_eq(tickets_count(&tickets, NOW + 1),
                      PROTOCOL_TICKETS_MAX - 1);
    ck_assert_int_eq(tickets_add(&tickets, &ticket, NOW + 1), 0);
    tickets_bury(&tickets, NOW + 9);
    ck_assert_uint_eq(tickets.count, 0);
    ck_assert_ptr_null(tickets.list);
}
END_TEST

START_TEST(texts_say_what_was_written)
{
    struct ticket ticket = add(3, NOW + 7);
    unsigned char secret[TICKET_SECRET_SIZE];
    char text[PROTOCOL_TICKET_MAX + 1];
    char record[TICKET_RECORD_MAX];
    const struct ticket *found;
    uint64_t segment;

    ticket_write(&ticket, PROTOCOL_INTEGER_MAX, text);
    ck_assert_uint_eq(strlen(text), PROTOCOL_TICKET_MAX);
    ck_assert_int_eq(ticket_read(text, &segment, secret), 0);
    ck_assert_uint_eq(segment, PROTOCOL_INTEGER_MAX);
    ck_assert_mem_eq(secret, ticket.secret, sizeof(secret));
    ticket_record_write(&ticket, record);
    tickets_clear(&tickets);
    ck_assert_int_eq(tickets_restore(&tickets, record), 0);
    found = tickets_find(&tickets, ticket.secret, NOW);
    ck_assert_ptr_nonnull(found);
    ck_assert_uint_eq(found->uses, 3);
    ck_assert_uint_eq(found->expires_at, NOW + 7);
    ck_assert_int_eq(found->access, PROTOCOL_RW);
}
END_TEST

#define SECRET "00112233445566778899aabbccddeeff00112233445566778899aabbccddee"

START_TEST(what_is_no_ticket_is_refused)
{
    static const char *const bad[] = {"",
                                      "-",
                                      "1",
                                      "1-",
                                      "-" SECRET "ff",
                                      "1-" SECRET "f",
                                      "1-" SECRET "fff",
                                      "1-" SECRET "fF",
                                      "1-" SECRET "f ",
                                      "1x" SECRET "ff",
                                      " 1-" SECRET "ff",
                                      "99999999999999999999-" SECRET "ff"};
    static const char *const records[] = {"",
                                          "1 2 ro",
                                          "1 2 no " SECRET "ff",
                                          "1 2 " SECRET "ff",
                                          "1 2 readonly " SECRET "ff",
                                          "x 2 ro " SECRET "ff"};
    unsigned char secret[TICKET_SECRET_SIZE];
    uint64_t segment;

    ck_assert_int_eq(ticket_read("1-" SECRET "ff", &segment, secret), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(ticket_read(bad[i], &segment, secret) < 0, "%s", bad[i]);
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
        ck_assert_int_lt(tickets_restore(&tickets, records[i]), 0);
}
END_TEST

START_TEST(ten_guesses_and_one_a_second)
{
    struct ticket_guesses guesses = {0};

    for (int i = 0; i < 10; i++) {
        ck_assert(ticket_guess_allowed(&guesses, 5000));
        ticket_guess_failed(&guesses, 5000);
    }
    ck_assert(!ticket_guess_allowed(&guesses, 5999));
    ck_assert(ticket_guess_allowed(&guesses, 6000));
    ticket_guess_failed(&guesses, 6000);
    ck_assert(!ticket_guess_allowed(&guesses, 6000));
    ck_assert(ticket_guess_allowed(&guesses, 100000));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ticket");
    TCase *tests = tcase_create("ticket");

    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_add_test(tests, finds_the_ticket_of_a_secret);
    tcase_add_test(tests, no_secret_of_zeros_is_found);
    tcase_add_test(tests, dead_ones_make_room);
    tcase_add_test(tests, texts_say_what_was_written);
    tcase_add_test(tests, what_is_no_ticket_is_refused);
    tcase_add_test(tests, ten_guesses_and_one_a_second);
    suite_add_tcase(suite, tests);
    return suite_main(suite);
}
