/*
 * Reading: JSON lines to typed messages, everything checked.
 *
 * cJSON parses, and is looked after where it is lenient: it keeps duplicate
 * keys, cuts strings at \u0000, takes what lies behind the value, and reads
 * numbers as doubles.
 */
#include "message.h"

#include "utf8.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- lines to trees ---- */

/* Whether a \u0000 stands in the line, which cJSON would take for the end of
 * its string. */
static bool has_escaped_nul(const char *line, size_t size)
{
    const char *at = line, *end = line + size;

    while ((at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
        if (end - at >= 6 && memcmp(at, "\\u0000", 6) == 0)
            return true;
        at += end - at >= 2 ? 2 : 1;
    }
    return false;
}

static bool has_control(const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)line[i] < 0x20 && line[i] != '\t' && line[i] != '\r')
            return true;
    return false;
}

/* Whether every object is small, without duplicate keys, and not too deep. */
static const char *tree_problem(const cJSON *item, int depth)
{
    const cJSON *child, *other;
    int members = 0;
    const char *problem;

    if (depth > PROTOCOL_DEPTH_MAX)
        return "it is nested too deep (8 levels)";
    for (child = item->child; child; child = child->next) {
        if (cJSON_IsObject(item) && ++members > PROTOCOL_MEMBERS_MAX)
            return "an object has too many members (64)";
        for (other = item->child; child->string && other != child;
             other = other->next)
            if (strcmp(other->string, child->string) == 0)
                return "a key stands twice in one object";
        problem = child->child ? tree_problem(child, depth + 1) : NULL;
        if (problem)
            return problem;
    }
    return NULL;
}

static bool only_space(const char *from, const char *end)
{
    while (from < end && (*from == ' ' || *from == '\t' || *from == '\r'))
        from++;
    return from == end;
}

/* The tree of a line that is one good object; else NULL and what is wrong. */
static cJSON *parse_line(const char *line, size_t size, const char **problem)
{
    const char *end = NULL;
    cJSON *tree;

    *problem = "it is not valid UTF-8";
    if (!utf8_valid(line, size))
        return NULL;
    *problem = "it holds control characters";
    if (has_control(line, size) || has_escaped_nul(line, size))
        return NULL;
    *problem = "it is not a JSON object";
    tree = cJSON_ParseWithLengthOpts(line, size, &end, 0);
    if (tree && cJSON_IsObject(tree) && only_space(end, line + size))
        *problem = tree_problem(tree, 1);
    if (!*problem)
        return tree;
    cJSON_Delete(tree);
    return NULL;
}

static const cJSON *member(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    return item && !cJSON_IsNull(item) ? item : NULL;
}

/* 0 and the value when it is an exact integer within bounds, else -1. */
static int integer_of(const cJSON *item, uint64_t low, uint64_t high,
                      uint64_t *value)
{
    double number = cJSON_IsNumber(item) ? item->valuedouble : -1;

    if (!(number >= (double)low && number <= (double)high) ||
        number != floor(number))
        return -1;
    *value = (uint64_t)number;
    return 0;
}

/* ---- requests ---- */

/* Reads the fields of one request; the first problem stays. */
struct reader {
    const cJSON *object;
    struct message_problem *problem;
    bool refused;
};

