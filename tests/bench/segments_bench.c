/*
 * Many segments: makes them, each kept until it is removed, or opens them by
 * name and gives them back.
 *
 *   create  --count: the number of the first one
 *   open    --count: how many there are; opens them in a random order
 *   same    --count: how many there are; opens one of them again and again
 */
#include "station.h"

#include "client/segbroker.h"

#include <stdio.h>
#include <string.h>

enum { SIZE = 4096 };

struct segments {
    segb_client *client;
    uint64_t next;
    uint64_t count;
    uint64_t random;
};

static void name_of(uint64_t number, char name[64])
{
    snprintf(name, 64, "bench/%ju", (uintmax_t)number);
}

static int create_next(void *data)
{
    struct segments *segments = data;
    segb_create_options options = {
        .struct_size = sizeof(options), .reserve = 1, .persist = 1};
    segb_segment *segment;
    char name[64];
    name_of(segments->next++, name);
    int r = segb_create(segments->client, name, SIZE, &options, &segment);
    if (station_check("create", r) != 0)
        return -1;
    segb_close(segment);
    return 0;
}

static int open_one(struct segments *segments, uint64_t number)
{
    segb_segment *segment;
    char name[64];
    name_of(number, name);
    int r = segb_open(segments->client, name, NULL, &segment);
    if (station_check("open", r) != 0)
        return -1;
    segb_close(segment);
    return 0;
}

/* Knuth's generator: the same order in every run. */
static int open_any(void *data)
{
    struct segments *segments = data;
    segments->random = segments->random * UINT64_C(6364136223846793005) +
                       UINT64_C(1442695040888963407);
    return open_one(segments, (segments->random >> 33) % segments->count);
}

static int open_same(void *data)
{
    struct segments *segments = data;
    return open_one(segments, segments->count / 2);
}

int main(int argc, char **argv)
{
    struct segments segments = {.random = 1};
    struct station station = {.data = &segments};
    struct station_options options = station_options(argc, argv);
    if (strcmp(options.kind, "create") == 0)
        station.once = create_next;
    else if (strcmp(options.kind, "open") == 0)
        station.once = open_any;
    else if (strcmp(options.kind, "same") == 0)
        station.once = open_same;
    else
        station_give_up("unknown kind `%s`", options.kind);
    segments.next = segments.count = options.count;
    segments.client = station_connect(&options);
    if (!segments.client)
        return 1;
    int r = station_run(&station);
    segb_disconnect(segments.client);
    return r;
}
