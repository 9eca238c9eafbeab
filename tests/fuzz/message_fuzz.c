/*
 * Any bytes, taken for a request and for a reply. What is understood must
 * come back the same when it is written and read again.
 */
#include "json.h"
#include "message.h"
#include "plain.h"
#include "utf8.h"

#include <string.h>

static void require(bool condition)
{
    if (!condition)
        __builtin_trap();
}

/* ---- trees ---- */

/* What is read at once is what cJSON reads. */
static void check_plain(const char *line, size_t size)
{
    cJSON *plain = plain_parse(line, size), *odd;
    const char *problem;

    if (!plain)
        return;
    odd = json_parse_any(line, size, &problem);
    require(odd != NULL);
    require(cJSON_Compare(plain, odd, true));
    json_free(odd);
    json_free(plain);
}

/* ---- requests ---- */

static void check_problem(const struct message_problem *problem)
{
    struct message_reply reply;
    struct buffer line;

    require(problem->error > 0 && problem->error < PROTOCOL_ERRORS);
    require(problem->text[0] != '\0');
    require(utf8_valid(problem->text, strlen(problem->text)));
    require(!utf8_has_control(problem->text, strlen(problem->text)));
    buffer_init(&line, PROTOCOL_LINE_MAX);
    require(message_error_write(&line, problem, NULL) == 0);
    require(message_reply_decode(line.data, line.size - 1, &reply) == 0);
    require(!reply.ok && reply.error == problem->error);
    require(strcmp(reply.text, problem->text) == 0);
    message_reply_deinit(&reply);
    buffer_deinit(&line);
}

static void check_request(const struct message_request *request)
{
    struct message_request again;
    struct message_problem problem;
    struct buffer first, second;

    buffer_init(&first, 4 * PROTOCOL_LINE_MAX);
    buffer_init(&second, 4 * PROTOCOL_LINE_MAX);
    require(message_request_write(&first, request) == 0);
    require(memchr(first.data, '\n', first.size) ==
            first.data + first.size - 1);
    require(message_request_decode(first.data, first.size - 1, &again,
                                   &problem) == 0);
    require(again.op == request->op && again.id == request->id);
    require(message_request_write(&second, &again) == 0);
    require(second.size == first.size);
    require(memcmp(second.data, first.data, first.size) == 0);
    message_request_deinit(&again);
    buffer_deinit(&first);
    buffer_deinit(&second);
}

static void check_items(struct message_request *request)
{
    struct message_request item;
    struct message_problem problem;
    unsigned count = 0;
    int r;

    while ((r = message_request_next_item(request, &item, &problem)) !=
           MESSAGE_MALFORMED) {
        require(r == 0 || r == MESSAGE_REFUSED);
        if (r == 0)
            check_request(&item);
        else
            check_problem(&problem);
        count++;
    }
    require(count == request->item_count);
}

static void read_request(const char *line, size_t size)
{
    struct message_request request;
    struct message_problem problem;

    switch (message_request_decode(line, size, &request, &problem)) {
    case 0:
        if (request.item_count > 0)
            check_items(&request);
        else
            check_request(&request);
        message_request_deinit(&request);
        break;
    case MESSAGE_REFUSED:
        require(problem.has_id);
        check_problem(&problem);
        break;
    case MESSAGE_MALFORMED:
        require(problem.error == PROTOCOL_BAD_REQUEST);
        check_problem(&problem);
        break;
    default:
        require(false);
    }
}

/* ---- replies ---- */

static void check_grant(const struct message_reply *reply)
{
    struct message_grant grant, again;
    struct message_reply second;
    struct buffer line;

    if (message_reply_grant(reply, &grant) != 0)
        return;
    buffer_init(&line, PROTOCOL_LINE_MAX);
    require(message_grant_write(&line, reply->id, &grant) == 0);
    require(message_reply_decode(line.data, line.size - 1, &second) == 0);
    require(message_reply_grant(&second, &again) == 0);
    require(again.segment == grant.segment && again.access == grant.access);
    message_reply_deinit(&second);
    buffer_deinit(&line);
}

static void check_stat(const struct message_reply *reply)
{
    struct message_segment segment, again;
    struct message_reply second;
    struct buffer line;

    if (message_reply_stat(reply, &segment) != 0)
        return;
    buffer_init(&line, 8 * PROTOCOL_LINE_MAX);
    require(message_stat_write(&line, reply->id, &segment) == 0);
    require(message_reply_decode(line.data, line.size - 1, &second) == 0);
    require(message_reply_stat(&second, &again) == 0);
    require(strcmp(again.owner, segment.owner) == 0);
    require((again.name == NULL) == (segment.name == NULL));
    message_reply_deinit(&second);
    buffer_deinit(&line);
}

static void check_event(const struct message_reply *reply)
{
    struct message_event event, again;
    struct message_reply second;
    struct buffer line;

    if (message_reply_event(reply, &event) != 0 ||
        event.event == PROTOCOL_EVENTS)
        return;
    buffer_init(&line, 8 * PROTOCOL_LINE_MAX);
    require(message_event_write(&line, &event) == 0);
    require(message_reply_decode(line.data, line.size - 1, &second) == 0);
    require(second.is_event && message_reply_event(&second, &again) == 0);
    require(again.event == event.event && again.watch == event.watch);
    require(again.segment == event.segment && again.frozen == event.frozen);
    require((again.name == NULL) == (event.name == NULL));
    message_reply_deinit(&second);
    buffer_deinit(&line);
}

static void read_welcome(const struct message_reply *reply)
{
    struct message_welcome welcome;

    if (message_reply_welcome(reply, &welcome) != 0)
        return;
    require(welcome.server && welcome.you);
    for (unsigned i = 0; i < welcome.feature_count; i++)
        if (!message_reply_feature(reply, i))
            return;
    require(!message_reply_feature(reply, welcome.feature_count));
}

/* A row is looked for from the front each time: not all of a long page. */
enum { ROWS_READ = 100 };

static void read_rows(const struct message_reply *reply)
{
    struct message_segment segment;
    struct message_budget budget;
    struct message_client client;
    struct message_counter counter;
    unsigned rows = message_reply_rows(reply);

    for (unsigned i = 0; i <= rows && i < ROWS_READ; i++) {
        bool read = message_reply_segment(reply, i, &segment) == 0;

        read = message_reply_budget(reply, i, &budget) == 0 || read;
        read = message_reply_client(reply, i, &client) == 0 || read;
        read = message_reply_counter(reply, i, &counter) == 0 || read;
        require(i < rows || !read);
    }
    message_reply_next(reply);
}

static void read_items(const struct message_reply *reply)
{
    struct message_reply item;

    for (unsigned i = 0; message_reply_item(reply, i, &item) == 0; i++) {
        require(item.ok || item.text != NULL);
        check_grant(&item);
    }
}

static void read_reply(const char *line, size_t size)
{
    struct message_reply reply;

    if (message_reply_decode(line, size, &reply) != 0)
        return;
    if (reply.is_event)
        check_event(&reply);
    else
        require(reply.ok ? reply.has_id : reply.text != NULL);
    check_grant(&reply);
    check_stat(&reply);
    read_welcome(&reply);
    read_rows(&reply);
    read_items(&reply);
    message_reply_deinit(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_plain((const char *)data, size);
    read_request((const char *)data, size);
    read_reply((const char *)data, size);
    return 0;
}
