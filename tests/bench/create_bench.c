/*
 * Making memory: create --size bytes, map them, unmap them, let them go.
 *
 *   reserve, commit              by libsegbroker, with a name
 *   memfd-reserve, memfd-commit  memfd_create, sealed
 *   shm-reserve, shm-commit      shm_open by name, and unlinked
 */
#include "station.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct create {
    struct station_options options;
    segb_client *client;
    char name[STATION_NAME_MAX];
    bool commit;
};

static void end(void *data)
{
    struct create *c = data;
    segb_disconnect(c->client);
}

static int once_library(void *data)
{
    struct create *c = data;
    segb_create_options options = {.struct_size = sizeof(options),
                                   .reserve = !c->commit};
    segb_segment *segment;
    int r =
        station_check("create", segb_create(c->client, c->name, c->options.size,
                                            &options, &segment));

    if (r < 0)
        return r;
    r = station_map(segment, SEGB_RW);
    segb_close(segment);
    return r;
}

static int fill(const struct create *c, int fd)
{
    off_t size = (off_t)c->options.size;

    if (ftruncate(fd, size) < 0)
        return station_complain_system("ftruncate");
    if (c->commit && fallocate(fd, 0, 0, size) < 0)
        return station_complain_system("fallocate");
    return 0;
}

static int once_memfd(void *data)
{
    struct create *c = data;
    int fd = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return station_complain_system("memfd_create");
    if (fill(c, fd) < 0)
        return -1;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return station_complain_system("F_ADD_SEALS");
    return station_map_descriptor(fd, c->options.size, PROT_READ | PROT_WRITE);
}

static int once_shm(void *data)
{
    struct create *c = data;
    int fd = shm_open(c->name, O_RDWR | O_CREAT | O_EXCL, 0600);

    if (fd < 0)
        return station_complain_system(c->name);
    int r = fill(c, fd);
    if (r == 0)
        r = station_map_descriptor(fd, c->options.size, PROT_READ | PROT_WRITE);
    if (shm_unlink(c->name) < 0)
        r = station_complain_system(c->name);
    return r;
}

int main(int argc, char **argv)
{
    struct create c = {.options = station_options(argc, argv)};
    struct station station = {.end = end, .data = &c};
    const char *kind = c.options.kind;

    if (c.options.size == 0)
        station_give_up("--size is missing");
    c.commit = strstr(kind, "commit") != NULL;
    if (strncmp(kind, "memfd-", 6) == 0) {
        station.once = once_memfd;
    } else if (strncmp(kind, "shm-", 4) == 0) {
        snprintf(c.name, sizeof(c.name), "/segbench-%ld", (long)getpid());
        station.once = once_shm;
    } else {
        station_name(c.name, 0);
        c.client = station_connect(&c.options);
        if (!c.client)
            return 1;
        station.once = once_library;
    }
    return station_run(&station);
}
