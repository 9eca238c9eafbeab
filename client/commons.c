/*
 * What all clients share: looking at segments, budgets and the broker.
 */
#include "client.h"
#include "error.h"

#include <stdio.h>
#include <string.h>

/* segb_stat's strings, until this thread's next call. */
static _Thread_local char stat_name[PROTOCOL_NAME_MAX + 1];
static _Thread_local char stat_owner[PROTOCOL_PRINCIPAL_MAX + 1];

static struct message_target target_of(const char *name, uint64_t id)
{
    return (struct message_target){.name = name, .segment = id};
}

static int nonsense(void)
{
    return error_set(SEGB_E_PROTOCOL, "%s", segb_strerror(SEGB_E_PROTOCOL));
}

static segb_info info_of(const struct message_segment *segment)
{
    static const int states[PROTOCOL_STATES] = {
        [PROTOCOL_NAMED] = SEGB_NAMED,
        [PROTOCOL_UNNAMED] = SEGB_UNNAMED,
        [PROTOCOL_REMOVED] = SEGB_REMOVED,
        [PROTOCOL_HELD] = SEGB_HELD};

    return (segb_info){.id = segment->segment,
                       .name = segment->name,
                       .owner = segment->owner,
                       .size = segment->size,
                       .mapped_size = segment->mapped_size,
                       .state = states[segment->state],
                       .may_read = segment->may_read,
                       .may_write = segment->may_write,
                       .commit = segment->commit,
                       .persist = segment->persist,
                       .grants = segment->grants,
                       .created_at = segment->created_at};
}

int segb_remove(segb_client *client, const char *name, uint64_t id)
{
    struct message_request request = {.op = PROTOCOL_REMOVE,
                                      .remove = target_of(name, id)};

    return call_simple(client, &request);
}

int segb_stat(segb_client *client, const char *name, uint64_t id,
              segb_info *info)
{
    struct message_request request = {.op = PROTOCOL_STAT,
                                      .stat = target_of(name, id)};
    struct message_segment segment;
    struct message_reply reply;
    int r = call_run(client, &request, &reply);

    if (r < 0)
        return r;
    if (message_reply_stat(&reply, &segment) != 0) {
        r = nonsense();
    } else {
        *info = info_of(&segment);
        snprintf(stat_owner, sizeof(stat_owner), "%s", segment.owner);
        info->owner = stat_owner;
        if (segment.name) {
            snprintf(stat_name, sizeof(stat_name), "%s", segment.name);
            info->name = stat_name;
        }
    }
    message_reply_deinit(&reply);
    return r;
}

/* ---- listings ---- */

/* What a listing does with one row of a page. */
struct rows {
    int (*take)(const struct message_reply *reply, unsigned index,
                const struct rows *rows);
    union {
        segb_info_fn info;
        segb_budget_fn budget;
        segb_peer_fn peer;
        segb_counter_fn counter;
    };
    void *data;
};

/* Asks once and takes every row. `next` continues, 0 when it was all. */
static int take_page(segb_client *client, struct message_request *request,
                     const struct rows *rows, uint64_t *next)
{
    struct message_reply reply;
    unsigned count;
    int r = call_run(client, request, &reply);

    if (r < 0)
        return r;
    count = message_reply_rows(&reply);
    for (unsigned i = 0; i < count && r == 0; i++)
        r = rows->take(&reply, i, rows);
    *next = message_reply_next(&reply);
    message_reply_deinit(&reply);
    return r;
}

/* Asks page after page; `page` is in the request. */
static int take_pages(segb_client *client, struct message_request *request,
                      struct message_page *page, const struct rows *rows)
{
    uint64_t next;
    int r;

    *page = (struct message_page){.limit = PROTOCOL_PAGE_MAX};
    do {
        r = take_page(client, request, rows, &next);
        /* A page that leads nowhere new would be asked for ever. */
        if (r == 0 && next != 0 && next <= page->after)
            r = nonsense();
        page->after = next;
    } while (r == 0 && next != 0);
    return r;
}

static int take_info(const struct message_reply *reply, unsigned index,
                     const struct rows *rows)
{
    struct message_segment segment;
    segb_info info;

    if (message_reply_segment(reply, index, &segment) != 0)
        return nonsense();
    info = info_of(&segment);
    return rows->info(&info, rows->data);
}

int segb_list(segb_client *client, const char *prefix, segb_info_fn row,
              void *data)
{
    struct message_request request = {.op = PROTOCOL_LIST,
                                      .list = {.prefix = prefix}};
    struct rows rows = {.take = take_info, .info = row, .data = data};

    return take_pages(client, &request, &request.list.page, &rows);
}

static int take_budget(const struct message_reply *reply, unsigned index,
                       const struct rows *rows)
{
    struct message_budget from;
    segb_budget budget;

    if (message_reply_budget(reply, index, &from) != 0)
        return nonsense();
    budget = (segb_budget){.section = from.section,
                           .budget = from.budget,
                           .used = from.used,
                           .limit = from.limit == MESSAGE_NONE ? SEGB_UNLIMITED
                                                               : from.limit};
    return rows->budget(&budget, rows->data);
}

int segb_usage(segb_client *client, int all, segb_budget_fn row, void *data)
{
    struct message_request request = {.op = PROTOCOL_USAGE,
                                      .usage = {.all = all != 0}};
    struct rows rows = {.take = take_budget, .budget = row, .data = data};

    return take_pages(client, &request, &request.usage.page, &rows);
}

static int take_peer(const struct message_reply *reply, unsigned index,
                     const struct rows *rows)
{
    struct message_client from;
    segb_peer peer;

    if (message_reply_client(reply, index, &from) != 0)
        return nonsense();
    peer = (segb_peer){.id = from.client,
                       .pid = from.pid,
                       .user = from.user,
                       .name = from.name,
                       .grants = from.grants,
                       .requests = from.requests,
                       .connected_at = from.connected_at};
    return rows->peer(&peer, rows->data);
}

int segb_peers(segb_client *client, segb_peer_fn row, void *data)
{
    struct message_request request = {.op = PROTOCOL_CLIENTS};
    struct rows rows = {.take = take_peer, .peer = row, .data = data};

    return take_pages(client, &request, &request.clients, &rows);
}

static int take_counter(const struct message_reply *reply, unsigned index,
                        const struct rows *rows)
{
    struct message_counter counter;

    if (message_reply_counter(reply, index, &counter) != 0)
        return nonsense();
    return rows->counter(counter.name, counter.value, rows->data);
}

int segb_stats(segb_client *client, segb_counter_fn row, void *data)
{
    struct message_request request = {.op = PROTOCOL_STATS};
    struct rows rows = {.take = take_counter, .counter = row, .data = data};
    uint64_t next;

    return take_page(client, &request, &rows, &next);
}

/* ---- plain requests ---- */

static int ask(segb_client *client, enum protocol_op op)
{
    struct message_request request = {.op = op};

    return call_simple(client, &request);
}

int segb_ping(segb_client *client)
{
    return ask(client, PROTOCOL_PING);
}

int segb_reload(segb_client *client)
{
    return ask(client, PROTOCOL_RELOAD);
}

int segb_shutdown(segb_client *client)
{
    return ask(client, PROTOCOL_SHUTDOWN);
}

int segb_log_level(segb_client *client, const char *level)
{
    struct message_request request = {.op = PROTOCOL_LOG_LEVEL};

    if (message_level_parse(level, &request.log_level) < 0)
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "a level is error, warning, info or debug");
    return call_simple(client, &request);
}