static void refuse(struct reader *r, enum protocol_error error,
                   const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void refuse(struct reader *r, enum protocol_error error,
                   const char *format, ...)
{
    char *text = r->problem->text;
    size_t size;
    va_list arguments;

    if (r->refused)
        return;
    r->refused = true;
    r->problem->error = error;
    va_start(arguments, format);
    vsnprintf(text, sizeof(r->problem->text), format, arguments);
    va_end(arguments);
    for (size = strlen(text); size > 0 && !utf8_valid(text, size);)
        text[--size] = '\0';
}

/* Describes a value for an error's text. */
static const char *describe(const cJSON *item, char *text, size_t size)
{
    if (cJSON_IsString(item))
        snprintf(text, size, "the string \"%.40s\"", item->valuestring);
    else if (cJSON_IsNumber(item))
        snprintf(text, size, "%.17g", item->valuedouble);
    else if (cJSON_IsBool(item))
        snprintf(text, size, "%s", cJSON_IsTrue(item) ? "true" : "false");
    else
        snprintf(text, size, "an %s", cJSON_IsArray(item) ? "array" : "object");
    return text;
}

static void refuse_value(struct reader *r, const char *key,
                         const char *expected, const cJSON *item)
{
    char text[80];

    if (item)
        refuse(r, PROTOCOL_INVALID_ARGUMENT, "%s: expected %s, not %s", key,
               expected, describe(item, text, sizeof(text)));
    else
        refuse(r, PROTOCOL_INVALID_ARGUMENT, "%s is missing: expected %s", key,
               expected);
}

struct bounds {
    uint64_t low;
    uint64_t high;
    const char *expected;
};

static const struct bounds ANY_ID = {0, PROTOCOL_INTEGER_MAX,
                                     "an integer from 0 to 2^53-1"};
static const struct bounds SIZES = {1, PROTOCOL_INTEGER_MAX,
                                    "an integer of bytes from 1 to 2^53-1"};
static const struct bounds PAGE_LIMITS = {1, PROTOCOL_PAGE_MAX,
                                          "an integer from 1 to 1000"};

static uint64_t read_integer(struct reader *r, const char *key,
                             const struct bounds *bounds)
{
    const cJSON *item = member(r->object, key);
    uint64_t value = 0;

    if (!item || integer_of(item, bounds->low, bounds->high, &value) < 0)
        refuse_value(r, key, bounds->expected, item);
    return value;
}

static uint64_t read_optional(struct reader *r, const char *key,
                              const struct bounds *bounds, uint64_t otherwise)
{
    return member(r->object, key) ? read_integer(r, key, bounds) : otherwise;
}

static bool read_bool(struct reader *r, const char *key, bool otherwise)
{
    const cJSON *item = member(r->object, key);

    if (!item)
        return otherwise;
    if (!cJSON_IsBool(item))
        refuse_value(r, key, "true or false", item);
    return cJSON_IsTrue(item);
}

/* A string, or NULL when there is none. */
static const char *read_string(struct reader *r, const char *key, size_t most)
{
    const cJSON *item = member(r->object, key);

    if (!item)
        return NULL;
    if (!cJSON_IsString(item)) {
        refuse_value(r, key, "a string", item);
        return NULL;
    }
    if (strlen(item->valuestring) > most) {
        refuse(r, PROTOCOL_INVALID_ARGUMENT,
               "%s: expected at most %zu bytes, not %zu", key, most,
               strlen(item->valuestring));
        return NULL;
    }
    return item->valuestring;
}

/* One of a set of words: its number, or `otherwise` when it is absent. */
static int read_word(struct reader *r, const char *key,
                     const char *const *words, int count, int otherwise)
{
    const cJSON *item = member(r->object, key);
    char expected[80] = "";

    if (!item)
        return otherwise;
    for (int i = 0; i < count; i++) {
        size_t size = strlen(expected);

        if (cJSON_IsString(item) && strcmp(item->valuestring, words[i]) == 0)
            return i;
        snprintf(expected + size, sizeof(expected) - size, "%s\"%s\"",
                 i == 0           ? ""
                 : i == count - 1 ? " or "
                                  : ", ",
                 words[i]);
    }
    refuse_value(r, key, expected, item);
    return otherwise;
}

static enum protocol_access read_access(struct reader *r,
                                        enum protocol_access otherwise)
{
    static const char *const words[] = {"ro", "rw", "cow"};

    return (enum protocol_access)read_word(r, "access", words,
                                           PROTOCOL_ACCESSES, (int)otherwise);
}

static const char *read_name(struct reader *r)
{
    const cJSON *item = member(r->object, "name");
    const char *problem;

    if (!item)
        return NULL;
    if (!cJSON_IsString(item)) {
        refuse_value(r, "name", "a string", item);
        return NULL;
    }
    problem =
        message_name_problem(item->valuestring, strlen(item->valuestring));
    if (problem)
        refuse(r, PROTOCOL_INVALID_NAME, "%s", problem);
    return item->valuestring;
}

static struct message_target read_target(struct reader *r)
{
    struct message_target target = {.name = read_name(r)};

    target.segment = read_optional(r, "segment", &ANY_ID, MESSAGE_NONE);
    if ((target.name != NULL) == (target.segment != MESSAGE_NONE))
        refuse(r, PROTOCOL_INVALID_ARGUMENT,
               "expected either name or segment%s",
               target.name ? ", not both" : "");
    return target;
}

static struct message_page read_page(struct reader *r)
{
    struct message_page page;

    page.after = read_optional(r, "after", &ANY_ID, 0);
    page.limit = (unsigned)read_optional(r, "limit", &PAGE_LIMITS,
                                         PROTOCOL_PAGE_DEFAULT);
    return page;
}

static void read_principals(struct reader *r, const cJSON *share,
                            const char *key, const char **list, unsigned *count)
{
    const cJSON *array = member(share, key);
    const cJSON *item;

    *count = 0;
    if (!array)
        return;
    if (!cJSON_IsArray(array)) {
        refuse_value(r, key, "an array of principals", array);
        return;
    }
    cJSON_ArrayForEach (item, array) {
        if (!cJSON_IsString(item) ||
            strlen(item->valuestring) > PROTOCOL_PRINCIPAL_MAX) {
            refuse(r, PROTOCOL_INVALID_ARGUMENT,
                   "share.%s: expected strings of at most %d bytes", key,
                   PROTOCOL_PRINCIPAL_MAX);
            return;
        }
        if (*count == PROTOCOL_SHARE_MAX) {
            refuse(r, PROTOCOL_INVALID_ARGUMENT,
                   "share.%s: expected at most %d principals", key,
                   PROTOCOL_SHARE_MAX);
            return;
        }
        list[(*count)++] = item->valuestring;
    }
}

static void read_share(struct reader *r, struct message_share *share)
{
    const cJSON *object = member(r->object, "share");

    share->read_count = share->write_count = 0;
    if (!object)
        return;
    if (!cJSON_IsObject(object)) {
        refuse_value(r, "share", "an object", object);
        return;
    }
    read_principals(r, object, "read", share->read, &share->read_count);
    read_principals(r, object, "write", share->write, &share->write_count);
}

static void read_create(struct reader *r, struct message_create *create)
{
    static const char *const if_exists[] = {"open", "fail"};

    create->name = read_name(r);
    create->size = read_integer(r, "size", &SIZES);
    create->access = read_access(r, PROTOCOL_RW);
    create->fail_if_exists = read_word(r, "if_exists", if_exists, 2, 0) == 1;
    create->commit = read_bool(r, "commit", true);
    create->persist = read_bool(r, "persist", false);
    read_share(r, &create->share);
    if (create->persist && !create->name)
        refuse(r, PROTOCOL_INVALID_ARGUMENT,
               "persist: only a segment with a name can persist");
}

static void read_hello(struct reader *r, struct message_request *request)
{
    request->hello.version = read_integer(r, "version", &ANY_ID);
    request->hello.client = read_string(r, "client", PROTOCOL_CLIENT_MAX);
}

static void read_level(struct reader *r, struct message_request *request)
{
    const char *level = read_string(r, "level", 16);

    if (!level || message_level_parse(level, &request->log_level) < 0)
        refuse_value(r, "level",
                     "\"error\", \"warning\", \"info\" or \"debug\"",
                     member(r->object, "level"));
}

static void read_body(struct reader *r, struct message_request *request)
{
    switch (request->op) {
    case PROTOCOL_HELLO:
        read_hello(r, request);
        break;
    case PROTOCOL_CREATE:
        read_create(r, &request->create);
        break;
    case PROTOCOL_OPEN:
        request->open.target = read_target(r);
        request->open.access = read_access(r, PROTOCOL_RO);
        break;
    case PROTOCOL_RELEASE:
        request->release = read_integer(r, "grant", &ANY_ID);
        break;
    case PROTOCOL_REMOVE:
        request->remove = read_target(r);
        break;
    case PROTOCOL_STAT:
        request->stat = read_target(r);
        break;
    case PROTOCOL_LIST:
        request->list.page = read_page(r);
        request->list.prefix = read_string(r, "prefix", PROTOCOL_NAME_MAX);
        break;
    case PROTOCOL_USAGE:
        request->usage.page = read_page(r);
        request->usage.all = read_bool(r, "all", false);
        break;
    case PROTOCOL_CLIENTS:
        request->clients = read_page(r);
        break;
    case PROTOCOL_LOG_LEVEL:
        read_level(r, request);
        break;
    case PROTOCOL_PING:
    case PROTOCOL_STATS:
    case PROTOCOL_RELOAD:
    case PROTOCOL_SHUTDOWN:
    case PROTOCOL_OPS:
        break;
    }
}

static int find_op(const char *name)
{
    for (int i = 0; i < PROTOCOL_OPS; i++)
        if (strcmp(message_op_name((enum protocol_op)i), name) == 0)
            return i;
    return -1;
}

static int malformed(struct message_problem *problem, const char *text)
{
    problem->error = PROTOCOL_BAD_REQUEST;
    snprintf(problem->text, sizeof(problem->text), "this is no request: %s",
             text);
    return MESSAGE_MALFORMED;
}

static int decode_tree(const cJSON *tree, struct message_request *request,
                       struct message_problem *problem)
{
    struct reader r = {.object = tree, .problem = problem};
    const cJSON *op = member(tree, "op");
    int number;

    if (integer_of(member(tree, "id"), 0, PROTOCOL_INTEGER_MAX, &problem->id) <
        0)
        return malformed(problem, "id is not an integer from 0 to 2^53-1");
    problem->has_id = true;
    if (!op || !cJSON_IsString(op))
        return malformed(problem, "op is not a string");
    request->id = problem->id;
    number = find_op(op->valuestring);
    if (number < 0) {
        refuse(&r, PROTOCOL_UNKNOWN_OP, "there is no op \"%.40s\"",
               op->valuestring);
        return MESSAGE_REFUSED;
    }
    request->op = (enum protocol_op)number;
    read_body(&r, request);
    return r.refused ? MESSAGE_REFUSED : 0;
}

int message_request_decode(const char *line, size_t size,
                           struct message_request *request,
                           struct message_problem *problem)
{
    const char *text;
    cJSON *tree;
    int r;

    problem->has_id = false;
    problem->id = 0;
    tree = parse_line(line, size, &text);
    if (!tree)
        return malformed(problem, text);
    r = decode_tree(tree, request, problem);
    if (r == 0)
        request->document = tree;
    else
        cJSON_Delete(tree);
    return r;
}

void message_request_deinit(struct message_request *request)
{
    cJSON_Delete(request->document);
    request->document = NULL;
}

/* ---- replies ---- */

static int find_error(const char *name)
{
    for (int i = 1; i < PROTOCOL_ERRORS; i++)
        if (strcmp(message_error_name((enum protocol_error)i), name) == 0)
            return i;
    return PROTOCOL_INTERNAL;
}

/* A member that must be there, for the readers of bodies. */
static int get_integer(const cJSON *object, const char *key, uint64_t *value)
{
    return integer_of(member(object, key), 0, PROTOCOL_INTEGER_MAX, value);
}

static int get_string(const cJSON *object, const char *key, const char **value)
{
    const cJSON *item = member(object, key);

    if (!item || !cJSON_IsString(item))
        return -1;
    *value = item->valuestring;
    return 0;
}

static int get_bool(const cJSON *object, const char *key, bool *value)
{
    const cJSON *item = member(object, key);

    if (!item || !cJSON_IsBool(item))
        return -1;
    *value = cJSON_IsTrue(item);
    return 0;
}

static void read_detail(const cJSON *tree, struct message_reply *reply)
{
    const cJSON *detail = member(tree, "detail");
    struct message_budget *b = &reply->detail;

    reply->has_detail = detail &&
                        get_string(detail, "section", &b->section) == 0 &&
                        get_string(detail, "budget", &b->budget) == 0 &&
                        get_integer(detail, "used", &b->used) == 0 &&
                        get_integer(detail, "limit", &b->limit) == 0 &&
                        get_integer(detail, "asked", &b->asked) == 0;
}

static int read_error(const cJSON *tree, struct message_reply *reply)
{
    const char *name;

    if (get_string(tree, "error", &name) < 0)
        return -1;
    reply->error = (enum protocol_error)find_error(name);
    if (get_string(tree, "message", &reply->text) < 0)
        reply->text = "";
    read_detail(tree, reply);
    return 0;
}

int message_reply_decode(const char *line, size_t size,
                         struct message_reply *reply)
{
    const char *text;
    cJSON *tree = parse_line(line, size, &text);

    *reply = (struct message_reply){.document = tree};
    if (!tree)
        return MESSAGE_MALFORMED;
    reply->has_id = get_integer(tree, "id", &reply->id) == 0;
    if (get_bool(tree, "ok", &reply->ok) == 0 &&
        (reply->ok ? reply->has_id : read_error(tree, reply) == 0))
        return 0;
    message_reply_deinit(reply);
    return MESSAGE_MALFORMED;
}

void message_reply_deinit(struct message_reply *reply)
{
    cJSON_Delete(reply->document);
    reply->document = NULL;
}

static int outcome(int failed)
{
    return failed ? MESSAGE_MALFORMED : 0;
}

int message_reply_welcome(const struct message_reply *reply,
                          struct message_welcome *welcome)
{
    const cJSON *tree = reply->document;
    const cJSON *features = member(tree, "features");

    *welcome = (struct message_welcome){0};
    if (!features || !cJSON_IsArray(features))
        return MESSAGE_MALFORMED;
    welcome->feature_count = (unsigned)cJSON_GetArraySize(features);
    return outcome(get_integer(tree, "version", &welcome->version) < 0 ||
                   get_string(tree, "server", &welcome->server) < 0 ||
                   get_string(tree, "you", &welcome->you) < 0 ||
                   get_bool(tree, "administrator", &welcome->administrator) <
                       0);
}

const char *message_reply_feature(const struct message_reply *reply,
                                  unsigned index)
{
    const cJSON *item =
        cJSON_GetArrayItem(member(reply->document, "features"), (int)index);

    return item && cJSON_IsString(item) ? item->valuestring : NULL;
}

static int find_word(const char *word, const char *(*name_of)(int), int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(name_of(i), word) == 0)
            return i;
    return -1;
}

