/*
 * Reading replies: what a client gets to see of them.
 */
#include "json.h"
#include "message.h"

#include <string.h>

static void read_detail(const cJSON *tree, struct message_reply *reply)
{
    const cJSON *detail = json_member(tree, "detail");
    struct message_budget *b = &reply->detail;

    reply->has_detail = detail &&
                        json_get_string(detail, "section", &b->section) == 0 &&
                        json_get_string(detail, "budget", &b->budget) == 0 &&
                        json_get_integer(detail, "used", &b->used) == 0 &&
                        json_get_integer(detail, "limit", &b->limit) == 0 &&
                        json_get_integer(detail, "asked", &b->asked) == 0;
}

static int read_error(const cJSON *tree, struct message_reply *reply)
{
    const char *name;

    if (json_get_string(tree, "error", &name) < 0)
        return -1;
    if (message_error_parse(name, &reply->error) < 0)
        reply->error = PROTOCOL_INTERNAL;
    if (json_get_string(tree, "message", &reply->text) < 0)
        reply->text = "";
    read_detail(tree, reply);
    reply->has_item = json_get_integer(tree, "item", &reply->item) == 0;
    return 0;
}

/* What is the same in a reply and in an item of one. */
static int read_outcome(const cJSON *tree, struct message_reply *reply)
{
    if (json_get_bool(tree, "ok", &reply->ok) < 0)
        return -1;
    return reply->ok ? 0 : read_error(tree, reply);
}

int message_reply_decode(const char *line, size_t size,
                         struct message_reply *reply)
{
    const char *problem;
    cJSON *tree = json_parse(line, size, &problem);

    *reply = (struct message_reply){.document = tree};
    if (!tree)
        return problem ? MESSAGE_MALFORMED : MESSAGE_E_NOMEM;
    reply->has_id = json_get_integer(tree, "id", &reply->id) == 0;
    reply->is_event = !json_member(tree, "id") && json_member(tree, "event");
    if (reply->is_event)
        return 0;
    if (read_outcome(tree, reply) == 0 && (reply->has_id || !reply->ok))
        return 0;
    message_reply_deinit(reply);
    return MESSAGE_MALFORMED;
}

void message_reply_deinit(struct message_reply *reply)
{
    json_free(reply->document);
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
    const cJSON *features = json_member(tree, "features");

    *welcome = (struct message_welcome){0};
    if (!features || !cJSON_IsArray(features))
        return MESSAGE_MALFORMED;
    welcome->feature_count = (unsigned)cJSON_GetArraySize(features);
    return outcome(
        json_get_integer(tree, "version", &welcome->version) < 0 ||
        json_get_string(tree, "server", &welcome->server) < 0 ||
        json_get_string(tree, "you", &welcome->you) < 0 ||
        json_get_bool(tree, "administrator", &welcome->administrator) < 0);
}

const char *message_reply_feature(const struct message_reply *reply,
                                  unsigned index)
{
    const cJSON *item = cJSON_GetArrayItem(
        json_member(reply->document, "features"), (int)index);

    return item && cJSON_IsString(item) ? item->valuestring : NULL;
}

/* Of what a segment is: of memory where nothing says otherwise. */
static bool is_of_file(const cJSON *object)
{
    const char *source;

    return json_get_string(object, "source", &source) == 0 &&
           strcmp(source, "file") == 0;
}

/* Those of the doorbell, in their order up to the first that is not there. */
static int read_bell(const cJSON *handles, struct message_grant *grant)
{
    struct message_handle *bell = grant->bell;

    for (unsigned i = 0; i < PROTOCOL_BELL_HANDLES; i++)
        bell[i] = (struct message_handle){.form = MESSAGE_HANDLE_NONE};
    for (unsigned i = 0; handles && i < PROTOCOL_BELL_HANDLES; i++) {
        if (!json_member(handles, message_bell_name(i)))
            return 0;
        if (json_get_handle(handles, message_bell_name(i), &bell[i]) < 0)
            return -1;
    }
    return 0;
}

int message_reply_grant(const struct message_reply *reply,
                        struct message_grant *grant)
{
    const cJSON *tree = reply->document;
    const cJSON *handles = json_member(tree, "handles");
    const char *access;

    grant->memory = (struct message_handle){.form = MESSAGE_HANDLE_NONE};
    grant->of_file = is_of_file(tree);
    if (json_get_integer(tree, "grant", &grant->grant) < 0 ||
        json_get_integer(tree, "segment", &grant->segment) < 0 ||
        json_get_bool(tree, "created", &grant->created) < 0 ||
        json_get_integer(tree, "size", &grant->size) < 0 ||
        json_get_integer(tree, "mapped_size", &grant->mapped_size) < 0 ||
        json_get_string(tree, "access", &access) < 0 ||
        (handles && json_get_handle(handles, "memory", &grant->memory) < 0) ||
        read_bell(handles, grant) < 0 ||
        json_get_pages(tree, &grant->pages) < 0)
        return MESSAGE_MALFORMED;
    return outcome(message_access_parse(access, &grant->access) < 0);
}

int message_reply_ticket(const struct message_reply *reply,
                         struct message_ticket *ticket)
{
    const cJSON *tree = reply->document;

    return outcome(json_get_string(tree, "ticket", &ticket->ticket) < 0 ||
                   json_get_integer(tree, "expires_at", &ticket->expires_at) <
                       0);
}

int message_reply_revoked(const struct message_reply *reply, bool *emptied)
{
    return outcome(json_get_bool(reply->document, "emptied", emptied) < 0);
}

int message_reply_watch(const struct message_reply *reply, uint64_t *watch)
{
    return outcome(json_get_integer(reply->document, "watch", watch) < 0);
}

