/*
 * The verbs about the broker itself; most are for administrators.
 */
#include "log.h"
#include "reload.h"
#include "request.h"

#include <utlist.h>

int request_usage(struct call *call)
{
    const struct message_page *page = &call->request->usage.page;
    const struct quota_scope *scope = call->peer->caller->scope;
    struct message_pager pager;
    struct quota_row row;
    uint64_t index = page->after;
    uint64_t next = 0;
    int r;

    if (call->request->usage.all && !request_by_administrator(call))
        return request_refuse(call, PROTOCOL_ACCESS_DENIED,
                              "all sections are for administrators (set by "
                              "administrators in [broker])");
    if (call->request->usage.all)
        scope = NULL;
    r = message_page_begin(&pager, peer_reply(call->peer), call->request->id,
                           PROTOCOL_USAGE);
    if (r < 0)
        return r;
    for (; quota_row(call->broker->quota, scope, uv_now(&call->broker->loop),
                     index, &row);
         index++) {
        struct message_budget budget = {.section = row.section,
                                        .budget =
                                            config_budget_name(row.budget),
                                        .used = row.used,
                                        .limit = row.limit};

        if (pager.rows == page->limit ||
            message_page_add_budget(&pager, &budget) < 0) {
            next = index;
            break;
        }
    }
    return message_page_end(&pager, next);
}

int request_clients(struct call *call)
{
    const struct message_page *page = &call->request->clients;
    struct message_pager pager;
    struct peer *peer;
    uint64_t last = page->after, next = 0;
    int r = message_page_begin(&pager, peer_reply(call->peer),
                               call->request->id, PROTOCOL_CLIENTS);

    if (r < 0)
        return r;
    DL_FOREACH (call->broker->peers.list, peer) {
        struct message_client client = {.client = peer->id,
                                        .pid = peer->process,
                                        .user = peer->caller->label,
                                        .name = peer->name,
                                        .grants = peer->holder.count,
                                        .requests = peer->requests,
                                        .connected_at = peer->connected_at};

        if (peer->id <= page->after)
            continue;
        if (pager.rows == page->limit ||
            message_page_add_client(&pager, &client) < 0) {
            next = last;
            break;
        }
        last = peer->id;
    }
    return message_page_end(&pager, next);
}

static uint64_t refusals(const struct broker *broker)
{
    uint64_t sum = 0;

    for (int i = 0; i < PROTOCOL_ERRORS; i++)
        sum += broker->counters.refused[i];
    return sum;
}

int request_stats(struct call *call)
{
    const struct broker *broker = call->broker;
    const struct broker_counters *c = &broker->counters;
    const struct registry *registry = &broker->registry;
    const struct message_counter counters[] = {
        {"uptime_seconds", (uv_now(&broker->loop) - broker->started_at) / 1000},
        {"connections", broker->peers.count},
        {"connections_accepted", c->connections},
        {"connections_refused", c->refused_connections},
        {"connections_unmapped", c->refused_unmapped},
        {"connections_cut_off", c->cut_off},
        {"requests", c->requests},
        {"requests_refused", refusals(broker)},
        {"requests_malformed", c->malformed},
        {"requests_over_quota", c->refused[PROTOCOL_QUOTA_EXCEEDED]},
        {"segments", registry_segments(registry)},
        {"segments_held", registry_held(registry)},
        {"segments_created", c->created},
        {"bytes", quota_used(broker->quota, CONFIG_BYTES)},
        {"grants", registry_grants(registry)},
        {"opens", c->opened},
        {"redeems", c->redeemed},
        {"reclaims", c->reclaimed},
        {"waits", broker->waits.count},
        {"watches", broker->watches.count},
        {"segments_restored", broker->keeping.restored},
        {"reloads", c->reloads},
    };

    return message_stats_write(peer_reply(call->peer), call->request->id,
                               counters,
                               sizeof(counters) / sizeof(counters[0]));
}

int request_reload(struct call *call)
{
    return reload_request(call);
}

int request_log_level(struct call *call)
{
    enum protocol_log_level previous = log_level();

    log_level_set(call->request->log_level);
    log_info("log level %s, set by %s",
             message_level_name(call->request->log_level),
             call->peer->caller->label);
    return message_level_write(peer_reply(call->peer), call->request->id,
                               previous);
}

int request_restart(struct call *call)
{
    if (!program_can_replace())
        return request_refuse(call, PROTOCOL_NOT_SUPPORTED,
                              "on this system a process cannot become another "
                              "program: restart the service");
    log_info("restarting, asked by %s", call->peer->caller->label);
    keeping_tell(&call->broker->keeping, RECORD_RESTART);
    return message_ok_write(peer_reply(call->peer), call->request->id);
}

int request_shutdown(struct call *call)
{
    log_info("ending, asked by %s", call->peer->caller->label);
    keeping_tell(&call->broker->keeping, RECORD_END);
    broker_stop(call->broker);
    return message_ok_write(peer_reply(call->peer), call->request->id);
}
