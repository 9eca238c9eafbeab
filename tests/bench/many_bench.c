/*
 * Opening --count segments: open, map, unmap and close all of them.
 *
 *   library  segb_open_many, so with one request
 *   shm      shm_open of each by its name
 */
#include "station.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = 1 << 20 };

struct many {
    struct station_options options;
    segb_client *client;
    size_t count; /* that are there */
    char names[SEGB_ITEMS_MAX][STATION_NAME_MAX];
    segb_segment *held[SEGB_ITEMS_MAX];
    segb_item items[SEGB_ITEMS_MAX];
};

/* ---- the library ---- */

static int make_library(struct many *m)
{
    segb_create_options options = {.struct_size = sizeof(options),
                                   .reserve = 1};

    m->client = station_connect(&m->options);
    if (!m->client)
        return -1;
    for (; m->count < m->options.count; m->count++) {
        size_t i = m->count;

        station_name(m->names[i], (unsigned)i);
        if (station_check("create", segb_create(m->client, m->names[i], SIZE,
                                                &options, &m->held[i])) < 0)
            return -1;
        m->items[i].name = m->names[i];
    }
    return 0;
}

static int once_library(void *data)
{
    struct many *m = data;
    int r = station_check("open_many",
                          segb_open_many(m->client, m->items, m->count, 0));

    for (size_t i = 0; r == 0 && i < m->count; i++)
        r = station_map(m->items[i].segment, SEGB_RO);
    segb_close_many(m->items, m->count);
    return r;
}

static void end_library(void *data)
{
    struct many *m = data;

    while (m->count > 0)
        segb_close(m->held[--m->count]);
    segb_disconnect(m->client);
}

/* ---- by name ---- */

static int make_shm(struct many *m)
{
    for (; m->count < m->options.count; m->count++) {
        char *name = m->names[m->count];

        snprintf(name, STATION_NAME_MAX, "/segbench-%ld-%zu", (long)getpid(),
                 m->count);
        int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (fd < 0)
            return station_complain_system(name);
        if (ftruncate(fd, SIZE) < 0) {
            station_complain_system("ftruncate");
            shm_unlink(name);
            close(fd);
            return -1;
        }
        close(fd);
    }
    return 0;
}

static int once_shm(void *data)
{
    struct many *m = data;

    for (size_t i = 0; i < m->count; i++) {
        int fd = shm_open(m->names[i], O_RDONLY, 0);

        if (fd < 0)
            return station_complain_system(m->names[i]);
        if (station_map_descriptor(fd, SIZE, PROT_READ) < 0)
            return -1;
    }
    return 0;
}

static void end_shm(void *data)
{
    struct many *m = data;

    while (m->count > 0)
        shm_unlink(m->names[--m->count]);
}

int main(int argc, char **argv)
{
    struct many m = {.options = station_options(argc, argv)};
    struct station station;
    bool shm = strcmp(m.options.kind, "shm") == 0;

    station = (struct station){.once = shm ? once_shm : once_library,
                               .end = shm ? end_shm : end_library,
                               .data = &m};
    if (!shm && strcmp(m.options.kind, "library") != 0)
        station_give_up("unknown kind `%s`", m.options.kind);
    if (m.options.count == 0 || m.options.count > SEGB_ITEMS_MAX)
        station_give_up("--count: from 1 to %d", SEGB_ITEMS_MAX);
    if ((shm ? make_shm(&m) : make_library(&m)) < 0) {
        station.end(&m);
        return 1;
    }
    return station_run(&station);
}
