/*
 * What the tests of messages share. JSON is written with ' in place of ".
 */
#ifndef SEGBROKER_TESTS_MESSAGE_FIXTURE_H
#define SEGBROKER_TESTS_MESSAGE_FIXTURE_H

#include "message.h"
#include "tests/support/runner.h"
#include "utf8.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = PROTOCOL_LINE_MAX };

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static struct buffer out;
static struct message_request request;
static struct message_reply reply;
static struct message_problem problem;

static inline void setup(void)
{
    buffer_init(&out, 4 * LINE);
    request = (struct message_request){0};
    reply = (struct message_reply){0};
    problem = (struct message_problem){0};
}

static inline void teardown(void)
{
    message_request_deinit(&request);
    message_reply_deinit(&reply);
    buffer_deinit(&out);
}

/* A copy of exactly that size, so that tools see a read behind its end. */
static inline char *json(const char *text, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);

    ck_assert_ptr_nonnull(copy);
    for (size_t i = 0; i < size; i++)
        copy[i] = (char)(text[i] == '\'' ? '"' : text[i]);
    return copy;
}

static inline int decode_bytes(const char *text, size_t size)
{
    char *line = json(text, size);
    int r;

    message_request_deinit(&request);
    problem.text[0] = '\0';
    r = message_request_decode(line, size, &request, &problem);
    if (r == MESSAGE_REFUSED || r == MESSAGE_MALFORMED) {
        ck_assert_ptr_null(request.document);
        ck_assert_str_ne(problem.text, "");
        ck_assert(utf8_valid(problem.text, strlen(problem.text)));
        ck_assert(!utf8_has_control(problem.text, strlen(problem.text)));
    }
    free(line);
    return r;
}

static inline int decode(const char *text)
{
    return decode_bytes(text, strlen(text));
}

static inline void expect_decoded(const char *text)
{
    int r = decode(text);

    ck_assert_msg(r == 0, "%s: %d, %s", text, r, problem.text);
}

static inline void expect_refused(const char *text, enum protocol_error error)
{
    ck_assert_msg(decode(text) == MESSAGE_REFUSED, "%s", text);
    ck_assert_msg(problem.error == error, "%s: %s, %s", text,
                  message_error_name(problem.error), problem.text);
    ck_assert(problem.has_id);
}

static inline void expect_malformed_bytes(const char *text, size_t size)
{
    ck_assert_msg(decode_bytes(text, size) == MESSAGE_MALFORMED, "%.*s",
                  (int)(size < 100 ? size : 100), text);
    ck_assert_int_eq(problem.error, PROTOCOL_BAD_REQUEST);
}

static inline void expect_malformed(const char *text)
{
    expect_malformed_bytes(text, strlen(text));
}

/* The buffer holds this line. Empties it. */
static inline void expect_written(const char *text)
{
    char *line = json(text, strlen(text));

    ck_assert_msg(out.size == strlen(text) + 1 &&
                      memcmp(out.data, line, out.size - 1) == 0,
                  "%.*sinstead of %s", (int)out.size, out.data, text);
    ck_assert_int_eq(out.data[out.size - 1], '\n');
    buffer_truncate(&out, 0);
    free(line);
}

static inline TCase *add_case(Suite *suite, const char *name)
{
    TCase *tests = tcase_create(name);

    tcase_add_checked_fixture(tests, setup, teardown);
    /* Sanitizers are slow. */
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return tests;
}

#endif
