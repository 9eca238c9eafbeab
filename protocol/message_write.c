/*
 * Writing: every request that leaves a client, every reply of a broker.
 */
#include "message.h"
#include "writer.h"

/* ---- requests ---- */

static void write_target(struct writer *w, const struct message_target *target)
{
    if (target->name)
        field_string(w, "name", target->name);
    else
        field_integer(w, "segment", target->segment);
}

static void write_page(struct writer *w, const struct message_page *page)
{
    field_integer(w, "after", page->after);
    field_integer(w, "limit", page->limit);
}

static void write_share(struct writer *w, const struct message_share *share)
{
    if (share->read_count == 0 && share->write_count == 0)
        return;
    put_key(w, "share");
    open_brace(w, '{');
    field_strings(w, "read", share->read, share->read_count);
    field_strings(w, "write", share->write, share->write_count);
    close_brace(w, '}');
}

static void open_handles(struct writer *w, const struct message_handle *memory)
{
    put_key(w, "handles");
    open_brace(w, '{');
    field_handle(w, "memory", memory);
}

static void write_handles(struct writer *w, const struct message_handle *memory)
{
    if (memory->form == MESSAGE_HANDLE_NONE)
        return;
    open_handles(w, memory);
    close_brace(w, '}');
}

static void write_granted(struct writer *w, const struct message_grant *grant)
{
    if (grant->memory.form == MESSAGE_HANDLE_NONE)
        return;
    open_handles(w, &grant->memory);
    for (unsigned i = 0; i < PROTOCOL_BELL_HANDLES; i++)
        if (grant->bell[i].form != MESSAGE_HANDLE_NONE)
            field_handle(w, message_bell_name(i), &grant->bell[i]);
    close_brace(w, '}');
}

static void write_file(struct writer *w, const struct message_handle *handles)
{
    field_string(w, "source", "file");
    put_key(w, "handles");
    open_brace(w, '{');
    if (handles[MESSAGE_FILE].form != MESSAGE_HANDLE_NONE)
        field_handle(w, "file", &handles[MESSAGE_FILE]);
    if (handles[MESSAGE_FILE_READ].form != MESSAGE_HANDLE_NONE)
        field_handle(w, "file_read", &handles[MESSAGE_FILE_READ]);
    close_brace(w, '}');
}

static void write_create(struct writer *w,
                         const struct message_request *request)
{
    const struct message_create *create = &request->create;

    if (create->name)
        field_string(w, "name", create->name);
    field_integer(w, "size", create->size);
    field_string(w, "access", message_access_name(create->access));
    field_string(w, "if_exists", create->fail_if_exists ? "fail" : "open");
    field_bool(w, "commit", create->commit);
    field_bool(w, "persist", create->persist);
    if (create->freezable)
        field_bool(w, "freezable", true);
    if (create->of_file)
        write_file(w, request->handles);
    if (create->doorbell)
        field_bool(w, "doorbell", true);
    if (create->publish_later)
        field_string(w, "publish", "later");
    field_pages(w, create->pages, create->numa);
    write_share(w, &create->share);
}

static void write_offer(struct writer *w, const struct message_offer *offer)
{
    field_integer(w, "grant", offer->grant);
    field_string(w, "access", message_access_name(offer->access));
    field_integer(w, "uses", offer->uses);
    field_integer(w, "expires_ms", offer->expires);
}

static void write_hello(struct writer *w, const struct message_request *request)
{
    field_integer(w, "version", request->hello.version);
    if (request->hello.client)
        field_string(w, "client", request->hello.client);
}

static void write_reclaim(struct writer *w,
                          const struct message_request *request)
{
    field_integer(w, "segment", request->reclaim.segment);
    field_string(w, "access", message_access_name(request->reclaim.access));
    write_handles(w, &request->handles[MESSAGE_SHOWN]);
}

static void write_freeze(struct writer *w,
                         const struct message_request *request)
{
    bool future = request->freeze.mode == PROTOCOL_FROZEN_FUTURE;

    write_target(w, &request->freeze.target);
    field_string(w, "mode", future ? "future" : "now");
}

static void write_open(struct writer *w, const struct message_request *request)
{
    write_target(w, &request->open.target);
    field_string(w, "access", message_access_name(request->open.access));
    if (request->open.wait_ms > 0)
        field_integer(w, "wait_ms", request->open.wait_ms);
}

