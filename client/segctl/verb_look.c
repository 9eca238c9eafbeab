/*
 * list, info and usage.
 */
#include "listing.h"
#include "report.h"
#include "verbs.h"

#include <string.h>
#include <time.h>

/* ---- a segment's record ---- */

static const char *state_name(const segb_info *info)
{
    switch (info->state) {
    case SEGB_NAMED:
        return "named";
    case SEGB_UNNAMED:
        return "unnamed";
    case SEGB_REMOVED:
        return "removed";
    default:
        return "held";
    }
}

static const char *frozen_name(const segb_info *info)
{
    if (info->frozen == SEGB_FROZEN_FUTURE)
        return "future";
    return info->frozen == SEGB_FROZEN_YES ? "yes" : "no";
}

static const char *pages_name(const segb_info *info)
{
    if (info->pages == SEGB_PAGES_1G)
        return "1G";
    return info->pages == SEGB_PAGES_2M ? "2M" : "default";
}

static const char *may_name(const segb_info *info)
{
    if (info->may_write)
        return "rw";
    return info->may_read ? "ro" : "none";
}

static void add_record(struct json *json, const segb_info *info)
{
    json_object_begin(json, NULL);
    json_number(json, "segment", info->id);
    json_string(json, "name", info->name);
    json_string(json, "owner", info->owner);
    json_number(json, "size", info->size);
    json_number(json, "mapped_size", info->mapped_size);
    json_string(json, "state", state_name(info));
    json_string(json, "may", may_name(info));
    json_bool(json, "commit", info->commit != 0);
    json_bool(json, "persist", info->persist != 0);
    json_number(json, "grants", info->grants);
    json_number(json, "created_at", info->created_at);
    json_number(json, "tickets", info->tickets);
    json_bool(json, "of_file", info->of_file != 0);
    json_bool(json, "freezable", info->freezable != 0);
    json_string(json, "frozen", frozen_name(info));
    json_bool(json, "doorbell", info->doorbell != 0);
    json_bool(json, "published", info->published != 0);
    json_string(json, "pages", pages_name(info));
    if (info->numa)
        json_number(json, "numa", (uint64_t)info->numa - SEGB_NODE(0));
    else
        json_null(json, "numa");
    json_object_end(json);
}

/* ---- list ---- */

static const struct table_column list_columns[] = {
    {"ID", true, false, 0},     {"NAME", false, true, 0},
    {"SIZE", true, false, 0},   {"STATE", false, false, 3},
    {"GRANTS", true, false, 1}, {"MAY", false, false, 4},
    {"OWNER", false, true, 2},
};
enum { LIST_COLUMNS = sizeof(list_columns) / sizeof(list_columns[0]) };

static const struct listing_kind segments = {"segments", false, list_columns,
                                             LIST_COLUMNS};

static int add_segment(const segb_info *info, void *data)
{
    struct listing *listing = data;
    struct table *table = &listing->table;

    if (listing->arguments->json) {
        add_record(&listing->json, info);
        return 0;
    }
    table_add_number(table, info->id);
    table_add_string(table, info->name);
    table_add_size(table, info->size);
    table_add_string(table, info->persist && info->state == SEGB_NAMED
                                ? "persistent"
                                : state_name(info));
    table_add_number(table, info->grants);
    table_add_string(table, may_name(info));
    table_add_string(table, info->owner);
    return 0;
}

int verb_list(segb_client *client, const struct arguments *arguments)
{
    struct listing listing;

    listing_begin(&listing, &segments, arguments);
    return listing_end(
        &listing, segb_list(client, arguments->prefix, add_segment, &listing));
}

/* ---- info ---- */

static const struct table_column pair_columns[] = {
    {"", false, false, 0},
    {"", false, false, 0},
};

static void add_pair(struct table *table, const char *key, const char *value)
{
    table_add_string(table, key);
    table_add_string(table, value);
}

static void add_bytes_pair(struct table *table, const char *key, uint64_t bytes)
{
    struct text cell = {0};

    table_add_string(table, key);
    text_add_size(&cell, bytes);
    text_addf(&cell, " (%llu bytes)", (unsigned long long)bytes);
    table_add(table, &cell);
}

static void add_time_pair(struct table *table, const char *key,
                          uint64_t seconds)
{
    char string[64] = "";
    time_t when = (time_t)seconds;
    const struct tm *local = localtime(&when);

    if (local)
        strftime(string, sizeof(string), "%Y-%m-%d %H:%M:%S %z", local);
    add_pair(table, key, string);
}

static void write_pairs(struct table *table)
{
    table_print(table, true, 0);
    table_deinit(table);
}

static void print_record(const segb_info *info)
{
    struct table table;

    table_init(&table, pair_columns, 2);
    table_add_string(&table, "segment");
    table_add_number(&table, info->id);
    add_pair(&table, "name", info->name);
    add_pair(&table, "owner", info->owner);
    add_bytes_pair(&table, "size", info->size);
    add_bytes_pair(&table, "mapped size", info->mapped_size);
    add_pair(&table, "state", state_name(info));
    add_pair(&table, "you may",
             info->may_write  ? "read and write"
             : info->may_read ? "read"
                              : "not open it");
    add_pair(&table, "memory", info->commit ? "committed" : "reserved");
    add_pair(&table, "persistent", info->persist ? "yes" : "no");
    table_add_string(&table, "grants");
    table_add_number(&table, info->grants);
    if (info->tickets > 0) {
        table_add_string(&table, "tickets");
        table_add_number(&table, info->tickets);
    }
    if (info->freezable)
        add_pair(&table, "frozen", frozen_name(info));
    if (info->doorbell)
        add_pair(&table, "doorbell", "yes");
    if (!info->published)
        add_pair(&table, "published", "not yet");
    if (info->pages)
        add_pair(&table, "pages", pages_name(info));
    if (info->numa) {
        table_add_string(&table, "node");
        table_add_number(&table, (uint64_t)info->numa - SEGB_NODE(0));
    }
    add_time_pair(&table, "created", info->created_at);
    write_pairs(&table);
}