static const char *access_word(int access)
{
    return message_access_name((enum protocol_access)access);
}

static const char *state_word(int state)
{
    return message_state_name((enum protocol_state)state);
}

int message_reply_grant(const struct message_reply *reply,
                        struct message_grant *grant)
{
    const cJSON *tree = reply->document;
    const char *access;
    int number;

    if (get_integer(tree, "grant", &grant->grant) < 0 ||
        get_integer(tree, "segment", &grant->segment) < 0 ||
        get_bool(tree, "created", &grant->created) < 0 ||
        get_integer(tree, "size", &grant->size) < 0 ||
        get_integer(tree, "mapped_size", &grant->mapped_size) < 0 ||
        get_string(tree, "access", &access) < 0 ||
        get_integer(member(tree, "handles"), "memory", &grant->memory) < 0)
        return MESSAGE_MALFORMED;
    number = find_word(access, access_word, PROTOCOL_ACCESSES);
    grant->access = (enum protocol_access)number;
    return outcome(number < 0);
}

static int read_may(const cJSON *object, struct message_segment *segment)
{
    const char *may;

    if (get_string(object, "may", &may) < 0)
        return -1;
    segment->may_write = strcmp(may, "rw") == 0;
    segment->may_read = segment->may_write || strcmp(may, "ro") == 0;
    return segment->may_read || strcmp(may, "none") == 0 ? 0 : -1;
}

