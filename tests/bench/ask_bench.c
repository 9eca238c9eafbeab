/*
 * Requests that give no memory.
 *
 *   ping, stat  by libsegbroker
 *   list        all pages of a list of --count segments
 *   list-raw    the same by hand, where nobody reads what is in the pages
 *   close       segb_close, whose release is quiet, so nobody waits
 *   release     by hand, one that is answered: how long until a grant is back
 */
#include "station.h"
#include "wire.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    DEFAULT_SIZE = 1 << 20,
    PAGE_SIZE = 4096,
    LINE_SIZE = 512,
    REPLY_MAX = 1 << 16
};

struct ask {
    struct station_options options;
    segb_client *client;
    segb_segment *held;
    char name[STATION_NAME_MAX];
    uint64_t id;
    segb_segment *opened; /* to be closed */
    int fd;               /* a raw connection */
    char line[LINE_SIZE]; /* the release to send */
    size_t line_size;
    uint64_t rows;
    uint64_t made; /* segments of the list, which go with the station */
};

static int once_ping(void *data)
{
    struct ask *a = data;
    return station_check("ping", segb_ping(a->client));
}

static int once_stat(void *data)
{
    struct ask *a = data;
    segb_info info;
    return station_check("stat", segb_stat(a->client, a->name, 0, &info));
}

/* ---- list ---- */

static int count_row(const segb_info *info, void *data)
{
    struct ask *a = data;
    (void)info;
    a->rows++;
    return 0;
}

static int once_list(void *data)
{
    struct ask *a = data;

    a->rows = 0;
    if (station_check("list",
                      segb_list(a->client, "global/bench/", count_row, a)) < 0)
        return -1;
    if (a->rows < a->made)
        return station_complain("%ju of %ju segments are listed",
                                (uintmax_t)a->rows, (uintmax_t)a->made);
    return 0;
}

/* One page into `reply`, as a string; its size, or -1. */
static ssize_t read_page(const struct ask *a, const char *after,
                         char reply[REPLY_MAX + 1])
{
    char line[LINE_SIZE];
    ssize_t n = 0;
    int fd;
    int size = snprintf(line, sizeof(line),
                        "{\"id\":2,\"op\":\"list\","
                        "\"prefix\":\"global/bench/\",\"after\":%s}\n",
                        after);

    if (station_send(a->fd, line, (size_t)size, -1) < 0)
        return -1;
    while (n == 0 || reply[n - 1] != '\n') {
        ssize_t more =
            station_receive(a->fd, reply + n, (size_t)(REPLY_MAX - n), &fd);
        if (more <= 0)
            return station_complain("the broker hung up");
        n += more;
    }
    reply[n] = '\0';
    return n;
}

/* A page ends with where the next one begins, but for the last one. */
static int once_list_raw(void *data)
{
    static const char next[] = ",\"next\":";
    static char reply[REPLY_MAX + 1];
    struct ask *a = data;
    char after[LINE_SIZE] = "0";

    for (;;) {
        ssize_t n = read_page(a, after, reply);
        char *tail = n < 0 ? NULL : strrchr(reply, ']');
        if (!tail)
            return n < 0 ? -1 : station_complain("no list: %s", reply);
        if (strncmp(tail + 1, next, sizeof(next) - 1) != 0)
            return 0;
        tail += sizeof(next);
        tail[strcspn(tail, "}")] = '\0';
        snprintf(after, sizeof(after), "%s", tail);
    }
}

/* They persist, so that the list takes none of this process's descriptors. */
static int make_list(struct ask *a)
{
    segb_create_options options = {
        .struct_size = sizeof(options), .reserve = 1, .persist = 1};
    segb_segment *segment;
    char name[STATION_NAME_MAX];

    for (; a->made < a->options.count; a->made++) {
        station_name(name, 1 + (unsigned)a->made);
        if (station_check("create", segb_create(a->client, name, PAGE_SIZE,
                                                &options, &segment)) < 0)
            return -1;
        segb_close(segment);
    }
    return 0;
}

static void remove_list(struct ask *a)
{
    char name[STATION_NAME_MAX];

    while (a->made > 0) {
        station_name(name, (unsigned)a->made--);
        station_check("remove", segb_remove(a->client, name, 0));
    }
}

/* ---- close and release ---- */

static int open_library(void *data)
{
    struct ask *a = data;
    return station_check("open",
                         segb_open(a->client, a->name, NULL, &a->opened));
}

static int once_close(void *data)
{
    struct ask *a = data;
    segb_close(a->opened);
    return 0;
}

static ssize_t exchange(struct ask *a, char *reply, size_t size, int *fd)
{
    if (station_send(a->fd, a->line, a->line_size, -1) < 0)
        return -1;
    return station_receive(a->fd, reply, size, fd);
}

static int open_raw(void *data)
{
    struct ask *a = data;
    char reply[LINE_SIZE];
    const char *grant;
    ssize_t n;
    int fd;

    a->line_size = (size_t)snprintf(
        a->line, sizeof(a->line),
        "{\"id\":2,\"op\":\"open\",\"name\":\"%s\"}\n", a->name);
    n = exchange(a, reply, sizeof(reply) - 1, &fd);
    if (n <= 0 || fd < 0)
        return station_complain("open gave no descriptor");
    close(fd);
    reply[n] = '\0';
    grant = strstr(reply, "\"grant\":");
    if (!grant)
        return station_complain("no grant in the reply: %s", reply);
    grant += strlen("\"grant\":");
    a->line_size =
        (size_t)snprintf(a->line, sizeof(a->line),
                         "{\"id\":3,\"op\":\"release\",\"grant\":%.*s}\n",
                         (int)strspn(grant, "0123456789"), grant);
    return 0;
}

static int once_release(void *data)
{
    struct ask *a = data;
    char reply[LINE_SIZE];
    int fd;

    if (exchange(a, reply, sizeof(reply), &fd) > 0)
        return 0;
    return station_complain("the broker hung up");
}

/* ---- main ---- */

static void end(void *data)
{
    struct ask *a = data;

    if (a->fd >= 0)
        close(a->fd);
    remove_list(a);
    segb_close(a->held);
    segb_disconnect(a->client);
}

static int choose(struct ask *a, struct station *station)
{
    const char *kind = a->options.kind;

    if (strcmp(kind, "ping") == 0) {
        station->once = once_ping;
    } else if (strcmp(kind, "stat") == 0) {
        station->once = once_stat;
    } else if (strcmp(kind, "list") == 0) {
        station->once = once_list;
        return make_list(a);
    } else if (strcmp(kind, "list-raw") == 0) {
        station->once = once_list_raw;
        a->fd = wire_connect(a->options.socket);
        return make_list(a);
    } else if (strcmp(kind, "close") == 0) {
        station->before = open_library;
        station->once = once_close;
    } else if (strcmp(kind, "release") == 0) {
        a->fd = wire_connect(a->options.socket);
        station->before = open_raw;
        station->once = once_release;
    } else {
        return station_complain("unknown kind `%s`", kind);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct ask a = {.options = station_options(argc, argv), .fd = -1};
    struct station station = {.end = end, .data = &a};

    station_name(a.name, 0);
    a.client = station_connect(&a.options);
    if (!a.client ||
        station_check("create", segb_create(a.client, a.name, DEFAULT_SIZE,
                                            NULL, &a.held)) < 0 ||
        choose(&a, &station) < 0) {
        end(&a);
        return 1;
    }
    return station_run(&station);
}
