/*
 * Questions about the commons: lists, which come in pages, single facts, and
 * requests that are answered by a plain ok.
 */
#include "internal.h"

#include "arguments.h"
#include "error.h"

#include <stdio.h>
#include <string.h>

static int nonsense(void)
{
    return error_note(SEGB_E_PROTOCOL, "the broker's list makes no sense");
}

/* ---- one row ---- */

static void fill_info(const struct message_segment *from, segb_info *info)
{
    static const int states[PROTOCOL_STATES] = {
        [PROTOCOL_NAMED] = SEGB_NAMED,
        [PROTOCOL_UNNAMED] = SEGB_UNNAMED,
        [PROTOCOL_REMOVED] = SEGB_REMOVED,
        [PROTOCOL_HELD] = SEGB_HELD,
    };

    static const int pages[PROTOCOL_PAGES_KINDS] = {
        [PROTOCOL_PAGES_2M] = SEGB_PAGES_2M,
        [PROTOCOL_PAGES_1G] = SEGB_PAGES_1G,
    };

    *info = (segb_info){.id = from->segment,
                        .name = from->name,
                        .owner = from->owner,
                        .size = from->size,
                        .mapped_size = from->mapped_size,
                        .state = states[from->state],
                        .may_read = from->may_read,
                        .may_write = from->may_write,
                        .commit = from->commit,
                        .persist = from->persist,
                        .grants = from->grants,
                        .created_at = from->created_at,
                        .tickets = from->tickets,
                        .freezable = from->freezable,
                        .frozen = reply_frozen(from->frozen),
                        .of_file = from->of_file,
                        .doorbell = from->doorbell,
                        .published = !from->unpublished,
                        .pages = pages[from->pages],
                        .numa = (int)from->numa};
}

/* Who is told of the rows; one of the functions is set. */
struct listener {
    segb_info_fn info;
    segb_budget_fn budget;
    segb_peer_fn peer;
    segb_counter_fn counter;
    void *data;
};

static int tell_segment(const struct message_reply *reply, unsigned index,
                        const struct listener *listener)
{
    struct message_segment segment;
    segb_info info;

    if (message_reply_segment(reply, index, &segment) != 0)
        return nonsense();
    fill_info(&segment, &info);
    return listener->info(&info, listener->data);
}

static int tell_budget(const struct message_reply *reply, unsigned index,
                       const struct listener *listener)
{
    struct message_budget row;
    segb_budget budget;

    if (message_reply_budget(reply, index, &row) != 0)
        return nonsense();
    budget = (segb_budget){.section = row.section,
                           .budget = row.budget,
                           .used = row.used,
                           .limit = row.limit == MESSAGE_NONE ? SEGB_UNLIMITED
                                                              : row.limit};
    return listener->budget(&budget, listener->data);
}

static int tell_peer(const struct message_reply *reply, unsigned index,
                     const struct listener *listener)
{
    struct message_client row;
    segb_peer peer;

    if (message_reply_client(reply, index, &row) != 0)
        return nonsense();
    peer = (segb_peer){.id = row.client,
                       .pid = row.pid,
                       .user = row.user,
                       .name = row.name,
                       .grants = row.grants,
                       .requests = row.requests,
                       .connected_at = row.connected_at};
    return listener->peer(&peer, listener->data);
}

static int tell_counter(const struct message_reply *reply, unsigned index,
                        const struct listener *listener)
{
    struct message_counter counter;

    if (message_reply_counter(reply, index, &counter) != 0)
        return nonsense();
    return listener->counter(counter.name, counter.value, listener->data);
}

static int tell_row(const struct message_reply *reply, unsigned index,
                    const struct listener *listener)
{
    if (listener->info)
        return tell_segment(reply, index, listener);
    if (listener->budget)
        return tell_budget(reply, index, listener);
    if (listener->peer)
        return tell_peer(reply, index, listener);
    return tell_counter(reply, index, listener);
}

/* ---- pages ---- */

/* One page: `next` continues it, or is 0. */
static int tell_page(segb_client *client, struct message_request *request,
                     const struct listener *listener, uint64_t *next)
{
    struct call call = {0};
    unsigned rows;
    int r = call_run(client, request, &call);

    if (r < 0)
        return r;
    rows = message_reply_rows(&call.reply);
    for (unsigned i = 0; i < rows && r == 0; i++)
        r = tell_row(&call.reply, i, listener);
    *next = message_reply_next(&call.reply);
    call_deinit(&call);
    return r;
}

/* All pages; `page` is the request's. */
static int tell_pages(segb_client *client, struct message_request *request,
                      struct message_page *page,
                      const struct listener *listener)
{
    uint64_t next;
    int r;

    *page = (struct message_page){.limit = PROTOCOL_PAGE_MAX};
    for (;;) {
        r = tell_page(client, request, listener, &next);
        if (r != 0 || next == 0)
            return r;
        /* Else a broker could keep us at it for ever. */
        if (next <= page->after)
            return nonsense();
        page->after = next;
    }
}

static int check(segb_client *client, bool has_row)
{
    int r = arguments_given("client", client);

    if (r != 0 || has_row)
        return r;
    error_note(SEGB_E_INVALID_ARGUMENT, "row is NULL");
    return SEGB_E_INVALID_ARGUMENT;
}

int segb_list(segb_client *client, const char *prefix, segb_info_fn row,
              void *data)
{
    struct message_request request = {.op = PROTOCOL_LIST};
    struct listener listener = {.info = row, .data = data};
    int r = check(client, row != NULL);

    if (r == 0)
        r = arguments_text("prefix", prefix, PROTOCOL_NAME_MAX);
    if (r != 0)
        return r;
    request.list.prefix = prefix;
    return tell_pages(client, &request, &request.list.page, &listener);
}

