/*
 * The words of the protocol, and what they stand for.
 */
#include "message.h"
#include "tests/support/runner.h"

#include <check.h>

/* Each of a kind's words, from the first on, reads as what it was written for.
 */
#define EXPECT_WORDS(kind, name, first, end)                                   \
    do {                                                                       \
        for (int i = (first); i < (end); i++) {                                \
            enum protocol_##kind read;                                         \
            ck_assert_int_eq(                                                  \
                message_##name##_parse(                                        \
                    message_##name##_name((enum protocol_##kind)i), &read),    \
                0);                                                            \
            ck_assert_int_eq(read, i);                                         \
        }                                                                      \
    } while (0)

START_TEST(every_word_stands_for_one_thing)
{
    EXPECT_WORDS(op, op, 0, PROTOCOL_OPS);
    EXPECT_WORDS(error, error, PROTOCOL_BAD_REQUEST, PROTOCOL_ERRORS);
    EXPECT_WORDS(access, access, 0, PROTOCOL_ACCESSES);
    EXPECT_WORDS(state, state, 0, PROTOCOL_STATES);
    EXPECT_WORDS(log_level, level, 0, PROTOCOL_LOG_LEVELS);
    EXPECT_WORDS(event, event, 0, PROTOCOL_EVENTS);
    EXPECT_WORDS(pages, pages, 0, PROTOCOL_PAGES_KINDS);
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
