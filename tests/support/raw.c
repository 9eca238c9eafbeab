#include "raw.h"

#include "memory.h"
#include "process.h"
#include "raw_system.h"
#include "suite.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- connection ---- */

static void raw_init(struct raw *raw)
{
    memset(raw, 0, sizeof(*raw));
    raw->fd = -1;
}

bool raw_try_connect(struct raw *raw, const char *path)
{
    raw_init(raw);
    raw->fd = raw_system_connect(path);
    return raw->fd >= 0;
}

void raw_connect(struct raw *raw, const char *socket)
{
    if (!raw_try_connect(raw, socket))
        FAIL("nobody listens at %s", socket);
}

void raw_open(struct raw *raw, const char *socket)
{
    raw_connect(raw, socket);
    raw_ask(raw, "{'id':0,'op':'hello','version':1,'client':'test/1'}");
    REQUIRE_STR(raw_outcome(raw), "ok");
}

void raw_open_as(struct raw *raw, const char *socket, uint32_t user,
                 uint32_t group)
{
    /* The kernel notes a peer's identity when it connects. */
    test_act_as(user, group);
    bool connected = raw_try_connect(raw, socket);
    test_act_as_self();
    REQUIRE(connected);
    raw_ask(raw, "{'id':0,'op':'hello','version':1,'client':'test/1'}");
    REQUIRE_STR(raw_outcome(raw), "ok");
}

struct raw_batch *raw_batch_free(struct raw_batch *batch)
{
    if (!batch)
        return NULL;
    struct raw_batch *next = batch->next;
    for (unsigned i = 0; i < batch->count; i++) {
        if (batch->descriptors[i] >= 0)
            test_close(batch->descriptors[i]);
    }
    free(batch);
    return next;
}

void raw_close(struct raw *raw)
{
    raw_system_note(raw, NULL);
    if (raw->fd >= 0)
        raw_system_close(raw->fd);
    if (raw->has_reply)
        message_reply_deinit(&raw->reply);
    raw_batch_free(raw->current);
    while (raw->waiting)
        raw->waiting = raw_batch_free(raw->waiting);
    free(raw->data);
    raw_init(raw);
}

bool raw_answers(const char *socket)
{
    static const char hello[] = "{\"id\":1,\"op\":\"hello\",\"version\":1}\n";
    struct raw probe;
    bool answers = false;
    if (!raw_try_connect(&probe, socket))
        return false;
    /* One that hangs up has answered too. */
    if (raw_system_send(probe.fd, hello, sizeof(hello) - 1) != 0)
        answers = raw_system_wait(probe.fd, false, 1000);
    raw_close(&probe);
    return answers;
}

/* ---- sending ---- */

long raw_send_some(struct raw *raw, const void *bytes, size_t size)
{
    return raw_system_send(raw->fd, bytes, size);
}

bool raw_send(struct raw *raw, const void *bytes, size_t size)
{
    const char *rest = bytes;
    while (size > 0) {
        long sent = raw_send_some(raw, rest, size);
        if (sent < 0 ||
            (sent == 0 && !raw_system_wait(raw->fd, true, RAW_DEADLINE_MS)))
            return false;
        rest += sent;
        size -= (size_t)sent;
    }
    return true;
}

bool raw_send_with(struct raw *raw, const void *bytes, size_t size,
                   const int *descriptors, unsigned count)
{
    REQUIRE(count > 0 && count <= RAW_BATCH_MAX);
    if (!raw_system_wait(raw->fd, true, RAW_DEADLINE_MS))
        return false;
    long sent = raw_system_send_with(raw->fd, bytes, size, descriptors, count);
    return sent > 0 &&
           raw_send(raw, (const char *)bytes + sent, size - (size_t)sent);
}

/* The text with " for ', and a newline behind it; free it. */
static char *compose(const char *format, va_list arguments, size_t *size)
{
    char *text = NULL;
    int written = vasprintf(&text, format, arguments);
    REQUIRE(written >= 0);
    for (char *c = text; *c; c++) {
        if (*c == '\'')
            *c = '"';
    }
    text[written] = '\n'; /* over the NUL: `size` says where it ends */
    *size = (size_t)written + 1;
    return text;
}

static void say(struct raw *raw, const char *format, va_list arguments)
{
    size_t size;
    char *line = compose(format, arguments, &size);
    bool sent = raw_send(raw, line, size);
    free(line);
    REQUIRE(sent);
}

