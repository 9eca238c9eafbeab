/*
 * A modest client, who asks one thing after the other and wants his answers
 * soon, and those who make that hard for the broker.
 *
 *   ping, attach  the modest client; attach opens, maps, unmaps and closes the
 *                 segment --name
 *   greedy        pipelines pings without pause
 *   greedy-attach opens --name 64 times at once, again and again
 *   commit        makes segments of --size, one after the other
 *   reload        has the configuration read anew, again and again
 *   crowd         --count clients connect and leave, again and again
 *   ask           --count clients, each of whom pings one time after the other
 *
 * The others play no operations: a line makes them begin, the next one makes
 * them pause and print how often they did it.
 */
#include "station.h"
#include "wire.h"

#include "client/segbroker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BLOCK = 64 * 1024, PIPELINE = 64, SOME = 20 };

#define PING "{\"id\":2,\"op\":\"ping\"}\n"

struct client {
    struct station_options options;
    segb_client *library;
    int socket;
    struct pollfd *crowd;
    size_t here; /* of the crowd */
    size_t sent; /* of the block */
    uint64_t done;
    uint64_t grants[PIPELINE];
    char block[BLOCK];
    size_t block_size;
    char answers[BLOCK];
};

static void connect_library(struct client *client)
{
    client->library = station_connect(&client->options);
    if (!client->library)
        exit(1);
}

/* ---- the modest client ---- */

static int ping(void *data)
{
    struct client *client = data;
    return station_check("ping", segb_ping(client->library));
}

static int attach(void *data)
{
    struct client *client = data;
    segb_segment *segment;
    int r = segb_open(client->library, client->options.name, NULL, &segment);
    if (station_check("open", r) != 0)
        return -1;
    r = station_map(segment, SEGB_RO);
    segb_close(segment);
    return r;
}

/* ---- the others: some of their work, a few milliseconds at most ---- */

static void start_greedy(struct client *client)
{
    const size_t size = sizeof(PING) - 1;
    client->socket = wire_connect(client->options.socket);
    fcntl(client->socket, F_SETFL, O_NONBLOCK);
    for (size_t at = 0; at + size <= BLOCK; at += size) {
        memcpy(client->block + at, PING, size);
        client->block_size = at + size;
    }
}

/* As much as goes in, and whatever has come out. */
static void be_greedy(struct client *client)
{
    struct pollfd socket = {.fd = client->socket, .events = POLLIN | POLLOUT};
    poll(&socket, 1, SOME);
    if (socket.revents & POLLOUT) {
        ssize_t sent = send(client->socket, client->block + client->sent,
                            client->block_size - client->sent, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            station_give_up("the greedy client: %s", strerror(errno));
        if (sent > 0)
            client->sent = (client->sent + (size_t)sent) % client->block_size;
    }
    if (socket.revents & POLLIN) {
        ssize_t got = recv(client->socket, client->answers, BLOCK, 0);
        if (got == 0)
            station_give_up("the greedy client was cut off");
        for (ssize_t i = 0; i < got; i++)
            client->done += client->answers[i] == '\n';
    }
}

__attribute__((format(printf, 3, 4))) static size_t
add_request(struct client *client, size_t at, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(client->block + at, BLOCK - at, format, arguments);
    va_end(arguments);
    return at + (size_t)size;
}

/* Until all answers of a pipeline are there; what they grant is noted. */
static void take_answers(struct client *client)
{
    size_t have = 0;
    size_t seen = 0;
    int descriptor = -1;
    while (seen < PIPELINE) {
        ssize_t got = wire_receive(client->socket, client->answers + have,
                                   BLOCK - 1 - have, &descriptor);
        if (got <= 0)
            station_give_up("the greedy client was cut off");
        for (ssize_t i = 0; i < got; i++)
            seen += client->answers[have + (size_t)i] == '\n';
        have += (size_t)got;
    }
    client->answers[have] = '\0';
    if (descriptor >= 0)
        close(descriptor);
    const char *at = client->answers;
    for (size_t i = 0; i < PIPELINE; i++) {
        at = strstr(at, "\"grant\":");
        if (!at)
            station_give_up("a request was refused: %s", client->answers);
        at += strlen("\"grant\":");
        client->grants[i] = strtoull(at, NULL, 10);
    }
}

/* What was granted last goes back as the library gives it back. */
static void attach_greedily(struct client *client)
{
    size_t size = 0;
    for (size_t i = 0; i < PIPELINE && client->grants[0] != 0; i++)
        size = add_request(client, size,
                           "{\"id\":0,\"op\":\"release\",\"grant\":%" PRIu64
                           ",\"quiet\":true}\n",
                           client->grants[i]);
    for (size_t i = 0; i < PIPELINE; i++)
        size = add_request(client, size,
                           "{\"id\":3,\"op\":\"open\",\"name\":\"%s\"}\n",
                           client->options.name);
    wire_send(client->socket, client->block, size);
    take_answers(client);
    client->done += PIPELINE;
}

static void make_segment(struct client *client)
{
    segb_segment *segment;
    if (station_check("create",
                      segb_create(client->library, NULL, client->options.size,
                                  NULL, &segment)) != 0)
        exit(1);
    segb_close(segment);
    client->done++;
}

static void reload(struct client *client)
{
    if (station_check("reload", segb_reload(client->library)) != 0)
        exit(1);
    client->done++;
}

static void come_and_go(struct client *client)
{
    for (int i = 0; i < SOME; i++) {
        if (client->here == client->options.count) {
            while (client->here > 0)
                close(client->crowd[--client->here].fd);
            client->done++;
        }
        client->crowd[client->here++].fd = wire_connect(client->options.socket);
    }
}

static void gather(struct client *client)
{
    for (; client->here < client->options.count; client->here++) {
        struct pollfd *one = &client->crowd[client->here];
        one->fd = wire_connect(client->options.socket);
        one->events = POLLIN;
        wire_send(one->fd, PING, sizeof(PING) - 1);
    }
}

/* Whoever has his answer asks again. */
static void ask_again(struct client *client)
{
    char answer[64];
    if (poll(client->crowd, client->here, SOME) < 0 && errno != EINTR)
        station_give_up("poll: %s", strerror(errno));
    for (size_t i = 0; i < client->here; i++) {
        if (client->crowd[i].revents == 0)
            continue;
        wire_line(client->crowd[i].fd, answer, sizeof(answer));
        wire_send(client->crowd[i].fd, PING, sizeof(PING) - 1);
        client->done++;
    }
}

/* ---- the loop of those who disturb ---- */

static bool line_waits(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, 0) > 0;
}

