/*
 * Many segments: makes them, each kept until it is removed, or opens them by
 * name and gives them back.
 *
 *   create  --count: the number of the first one
 *   open    --count: how many there are; opens them in a random order
 *   same    --count: how many there are; opens one of them again and again
 *   floor   no broker: --count memfds of this process, opened anew in a random
 *           order, as the broker does it for the first who opens a segment
 */
#include "station.h"

#include "client/segbroker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = 4096 };

struct segments {
    segb_client *client;
    uint64_t next;
    uint64_t count;
    uint64_t random;
    int *memfds;
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
static uint64_t any_of(struct segments *segments)
{
    segments->random = segments->random * UINT64_C(6364136223846793005) +
                       UINT64_C(1442695040888963407);
    return (segments->random >> 33) % segments->count;
}

static int open_any(void *data)
{
    struct segments *segments = data;
    return open_one(segments, any_of(segments));
}

static int reopen_any(void *data)
{
    struct segments *segments = data;
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d",
             segments->memfds[any_of(segments)]);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return station_complain_system(path);
    close(fd);
    return 0;
}

static void make_memfds(struct segments *segments)
{
    segments->memfds = calloc(segments->count, sizeof(int));
    if (!segments->memfds)
        station_give_up("out of memory");
    for (uint64_t i = 0; i < segments->count; i++) {
        int fd = memfd_create("bench", MFD_CLOEXEC);
        if (fd < 0 || ftruncate(fd, SIZE) < 0)
            station_give_up("memfd: %s", strerror(errno));
        segments->memfds[i] = fd;
    }
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
    else if (strcmp(options.kind, "floor") == 0)
        station.once = reopen_any;
    else
        station_give_up("unknown kind `%s`", options.kind);
    segments.next = segments.count = options.count;
    if (station.once == reopen_any)
        make_memfds(&segments);
    else if (!(segments.client = station_connect(&options)))
        return 1;
    int r = station_run(&station);
    segb_disconnect(segments.client);
    free(segments.memfds);
    return r;
}
