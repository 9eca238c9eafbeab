/*
 * Handles are numbers here; the teardown asserts that each one fed in was
 * claimed or disposed of, once.
 */
#include "frame.h"
#include "protocol.h"
#include "tests/support/runner.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { HANDLES = 1000, LINE = PROTOCOL_LINE_MAX };

static struct frame_reader reader;
static unsigned fed[HANDLES];
static unsigned given_up[HANDLES]; /* claimed or disposed of */
static unsigned disposed;
static frame_handle last_handle;

static void dispose(frame_handle handle)
{
    ck_assert_int_gt(handle, 0);
    ck_assert_int_lt(handle, HANDLES);
    given_up[handle]++;
    disposed++;
}

static void setup(void)
{
    memset(fed, 0, sizeof(fed));
    memset(given_up, 0, sizeof(given_up));
    disposed = 0;
    last_handle = 0;
    frame_reader_init(&reader, dispose);
}

static void teardown(void)
{
    frame_reader_deinit(&reader);
    for (int i = 0; i < HANDLES; i++)
        ck_assert_uint_eq(given_up[i], fed[i]);
    ck_assert_ptr_null(reader.kept);
}

/* ---- lines ---- */

static void feed(const char *text)
{
    frame_reader_feed(&reader, text, strlen(text));
}

static void expect_line(const char *expected)
{
    const char *line;
    size_t size;

    ck_assert_int_eq(frame_reader_next(&reader, &line, &size), FRAME_LINE);
    ck_assert_uint_eq(size, strlen(expected));
    ck_assert_int_eq(memcmp(line, expected, size), 0);
}

static void expect_answer(int expected)
{
    const char *line;
    size_t size;

    ck_assert_int_eq(frame_reader_next(&reader, &line, &size), expected);
}

/* `size` bytes, the newline included if there is one. */
static char *make_line(size_t size, bool newline)
{
    char *bytes = malloc(size);

    ck_assert_ptr_nonnull(bytes);
    memset(bytes, 'x', size);
    if (newline)
        bytes[size - 1] = '\n';
    return bytes;
}

START_TEST(gives_every_line_of_one_feed)
{
    feed("one\ntwo\n\nfour\n");
    expect_line("one");
    expect_line("two");
    expect_line("");
    expect_line("four");
    expect_answer(FRAME_AGAIN);
    ck_assert_int_eq(frame_reader_keep(&reader), 0);
    expect_answer(FRAME_AGAIN);
}
END_TEST

START_TEST(gives_lines_without_copying_them)
{
    static const char text[] = "one\ntwo\n";
    const char *line;
    size_t size;

    feed(text);
    ck_assert_int_eq(frame_reader_next(&reader, &line, &size), FRAME_LINE);
    ck_assert_ptr_eq(line, text);
    ck_assert_int_eq(frame_reader_next(&reader, &line, &size), FRAME_LINE);
    ck_assert_ptr_eq(line, text + 4);
    expect_answer(FRAME_AGAIN);
    ck_assert_int_eq(frame_reader_keep(&reader), 0);
    ck_assert_ptr_null(reader.kept);
}
END_TEST

START_TEST(puts_a_line_together_byte_by_byte)
{
    static const char text[] = "hello\nworld\n";
    char byte;

    for (size_t i = 0; i + 1 < sizeof(text); i++) {
        byte = text[i];
        frame_reader_feed(&reader, &byte, 1);
        if (byte == '\n')
            expect_line(i == 5 ? "hello" : "world");
        expect_answer(FRAME_AGAIN);
        ck_assert_int_eq(frame_reader_keep(&reader), 0);
        byte = '#';
    }
    ck_assert_ptr_null(reader.kept);
}
END_TEST

START_TEST(puts_the_longest_line_together_byte_by_byte)
{
    char *bytes = make_line(LINE, true);
    const char *line;
    size_t size;

    for (int i = 0; i < LINE; i++) {
        frame_reader_feed(&reader, bytes + i, 1);
        if (i < LINE - 1)
            expect_answer(FRAME_AGAIN);
        else
            ck_assert_int_eq(frame_reader_next(&reader, &line, &size),
                             FRAME_LINE);
        ck_assert_int_eq(frame_reader_keep(&reader), 0);
    }
    ck_assert_uint_eq(size, LINE - 1);
    free(bytes);
}
END_TEST