static int read_segment(const cJSON *object, struct message_segment *segment)
{
    const char *state;
    int number;

    if (get_string(object, "name", &segment->name) < 0)
        segment->name = NULL;
    if (get_integer(object, "segment", &segment->segment) < 0 ||
        get_string(object, "owner", &segment->owner) < 0 ||
        get_integer(object, "size", &segment->size) < 0 ||
        get_integer(object, "mapped_size", &segment->mapped_size) < 0 ||
        get_string(object, "state", &state) < 0 ||
        read_may(object, segment) < 0 ||
        get_bool(object, "commit", &segment->commit) < 0 ||
        get_bool(object, "persist", &segment->persist) < 0 ||
        get_integer(object, "grants", &segment->grants) < 0 ||
        get_integer(object, "created_at", &segment->created_at) < 0)
        return MESSAGE_MALFORMED;
    number = find_word(state, state_word, PROTOCOL_STATES);
    segment->state = (enum protocol_state)number;
    return outcome(number < 0);
}

int message_reply_stat(const struct message_reply *reply,
                       struct message_segment *segment)
{
    return read_segment(member(reply->document, "segment"), segment);
}

/* The array, or object, that a listing's rows are in. */
static const cJSON *rows_of(const struct message_reply *reply)
{
    static const char *const keys[] = {"segments", "usage", "clients", "stats"};
    const cJSON *rows = NULL;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && !rows; i++)
        rows = member(reply->document, keys[i]);
    return rows;
}