void raw_say(struct raw *raw, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(raw, format, arguments);
    va_end(arguments);
}

/* ---- receiving ---- */

/* Reads what is there; waits until something is. */
static void receive(struct raw *raw)
{
    if (raw->capacity - raw->size < 4096) {
        raw->capacity = raw->capacity * 2 + 8192;
        raw->data = realloc(raw->data, raw->capacity);
        REQUIRE(raw->data != NULL);
    }
    raw_system_receive(raw);
}

static void drop_taken(struct raw *raw)
{
    memmove(raw->data, raw->data + raw->taken, raw->size - raw->taken);
    raw->size -= raw->taken;
    raw->taken = 0;
}

const char *raw_line_within(struct raw *raw, int ms)
{
    int64_t end = test_clock_us() + (int64_t)ms * 1000;
    for (;;) {
        char *from = raw->data + raw->taken;
        char *newline = raw->size == raw->taken
                            ? NULL
                            : memchr(from, '\n', raw->size - raw->taken);
        if (newline) {
            *newline = '\0';
            raw->taken = (size_t)(newline + 1 - raw->data);
            return from;
        }
        if (raw->taken)
            drop_taken(raw);
        int64_t left = (end - test_clock_us()) / 1000;
        if (raw->ended || left < 0 ||
            !raw_system_wait(raw->fd, false, (int)left))
            return NULL;
        receive(raw);
    }
}

const char *raw_line(struct raw *raw)
{
    const char *line = raw_line_within(raw, RAW_DEADLINE_MS);
    if (!line)
        FAIL("%s instead of a line", raw->ended ? "hang-up" : "silence");
    return line;
}

const struct message_reply *raw_reply(struct raw *raw)
{
    const char *line = raw_line(raw);
    if (raw->has_reply)
        message_reply_deinit(&raw->reply);
    raw->has_reply = false;
    if (message_reply_decode(line, strlen(line), &raw->reply) != 0)
        FAIL("not a reply: %s", line);
    raw->line = line;
    raw->has_reply = true;
    raw_system_note(raw, &raw->reply);
    return &raw->reply;
}

const struct message_reply *raw_ask(struct raw *raw, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(raw, format, arguments);
    va_end(arguments);
    return raw_reply(raw);
}

bool raw_ends(struct raw *raw, int ms)
{
    int64_t end = test_clock_us() + (int64_t)ms * 1000;
    while (!raw->ended) {
        int64_t left = (end - test_clock_us()) / 1000;
        if (left < 0 || !raw_system_wait(raw->fd, false, (int)left))
            return false;
        raw->size = raw->taken = 0;
        receive(raw);
        while (raw->waiting)
            raw->waiting = raw_batch_free(raw->waiting);
    }
    return true;
}

bool raw_pending(struct raw *raw)
{
    return raw->size > raw->taken || raw_system_wait(raw->fd, false, 0);
}

/* ---- the last reply ---- */

const char *raw_outcome(const struct raw *raw)
{
    REQUIRE(raw->has_reply);
    return raw->reply.ok ? "ok" : message_error_name(raw->reply.error);
}

int raw_grant(struct raw *raw, struct message_grant *grant)
{
    struct message_grant unused;
    struct message_grant *out = grant ? grant : &unused;
    REQUIRE_STR(raw_outcome(raw), "ok");
    REQUIRE_INT(message_reply_grant(&raw->reply, out), 0);
    return raw_system_claim(raw, &out->memory);
}

int raw_item_grant(struct raw *raw, unsigned index, struct message_grant *grant)
{
    struct message_reply item;
    REQUIRE_STR(raw_outcome(raw), "ok");
    REQUIRE_INT(message_reply_item(&raw->reply, index, &item), 0);
    REQUIRE(item.ok);
    REQUIRE_INT(message_reply_grant(&item, grant), 0);
    return raw_system_claim(raw, &grant->memory);
}

int raw_bell(struct raw *raw, const struct message_grant *grant, unsigned place)
{
    if (grant->bell[place].form == MESSAGE_HANDLE_NONE)
        return -1;
    return raw_system_claim(raw, &grant->bell[place]);
}

struct message_segment raw_record(const struct raw *raw)
{
    struct message_segment record;
    REQUIRE_STR(raw_outcome(raw), "ok");
    REQUIRE_INT(message_reply_stat(&raw->reply, &record), 0);
    return record;
}

/* ---- whole exchanges ---- */