START_TEST(keeps_a_part_when_the_lender_reuses_its_buffer)
{
    char lent[16] = "one\ntw";

    feed(lent);
    expect_line("one");
    expect_answer(FRAME_AGAIN);
    ck_assert_int_eq(frame_reader_keep(&reader), 0);
    memcpy(lent, "o\nthree\nfo", sizeof("o\nthree\nfo"));
    feed(lent);
    expect_line("two");
    expect_line("three");
    expect_answer(FRAME_AGAIN);
    ck_assert_int_eq(frame_reader_keep(&reader), 0);
    memcpy(lent, "ur\n", sizeof("ur\n"));
    feed(lent);
    expect_line("four");
    expect_answer(FRAME_AGAIN);
}
END_TEST

START_TEST(keeps_whole_lines_that_were_not_asked_for)
{
    char lent[32] = "one\ntwo\nthree\nfo";

    feed(lent);
    expect_line("one");
    ck_assert_int_eq(frame_reader_keep(&reader), 0);
    memset(lent, '#', sizeof(lent));
    expect_line("two");
    ck_assert_int_eq(frame_reader_keep(&reader), 0);
    expect_line("three");
    expect_answer(FRAME_AGAIN);
    memcpy(lent, "ur\nfive\n", sizeof("ur\nfive\n"));
    feed(lent);
    expect_line("four");
    expect_line("five");
    expect_answer(FRAME_AGAIN);
    ck_assert_int_eq(frame_reader_keep(&reader), 0);
    ck_assert_ptr_null(reader.kept);
}
END_TEST

START_TEST(keeps_a_whole_buffer_behind_the_longest_part)
{
    char *part = make_line(LINE - 1, false);
    char *lines = malloc(LINE);
    const char *line;
    size_t size;

    ck_assert_ptr_nonnull(lines);
    memset(lines, '\n', LINE);
    frame_reader_feed(&reader, part, LINE - 1);
    expect_answer(FRAME_AGAIN);
    ck_assert_int_eq(frame_reader_keep(&reader), 0);
    frame_reader_feed(&reader, lines, LINE);
    ck_assert_int_eq(frame_reader_keep(&reader), 0);
    free(part);
    free(lines);
    ck_assert_int_eq(frame_reader_next(&reader, &line, &size), FRAME_LINE);
    ck_assert_uint_eq(size, LINE - 1);
    for (int i = 1; i < LINE; i++)
        expect_line("");
    expect_answer(FRAME_AGAIN);
}
END_TEST

START_TEST(gives_bytes_as_they_are)
{
    static const char bytes[] = "\0\xff{\r\n";
    const char *line;
    size_t size;

    frame_reader_feed(&reader, bytes, sizeof(bytes) - 1);
    ck_assert_int_eq(frame_reader_next(&reader, &line, &size), FRAME_LINE);
    ck_assert_uint_eq(size, 4);
    ck_assert_int_eq(memcmp(line, bytes, 4), 0);
}
END_TEST

START_TEST(gives_frame_at_limit)
{
    char *bytes = make_line(LINE, true);
    const char *line;
    size_t size;

    frame_reader_feed(&reader, bytes, LINE);
    ck_assert_int_eq(frame_reader_next(&reader, &line, &size), FRAME_LINE);
    ck_assert_uint_eq(size, LINE - 1);
    free(bytes);
}
END_TEST

START_TEST(refuses_frame_above_limit)
{
    char *bytes = make_line(LINE, false);

    frame_reader_feed(&reader, bytes, LINE);
    expect_answer(FRAME_E_TOO_LONG);
    expect_answer(FRAME_E_TOO_LONG);
    ck_assert_int_eq(frame_reader_keep(&reader), 0);
    expect_answer(FRAME_E_TOO_LONG);
    free(bytes);
}
END_TEST

/* The part came in an earlier feed; with the newline it is a byte too long. */
START_TEST(refuses_frame_above_limit_in_parts)
{
    char *bytes = make_line(LINE - 1, false);
    size_t rest = (size_t)_i; /* 0: no newline, 1: behind it */

    frame_reader_feed(&reader, bytes, LINE - 1);
    expect_answer(FRAME_AGAIN);
    ck_assert_int_eq(frame_reader_keep(&reader), 0);
    frame_reader_feed(&reader, "x\n", 1 + rest);
    expect_answer(FRAME_E_TOO_LONG);
    expect_answer(FRAME_E_TOO_LONG);
    ck_assert_int_eq(frame_reader_keep(&reader), 0);
    expect_answer(FRAME_E_TOO_LONG);
    free(bytes);
}
END_TEST

START_TEST(gives_lines_before_one_that_is_too_long)
{
    char *bytes = make_line(LINE, false);

    bytes[3] = bytes[6] = '\n';
    frame_reader_feed(&reader, bytes, LINE);
    expect_line("xxx");
    expect_line("xx");
    expect_answer(FRAME_AGAIN);
    ck_assert_int_eq(frame_reader_keep(&reader), 0);
    frame_reader_feed(&reader, "xxxxxxxxx", 9);
    expect_answer(FRAME_E_TOO_LONG);
    free(bytes);
}
END_TEST