static int info_segment(segb_client *client, const struct arguments *arguments)
{
    struct json json = {0};
    segb_info info;
    int r = segb_stat(client, arguments->name, arguments->id, &info);

    if (r != 0)
        return report_code(arguments, r);
    if (!arguments->json) {
        print_record(&info);
        return STATUS_DONE;
    }
    add_record(&json, &info);
    json_print(&json);
    return STATUS_DONE;
}

static bool has_feature(const segb_broker *broker, const char *feature)
{
    for (size_t i = 0; broker->features[i]; i++) {
        if (strcmp(broker->features[i], feature) == 0)
            return true;
    }
    return false;
}

static void print_broker(const segb_broker *broker)
{
    struct table table;
    struct text features = {0};

    for (size_t i = 0; broker->features[i]; i++) {
        text_adds(&features, i ? " " : "");
        text_add_safe(&features, broker->features[i]);
    }
    table_init(&table, pair_columns, 2);
    add_pair(&table, "socket", broker->socket);
    add_pair(&table, "server", broker->server);
    add_pair(&table, "you", broker->you);
    add_pair(&table, "administrator", broker->administrator ? "yes" : "no");
    table_add_string(&table, "features");
    table_add(&table, &features);
    add_pair(&table, "lifetime",
             has_feature(broker, "exact-lifetime")
                 ? "exact: charged until the last handle and view are gone"
                 : "by grants: charged until the last grant is gone");
    add_pair(&table, "read-only",
             has_feature(broker, "enforced-ro")
                 ? "enforced: you cannot turn ro into rw"
                 : "not enforced: you are root or the broker's own user");
    write_pairs(&table);
}

static void print_broker_json(const segb_broker *broker)
{
    struct json json = {0};

    json_object_begin(&json, NULL);
    json_string(&json, "socket", broker->socket);
    json_string(&json, "server", broker->server);
    json_string(&json, "you", broker->you);
    json_bool(&json, "administrator", broker->administrator != 0);
    json_array_begin(&json, "features");
    for (size_t i = 0; broker->features[i]; i++)
        json_string(&json, NULL, broker->features[i]);
    json_array_end(&json);
    json_object_end(&json);
    json_print(&json);
}

int verb_info(segb_client *client, const struct arguments *arguments)
{
    segb_broker broker;
    int r;

    if (arguments->name || arguments->has_id)
        return info_segment(client, arguments);
    r = segb_client_broker(client, &broker);
    if (r != 0)
        return report_code(arguments, r);
    if (arguments->json)
        print_broker_json(&broker);
    else
        print_broker(&broker);
    return STATUS_DONE;
}

/* ---- usage ---- */

static const struct table_column usage_columns[] = {
    {"SECTION", false, true, 0}, {"BUDGET", false, true, 0},
    {"USED", true, false, 0},    {"LIMIT", true, false, 0},
    {"FULL", true, false, 1},
};
enum { USAGE_COLUMNS = sizeof(usage_columns) / sizeof(usage_columns[0]) };

static const struct listing_kind budgets = {"budgets", false, usage_columns,
                                            USAGE_COLUMNS};

static void add_json_budget(struct json *json, const segb_budget *budget)
{
    json_object_begin(json, NULL);
    json_string(json, "section", budget->section);
    json_string(json, "budget", budget->budget);
    json_number(json, "used", budget->used);
    if (budget->limit == SEGB_UNLIMITED)
        json_null(json, "limit");
    else
        json_number(json, "limit", budget->limit);
    json_object_end(json);
}

static void add_amount(struct table *table, bool bytes, uint64_t amount)
{
    if (bytes)
        table_add_size(table, amount);
    else
        table_add_number(table, amount);
}

static void add_table_budget(struct table *table, const segb_budget *budget)
{
    bool largest = strcmp(budget->budget, "segment_bytes") == 0;
    bool bytes = largest || strcmp(budget->budget, "bytes") == 0;
    /* These two bound each request alone and add nothing up. */
    bool adds_up =
        !largest && strcmp(budget->budget, "requests_per_second") != 0;
    struct text full = {0};

    table_add_string(table, budget->section);
    table_add_string(table, budget->budget);
    if (adds_up)
        add_amount(table, bytes, budget->used);
    else
        table_add_string(table, NULL);
    if (budget->limit == SEGB_UNLIMITED)
        table_add_string(table, "unlimited");
    else
        add_amount(table, bytes, budget->limit);
    if (adds_up && budget->limit != SEGB_UNLIMITED && budget->limit > 0)
        text_addf(&full, "%.0f%%",
                  (double)budget->used * 100 / (double)budget->limit);
    table_add(table, &full);
}

static int add_budget(const segb_budget *budget, void *data)
{
    struct listing *listing = data;

    if (listing->arguments->json)
        add_json_budget(&listing->json, budget);
    else
        add_table_budget(&listing->table, budget);
    return 0;
}

int verb_usage(segb_client *client, const struct arguments *arguments)
{
    struct listing listing;

    listing_begin(&listing, &budgets, arguments);
    return listing_end(
        &listing, segb_usage(client, arguments->all, add_budget, &listing));
}