static int disturb(struct client *client, void (*some)(struct client *client))
{
    char line[32];
    /* A line that waits in a buffer is none that poll sees. */
    setvbuf(stdin, NULL, _IONBF, 0);
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        client->done = 0;
        while (!line_waits())
            some(client);
        if (!fgets(line, sizeof(line), stdin))
            break;
        printf("%" PRIu64 "\n", client->done);
        fflush(stdout);
    }
    return 0;
}

static int run_crowd(struct client *client)
{
    const char *kind = client->options.kind;
    bool asks = strcmp(kind, "ask") == 0;
    if (!asks && strcmp(kind, "crowd") != 0)
        station_give_up("unknown kind `%s`", kind);
    if (client->options.count == 0)
        station_give_up("%s needs --count", kind);
    client->crowd = calloc(client->options.count, sizeof(client->crowd[0]));
    if (!client->crowd)
        station_give_up("out of memory");
    if (asks)
        gather(client);
    return disturb(client, asks ? ask_again : come_and_go);
}

static int run(struct client *client)
{
    const char *kind = client->options.kind;
    struct station station = {.data = client};
    if (strcmp(kind, "ping") == 0 || strcmp(kind, "attach") == 0) {
        connect_library(client);
        station.once = strcmp(kind, "ping") == 0 ? ping : attach;
        return station_run(&station);
    }
    if (strcmp(kind, "greedy") == 0) {
        start_greedy(client);
        return disturb(client, be_greedy);
    }
    if (strcmp(kind, "greedy-attach") == 0) {
        client->socket = wire_connect(client->options.socket);
        return disturb(client, attach_greedily);
    }
    if (strcmp(kind, "commit") == 0 || strcmp(kind, "reload") == 0) {
        connect_library(client);
        return disturb(client,
                       strcmp(kind, "commit") == 0 ? make_segment : reload);
    }
    return run_crowd(client);
}

int main(int argc, char **argv)
{
    static struct client client;
    client.options = station_options(argc, argv);
    client.socket = -1;
    if (!client.options.socket)
        station_give_up("%s needs --socket", client.options.kind);
    int r = run(&client);
    segb_disconnect(client.library);
    if (client.socket >= 0)
        close(client.socket);
    while (client.here > 0)
        close(client.crowd[--client.here].fd);
    free(client.crowd);
    return r;
}
