#include "record.h"

#include "json.h"
#include "writer.h"

static const char *const KINDS[RECORD_KINDS] = {
    [RECORD_LISTEN] = "listen", [RECORD_KEEP] = "keep",
    [RECORD_FORGET] = "forget", [RECORD_HANDLES] = "handles",
    [RECORD_READY] = "ready",   [RECORD_PING] = "ping",
    [RECORD_PONG] = "pong",     [RECORD_RELOAD] = "reload",
    [RECORD_STOP] = "stop",     [RECORD_RESTART] = "restart",
    [RECORD_END] = "end"};

/* Of the handles. */
static const char *const NAMES[RECORD_HANDLES_MAX] = {
    "first", "second", "third", "fourth", "fifth"};

/* ---- writing ---- */

static void write_segment(struct writer *w,
                          const struct record_segment *segment)
{
    field_string(w, "name", segment->name);
    field_bool(w, "found", segment->found);
    field_string(w, "owner", segment->owner);
    field_integer(w, "size", segment->size);
    field_integer(w, "mapped_size", segment->mapped_size);
    field_integer(w, "created_at", segment->created_at);
    field_bool(w, "commit", segment->commit);
    field_bool(w, "persist", segment->persist);
    field_strings(w, "read", segment->share.read, segment->share.read_count);
    field_strings(w, "write", segment->share.write, segment->share.write_count);
    if (segment->of_file)
        field_bool(w, "of_file", true);
    if (segment->ticket_count > 0)
        field_strings(w, "tickets", segment->tickets, segment->ticket_count);
    if (segment->freezable)
        field_string(w, "frozen", message_frozen_name(segment->frozen));
    if (segment->revoked)
        field_bool(w, "revoked", true);
    if (segment->unpublished)
        field_bool(w, "unpublished", true);
    if (segment->doorbell > 0)
        field_integer(w, "doorbell", segment->doorbell);
    field_pages(w, segment->pages, segment->numa);
}

int record_write(struct buffer *out, const struct record *record)
{
    struct writer w = begin(out);

    open_brace(&w, '{');
    field_string(&w, "record", KINDS[record->kind]);
    field_integer(&w, "handles", record->handles);
    if (record->kind == RECORD_KEEP || record->kind == RECORD_FORGET)
        field_integer(&w, "segment", record->segment.segment);
    if (record->kind == RECORD_KEEP)
        write_segment(&w, &record->segment);
    if (record->kind == RECORD_LISTEN)
        field_string(&w, "path", record->path);
    if (record->kind == RECORD_HANDLES)
        for (unsigned i = 0; i < record->handles && i < RECORD_HANDLES_MAX; i++)
            field_handle(&w, NAMES[i], &record->names[i]);
    if (record->kind == RECORD_READY) {
        field_integer(&w, "next", record->next);
        field_integer(&w, "process", record->process);
    }
    return end_line(&w);
}

/* ---- reading ---- */

/* All lists have the same bound. */
_Static_assert((int)PROTOCOL_TICKETS_MAX == (int)PROTOCOL_SHARE_MAX,
               "tickets and principals fit into lists of one size");

static int read_list(const cJSON *tree, const char *key, const char **list,
                     unsigned *count)
{
    const cJSON *array = json_member(tree, key);
    const cJSON *item;

    *count = 0;
    if (!cJSON_IsArray(array) || cJSON_GetArraySize(array) > PROTOCOL_SHARE_MAX)
        return -1;
    cJSON_ArrayForEach (item, array) {
        if (!cJSON_IsString(item))
            return -1;
        list[(*count)++] = item->valuestring;
    }
    return 0;
}

/* Absent is none. */
static int read_doorbell(const cJSON *tree, unsigned *doorbell)
{
    const cJSON *item = json_member(tree, "doorbell");
    uint64_t count = 0;

    if (item && json_integer_of(item, 1, PROTOCOL_BELL_HANDLES, &count) < 0)
        return -1;
    *doorbell = (unsigned)count;
    return 0;
}

