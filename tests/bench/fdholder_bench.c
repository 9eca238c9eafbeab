/*
 * A descriptor kept by s6-fdholderd: fetched, mapped, unmapped and closed, as
 * an attach does it.
 *
 *   retrieve  --socket: of the daemon, --size: of the memory
 */
#include "station.h"

#include <s6/fdholder.h>
#include <skalibs/tai.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char name[] = "bench";

enum { DEADLINE_MS = 20000 };

struct fdholder {
    s6_fdholder_t connection;
    size_t size;
};

static tain deadline(void)
{
    tain at;
    tain wait;
    tain_now_g();
    tain_from_millisecs(&wait, DEADLINE_MS);
    tain_add_g(&at, &wait);
    return at;
}

static int retrieve(void *data)
{
    struct fdholder *holder = data;
    tain until = deadline();
    int fd = s6_fdholder_retrieve_g(&holder->connection, name, &until);
    if (fd < 0)
        return station_complain_system("s6-fdholderd");
    return station_map_descriptor(fd, holder->size, PROT_READ);
}

static void store(struct fdholder *holder)
{
    tain until = deadline();
    tain kept; /* as good as for ever */
    int memory = memfd_create(name, MFD_CLOEXEC);
    tain_add_g(&kept, &tain_infinite_relative);
    if (memory < 0 || ftruncate(memory, (off_t)holder->size) < 0 ||
        !s6_fdholder_store_g(&holder->connection, memory, name, &kept, &until))
        station_give_up("s6-fdholderd keeps nothing: %s", strerror(errno));
    close(memory);
}

int main(int argc, char **argv)
{
    struct station_options options = station_options(argc, argv);
    static struct fdholder holder;
    struct station station = {.once = retrieve, .data = &holder};
    tain until = deadline();
    if (!options.socket || options.size == 0)
        station_give_up("%s needs --socket and --size", options.kind);
    holder.size = options.size;
    if (!s6_fdholder_start_g(&holder.connection, options.socket, &until))
        station_give_up("%s: %s", options.socket, strerror(errno));
    store(&holder);
    int r = station_run(&station);
    until = deadline();
    s6_fdholder_delete_g(&holder.connection, name, &until);
    s6_fdholder_end(&holder.connection);
    return r;
}
