/*
 * Attaching: open a segment, map it, unmap it and close it.
 *
 *   library  by libsegbroker
 *   lazy     by libsegbroker, which gives back with the next request
 *   raw      by hand: fixed bytes, and the release line that the library sends
 *   joined   by hand, and the release goes with the next request
 *   cold     by libsegbroker, on a connection of its own each time
 *   cold-lazy   the same, and its end gives back
 */
#include "station.h"
#include "wire.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DEFAULT_SIZE = 1 << 20, LINE_SIZE = 512 };

struct attach {
    struct station_options options;
    char name[STATION_NAME_MAX];
    segb_client *owner; /* holds the segment */
    segb_segment *held;
    segb_client *client;
    int fd;                      /* a raw connection */
    char request[2 * LINE_SIZE]; /* behind the last release, if it waits */
    size_t request_size;
    bool joined;
    bool lazy;
    char open[LINE_SIZE];
    char reply[LINE_SIZE];
};

static void end(void *data)
{
    struct attach *a = data;

    segb_disconnect(a->client);
    segb_close(a->held);
    segb_disconnect(a->owner);
    if (a->fd >= 0)
        close(a->fd);
}

/* ---- the library ---- */

static int attach(const struct attach *a, segb_client *client)
{
    segb_segment *segment;
    int r = station_check("open", segb_open(client, a->name, NULL, &segment));

    if (r < 0)
        return r;
    r = station_map(segment, SEGB_RO);
    segb_close(segment);
    return r;
}

static int once_library(void *data)
{
    struct attach *a = data;
    return attach(a, a->client);
}

static int once_cold(void *data)
{
    struct attach *a = data;
    segb_client *client = a->lazy ? station_connect_lazy(&a->options)
                                  : station_connect(&a->options);
    int r = client ? attach(a, client) : -1;

    segb_disconnect(client);
    return r;
}

/* ---- by hand ---- */

static int receive_reply(struct attach *a, int *fd)
{
    ssize_t n = station_receive(a->fd, a->reply, sizeof(a->reply) - 1, fd);

    if (n <= 0 || *fd < 0)
        return station_complain("the broker hung up");
    a->reply[n] = '\0';
    return 0;
}

/* The line that gives back what the last reply gave; its size, or -1. */
static int write_release(const struct attach *a, char line[LINE_SIZE])
{
    const char *grant = strstr(a->reply, "\"grant\":");

    if (!grant)
        return station_complain("no grant in the reply: %s", a->reply);
    grant += strlen("\"grant\":");
    return snprintf(line, LINE_SIZE,
                    "{\"id\":0,\"op\":\"release\",\"grant\":%.*s,"
                    "\"quiet\":true}\n",
                    (int)strspn(grant, "0123456789"), grant);
}

static int release(struct attach *a)
{
    char line[LINE_SIZE];
    int size = write_release(a, line);

    if (size < 0)
        return -1;
    if (!a->joined)
        return station_send(a->fd, line, (size_t)size, -1);
    a->request_size =
        (size_t)snprintf(a->request, sizeof(a->request), "%s%s", line, a->open);
    return 0;
}

static int once_raw(void *data)
{
    struct attach *a = data;
    int fd;

    if (station_send(a->fd, a->request, a->request_size, -1) < 0 ||
        receive_reply(a, &fd) < 0 ||
        station_map_descriptor(fd, a->options.size, PROT_READ) < 0)
        return -1;
    return release(a);
}

static void start_by_hand(struct attach *a)
{
    a->fd = wire_connect(a->options.socket);
    snprintf(a->open, sizeof(a->open),
             "{\"id\":2,\"op\":\"open\",\"name\":\"%s\",\"access\":\"ro\"}\n",
             a->name);
    a->request_size =
        (size_t)snprintf(a->request, sizeof(a->request), "%s", a->open);
}

int main(int argc, char **argv)
{
    struct attach a = {.options = station_options(argc, argv), .fd = -1};
    struct station station = {.end = end, .data = &a};
    const char *kind = a.options.kind;

    if (a.options.size == 0)
        a.options.size = DEFAULT_SIZE;
    station_name(a.name, 0);
    a.owner = station_connect(&a.options);
    if (!a.owner ||
        station_check("create", segb_create(a.owner, a.name, a.options.size,
                                            NULL, &a.held)) < 0)
        return 1;
    if (strcmp(kind, "library") == 0) {
        a.client = station_connect(&a.options);
        station.once = once_library;
    } else if (strcmp(kind, "lazy") == 0) {
        a.client = station_connect_lazy(&a.options);
        station.once = once_library;
    } else if (strcmp(kind, "raw") == 0 || strcmp(kind, "joined") == 0) {
        a.joined = strcmp(kind, "joined") == 0;
        start_by_hand(&a);
        station.once = once_raw;
    } else if (strcmp(kind, "cold") == 0 || strcmp(kind, "cold-lazy") == 0) {
        a.lazy = strcmp(kind, "cold-lazy") == 0;
        station.once = once_cold;
    } else {
        station_give_up("unknown kind `%s`", kind);
    }
    if (station.once == once_library && !a.client)
        return 1;
    return station_run(&station);
}