static void write_prefix(struct writer *w, const char *prefix)
{
    if (prefix)
        field_string(w, "prefix", prefix);
}

static void write_given_back(struct writer *w, const char *key, uint64_t number,
                             bool quiet)
{
    field_integer(w, key, number);
    if (quiet)
        field_bool(w, "quiet", true);
}

static void write_body(struct writer *w, const struct message_request *request)
{
    switch (request->op) {
    case PROTOCOL_HELLO:
        write_hello(w, request);
        break;
    case PROTOCOL_CREATE:
        write_create(w, request);
        break;
    case PROTOCOL_OPEN:
        write_open(w, request);
        break;
    case PROTOCOL_RELEASE:
        write_given_back(w, "grant", request->release, request->quiet);
        break;
    case PROTOCOL_RECLAIM:
        write_reclaim(w, request);
        break;
    case PROTOCOL_OFFER:
        write_offer(w, &request->offer);
        break;
    case PROTOCOL_REDEEM:
        field_string(w, "ticket", request->redeem);
        break;
    case PROTOCOL_REMOVE:
    case PROTOCOL_PUBLISH:
    case PROTOCOL_REVOKE:
    case PROTOCOL_STAT:
        write_target(w, &request->target);
        break;
    case PROTOCOL_FREEZE:
        write_freeze(w, request);
        break;
    case PROTOCOL_LIST:
        write_prefix(w, request->list.prefix);
        write_page(w, &request->list.page);
        break;
    case PROTOCOL_WATCH:
        write_prefix(w, request->watch);
        break;
    case PROTOCOL_UNWATCH:
        write_given_back(w, "watch", request->unwatch, request->quiet);
        break;
    case PROTOCOL_USAGE:
        field_bool(w, "all", request->usage.all);
        write_page(w, &request->usage.page);
        break;
    case PROTOCOL_CLIENTS:
        write_page(w, &request->clients);
        break;
    case PROTOCOL_LOG_LEVEL:
        field_string(w, "level", message_level_name(request->log_level));
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

static void write_items(struct writer *w, const struct message_request *request)
{
    field_bool(w, "atomic", request->atomic);
    put_key(w, "items");
    open_brace(w, '[');
    for (unsigned i = 0; i < request->item_count; i++) {
        if (i > 0)
            put_byte(w, ',');
        open_brace(w, '{');
        write_body(w, &request->items[i]);
        close_brace(w, '}');
    }
    close_brace(w, ']');
}

int message_request_write(struct buffer *out,
                          const struct message_request *request)
{
    struct writer w = begin(out);

    open_brace(&w, '{');
    field_integer(&w, "id", request->id);
    field_string(&w, "op", message_op_name(request->op));
    if (request->item_count > 0)
        write_items(&w, request);
    else
        write_body(&w, request);
    return end_line(&w);
}

/* ---- replies ---- */

static struct writer begin_ok(struct buffer *out, uint64_t id)
{
    struct writer w = begin(out);

    open_brace(&w, '{');
    field_integer(&w, "id", id);
    field_bool(&w, "ok", true);
    return w;
}

int message_ok_write(struct buffer *out, uint64_t id)
{
    struct writer w = begin_ok(out, id);

    return end_line(&w);
}

int message_welcome_write(struct buffer *out, uint64_t id,
                          const struct message_welcome *welcome)
{
    struct writer w = begin_ok(out, id);

    field_integer(&w, "version", welcome->version);
    field_string(&w, "server", welcome->server);
    field_string(&w, "you", welcome->you);
    field_bool(&w, "administrator", welcome->administrator);
    field_strings(&w, "features", welcome->features, welcome->feature_count);
    put_key(&w, "limits");
    open_brace(&w, '{');
    field_integer(&w, "line", PROTOCOL_LINE_MAX);
    field_integer(&w, "handles", PROTOCOL_HANDLES_MAX);
    close_brace(&w, '}');
    return end_line(&w);
}

static void write_grant(struct writer *w, const struct message_grant *grant)
{
    field_integer(w, "grant", grant->grant);
    field_integer(w, "segment", grant->segment);
    field_bool(w, "created", grant->created);
    field_integer(w, "size", grant->size);
    field_integer(w, "mapped_size", grant->mapped_size);
    field_string(w, "access", message_access_name(grant->access));
    if (grant->of_file)
        field_string(w, "source", "file");
    field_pages(w, grant->pages, 0);
    write_granted(w, grant);
}

int message_grant_write(struct buffer *out, uint64_t id,
                        const struct message_grant *grant)
{
    struct writer w = begin_ok(out, id);

    write_grant(&w, grant);
    return end_line(&w);
}

int message_ticket_write(struct buffer *out, uint64_t id,
                         const struct message_ticket *ticket)
{
    struct writer w = begin_ok(out, id);

    field_string(&w, "ticket", ticket->ticket);
    field_integer(&w, "expires_at", ticket->expires_at);
    return end_line(&w);
}

int message_revoked_write(struct buffer *out, uint64_t id, bool emptied)
{
    struct writer w = begin_ok(out, id);

    field_bool(&w, "emptied", emptied);
    return end_line(&w);
}

static const char *may_word(const struct message_segment *segment)
{
    if (segment->may_write)
        return "rw";
    return segment->may_read ? "ro" : "none";
}

static void write_segment(struct writer *w,
                          const struct message_segment *segment)
{
    open_brace(w, '{');
    field_integer(w, "segment", segment->segment);
    field_string(w, "name", segment->name);
    field_string(w, "owner", segment->owner);
    field_integer(w, "size", segment->size);
    field_integer(w, "mapped_size", segment->mapped_size);
    field_string(w, "state", message_state_name(segment->state));
    field_string(w, "may", may_word(segment));
    field_bool(w, "commit", segment->commit);
    field_bool(w, "persist", segment->persist);
    field_bool(w, "doorbell", segment->doorbell);
    field_integer(w, "grants", segment->grants);
    field_integer(w, "created_at", segment->created_at);
    if (segment->of_file)
        field_string(w, "source", "file");
    if (segment->tickets > 0)
        field_integer(w, "tickets", segment->tickets);
    if (segment->freezable)
        field_string(w, "frozen", message_frozen_name(segment->frozen));
    if (segment->unpublished)
        field_bool(w, "published", false);
    field_pages(w, segment->pages, segment->numa);
    close_brace(w, '}');
}

int message_stat_write(struct buffer *out, uint64_t id,
                       const struct message_segment *segment)
{
    struct writer w = begin_ok(out, id);

    put_key(&w, "segment");
    write_segment(&w, segment);
    return end_line(&w);
}

int message_watch_write(struct buffer *out, uint64_t id, uint64_t watch)
{
    struct writer w = begin_ok(out, id);

    field_integer(&w, "watch", watch);
    return end_line(&w);
}

static void write_event(struct writer *w, const struct message_event *event)
{
    field_integer(w, "watch", event->watch);
    field_integer(w, "segment", event->segment);
    field_string(w, "name", event->name);
    field_string(w, "owner", event->owner);
    field_integer(w, "size", event->size);
    if (event->unpublished)
        field_bool(w, "published", false);
    if (event->freezable)
        field_string(w, "frozen", message_frozen_name(event->frozen));
}

int message_event_write(struct buffer *out, const struct message_event *event)
{
    struct writer w = begin(out);

    open_brace(&w, '{');
    field_string(&w, "event", message_event_name(event->event));
    if (event->event != PROTOCOL_OVERFLOW)
        write_event(&w, event);
    return end_line(&w);
}

int message_stats_write(struct buffer *out, uint64_t id,
                        const struct message_counter *counters, unsigned count)
{
    struct writer w = begin_ok(out, id);

    put_key(&w, "stats");
    open_brace(&w, '{');
    for (unsigned i = 0; i < count; i++)
        field_integer(&w, counters[i].name, counters[i].value);
    close_brace(&w, '}');
    return end_line(&w);
}

int message_level_write(struct buffer *out, uint64_t id,
                        enum protocol_log_level previous)
{
    struct writer w = begin_ok(out, id);

    field_string(&w, "previous", message_level_name(previous));
    return end_line(&w);
}

static void write_detail(struct writer *w, const struct message_budget *detail)
{
    open_brace(w, '{');
    field_string(w, "section", detail->section);
    field_string(w, "budget", detail->budget);
    field_integer(w, "used", detail->used);
    field_integer(w, "limit", detail->limit);
    field_integer(w, "asked", detail->asked);
    close_brace(w, '}');
}

static void write_problem(struct writer *w,
                          const struct message_problem *problem,
                          const struct message_budget *detail)
{
    field_bool(w, "ok", false);
    field_string(w, "error", message_error_name(problem->error));
    field_string(w, "message", problem->text);
    if (detail) {
        put_key(w, "detail");
        write_detail(w, detail);
    }
}

int message_error_write(struct buffer *out,
                        const struct message_problem *problem,
                        const struct message_budget *detail)
{
    struct writer w = begin(out);

    open_brace(&w, '{');
    if (problem->has_id)
        field_integer(&w, "id", problem->id);
    else
        field_string(&w, "id", NULL);
    write_problem(&w, problem, detail);
    if (problem->has_item)
        field_integer(&w, "item", problem->item);
    return end_line(&w);
}

int message_item_problem_write(struct buffer *out,
                               const struct message_problem *problem,
                               const struct message_budget *detail)
{
    struct writer w = begin(out);

    open_brace(&w, '{');
    write_problem(&w, problem, detail);
    close_brace(&w, '}');
    return finish(&w);
}

/* ---- pages ---- */

/* Room for `],"next":N}` and the newline. */
enum { PAGE_END_MAX = 40 };

static const char *rows_name(enum protocol_op op)
{
    switch (op) {
    case PROTOCOL_CREATE:
    case PROTOCOL_OPEN:
        return "items";
    case PROTOCOL_LIST:
        return "segments";
    default:
        return message_op_name(op);
    }
}

int message_page_begin(struct message_pager *pager, struct buffer *out,
                       uint64_t id, enum protocol_op op)
{
    struct writer w = begin_ok(out, id);

    *pager = (struct message_pager){.out = out, .start = out->size};
    put_key(&w, rows_name(op));
    open_brace(&w, '[');
    return finish(&w);
}

static struct writer begin_row(const struct message_pager *pager)
{
    struct writer w = begin(pager->out);

    if (pager->rows > 0)
        put_byte(&w, ',');
    return w;
}

static int end_row(struct message_pager *pager, struct writer *w)
{
    const char *start = pager->out->data + pager->start;

    if (w->failure == 0 && w->at - start > PROTOCOL_LINE_MAX - PAGE_END_MAX)
        w->failure = BUFFER_E_FULL;
    if (w->failure == 0)
        pager->rows++;
    return finish(w);
}

int message_page_add_segment(struct message_pager *pager,
                             const struct message_segment *segment)
{
    struct writer w = begin_row(pager);

    write_segment(&w, segment);
    return end_row(pager, &w);
}

int message_page_add_budget(struct message_pager *pager,
                            const struct message_budget *budget)
{
    struct writer w = begin_row(pager);

    open_brace(&w, '{');
    field_string(&w, "section", budget->section);
    field_string(&w, "budget", budget->budget);
    field_integer(&w, "used", budget->used);
    if (budget->limit != MESSAGE_NONE)
        field_integer(&w, "limit", budget->limit);
    close_brace(&w, '}');
    return end_row(pager, &w);
}

int message_page_add_client(struct message_pager *pager,
                            const struct message_client *client)
{
    struct writer w = begin_row(pager);

    open_brace(&w, '{');
    field_integer(&w, "client", client->client);
    field_integer(&w, "pid", client->pid);
    field_string(&w, "user", client->user);
    field_string(&w, "name", client->name);
    field_integer(&w, "grants", client->grants);
    field_integer(&w, "requests", client->requests);
    field_integer(&w, "connected_at", client->connected_at);
    close_brace(&w, '}');
    return end_row(pager, &w);
}

int message_page_add_grant(struct message_pager *pager,
                           const struct message_grant *grant)
{
    struct writer w = begin_row(pager);

    open_brace(&w, '{');
    field_bool(&w, "ok", true);
    write_grant(&w, grant);
    close_brace(&w, '}');
    return end_row(pager, &w);
}

int message_page_add_problem(struct message_pager *pager,
                             const struct buffer *problem)
{
    struct writer w = begin_row(pager);

    put(&w, problem->data, problem->size);
    return end_row(pager, &w);
}

int message_page_end(struct message_pager *pager, uint64_t next)
{
    struct writer w = begin(pager->out);
    int r;

    close_brace(&w, ']');
    if (next > 0)
        field_integer(&w, "next", next);
    r = end_line(&w);
    if (r < 0)
        buffer_truncate(pager->out, pager->start);
    return r;
}