START_TEST(endless_line_takes_no_more_than_one_buffer)
{
    char *bytes = make_line(LINE / 2, false);
    int answer = FRAME_AGAIN;
    const char *line;
    size_t size;

    for (int i = 0; i < 5 && answer == FRAME_AGAIN; i++) {
        frame_reader_feed(&reader, bytes, LINE / 2);
        answer = frame_reader_next(&reader, &line, &size);
        ck_assert_int_eq(frame_reader_keep(&reader), 0);
    }
    ck_assert_int_eq(answer, FRAME_E_TOO_LONG);
    ck_assert_uint_le(reader.kept->bytes.capacity, 2 * LINE);
    free(bytes);
}
END_TEST

/* ---- handles ---- */

static int feed_batch(unsigned count, bool truncated)
{
    frame_handle handles[PROTOCOL_HANDLES_MAX];

    for (unsigned i = 0; i < count; i++) {
        handles[i] = ++last_handle;
        fed[last_handle]++;
    }
    return frame_reader_feed_handles(&reader, handles, count, truncated);
}

static void expect_handle(uint64_t index, frame_handle expected)
{
    frame_handle handle = 0;

    ck_assert_int_eq(frame_reader_claim(&reader, index, &handle), 0);
    ck_assert_int_eq(handle, expected);
    given_up[handle]++;
}

static void expect_lost(uint64_t index)
{
    frame_handle handle = 77;

    ck_assert_int_eq(frame_reader_claim(&reader, index, &handle), FRAME_LOST);
    ck_assert_int_eq(handle, 77);
}

START_TEST(index_0_opens_the_next_batch)
{
    ck_assert_int_eq(feed_batch(2, false), 0); /* 1 2 */
    ck_assert_int_eq(feed_batch(3, false), 0); /* 3 4 5 */
    expect_handle(0, 1);
    expect_handle(1, 2);
    expect_handle(0, 3);
    expect_handle(1, 4);
    expect_handle(2, 5);
    ck_assert_uint_eq(disposed, 0);
}
END_TEST

START_TEST(opening_a_batch_disposes_of_what_is_left_of_the_last)
{
    ck_assert_int_eq(feed_batch(3, false), 0);
    ck_assert_int_eq(feed_batch(1, false), 0);
    expect_handle(0, 1);
    expect_handle(0, 4);
    ck_assert_uint_eq(disposed, 2);
}
END_TEST

START_TEST(a_handle_is_given_once)
{
    ck_assert_int_eq(feed_batch(2, false), 0);
    expect_handle(0, 1);
    expect_handle(1, 2);
    expect_lost(1);
}
END_TEST

START_TEST(handles_need_not_be_claimed_in_order)
{
    ck_assert_int_eq(feed_batch(3, false), 0);
    expect_handle(0, 1);
    expect_handle(2, 3);
    expect_handle(1, 2);
}
END_TEST

START_TEST(handle_that_never_came_is_lost)
{
    expect_lost(0);
    expect_lost(1);
    ck_assert_int_eq(feed_batch(1, false), 0);
    expect_lost(1); /* no batch is open yet */
    expect_handle(0, 1);
    expect_lost(1);
    expect_lost(UINT64_MAX);
}
END_TEST

START_TEST(handles_lost_in_truncation_do_not_shift_to_other_batches)
{
    ck_assert_int_eq(feed_batch(1, true), 0);  /* 1, of three */
    ck_assert_int_eq(feed_batch(0, true), 0);  /* none of two */
    ck_assert_int_eq(feed_batch(2, false), 0); /* 2 3 */
    expect_handle(0, 1);
    expect_lost(1);
    expect_lost(2);
    expect_lost(0);
    expect_lost(1);
    expect_handle(0, 2);
    expect_handle(1, 3);
}
END_TEST

START_TEST(message_without_handles_is_no_batch)
{
    ck_assert_int_eq(feed_batch(0, false), 0);
    ck_assert_int_eq(feed_batch(1, false), 0);
    expect_handle(0, 1);
}
END_TEST

START_TEST(stray_handles_are_disposed_of_when_all_was_read)
{
    feed("one\ntw");
    ck_assert_int_eq(feed_batch(2, false), 0);
    ck_assert_int_eq(feed_batch(1, false), 0);
    expect_line("one");
    frame_reader_drop_unclaimed(&reader);
    ck_assert_uint_eq(disposed, 0); /* "tw" may still name them */
    expect_answer(FRAME_AGAIN);
    ck_assert_int_eq(frame_reader_keep(&reader), 0);
    frame_reader_drop_unclaimed(&reader);
    ck_assert_uint_eq(disposed, 0);
    feed("o\n");
    expect_line("two");
    ck_assert_int_eq(frame_reader_keep(&reader), 0);
    frame_reader_drop_unclaimed(&reader);
    ck_assert_uint_eq(disposed, 3);
    ck_assert_uint_eq(reader.waiting_count, 0);
}
END_TEST

