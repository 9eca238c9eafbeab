/*
 * The words of the protocol, and what they stand for.
 */
#include "message.h"
#include "tests/support/runner.h"

#include <check.h>

START_TEST(every_word_stands_for_one_thing)
{
    enum protocol_op op;
    enum protocol_error error;
    enum protocol_access access;
    enum protocol_state state;
    enum protocol_log_level level;
    enum protocol_event event;
    enum protocol_pages pages;

    for (int i = 0; i < PROTOCOL_OPS; i++) {
        ck_assert_int_eq(
            message_op_parse(message_op_name((enum protocol_op)i), &op), 0);
        ck_assert_int_eq(op, i);
    }
    for (int i = PROTOCOL_BAD_REQUEST; i < PROTOCOL_ERRORS; i++) {
        ck_assert_int_eq(
            message_error_parse(message_error_name((enum protocol_error)i),
                                &error),
            0);
        ck_assert_int_eq(error, i);
    }
    for (int i = 0; i < PROTOCOL_ACCESSES; i++) {
        ck_assert_int_eq(
            message_access_parse(message_access_name((enum protocol_access)i),
                                 &access),
            0);
        ck_assert_int_eq(access, i);
    }
    for (int i = 0; i < PROTOCOL_STATES; i++) {
        ck_assert_int_eq(
            message_state_parse(message_state_name((enum protocol_state)i),
                                &state),
            0);
        ck_assert_int_eq(state, i);
    }
    for (int i = 0; i < PROTOCOL_LOG_LEVELS; i++) {
        ck_assert_int_eq(
            message_level_parse(message_level_name((enum protocol_log_level)i),
                                &level),
            0);
        ck_assert_int_eq(level, i);
    }
    for (int i = 0; i < PROTOCOL_EVENTS; i++) {
        ck_assert_int_eq(
            message_event_parse(message_event_name((enum protocol_event)i),
                                &event),
            0);
        ck_assert_int_eq(event, i);
    }
    for (int i = 0; i < PROTOCOL_PAGES_KINDS; i++) {
        ck_assert_int_eq(
            message_pages_parse(message_pages_name((enum protocol_pages)i),
                                &pages),
            0);
        ck_assert_int_eq(pages, i);
    }
}
END_TEST

START_TEST(unknown_words_stand_for_nothing)
{
    enum protocol_op op;
    enum protocol_error error;
    enum protocol_access access;
    enum protocol_state state;
    enum protocol_log_level level;
    enum protocol_event event;
    enum protocol_pages pages;

    ck_assert_int_eq(message_op_parse("", &op), -1);
    ck_assert_int_eq(message_error_parse("", &error), -1);
    ck_assert_int_eq(message_access_parse("RO", &access), -1);
    ck_assert_int_eq(message_state_parse("gone", &state), -1);
    ck_assert_int_eq(message_level_parse("loud", &level), -1);
    ck_assert_int_eq(message_event_parse("born", &event), -1);
    ck_assert_int_eq(message_pages_parse("2m", &pages), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("words");
    TCase *tests = tcase_create("words");

    tcase_add_test(tests, every_word_stands_for_one_thing);
    tcase_add_test(tests, unknown_words_stand_for_nothing);
    suite_add_tcase(suite, tests);
    return suite_main(suite);
}