static int exchange(struct raw *raw, struct message_grant *grant,
                    const char *op, const char *members, va_list arguments)
{
    char *text = NULL;
    REQUIRE(vasprintf(&text, members, arguments) >= 0);
    raw_ask(raw, "{'id':7,'op':'%s',%s}", op, text);
    if (!raw->reply.ok)
        FAIL("%s %s: %s: %s", op, text, raw_outcome(raw), raw->reply.text);
    free(text);
    int fd = raw_grant(raw, grant);
    REQUIRE(fd >= 0);
    return fd;
}

int raw_create(struct raw *raw, struct message_grant *grant,
               const char *members, ...)
{
    va_list arguments;
    va_start(arguments, members);
    int fd = exchange(raw, grant, "create", members, arguments);
    va_end(arguments);
    return fd;
}

int raw_open_segment(struct raw *raw, struct message_grant *grant,
                     const char *members, ...)
{
    va_list arguments;
    va_start(arguments, members);
    int fd = exchange(raw, grant, "open", members, arguments);
    va_end(arguments);
    return fd;
}

void raw_reclaim(struct raw *raw, uint64_t segment, const char *access, int fd,
                 struct message_grant *grant)
{
    struct message_request request = {.id = 1, .op = PROTOCOL_RECLAIM};
    struct buffer line;
    request.reclaim.segment = segment;
    request.handles[MESSAGE_SHOWN] = raw_system_name(fd);
    REQUIRE_INT(message_access_parse(access, &request.reclaim.access), 0);
    buffer_init(&line, PROTOCOL_LINE_MAX);
    REQUIRE_INT(message_request_write(&line, &request), 0);
    REQUIRE(raw_send_with(raw, line.data, line.size, &fd, 1));
    buffer_deinit(&line);
    raw_reply(raw);
    if (raw->reply.ok)
        REQUIRE_INT(message_reply_grant(&raw->reply, grant), 0);
}

void raw_release(struct raw *raw, uint64_t grant)
{
    raw_ask(raw, "{'id':8,'op':'release','grant':%ju}", (uintmax_t)grant);
    REQUIRE_STR(raw_outcome(raw), "ok");
}

static bool section_matches(const char *section, const char *wanted)
{
    if (wanted)
        return strcmp(section, wanted) == 0;
    return strncmp(section, "user ", 5) == 0;
}

uint64_t raw_used(struct raw *raw, const char *section, const char *budget)
{
    struct message_budget row;
    const struct message_reply *reply =
        raw_ask(raw, "{'id':9,'op':'usage','limit':1000}");
    REQUIRE_STR(raw_outcome(raw), "ok");
    for (unsigned i = 0; message_reply_budget(reply, i, &row) == 0; i++) {
        if (strcmp(row.budget, budget) == 0 &&
            section_matches(row.section, section))
            return row.used;
    }
    FAIL("usage has no %s of %s", budget, section ? section : "the user");
}

uint64_t raw_used_by_all(struct raw *raw, const char *budget)
{
    uint64_t sum = 0;
    uint64_t after = 0;
    do {
        struct message_budget row;
        const struct message_reply *reply =
            raw_ask(raw,
                    "{'id':9,'op':'usage','all':true,'limit':1000,"
                    "'after':%ju}",
                    (uintmax_t)after);
        REQUIRE_STR(raw_outcome(raw), "ok");
        for (unsigned i = 0; message_reply_budget(reply, i, &row) == 0; i++) {
            if (strcmp(row.budget, budget) == 0)
                sum += row.used;
        }
        after = message_reply_next(reply);
    } while (after);
    return sum;
}

unsigned raw_count_segments(struct raw *raw)
{
    unsigned count = 0;
    uint64_t after = 0;
    do {
        const struct message_reply *reply =
            raw_ask(raw, "{'id':9,'op':'list','after':%ju}", (uintmax_t)after);
        REQUIRE_STR(raw_outcome(raw), "ok");
        count += message_reply_rows(reply);
        after = message_reply_next(reply);
    } while (after);
    return count;
}

bool raw_has_feature(const char *socket, const char *feature)
{
    struct raw raw;
    const char *name;
    bool found = false;
    raw_open(&raw, socket);
    for (unsigned i = 0; (name = message_reply_feature(&raw.reply, i)); i++)
        found |= strcmp(name, feature) == 0;
    raw_close(&raw);
    return found;
}

bool raw_knows_holders(const char *socket)
{
    return raw_has_feature(socket, "exact-lifetime") ||
           raw_has_feature(socket, "handle-lifetime");
}