START_TEST(handles_wait_for_a_line_that_comes_later)
{
    ck_assert_int_eq(feed_batch(1, false), 0);
    feed("par");
    expect_answer(FRAME_AGAIN);
    ck_assert_int_eq(frame_reader_keep(&reader), 0);
    feed("t\n");
    expect_line("part");
    expect_handle(0, 1);
}
END_TEST

START_TEST(refuses_too_many_batches_and_disposes_of_the_last)
{
    for (int i = 0; i < FRAME_BATCHES_MAX; i++)
        ck_assert_int_eq(feed_batch(2, false), 0);
    ck_assert_int_eq(feed_batch(2, false), FRAME_E_TOO_MANY);
    ck_assert_uint_eq(disposed, 2);
    ck_assert_int_eq(feed_batch(0, true), FRAME_E_TOO_MANY);
    /* The others are as they were, and claiming makes room. */
    expect_handle(0, 1);
    ck_assert_int_eq(feed_batch(1, false), 0);
    for (int i = 1; i < FRAME_BATCHES_MAX; i++)
        expect_handle(0, 2 * i + 1);
    expect_handle(0, 2 * FRAME_BATCHES_MAX + 3);
}
END_TEST

START_TEST(takes_as_many_handles_as_a_message_carries)
{
    ck_assert_int_eq(feed_batch(PROTOCOL_HANDLES_MAX, false), 0);
    for (unsigned i = 0; i < PROTOCOL_HANDLES_MAX; i++)
        expect_handle(i, i + 1);
}
END_TEST

START_TEST(its_end_disposes_of_every_unclaimed_handle)
{
    feed("unread\n");
    ck_assert_int_eq(feed_batch(3, false), 0);
    ck_assert_int_eq(feed_batch(2, false), 0);
    expect_handle(0, 1);
    frame_reader_deinit(&reader);
    ck_assert_uint_eq(disposed, 4);
}
END_TEST

static void add_line_tests(Suite *suite)
{
    TCase *tests = tcase_create("lines");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, gives_every_line_of_one_feed);
    tcase_add_test(tests, gives_lines_without_copying_them);
    tcase_add_test(tests, puts_a_line_together_byte_by_byte);
    tcase_add_test(tests, puts_the_longest_line_together_byte_by_byte);
    tcase_add_test(tests, keeps_a_part_when_the_lender_reuses_its_buffer);
    tcase_add_test(tests, keeps_whole_lines_that_were_not_asked_for);
    tcase_add_test(tests, keeps_a_whole_buffer_behind_the_longest_part);
    tcase_add_test(tests, gives_bytes_as_they_are);
    tcase_add_test(tests, gives_frame_at_limit);
    tcase_add_test(tests, refuses_frame_above_limit);
    tcase_add_loop_test(tests, refuses_frame_above_limit_in_parts, 0, 2);
    tcase_add_test(tests, gives_lines_before_one_that_is_too_long);
    tcase_add_test(tests, endless_line_takes_no_more_than_one_buffer);
    suite_add_tcase(suite, tests);
}

static void add_handle_tests(Suite *suite)
{
    TCase *tests = tcase_create("handles");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, index_0_opens_the_next_batch);
    tcase_add_test(tests, opening_a_batch_disposes_of_what_is_left_of_the_last);
    tcase_add_test(tests, a_handle_is_given_once);
    tcase_add_test(tests, handles_need_not_be_claimed_in_order);
    tcase_add_test(tests, handle_that_never_came_is_lost);
    tcase_add_test(tests,
                   handles_lost_in_truncation_do_not_shift_to_other_batches);
    tcase_add_test(tests, message_without_handles_is_no_batch);
    tcase_add_test(tests, stray_handles_are_disposed_of_when_all_was_read);
    tcase_add_test(tests, handles_wait_for_a_line_that_comes_later);
    tcase_add_test(tests, refuses_too_many_batches_and_disposes_of_the_last);
    tcase_add_test(tests, takes_as_many_handles_as_a_message_carries);
    tcase_add_test(tests, its_end_disposes_of_every_unclaimed_handle);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    Suite *suite = suite_create("frame");

    add_line_tests(suite);
    add_handle_tests(suite);
    return suite_main(suite);
}
