/*
 * The words of the protocol, and what a segment may be called.
 */
#include "line.h"
#include "message.h"
#include "utf8.h"

#include <string.h>

static const char *const OPS[PROTOCOL_OPS] = {
    [PROTOCOL_HELLO] = "hello",         [PROTOCOL_CREATE] = "create",
    [PROTOCOL_OPEN] = "open",           [PROTOCOL_RELEASE] = "release",
    [PROTOCOL_REMOVE] = "remove",       [PROTOCOL_STAT] = "stat",
    [PROTOCOL_LIST] = "list",           [PROTOCOL_USAGE] = "usage",
    [PROTOCOL_PING] = "ping",           [PROTOCOL_STATS] = "stats",
    [PROTOCOL_CLIENTS] = "clients",     [PROTOCOL_RELOAD] = "reload",
    [PROTOCOL_LOG_LEVEL] = "log-level", [PROTOCOL_SHUTDOWN] = "shutdown",
    [PROTOCOL_RECLAIM] = "reclaim",     [PROTOCOL_RESTART] = "restart",
    [PROTOCOL_OFFER] = "offer",         [PROTOCOL_REDEEM] = "redeem",
    [PROTOCOL_FREEZE] = "freeze",       [PROTOCOL_REVOKE] = "revoke",
    [PROTOCOL_PUBLISH] = "publish",     [PROTOCOL_WATCH] = "watch",
    [PROTOCOL_UNWATCH] = "unwatch"};

static const char *const ERRORS[PROTOCOL_ERRORS] = {
    [PROTOCOL_BAD_REQUEST] = "bad-request",
    [PROTOCOL_UNSUPPORTED_VERSION] = "unsupported-version",
    [PROTOCOL_UNKNOWN_OP] = "unknown-op",
    [PROTOCOL_INVALID_ARGUMENT] = "invalid-argument",
    [PROTOCOL_INVALID_NAME] = "invalid-name",
    [PROTOCOL_NOT_FOUND] = "not-found",
    [PROTOCOL_EXISTS] = "exists",
    [PROTOCOL_ACCESS_DENIED] = "access-denied",
    [PROTOCOL_QUOTA_EXCEEDED] = "quota-exceeded",
    [PROTOCOL_NO_MEMORY] = "no-memory",
    [PROTOCOL_FILE_EMPTY] = "file-empty",
    [PROTOCOL_FILE_TOO_SMALL] = "file-too-small",
    [PROTOCOL_FILE_FULL] = "file-full",
    [PROTOCOL_TIMEOUT] = "timeout",
    [PROTOCOL_TOO_MANY_HANDLES] = "too-many-handles",
    [PROTOCOL_RATE_LIMITED] = "rate-limited",
    [PROTOCOL_NOT_SUPPORTED] = "not-supported",
    [PROTOCOL_BUSY] = "busy",
    [PROTOCOL_SHUTTING_DOWN] = "shutting-down",
    [PROTOCOL_INTERNAL] = "internal"};

static const char *const ACCESSES[PROTOCOL_ACCESSES] = {
    [PROTOCOL_RO] = "ro", [PROTOCOL_RW] = "rw", [PROTOCOL_COW] = "cow"};

static const char *const STATES[PROTOCOL_STATES] = {
    [PROTOCOL_NAMED] = "named",
    [PROTOCOL_UNNAMED] = "unnamed",
    [PROTOCOL_REMOVED] = "removed",
    [PROTOCOL_HELD] = "held"};

static const char *const FROZENS[PROTOCOL_FROZENS] = {
    [PROTOCOL_FROZEN_NO] = "no",
    [PROTOCOL_FROZEN_FUTURE] = "future",
    [PROTOCOL_FROZEN_YES] = "yes"};

static const char *const EVENTS[PROTOCOL_EVENTS] = {
    [PROTOCOL_CREATED] = "created", [PROTOCOL_PUBLISHED] = "published",
    [PROTOCOL_FROZEN] = "frozen",   [PROTOCOL_NAME_REMOVED] = "removed",
    [PROTOCOL_GONE] = "gone",       [PROTOCOL_OVERFLOW] = "overflow"};

static const char *const BELL_HANDLES[PROTOCOL_BELL_HANDLES] = {
    "doorbell", "doorbell_wake", "doorbell_watch"};

static const char *const PAGES[PROTOCOL_PAGES_KINDS] = {
    [PROTOCOL_PAGES_DEFAULT] = "default",
    [PROTOCOL_PAGES_2M] = "2M",
    [PROTOCOL_PAGES_1G] = "1G"};