int segb_usage(segb_client *client, int all, segb_budget_fn row, void *data)
{
    struct message_request request = {.op = PROTOCOL_USAGE,
                                      .usage = {.all = all != 0}};
    struct listener listener = {.budget = row, .data = data};
    int r = check(client, row != NULL);

    if (r != 0)
        return r;
    return tell_pages(client, &request, &request.usage.page, &listener);
}

int segb_peers(segb_client *client, segb_peer_fn row, void *data)
{
    struct message_request request = {.op = PROTOCOL_CLIENTS};
    struct listener listener = {.peer = row, .data = data};
    int r = check(client, row != NULL);

    if (r != 0)
        return r;
    return tell_pages(client, &request, &request.clients, &listener);
}

int segb_stats(segb_client *client, segb_counter_fn row, void *data)
{
    struct message_request request = {.op = PROTOCOL_STATS};
    struct listener listener = {.counter = row, .data = data};
    uint64_t next;
    int r = check(client, row != NULL);

    return r != 0 ? r : tell_page(client, &request, &listener, &next);
}

/* ---- one segment ---- */

/* The strings outlive the reply: each thread keeps those of its last stat. */
static int keep_strings(segb_info *info)
{
    static _Thread_local char name[PROTOCOL_NAME_MAX + 1];
    static _Thread_local char owner[PROTOCOL_PRINCIPAL_MAX + 1];

    if ((info->name && strlen(info->name) >= sizeof(name)) ||
        strlen(info->owner) >= sizeof(owner))
        return -1;
    snprintf(name, sizeof(name), "%s", info->name ? info->name : "");
    snprintf(owner, sizeof(owner), "%s", info->owner);
    if (info->name)
        info->name = name;
    info->owner = owner;
    return 0;
}

static int take_info(const struct message_reply *reply, segb_info *info)
{
    struct message_segment segment;
    segb_info filled;

    if (message_reply_stat(reply, &segment) != 0)
        return -1;
    fill_info(&segment, &filled);
    if (keep_strings(&filled) < 0)
        return -1;
    *info = filled;
    return 0;
}

int segb_stat(segb_client *client, const char *name, uint64_t id,
              segb_info *info)
{
    struct message_request request = {.op = PROTOCOL_STAT};
    struct call call = {0};
    int r = arguments_given("client", client);

    if (r == 0)
        r = arguments_given("info", info);
    if (r == 0)
        r = arguments_target(name, id, &request.target);
    if (r == 0)
        r = call_run(client, &request, &call);
    if (r < 0)
        return r;
    if (take_info(&call.reply, info) < 0)
        r = error_note(SEGB_E_PROTOCOL, "the broker's record makes no sense");
    call_deinit(&call);
    return r;
}

int segb_remove(segb_client *client, const char *name, uint64_t id)
{
    struct message_request request = {.op = PROTOCOL_REMOVE};
    int r = arguments_target(name, id, &request.target);

    return r < 0 ? r : call_plain(client, &request);
}

int segb_publish(segb_client *client, const char *name, uint64_t id)
{
    struct message_request request = {.op = PROTOCOL_PUBLISH};
    int r = arguments_target(name, id, &request.target);

    return r < 0 ? r : call_plain(client, &request);
}

int segb_freeze(segb_client *client, const char *name, uint64_t id, int frozen)
{
    struct message_request request = {.op = PROTOCOL_FREEZE};
    int r = arguments_target(name, id, &request.freeze.target);

    if (r == 0 && frozen != SEGB_FROZEN_YES && frozen != SEGB_FROZEN_FUTURE)
        r = error_set(SEGB_E_INVALID_ARGUMENT,
                      "frozen: expected SEGB_FROZEN_YES or "
                      "SEGB_FROZEN_FUTURE, not %d",
                      frozen);
    request.freeze.mode = frozen == SEGB_FROZEN_FUTURE ? PROTOCOL_FROZEN_FUTURE
                                                       : PROTOCOL_FROZEN_YES;
    return r < 0 ? r : call_plain(client, &request);
}

int segb_revoke(segb_client *client, const char *name, uint64_t id,
                int *emptied)
{
    struct message_request request = {.op = PROTOCOL_REVOKE};
    struct call call = {0};
    bool is_emptied = false;
    int r = arguments_given("client", client);

    if (r == 0)
        r = arguments_target(name, id, &request.target);
    if (r == 0)
        r = call_run(client, &request, &call);
    if (r < 0)
        return r;
    if (message_reply_revoked(&call.reply, &is_emptied) != 0)
        r = error_note(SEGB_E_PROTOCOL, "the broker's answer makes no sense");
    else if (emptied)
        *emptied = is_emptied;
    call_deinit(&call);
    return r;
}

/* ---- plain requests ---- */

int segb_ping(segb_client *client)
{
    struct message_request request = {.op = PROTOCOL_PING};

    return call_plain(client, &request);
}

int segb_reload(segb_client *client)
{
    struct message_request request = {.op = PROTOCOL_RELOAD};

    return call_plain(client, &request);
}

int segb_log_level(segb_client *client, const char *level)
{
    struct message_request request = {.op = PROTOCOL_LOG_LEVEL};
    int r = arguments_given("level", level);

    if (r < 0)
        return r;
    if (message_level_parse(level, &request.log_level) < 0)
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "level: expected \"error\", \"warning\", \"info\" or "
                         "\"debug\", not \"%.40s\"",
                         level);
    return call_plain(client, &request);
}

int segb_restart(segb_client *client)
{
    struct message_request request = {.op = PROTOCOL_RESTART};

    return call_plain(client, &request);
}

int segb_shutdown(segb_client *client)
{
    struct message_request request = {.op = PROTOCOL_SHUTDOWN};

    return call_plain(client, &request);
}
