/*
 * The recorded exchanges of protocol/vectors, replayed through the codec:
 * every request reads as one or is refused as recorded, and every reply reads
 * and is written again just as recorded. PROTOCOL.md, "Recorded exchanges",
 * tells their form; its examples must stand in them.
 */
#include "message.h"
#include "tests/support/runner.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "protocol/vectors"
#define DOCUMENT "protocol/PROTOCOL.md"

enum { VECTORS_MAX = 200, NAME_MAX_SHOWN = 200, ROWS_MAX = 10 };

static struct vector {
    char path[NAME_MAX_SHOWN];
    char *text;
} vectors[VECTORS_MAX];
static int vector_count;

/* ---- files ---- */

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct buffer text;
    char bytes[4096];
    size_t size;

    ck_assert_msg(file != NULL, "%s cannot be read", path);
    buffer_init(&text, 1 << 20);
    while ((size = fread(bytes, 1, sizeof(bytes), file)) > 0)
        ck_assert_int_eq(buffer_add(&text, bytes, size), 0);
    fclose(file);
    ck_assert_int_eq(buffer_add(&text, "", 1), 0);
    return text.data;
}

static void load_vectors(void)
{
    DIR *folder = opendir(FOLDER);
    const struct dirent *entry;

    ck_assert_msg(folder != NULL, FOLDER " is not there: run at the top");
    while ((entry = readdir(folder)) != NULL) {
        struct vector *vector = &vectors[vector_count];

        if (entry->d_name[0] == '.')
            continue;
        ck_assert_int_lt(vector_count, VECTORS_MAX);
        ck_assert_int_lt(snprintf(vector->path, sizeof(vector->path),
                                  FOLDER "/%s", entry->d_name),
                         NAME_MAX_SHOWN);
        vector->text = read_file(vector->path);
        vector_count++;
    }
    closedir(folder);
}

static void free_vectors(void)
{
    while (vector_count > 0)
        free(vectors[--vector_count].text);
}

/* ---- one exchange ---- */

/* Where in which file, for messages. */
static const char *path;
static int line_number;