static const char *const LEVELS[PROTOCOL_LOG_LEVELS] = {
    [PROTOCOL_LOG_ERROR] = "error",
    [PROTOCOL_LOG_WARNING] = "warning",
    [PROTOCOL_LOG_INFO] = "info",
    [PROTOCOL_LOG_DEBUG] = "debug"};

const char *message_op_name(enum protocol_op op)
{
    return OPS[op];
}

const char *message_error_name(enum protocol_error error)
{
    return ERRORS[error];
}

const char *message_access_name(enum protocol_access access)
{
    return ACCESSES[access];
}

const char *message_state_name(enum protocol_state state)
{
    return STATES[state];
}

const char *message_frozen_name(enum protocol_frozen frozen)
{
    return FROZENS[frozen];
}

const char *message_event_name(enum protocol_event event)
{
    return EVENTS[event];
}

const char *message_level_name(enum protocol_log_level level)
{
    return LEVELS[level];
}

const char *message_pages_name(enum protocol_pages pages)
{
    return PAGES[pages];
}

uint64_t message_pages_bytes(enum protocol_pages pages)
{
    static const uint64_t bytes[PROTOCOL_PAGES_KINDS] = {
        [PROTOCOL_PAGES_2M] = 2 << 20, [PROTOCOL_PAGES_1G] = 1 << 30};

    return bytes[pages];
}

const char *message_bell_name(unsigned place)
{
    return BELL_HANDLES[place];
}

/* The number of a word in a table, or -1. Tables may have gaps. */
static int find(const char *word, const char *const *words, int count)
{
    for (int i = 0; i < count; i++)
        if (words[i] && words[i][0] == word[0] && strcmp(words[i], word) == 0)
            return i;
    return -1;
}

int message_op_parse(const char *name, enum protocol_op *op)
{
    int number = find(name, OPS, PROTOCOL_OPS);

    if (number < 0)
        return -1;
    *op = (enum protocol_op)number;
    return 0;
}

int message_error_parse(const char *name, enum protocol_error *error)
{
    int number = find(name, ERRORS, PROTOCOL_ERRORS);

    if (number < 0)
        return -1;
    *error = (enum protocol_error)number;
    return 0;
}

int message_access_parse(const char *name, enum protocol_access *access)
{
    int number = find(name, ACCESSES, PROTOCOL_ACCESSES);

    if (number < 0)
        return -1;
    *access = (enum protocol_access)number;
    return 0;
}

int message_state_parse(const char *name, enum protocol_state *state)
{
    int number = find(name, STATES, PROTOCOL_STATES);

    if (number < 0)
        return -1;
    *state = (enum protocol_state)number;
    return 0;
}

int message_frozen_parse(const char *name, enum protocol_frozen *frozen)
{
    int number = find(name, FROZENS, PROTOCOL_FROZENS);

    if (number < 0)
        return -1;
    *frozen = (enum protocol_frozen)number;
    return 0;
}

int message_event_parse(const char *name, enum protocol_event *event)
{
    int number = find(name, EVENTS, PROTOCOL_EVENTS);

    if (number < 0)
        return -1;
    *event = (enum protocol_event)number;
    return 0;
}

int message_level_parse(const char *name, enum protocol_log_level *level)
{
    int number = find(name, LEVELS, PROTOCOL_LOG_LEVELS);

    if (number < 0)
        return -1;
    *level = (enum protocol_log_level)number;
    return 0;
}

int message_pages_parse(const char *name, enum protocol_pages *pages)
{
    int number = find(name, PAGES, PROTOCOL_PAGES_KINDS);

    if (number < 0)
        return -1;
    *pages = (enum protocol_pages)number;
    return 0;
}

const char *message_name_problem(const char *name, size_t size)
{
    if (size == 0)
        return "a name has at least one byte";
    if (size > PROTOCOL_NAME_MAX)
        return "a name has at most 200 bytes";
    if (!line_is_plain(name, size)) {
        if (!utf8_valid(name, size))
            return "a name is valid UTF-8";
        if (utf8_has_control(name, size))
            return "a name has no control characters";
        if (memchr(name, '\\', size))
            return "a name has no backslash";
    }
    if (size == strlen(PROTOCOL_GLOBAL_PREFIX) &&
        memcmp(name, PROTOCOL_GLOBAL_PREFIX, size) == 0)
        return "something must follow global/";
    return NULL;
}