unsigned message_reply_rows(const struct message_reply *reply)
{
    return (unsigned)cJSON_GetArraySize(rows_of(reply));
}

static const cJSON *row(const struct message_reply *reply, unsigned index)
{
    return cJSON_GetArrayItem(rows_of(reply), (int)index);
}

int message_reply_segment(const struct message_reply *reply, unsigned index,
                          struct message_segment *segment)
{
    return read_segment(row(reply, index), segment);
}

int message_reply_budget(const struct message_reply *reply, unsigned index,
                         struct message_budget *budget)
{
    const cJSON *object = row(reply, index);

    budget->limit = MESSAGE_NONE;
    budget->asked = 0;
    return outcome(get_string(object, "section", &budget->section) < 0 ||
                   get_string(object, "budget", &budget->budget) < 0 ||
                   get_integer(object, "used", &budget->used) < 0 ||
                   (member(object, "limit") &&
                    get_integer(object, "limit", &budget->limit) < 0));
}

int message_reply_client(const struct message_reply *reply, unsigned index,
                         struct message_client *client)
{
    const cJSON *object = row(reply, index);

    if (get_string(object, "name", &client->name) < 0)
        client->name = NULL;
    return outcome(get_integer(object, "client", &client->client) < 0 ||
                   get_integer(object, "pid", &client->pid) < 0 ||
                   get_string(object, "user", &client->user) < 0 ||
                   get_integer(object, "grants", &client->grants) < 0 ||
                   get_integer(object, "requests", &client->requests) < 0 ||
                   get_integer(object, "connected_at", &client->connected_at) <
                       0);
}

int message_reply_counter(const struct message_reply *reply, unsigned index,
                          struct message_counter *counter)
{
    const cJSON *item = row(reply, index);

    if (!item || !item->string ||
        integer_of(item, 0, PROTOCOL_INTEGER_MAX, &counter->value) < 0)
        return MESSAGE_MALFORMED;
    counter->name = item->string;
    return 0;
}

uint64_t message_reply_next(const struct message_reply *reply)
{
    uint64_t next = 0;

    return get_integer(reply->document, "next", &next) == 0 ? next : 0;
}
