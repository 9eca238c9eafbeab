/*
 * Reading requests: JSON lines to typed messages, everything checked.
 */
#include "message.h"

#include "json.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- requests: their fields ---- */

enum field {
    FIELD_ID,
    FIELD_OP,
    FIELD_NAME,
    FIELD_SEGMENT,
    FIELD_ACCESS,
    FIELD_SIZE,
    FIELD_SOURCE,
    FIELD_GRANT,
    FIELD_IF_EXISTS,
    FIELD_SHARE,
    FIELD_COMMIT,
    FIELD_PERSIST,
    FIELD_VERSION,
    FIELD_CLIENT,
    FIELD_PREFIX,
    FIELD_AFTER,
    FIELD_LIMIT,
    FIELD_ALL,
    FIELD_LEVEL,
    FIELD_HANDLES,
    FIELD_USES,
    FIELD_EXPIRES,
    FIELD_TICKET,
    FIELD_FREEZABLE,
    FIELD_DOORBELL,
    FIELD_PAGES,
    FIELD_NUMA,
    FIELD_MODE,
    FIELD_ITEMS,
    FIELD_ATOMIC,
    FIELD_PUBLISH,
    FIELD_WAIT,
    FIELD_WATCH,
    FIELD_QUIET,
    FIELDS
};

static const char *const FIELD_NAMES[FIELDS] = {[FIELD_ID] = "id",
                                                [FIELD_OP] = "op",
                                                [FIELD_NAME] = "name",
                                                [FIELD_SEGMENT] = "segment",
                                                [FIELD_SOURCE] = "source",
                                                [FIELD_ACCESS] = "access",
                                                [FIELD_SIZE] = "size",
                                                [FIELD_GRANT] = "grant",
                                                [FIELD_IF_EXISTS] = "if_exists",
                                                [FIELD_SHARE] = "share",
                                                [FIELD_COMMIT] = "commit",
                                                [FIELD_PERSIST] = "persist",
                                                [FIELD_VERSION] = "version",
                                                [FIELD_CLIENT] = "client",
                                                [FIELD_PREFIX] = "prefix",
                                                [FIELD_AFTER] = "after",
                                                [FIELD_LIMIT] = "limit",
                                                [FIELD_ALL] = "all",
                                                [FIELD_LEVEL] = "level",
                                                [FIELD_HANDLES] = "handles",
                                                [FIELD_USES] = "uses",
                                                [FIELD_EXPIRES] = "expires_ms",
                                                [FIELD_TICKET] = "ticket",
                                                [FIELD_FREEZABLE] = "freezable",
                                                [FIELD_DOORBELL] = "doorbell",
                                                [FIELD_PAGES] = "pages",
                                                [FIELD_NUMA] = "numa",
                                                [FIELD_MODE] = "mode",
                                                [FIELD_ITEMS] = "items",
                                                [FIELD_ATOMIC] = "atomic",
                                                [FIELD_PUBLISH] = "publish",
                                                [FIELD_WAIT] = "wait_ms",
                                                [FIELD_WATCH] = "watch",
                                                [FIELD_QUIET] = "quiet"};

/* One request's fields, and the first problem with them. */
struct reader {
    const cJSON *fields[FIELDS]; /* NULL: absent or null */
    struct message_problem *problem;
    bool refused;
};

/* Unknown fields are left alone. */
static void gather_fields(struct reader *r, const cJSON *object)
{
    const cJSON *item;

    memset(r->fields, 0, sizeof(r->fields));
    for (item = object->child; item; item = item->next) {
        if (cJSON_IsNull(item))
            continue;
        for (int i = 0; i < FIELDS; i++)
            if (FIELD_NAMES[i][0] == item->string[0] &&
                strcmp(FIELD_NAMES[i], item->string) == 0) {
                r->fields[i] = item;
                break;
            }
    }
}