/* Members that are there only where they say something. */
static int read_optional(const cJSON *tree, struct record_segment *segment)
{
    const char *frozen;

    segment->ticket_count = 0;
    segment->frozen = PROTOCOL_FROZEN_NO;
    segment->freezable = json_get_string(tree, "frozen", &frozen) == 0;
    if (segment->freezable &&
        message_frozen_parse(frozen, &segment->frozen) < 0)
        return -1;
    if (json_get_bool(tree, "revoked", &segment->revoked) < 0)
        segment->revoked = false;
    if (json_get_bool(tree, "unpublished", &segment->unpublished) < 0)
        segment->unpublished = false;
    if (json_get_bool(tree, "of_file", &segment->of_file) < 0)
        segment->of_file = false;
    if (read_doorbell(tree, &segment->doorbell) < 0 ||
        json_get_pages(tree, &segment->pages) < 0 ||
        json_get_node(tree, &segment->numa) < 0)
        return -1;
    if (!json_member(tree, "tickets"))
        return 0;
    return read_list(tree, "tickets", segment->tickets, &segment->ticket_count);
}

static int read_segment(const cJSON *tree, struct record_segment *segment)
{
    if (json_get_string(tree, "name", &segment->name) < 0)
        segment->name = NULL;
    if (json_get_bool(tree, "found", &segment->found) < 0 ||
        json_get_string(tree, "owner", &segment->owner) < 0 ||
        json_get_integer(tree, "size", &segment->size) < 0 ||
        json_get_integer(tree, "mapped_size", &segment->mapped_size) < 0 ||
        json_get_integer(tree, "created_at", &segment->created_at) < 0 ||
        json_get_bool(tree, "commit", &segment->commit) < 0 ||
        json_get_bool(tree, "persist", &segment->persist) < 0)
        return -1;
    if ((segment->found && !segment->name) ||
        (segment->name &&
         message_name_problem(segment->name, strlen(segment->name))))
        return -1;
    if (read_list(tree, "read", segment->share.read,
                  &segment->share.read_count) < 0)
        return -1;
    if (read_optional(tree, segment) < 0)
        return -1;
    return read_list(tree, "write", segment->share.write,
                     &segment->share.write_count);
}

static int read_kind(const cJSON *tree, enum record_kind *kind)
{
    const char *word;

    if (json_get_string(tree, "record", &word) < 0)
        return -1;
    for (int i = 0; i < RECORD_KINDS; i++) {
        if (strcmp(word, KINDS[i]) != 0)
            continue;
        *kind = (enum record_kind)i;
        return 0;
    }
    return -1;
}

static int read_names(const cJSON *tree, struct record *record)
{
    for (unsigned i = 0; i < record->handles && i < RECORD_HANDLES_MAX; i++)
        if (json_get_handle(tree, NAMES[i], &record->names[i]) < 0)
            return -1;
    return 0;
}

static int read_body(const cJSON *tree, struct record *record)
{
    struct record_segment *segment = &record->segment;

    switch (record->kind) {
    case RECORD_LISTEN:
        return json_get_string(tree, "path", &record->path);
    case RECORD_KEEP:
        return json_get_integer(tree, "segment", &segment->segment) < 0
                   ? -1
                   : read_segment(tree, segment);
    case RECORD_FORGET:
        return json_get_integer(tree, "segment", &segment->segment);
    case RECORD_HANDLES:
        return read_names(tree, record);
    case RECORD_READY:
        return json_get_integer(tree, "next", &record->next) < 0
                   ? -1
                   : json_get_integer(tree, "process", &record->process);
    default:
        return 0;
    }
}

int record_decode(const char *line, size_t size, struct record *record)
{
    const char *problem;
    cJSON *tree = json_parse(line, size, &problem);
    uint64_t handles;

    if (!tree)
        return problem ? MESSAGE_MALFORMED : MESSAGE_E_NOMEM;
    record->document = tree;
    if (read_kind(tree, &record->kind) == 0 &&
        json_integer_of(json_member(tree, "handles"), 0, RECORD_HANDLES_MAX,
                        &handles) == 0) {
        record->handles = (unsigned)handles;
        if (read_body(tree, record) == 0)
            return 0;
    }
    record_deinit(record);
    return MESSAGE_MALFORMED;
}

void record_deinit(struct record *record)
{
    json_free(record->document);
    record->document = NULL;
}
