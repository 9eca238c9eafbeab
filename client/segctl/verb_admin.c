/*
 * clients and stats: what administrators look at.
 */
#include "listing.h"
#include "verbs.h"

#include <time.h>

static const struct table_column client_columns[] = {
    {"CLIENT", true, false, 0}, {"PID", true, false, 0},
    {"USER", false, true, 0},   {"NAME", false, true, 0},
    {"GRANTS", true, false, 1}, {"REQUESTS", true, false, 2},
    {"SINCE", true, false, 3},
};
enum { CLIENT_COLUMNS = sizeof(client_columns) / sizeof(client_columns[0]) };

static const struct listing_kind clients = {"clients", false, client_columns,
                                            CLIENT_COLUMNS};

static void add_json_client(struct json *json, const segb_peer *peer)
{
    json_object_begin(json, NULL);
    json_number(json, "client", peer->id);
    json_number(json, "pid", peer->pid);
    json_string(json, "user", peer->user);
    json_string(json, "name", peer->name);
    json_number(json, "grants", peer->grants);
    json_number(json, "requests", peer->requests);
    json_number(json, "connected_at", peer->connected_at);
    json_object_end(json);
}

static void add_table_client(struct table *table, const segb_peer *peer)
{
    uint64_t now = (uint64_t)time(NULL);
    struct text since = {0};

    table_add_number(table, peer->id);
    if (peer->pid)
        table_add_number(table, peer->pid);
    else
        table_add_string(table, NULL);
    table_add_string(table, peer->user);
    table_add_string(table, peer->name);
    table_add_number(table, peer->grants);
    table_add_number(table, peer->requests);
    text_add_age(&since,
                 now > peer->connected_at ? now - peer->connected_at : 0);
    table_add(table, &since);
}

static int add_client(const segb_peer *peer, void *data)
{
    struct listing *listing = data;

    if (listing->arguments->json)
        add_json_client(&listing->json, peer);
    else
        add_table_client(&listing->table, peer);
    return 0;
}

int verb_clients(segb_client *client, const struct arguments *arguments)
{
    struct listing listing;

    listing_begin(&listing, &clients, arguments);
    return listing_end(&listing, segb_peers(client, add_client, &listing));
}

static const struct table_column stat_columns[] = {
    {"", false, true, 0},
    {"", true, false, 0},
};
static const struct listing_kind counters = {"counters", true, stat_columns, 2};

static int add_counter(const char *name, uint64_t value, void *data)
{
    struct listing *listing = data;

    if (listing->arguments->json) {
        json_number(&listing->json, name, value);
        return 0;
    }
    table_add_string(&listing->table, name);
    table_add_number(&listing->table, value);
    return 0;
}

int verb_stats(segb_client *client, const struct arguments *arguments)
{
    struct listing listing;

    listing_begin(&listing, &counters, arguments);
    return listing_end(&listing, segb_stats(client, add_counter, &listing));
}