/* Whether it is published, and whether frozen; neither need be said. */
static int read_condition(const cJSON *object, bool *unpublished,
                          bool *freezable, enum protocol_frozen *frozen)
{
    const char *word;
    bool published;

    *unpublished =
        json_get_bool(object, "published", &published) == 0 && !published;
    *frozen = PROTOCOL_FROZEN_NO;
    *freezable = json_get_string(object, "frozen", &word) == 0;
    return *freezable ? message_frozen_parse(word, frozen) : 0;
}

int message_reply_event(const struct message_reply *reply,
                        struct message_event *event)
{
    const cJSON *tree = reply->document;
    const char *word;

    *event = (struct message_event){.event = PROTOCOL_EVENTS};
    if (json_get_string(tree, "event", &word) < 0)
        return MESSAGE_MALFORMED;
    if (message_event_parse(word, &event->event) < 0 ||
        event->event == PROTOCOL_OVERFLOW)
        return 0;
    if (json_get_string(tree, "name", &event->name) < 0)
        event->name = NULL;
    return outcome(json_get_integer(tree, "watch", &event->watch) < 0 ||
                   json_get_integer(tree, "segment", &event->segment) < 0 ||
                   json_get_string(tree, "owner", &event->owner) < 0 ||
                   json_get_integer(tree, "size", &event->size) < 0 ||
                   read_condition(tree, &event->unpublished, &event->freezable,
                                  &event->frozen) < 0);
}

static int read_may(const cJSON *object, struct message_segment *segment)
{
    const char *may;

    if (json_get_string(object, "may", &may) < 0)
        return -1;
    segment->may_write = strcmp(may, "rw") == 0;
    segment->may_read = segment->may_write || strcmp(may, "ro") == 0;
    return segment->may_read || strcmp(may, "none") == 0 ? 0 : -1;
}

static int read_segment(const cJSON *object, struct message_segment *segment)
{
    const char *state;

    if (json_get_string(object, "name", &segment->name) < 0)
        segment->name = NULL;
    if (json_get_integer(object, "segment", &segment->segment) < 0 ||
        json_get_string(object, "owner", &segment->owner) < 0 ||
        json_get_integer(object, "size", &segment->size) < 0 ||
        json_get_integer(object, "mapped_size", &segment->mapped_size) < 0 ||
        json_get_string(object, "state", &state) < 0 ||
        read_may(object, segment) < 0 ||
        json_get_bool(object, "commit", &segment->commit) < 0 ||
        json_get_bool(object, "persist", &segment->persist) < 0 ||
        json_get_integer(object, "grants", &segment->grants) < 0 ||
        json_get_integer(object, "created_at", &segment->created_at) < 0)
        return MESSAGE_MALFORMED;
    segment->of_file = is_of_file(object);
    /* A broker that knows of no doorbells does not say it. */
    if (json_get_bool(object, "doorbell", &segment->doorbell) < 0)
        segment->doorbell = false;
    if (json_get_integer(object, "tickets", &segment->tickets) < 0)
        segment->tickets = 0;
    if (read_condition(object, &segment->unpublished, &segment->freezable,
                       &segment->frozen) < 0)
        return MESSAGE_MALFORMED;
    if (json_get_pages(object, &segment->pages) < 0 ||
        json_get_node(object, &segment->numa) < 0)
        return MESSAGE_MALFORMED;
    return outcome(message_state_parse(state, &segment->state) < 0);
}

int message_reply_stat(const struct message_reply *reply,
                       struct message_segment *segment)
{
    return read_segment(json_member(reply->document, "segment"), segment);
}

/* The array, or object, that a listing's rows are in. */
static const cJSON *rows_of(const struct message_reply *reply)
{
    static const char *const keys[] = {"segments", "usage", "clients", "stats",
                                       "items"};
    const cJSON *rows = NULL;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && !rows; i++)
        rows = json_member(reply->document, keys[i]);
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
    return outcome(json_get_string(object, "section", &budget->section) < 0 ||
                   json_get_string(object, "budget", &budget->budget) < 0 ||
                   json_get_integer(object, "used", &budget->used) < 0 ||
                   (json_member(object, "limit") &&
                    json_get_integer(object, "limit", &budget->limit) < 0));
}

int message_reply_client(const struct message_reply *reply, unsigned index,
                         struct message_client *client)
{
    const cJSON *object = row(reply, index);

    if (json_get_string(object, "name", &client->name) < 0)
        client->name = NULL;
    return outcome(
        json_get_integer(object, "client", &client->client) < 0 ||
        json_get_integer(object, "pid", &client->pid) < 0 ||
        json_get_string(object, "user", &client->user) < 0 ||
        json_get_integer(object, "grants", &client->grants) < 0 ||
        json_get_integer(object, "requests", &client->requests) < 0 ||
        json_get_integer(object, "connected_at", &client->connected_at) < 0);
}

int message_reply_item(const struct message_reply *reply, unsigned index,
                       struct message_reply *item)
{
    const cJSON *object = row(reply, index);

    *item = (struct message_reply){
        .has_id = reply->has_id, .id = reply->id, .document = (void *)object};
    return outcome(!object || read_outcome(object, item) < 0);
}

int message_reply_counter(const struct message_reply *reply, unsigned index,
                          struct message_counter *counter)
{
    const cJSON *item = row(reply, index);

    if (!item || !item->string ||
        json_integer_of(item, 0, PROTOCOL_INTEGER_MAX, &counter->value) < 0)
        return MESSAGE_MALFORMED;
    counter->name = item->string;
    return 0;
}

uint64_t message_reply_next(const struct message_reply *reply)
{
    uint64_t next = 0;

    return json_get_integer(reply->document, "next", &next) == 0 ? next : 0;
}