static void refuse(struct reader *r, enum protocol_error error,
                   const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The first refusal stays. */
static void refuse(struct reader *r, enum protocol_error error,
                   const char *format, ...)
{
    va_list arguments;

    if (r->refused)
        return;
    r->refused = true;
    r->problem->error = error;
    va_start(arguments, format);
    vsnprintf(r->problem->text, sizeof(r->problem->text), format, arguments);
    va_end(arguments);
}

/* Room for a value that is shown in a refusal. */
enum { VALUE_SIZE = 48 };

static const char *describe(const cJSON *item, char text[VALUE_SIZE])
{
    if (cJSON_IsString(item))
        return utf8_quote(item->valuestring, text, VALUE_SIZE);
    if (cJSON_IsBool(item))
        return cJSON_IsTrue(item) ? "true" : "false";
    if (cJSON_IsArray(item))
        return "an array";
    if (cJSON_IsObject(item))
        return "an object";
    if (cJSON_IsNull(item))
        return "null";
    snprintf(text, VALUE_SIZE, "%.17g", item->valuedouble);
    return text;
}

static void refuse_value(struct reader *r, enum field field,
                         const char *expected)
{
    const char *name = FIELD_NAMES[field];
    char text[VALUE_SIZE];

    if (r->fields[field])
        refuse(r, PROTOCOL_INVALID_ARGUMENT, "%s: expected %s, not %s", name,
               expected, describe(r->fields[field], text));
    else
        refuse(r, PROTOCOL_INVALID_ARGUMENT, "%s is missing: expected %s", name,
               expected);
}

struct bounds {
    uint64_t low;
    uint64_t high;
    const char *expected;
};

static const struct bounds ANY_INTEGER = {0, PROTOCOL_INTEGER_MAX,
                                          "an integer from 0 to 2^53-1"};
static const struct bounds SIZES = {1, PROTOCOL_INTEGER_MAX,
                                    "an integer of bytes from 1 to 2^53-1"};
static const struct bounds PAGE_LIMITS = {1, PROTOCOL_PAGE_MAX,
                                          "an integer from 1 to 1000"};

static const struct bounds USES = {1, PROTOCOL_USES_MAX,
                                   "an integer from 1 to 1000"};
static const struct bounds WAITS = {
    0, PROTOCOL_WAIT_MAX, "an integer of milliseconds from 0 to 86400000"};
static const struct bounds EXPIRIES = {
    1, PROTOCOL_EXPIRES_MAX, "an integer of milliseconds from 1 to 86400000"};

static const struct bounds NODES = {0, PROTOCOL_NODE_MAX,
                                    "the number of a node, 0 to 1023"};

static uint64_t read_integer(struct reader *r, enum field field,
                             const struct bounds *bounds)
{
    uint64_t value = 0;

    if (json_integer_of(r->fields[field], bounds->low, bounds->high, &value) <
        0)
        refuse_value(r, field, bounds->expected);
    return value;
}

static uint64_t read_optional(struct reader *r, enum field field,
                              const struct bounds *bounds, uint64_t otherwise)
{
    return r->fields[field] ? read_integer(r, field, bounds) : otherwise;
}

static bool read_bool(struct reader *r, enum field field, bool otherwise)
{
    const cJSON *item = r->fields[field];

    if (!item)
        return otherwise;
    if (!cJSON_IsBool(item))
        refuse_value(r, field, "true or false");
    return cJSON_IsTrue(item);
}

/* NULL when there is none, or no good one. */
static const char *read_string(struct reader *r, enum field field)
{
    const cJSON *item = r->fields[field];

    if (!item)
        return NULL;
    if (cJSON_IsString(item))
        return item->valuestring;
    refuse_value(r, field, "a string");
    return NULL;
}

static const char *read_bounded(struct reader *r, enum field field, size_t most)
{
    const char *string = read_string(r, field);

    if (string && strlen(string) > most)
        refuse(r, PROTOCOL_INVALID_ARGUMENT,
               "%s: expected at most %zu bytes, not %zu", FIELD_NAMES[field],
               most, strlen(string));
    return string;
}

static enum protocol_access read_access(struct reader *r,
                                        enum protocol_access otherwise)
{
    const char *word = read_string(r, FIELD_ACCESS);
    enum protocol_access access = otherwise;

    if (word && message_access_parse(word, &access) < 0)
        refuse_value(r, FIELD_ACCESS, "\"ro\", \"rw\" or \"cow\"");
    return access;
}

static bool read_fail_if_exists(struct reader *r)
{
    const char *word = read_string(r, FIELD_IF_EXISTS);

    if (word && strcmp(word, "open") != 0 && strcmp(word, "fail") != 0)
        refuse_value(r, FIELD_IF_EXISTS, "\"open\" or \"fail\"");
    return word && strcmp(word, "fail") == 0;
}

static bool read_publish_later(struct reader *r)
{
    const char *word = read_string(r, FIELD_PUBLISH);

    if (word && strcmp(word, "now") != 0 && strcmp(word, "later") != 0)
        refuse_value(r, FIELD_PUBLISH, "\"now\" or \"later\"");
    return word && strcmp(word, "later") == 0;
}

static enum protocol_log_level read_level(struct reader *r)
{
    const char *word = read_string(r, FIELD_LEVEL);
    enum protocol_log_level level = PROTOCOL_LOG_INFO;

    if (!word || message_level_parse(word, &level) < 0)
        refuse_value(r, FIELD_LEVEL,
                     "\"error\", \"warning\", \"info\" or \"debug\"");
    return level;
}

static const char *read_client(struct reader *r)
{
    const char *name = read_bounded(r, FIELD_CLIENT, PROTOCOL_CLIENT_MAX);

    if (name && utf8_has_control(name, strlen(name)))
        refuse_value(r, FIELD_CLIENT, "no control characters");
    return name;
}

static const char *read_name(struct reader *r)
{
    const char *name = read_string(r, FIELD_NAME);
    const char *problem = NULL;
    char text[VALUE_SIZE];

    if (name)
        problem = message_name_problem(name, strlen(name));
    if (problem)
        refuse(r, PROTOCOL_INVALID_NAME, "name %s: %s",
               utf8_quote(name, text, VALUE_SIZE), problem);
    return name;
}

static struct message_target read_target(struct reader *r)
{
    struct message_target target = {.name = read_name(r)};

    target.segment =
        read_optional(r, FIELD_SEGMENT, &ANY_INTEGER, MESSAGE_NONE);
    if (r->fields[FIELD_NAME] && r->fields[FIELD_SEGMENT])
        refuse(r, PROTOCOL_INVALID_ARGUMENT,
               "name and segment: expected one of them, not both");
    else if (!r->fields[FIELD_NAME] && !r->fields[FIELD_SEGMENT])
        refuse(r, PROTOCOL_INVALID_ARGUMENT,
               "name is missing, and segment too: expected one of them");
    return target;
}

static struct message_page read_page(struct reader *r)
{
    struct message_page page;

    page.after = read_optional(r, FIELD_AFTER, &ANY_INTEGER, 0);
    page.limit = (unsigned)read_optional(r, FIELD_LIMIT, &PAGE_LIMITS,
                                         PROTOCOL_PAGE_DEFAULT);
    return page;
}

/* ---- requests: the share list ---- */

static void refuse_share(struct reader *r, const char *key,
                         const char *expected, const cJSON *item)
{
    char text[VALUE_SIZE];

    refuse(r, PROTOCOL_INVALID_ARGUMENT, "share.%s: expected %s, not %s", key,
           expected, describe(item, text));
}

/* Only its form; whether there is such an account, the broker asks. */
static bool is_principal(const cJSON *item)
{
    size_t size;

    if (!cJSON_IsString(item))
        return false;
    size = strlen(item->valuestring);
    return size > 0 && size <= PROTOCOL_PRINCIPAL_MAX &&
           !utf8_has_control(item->valuestring, size);
}

static void read_principals(struct reader *r, const char *key,
                            const char **list, unsigned *count)
{
    const cJSON *array = json_member(r->fields[FIELD_SHARE], key);
    const cJSON *item;

    *count = 0;
    if (!array)
        return;
    if (!cJSON_IsArray(array)) {
        refuse_share(r, key, "an array of principals", array);
        return;
    }
    cJSON_ArrayForEach (item, array) {
        if (*count == PROTOCOL_SHARE_MAX) {
            refuse(r, PROTOCOL_INVALID_ARGUMENT,
                   "share.%s: expected at most %d principals, not %d", key,
                   PROTOCOL_SHARE_MAX, cJSON_GetArraySize(array));
            return;
        }
        if (!is_principal(item)) {
            refuse_share(r, key, "principals of 1 to 128 bytes", item);
            return;
        }
        list[(*count)++] = item->valuestring;
    }
}

static void read_share(struct reader *r, struct message_share *share)
{
    const cJSON *object = r->fields[FIELD_SHARE];

    share->read_count = share->write_count = 0;
    if (!object)
        return;
    if (!cJSON_IsObject(object)) {
        refuse_value(r, FIELD_SHARE, "an object");
        return;
    }
    read_principals(r, "read", share->read, &share->read_count);
    read_principals(r, "write", share->write, &share->write_count);
}

/* ---- requests: the whole ---- */

static bool read_of_file(struct reader *r)
{
    const char *word = read_string(r, FIELD_SOURCE);

    if (word && strcmp(word, "memory") != 0 && strcmp(word, "file") != 0)
        refuse_value(r, FIELD_SOURCE, "\"memory\" or \"file\"");
    return word && strcmp(word, "file") == 0;
}

static enum protocol_pages read_pages(struct reader *r)
{
    const char *word = read_string(r, FIELD_PAGES);
    enum protocol_pages pages = PROTOCOL_PAGES_DEFAULT;

    if (word && message_pages_parse(word, &pages) < 0)
        refuse_value(r, FIELD_PAGES, "\"default\", \"2M\" or \"1G\"");
    return pages;
}

/* 1 more than its number, or 0 where none is asked for. */
static unsigned read_node(struct reader *r)
{
    if (!r->fields[FIELD_NUMA])
        return 0;
    return (unsigned)read_integer(r, FIELD_NUMA, &NODES) + 1;
}

static void read_handle(struct reader *r, const char *key,
                        struct message_handle *handle)
{
    const cJSON *handles = r->fields[FIELD_HANDLES];

    handle->form = MESSAGE_HANDLE_NONE;
    if (json_member(handles, key) && json_get_handle(handles, key, handle) < 0)
        refuse_value(r, FIELD_HANDLES, "an object of handles");
}

/* What a segment of memory may have, and one of a file may not. */
static void read_file(struct reader *r, const struct message_create *create,
                      struct message_handle *handles)
{
    read_handle(r, "file", &handles[MESSAGE_FILE]);
    read_handle(r, "file_read", &handles[MESSAGE_FILE_READ]);
    if (handles[MESSAGE_FILE].form == MESSAGE_HANDLE_NONE &&
        handles[MESSAGE_FILE_READ].form == MESSAGE_HANDLE_NONE)
        refuse_value(r, FIELD_HANDLES,
                     "an object with a handle, file or file_read or both");
    if (create->persist)
        refuse(r, PROTOCOL_INVALID_ARGUMENT,
               "persist: a file stays by itself, its segment's name does not");
    if (create->freezable)
        refuse(r, PROTOCOL_INVALID_ARGUMENT,
               "freezable: a file cannot be frozen");
    if (create->pages != PROTOCOL_PAGES_DEFAULT)
        refuse(r, PROTOCOL_INVALID_ARGUMENT,
               "pages: a file has the pages of its file system");
    if (create->numa)
        refuse(r, PROTOCOL_INVALID_ARGUMENT,
               "numa: a file's memory is where who reads it has it");
}

static void read_create(struct reader *r, struct message_request *request)
{
    struct message_create *create = &request->create;

    create->name = read_name(r);
    create->of_file = read_of_file(r);
    create->size = create->of_file
                       ? read_optional(r, FIELD_SIZE, &ANY_INTEGER, 0)
                       : read_integer(r, FIELD_SIZE, &SIZES);
    create->access = read_access(r, PROTOCOL_RW);
    create->fail_if_exists = read_fail_if_exists(r);
    create->commit = read_bool(r, FIELD_COMMIT, true);
    create->persist = read_bool(r, FIELD_PERSIST, false);
    create->freezable = read_bool(r, FIELD_FREEZABLE, false);
    create->doorbell = read_bool(r, FIELD_DOORBELL, false);
    create->publish_later = read_publish_later(r);
    create->pages = read_pages(r);
    create->numa = read_node(r);
    read_share(r, &create->share);
    if (create->persist && !create->name)
        refuse(r, PROTOCOL_INVALID_ARGUMENT,
               "persist: expected a name with it, since only a named segment "
               "can persist");
    if (create->of_file)
        read_file(r, create, request->handles);
}

static void read_open(struct reader *r, struct message_request *request)
{
    request->open.target = read_target(r);
    request->open.access = read_access(r, PROTOCOL_RO);
    request->open.wait_ms = read_optional(r, FIELD_WAIT, &WAITS, 0);
    if (request->open.wait_ms > 0 && !request->open.target.name)
        refuse(r, PROTOCOL_INVALID_ARGUMENT,
               "wait_ms: expected a name with it, since only names are waited "
               "for");
}

static void read_reclaim(struct reader *r, struct message_request *request)
{
    request->reclaim.segment = read_integer(r, FIELD_SEGMENT, &ANY_INTEGER);
    request->reclaim.access = read_access(r, PROTOCOL_RO);
    if (json_get_handle(r->fields[FIELD_HANDLES], "memory",
                        &request->handles[MESSAGE_SHOWN]) < 0)
        refuse_value(r, FIELD_HANDLES, "an object with a handle, memory");
}

static void read_offer(struct reader *r, struct message_offer *offer)
{
    offer->grant = read_integer(r, FIELD_GRANT, &ANY_INTEGER);
    offer->access = read_access(r, PROTOCOL_RO);
    offer->uses = read_optional(r, FIELD_USES, &USES, 1);
    offer->expires =
        read_optional(r, FIELD_EXPIRES, &EXPIRIES, PROTOCOL_EXPIRES_DEFAULT);
}

static enum protocol_frozen read_mode(struct reader *r)
{
    const char *word = read_string(r, FIELD_MODE);

    if (word && strcmp(word, "future") == 0)
        return PROTOCOL_FROZEN_FUTURE;
    if (word && strcmp(word, "now") != 0)
        refuse_value(r, FIELD_MODE, "\"now\" or \"future\"");
    return PROTOCOL_FROZEN_YES;
}

/* What is no ticket is told of without its value, which may nearly be one. */
static const char *read_ticket(struct reader *r)
{
    const cJSON *item = r->fields[FIELD_TICKET];

    if (cJSON_IsString(item))
        return item->valuestring;
    refuse(r, PROTOCOL_INVALID_ARGUMENT, "ticket: expected a string");
    return NULL;
}

static void read_usage(struct reader *r, struct message_request *request)
{
    request->usage.page = read_page(r);
    request->usage.all = read_bool(r, FIELD_ALL, false);
}

static uint64_t read_given_back(struct reader *r, enum field field,
                                struct message_request *request)
{
    request->quiet = read_bool(r, FIELD_QUIET, false);
    return read_integer(r, field, &ANY_INTEGER);
}

static void read_body(struct reader *r, struct message_request *request)
{
    switch (request->op) {
    case PROTOCOL_HELLO:
        request->hello.version = read_integer(r, FIELD_VERSION, &ANY_INTEGER);
        request->hello.client = read_client(r);
        break;
    case PROTOCOL_CREATE:
        read_create(r, request);
        break;
    case PROTOCOL_OPEN:
        read_open(r, request);
        break;
    case PROTOCOL_RELEASE:
        request->release = read_given_back(r, FIELD_GRANT, request);
        break;
    case PROTOCOL_RECLAIM:
        read_reclaim(r, request);
        break;
    case PROTOCOL_OFFER:
        read_offer(r, &request->offer);
        break;
    case PROTOCOL_REDEEM:
        request->redeem = read_ticket(r);
        break;
    case PROTOCOL_REMOVE:
    case PROTOCOL_PUBLISH:
    case PROTOCOL_REVOKE:
    case PROTOCOL_STAT:
        request->target = read_target(r);
        break;
    case PROTOCOL_FREEZE:
        request->freeze.target = read_target(r);
        request->freeze.mode = read_mode(r);
        break;
    case PROTOCOL_LIST:
        request->list.page = read_page(r);
        request->list.prefix = read_bounded(r, FIELD_PREFIX, PROTOCOL_NAME_MAX);
        break;
    case PROTOCOL_WATCH:
        request->watch = read_bounded(r, FIELD_PREFIX, PROTOCOL_NAME_MAX);
        break;
    case PROTOCOL_UNWATCH:
        request->unwatch = read_given_back(r, FIELD_WATCH, request);
        break;
    case PROTOCOL_USAGE:
        read_usage(r, request);
        break;
    case PROTOCOL_CLIENTS:
        request->clients = read_page(r);
        break;
    case PROTOCOL_LOG_LEVEL:
        request->log_level = read_level(r);
        break;
    case PROTOCOL_PING:
    case PROTOCOL_STATS:
    case PROTOCOL_RELOAD:
    case PROTOCOL_RESTART:
    case PROTOCOL_SHUTDOWN:
    case PROTOCOL_OPS:
        break;
    }
}

/* Only how many there are; each is read when it is its turn. */
static void read_items(struct reader *r, struct message_request *request)
{
    const cJSON *items = r->fields[FIELD_ITEMS];
    int count = cJSON_IsArray(items) ? cJSON_GetArraySize(items) : 0;

    request->atomic = read_bool(r, FIELD_ATOMIC, false);
    if (count < 1 || count > PROTOCOL_ITEMS_MAX)
        refuse(r, PROTOCOL_INVALID_ARGUMENT,
               "items: expected an array of 1 to %d objects",
               PROTOCOL_ITEMS_MAX);
    else
        request->next_item = items->child;
    request->item_count = (unsigned)count;
}

static bool may_have_items(enum protocol_op op)
{
    return op == PROTOCOL_CREATE || op == PROTOCOL_OPEN;
}

static void read_request(struct reader *r, struct message_request *request)
{
    if (may_have_items(request->op) && r->fields[FIELD_ITEMS])
        read_items(r, request);
    else
        read_body(r, request);
}

int message_request_next_item(struct message_request *request,
                              struct message_request *item,
                              struct message_problem *problem)
{
    const cJSON *object = request->next_item;
    struct reader r = {.problem = problem};

    if (!object)
        return MESSAGE_MALFORMED;
    request->next_item = object->next;
    *problem = (struct message_problem){.has_id = true, .id = request->id};
    *item = (struct message_request){.id = request->id, .op = request->op};
    if (!cJSON_IsObject(object)) {
        refuse(&r, PROTOCOL_INVALID_ARGUMENT, "expected an object");
        return MESSAGE_REFUSED;
    }
    gather_fields(&r, object);
    if (r.fields[FIELD_SOURCE] && read_of_file(&r))
        refuse(&r, PROTOCOL_INVALID_ARGUMENT,
               "source: a segment of a file is made by a request of its own");
    else
        read_body(&r, item);
    return r.refused ? MESSAGE_REFUSED : 0;
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
    struct reader r;
    const cJSON *op;
    char text[VALUE_SIZE];

    gather_fields(&r, tree);
    r.problem = problem;
    r.refused = false;
    if (json_integer_of(r.fields[FIELD_ID], 0, PROTOCOL_INTEGER_MAX,
                        &problem->id) < 0)
        return malformed(problem, "id is not an integer from 0 to 2^53-1");
    problem->has_id = true;
    request->id = problem->id;
    request->item_count = 0;
    request->quiet = false;
    for (int i = 0; i < MESSAGE_HANDLES_MAX; i++)
        request->handles[i].form = MESSAGE_HANDLE_NONE;
    op = r.fields[FIELD_OP];
    if (!cJSON_IsString(op))
        return malformed(problem, "op is not a string");
    if (message_op_parse(op->valuestring, &request->op) == 0)
        read_request(&r, request);
    else
        refuse(&r, PROTOCOL_UNKNOWN_OP, "there is no op %s",
               utf8_quote(op->valuestring, text, VALUE_SIZE));
    return r.refused ? MESSAGE_REFUSED : 0;
}

int message_request_decode(const char *line, size_t size,
                           struct message_request *request,
                           struct message_problem *problem)
{
    const char *text;
    cJSON *tree;
    int r;

    problem->has_id = problem->has_item = false;
    problem->id = 0;
    tree = json_parse(line, size, &text);
    if (!tree)
        return text ? malformed(problem, text) : MESSAGE_E_NOMEM;
    r = decode_tree(tree, request, problem);
    if (r == 0)
        request->document = tree;
    else
        json_free(tree);
    return r;
}

void message_request_deinit(struct message_request *request)
{
    json_free(request->document);
    request->document = NULL;
}