#define REQUIRE(condition)                                                     \
    ck_assert_msg(condition, "%s:%d: %s", path, line_number, #condition)

/* Puts something that fits in place of "<int>", "<str>" and "<any>". */
static char *fill_in(const char *line, size_t size)
{
    static const struct {
        const char *mark, *value;
    } marks[] = {
        {"\"<int>\"", "1"}, {"\"<str>\"", "\"x\""}, {"\"<any>\"", "[]"}};
    char *filled = malloc(size + 1), *end = filled;

    ck_assert_ptr_nonnull(filled);
    for (size_t i = 0; i < size;) {
        size_t m = 0;

        while (m < 3 && strncmp(line + i, marks[m].mark, 7) != 0)
            m++;
        if (m == 3) {
            *end++ = line[i++];
            continue;
        }
        memcpy(end, marks[m].value, strlen(marks[m].value));
        end += strlen(marks[m].value);
        i += 7;
    }
    *end = '\0';
    return filled;
}

static struct message_problem problem_of(const struct message_reply *reply)
{
    struct message_problem problem = {.has_id = reply->has_id,
                                      .id = reply->id,
                                      .has_item = reply->has_item,
                                      .item = (unsigned)reply->item,
                                      .error = reply->error};

    snprintf(problem.text, sizeof(problem.text), "%s", reply->text);
    return problem;
}

static int write_item(struct message_pager *pager,
                      const struct message_reply *reply, unsigned index)
{
    struct message_reply item;
    struct message_grant grant;
    struct message_problem problem;
    struct buffer text;
    int r;

    REQUIRE(message_reply_item(reply, index, &item) == 0);
    if (item.ok) {
        REQUIRE(message_reply_grant(&item, &grant) == 0);
        return message_page_add_grant(pager, &grant);
    }
    problem = problem_of(&item);
    buffer_init(&text, PROTOCOL_LINE_MAX);
    REQUIRE(message_item_problem_write(
                &text, &problem, item.has_detail ? &item.detail : NULL) == 0);
    r = message_page_add_problem(pager, &text);
    buffer_deinit(&text);
    return r;
}

static int write_rows(struct buffer *out, const struct message_reply *reply,
                      enum protocol_op op)
{
    struct message_pager pager;
    struct message_segment segment;
    struct message_budget budget;
    struct message_client client;
    int r = message_page_begin(&pager, out, reply->id, op);

    for (unsigned i = 0; i < message_reply_rows(reply) && r == 0; i++) {
        if (op == PROTOCOL_LIST) {
            REQUIRE(message_reply_segment(reply, i, &segment) == 0);
            r = message_page_add_segment(&pager, &segment);
        } else if (op == PROTOCOL_USAGE) {
            REQUIRE(message_reply_budget(reply, i, &budget) == 0);
            r = message_page_add_budget(&pager, &budget);
        } else if (op == PROTOCOL_CREATE || op == PROTOCOL_OPEN) {
            r = write_item(&pager, reply, i);
        } else {
            REQUIRE(message_reply_client(reply, i, &client) == 0);
            r = message_page_add_client(&pager, &client);
        }
    }
    return r < 0 ? r : message_page_end(&pager, message_reply_next(reply));
}

static int write_level(struct buffer *out, const struct message_reply *reply,
                       const char *line)
{
    for (int i = 0; i < PROTOCOL_LOG_LEVELS; i++)
        if (strstr(line, message_level_name((enum protocol_log_level)i)))
            return message_level_write(out, reply->id,
                                       (enum protocol_log_level)i);
    return -1;
}

static int write_ok(struct buffer *out, const struct message_reply *reply,
                    enum protocol_op op, const char *line)
{
    struct message_welcome welcome;
    struct message_grant grant;
    struct message_segment segment;
    struct message_ticket ticket;
    uint64_t watch;
    bool emptied;

    switch (op) {
    case PROTOCOL_HELLO:
        REQUIRE(message_reply_welcome(reply, &welcome) == 0);
        return message_welcome_write(out, reply->id, &welcome);
    case PROTOCOL_CREATE:
    case PROTOCOL_OPEN:
        if (message_reply_rows(reply) > 0)
            return write_rows(out, reply, op);
        /* fall through */
    case PROTOCOL_RECLAIM:
    case PROTOCOL_REDEEM:
        REQUIRE(message_reply_grant(reply, &grant) == 0);
        return message_grant_write(out, reply->id, &grant);
    case PROTOCOL_OFFER:
        REQUIRE(message_reply_ticket(reply, &ticket) == 0);
        return message_ticket_write(out, reply->id, &ticket);
    case PROTOCOL_WATCH:
        REQUIRE(message_reply_watch(reply, &watch) == 0);
        return message_watch_write(out, reply->id, watch);
    case PROTOCOL_REVOKE:
        REQUIRE(message_reply_revoked(reply, &emptied) == 0);
        return message_revoked_write(out, reply->id, emptied);
    case PROTOCOL_STAT:
        REQUIRE(message_reply_stat(reply, &segment) == 0);
        return message_stat_write(out, reply->id, &segment);
    case PROTOCOL_LIST:
    case PROTOCOL_USAGE:
    case PROTOCOL_CLIENTS:
        return write_rows(out, reply, op);
    case PROTOCOL_LOG_LEVEL:
        return write_level(out, reply, line);
    case PROTOCOL_STATS:
        /* Which counters there are is not recorded. */
        return buffer_add(out, line, strlen(line)) || buffer_add(out, "\n", 1);
    default:
        return message_ok_write(out, reply->id);
    }
}

static int write_error(struct buffer *out, const struct message_reply *reply)
{
    struct message_problem problem = problem_of(reply);

    return message_error_write(out, &problem,
                               reply->has_detail ? &reply->detail : NULL);
}

static void replay_reply(const struct message_reply *reply, enum protocol_op op,
                         const char *line)
{
    struct buffer out;
    int r;

    buffer_init(&out, PROTOCOL_LINE_MAX);
    r = reply->ok ? write_ok(&out, reply, op, line) : write_error(&out, reply);
    REQUIRE(r == 0);
    ck_assert_msg(out.size == strlen(line) + 1 &&
                      memcmp(out.data, line, out.size - 1) == 0,
                  "%s:%d: %s is written as %.*s", path, line_number, line,
                  (int)out.size, out.data);
    buffer_deinit(&out);
}

/* Which ops were asked for and granted. */
static bool granted[PROTOCOL_OPS];

/* One that is not answered. */
static void replay_quiet(const char *line, size_t size)
{
    struct message_request request;
    struct message_problem problem;

    REQUIRE(message_request_decode(line, size, &request, &problem) == 0);
    REQUIRE(request.quiet);
    message_request_deinit(&request);
}

static void replay_exchange(const char *request_line, size_t request_size,
                            const char *reply_line)
{
    struct message_request request;
    struct message_problem problem;
    struct message_reply reply;
    int r =
        message_request_decode(request_line, request_size, &request, &problem);

    REQUIRE(message_reply_decode(reply_line, strlen(reply_line), &reply) == 0);
    if (r == 0) {
        REQUIRE(reply.has_id && reply.id == request.id);
        replay_reply(&reply, request.op, reply_line);
        granted[request.op] = granted[request.op] || reply.ok;
        message_request_deinit(&request);
    } else {
        REQUIRE(r == MESSAGE_REFUSED || r == MESSAGE_MALFORMED);
        REQUIRE(!reply.ok && reply.error == problem.error);
        REQUIRE(reply.has_id == problem.has_id);
        REQUIRE(!reply.has_id || reply.id == problem.id);
        replay_reply(&reply, PROTOCOL_OPS, reply_line);
    }
    message_reply_deinit(&reply);
}

/* An event answers nothing, and stands behind a reply. */
static void replay_event(const char *line)
{
    struct message_reply reply;
    struct message_event event;
    struct buffer out;

    buffer_init(&out, PROTOCOL_LINE_MAX);
    REQUIRE(message_reply_decode(line, strlen(line), &reply) == 0);
    REQUIRE(reply.is_event && message_reply_event(&reply, &event) == 0);
    REQUIRE(message_event_write(&out, &event) == 0);
    ck_assert_msg(out.size == strlen(line) + 1 &&
                      memcmp(out.data, line, out.size - 1) == 0,
                  "%s:%d: %s is written as %.*s", path, line_number, line,
                  (int)out.size, out.data);
    message_reply_deinit(&reply);
    buffer_deinit(&out);
}

static void replay_vector(const struct vector *vector)
{
    const char *line = vector->text, *request = NULL;
    size_t size, request_size = 0;
    int exchanges = 0;

    path = vector->path;
    line_number = 1;
    for (; *line; line += size + 1, line_number++) {
        size = strcspn(line, "\n");
        REQUIRE(line[size] == '\n');
        if (size == 0 || *line == '#')
            continue;
        REQUIRE(size > 2 && line[1] == ' ');
        if (*line == '>') {
            if (request)
                replay_quiet(request, request_size);
            request = line + 2;
            request_size = size - 2;
        } else {
            char *reply = fill_in(line + 2, size - 2);

            REQUIRE(*line == '<' && (request || exchanges > 0));
            if (request)
                replay_exchange(request, request_size, reply);
            else
                replay_event(reply);
            free(reply);
            request = NULL;
            exchanges++;
        }
    }
    REQUIRE(request == NULL && exchanges > 0);
}

START_TEST(codec_reads_and_writes_what_was_recorded)
{
    ck_assert_int_gt(vector_count, 0);
    for (int i = 0; i < vector_count; i++)
        replay_vector(&vectors[i]);
    for (int i = 0; i < PROTOCOL_OPS; i++)
        ck_assert_msg(granted[i], "no vector shows %s granted",
                      message_op_name((enum protocol_op)i));
}
END_TEST

/* ---- the document ---- */

/* Whether these whole lines stand in some vector. */
static bool is_recorded(const char *lines, size_t size)
{
    char *part = malloc(size + 1);
    bool found = false;

    ck_assert_ptr_nonnull(part);
    memcpy(part, lines, size);
    part[size] = '\0';
    for (int i = 0; i < vector_count && !found; i++) {
        const char *at = strstr(vectors[i].text, part);

        found = at && (at == vectors[i].text || at[-1] == '\n');
    }
    free(part);
    return found;
}

START_TEST(examples_of_the_document_are_recorded)
{
    static const char begin[] = "\n```json\n", end[] = "\n```\n";
    char *text = read_file(DOCUMENT);
    const char *at = text, *close;
    int examples = 0;

    while ((at = strstr(at, begin)) != NULL) {
        at += strlen(begin);
        close = strstr(at, end);
        ck_assert_ptr_nonnull(close);
        ck_assert_msg(is_recorded(at, (size_t)(close - at) + 1),
                      "in no vector:\n%.*s", (int)(close - at), at);
        at = close;
        examples++;
    }
    ck_assert_int_ge(examples, PROTOCOL_OPS);
    free(text);
}
END_TEST

START_TEST(document_has_every_word)
{
    char *text = read_file(DOCUMENT);
    char word[40];

    for (int i = 0; i < PROTOCOL_OPS; i++) {
        snprintf(word, sizeof(word), "### `%s`\n",
                 message_op_name((enum protocol_op)i));
        ck_assert_msg(strstr(text, word), "%s", word);
    }
    for (int i = PROTOCOL_BAD_REQUEST; i < PROTOCOL_ERRORS; i++) {
        snprintf(word, sizeof(word), "| `%s` |",
                 message_error_name((enum protocol_error)i));
        ck_assert_msg(strstr(text, word), "%s", word);
    }
    for (int i = 0; i < PROTOCOL_STATES; i++) {
        snprintf(word, sizeof(word), "`%s`",
                 message_state_name((enum protocol_state)i));
        ck_assert_msg(strstr(text, word), "%s", word);
    }
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vectors");
    TCase *tests = tcase_create("vectors");

    tcase_add_checked_fixture(tests, load_vectors, free_vectors);
    tcase_add_test(tests, codec_reads_and_writes_what_was_recorded);
    tcase_add_test(tests, examples_of_the_document_are_recorded);
    tcase_add_test(tests, document_has_every_word);
    suite_add_tcase(suite, tests);
    return suite_main(suite);
}
