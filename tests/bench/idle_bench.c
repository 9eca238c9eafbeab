/*
 * Connections that say hello and then nothing. One operation makes a crowd of
 * them: all connect and ask, then all answers are read, so that the server is
 * never without work. They stay until the station ends.
 *
 *   connect  --socket, --count of a crowd
 */
#include "station.h"
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct idle {
    const char *path;
    size_t crowd;
    size_t count;
    size_t room;
    int *sockets;
};

static void make_room(struct idle *idle)
{
    if (idle->count + idle->crowd <= idle->room)
        return;
    idle->room = 2 * idle->room + idle->crowd;
    int *sockets = realloc(idle->sockets, idle->room * sizeof(sockets[0]));
    if (!sockets)
        station_give_up("%zu connections: %s", idle->room, strerror(errno));
    idle->sockets = sockets;
}

static int add_crowd(void *data)
{
    struct idle *idle = data;
    char answer[4096];
    make_room(idle);
    int *crowd = idle->sockets + idle->count;
    for (size_t i = 0; i < idle->crowd; i++) {
        crowd[i] = station_connect_socket(idle->path);
        wire_send(crowd[i], WIRE_HELLO_REQUEST, sizeof(WIRE_HELLO_REQUEST) - 1);
    }
    for (size_t i = 0; i < idle->crowd; i++)
        wire_line(crowd[i], answer, sizeof(answer));
    idle->count += idle->crowd;
    return 0;
}

int main(int argc, char **argv)
{
    struct station_options options = station_options(argc, argv);
    struct idle idle = {.path = options.socket, .crowd = options.count};
    if (!idle.path || idle.crowd == 0)
        station_give_up("%s needs --socket and --count", options.kind);
    struct station station = {.once = add_crowd, .data = &idle};
    int r = station_run(&station);
    for (size_t i = 0; i < idle.count; i++)
        close(idle.sockets[i]);
    free(idle.sockets);
    return r;
}
