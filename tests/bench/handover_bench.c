/*
 * Bytes that one process has in its memory and another one wants: from when
 * the first begins to hand them over until the second has read every one.
 *
 *   segment  in a segment; the other opens it, maps it and reads it there
 *   mapped   the same, and the other keeps it mapped from the first time on
 *   socket   over a Unix stream socket
 *   pipe     over a pipe
 *   redis    SET here and GET there; --socket is of the Redis server
 *
 * --size: how many. The other runs on --server-cpu; what comes as a stream it
 * reads through a buffer that stays in its cache. The bytes are written once,
 * before.
 */
#include "station.h"
#include "wire.h"

#include "client/segbroker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 256 * 1024, PIPE_SIZE = 1 << 20, MIB = 1 << 20 };

struct handover {
    struct station_options options;
    uint64_t *memory;
    uint64_t sum;
    int control; /* `go` to the other, and his sum back */
    int sender;  /* the sender's end of that, in the receiver */
    int stream;  /* the sender's or the receiver's end */
    int other;   /* the other's end of the stream; -1: there is none */
    pid_t receiver;
    bool by_segment;
    segb_client *client;
    segb_segment *segment;
    char name[STATION_NAME_MAX];
};

static void must(const char *what, int code)
{
    if (station_check(what, code) != 0)
        exit(1);
}

static void connect_library(struct handover *handover)
{
    handover->client = station_connect(&handover->options);
    if (!handover->client)
        exit(1);
}

static uint64_t sum_of(const uint64_t *words, size_t size)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < size / sizeof(words[0]); i++)
        sum += words[i];
    return sum;
}

static void fill(struct handover *handover)
{
    size_t count = handover->options.size / sizeof(handover->memory[0]);
    for (size_t i = 0; i < count; i++)
        handover->memory[i] = i * UINT64_C(0x9e3779b97f4a7c15);
    handover->sum = sum_of(handover->memory, handover->options.size);
}

/* ---- the receiver ---- */

static void read_all(int fd, void *bytes, size_t size)
{
    for (size_t have = 0; have < size;) {
        ssize_t got = read(fd, (char *)bytes + have, size - have);
        if (got == 0)
            exit(0); /* the sender has ended */
        if (got < 0 && errno != EINTR)
            station_give_up("read: %s", strerror(errno));
        if (got > 0)
            have += (size_t)got;
    }
}

static uint64_t read_stream(int fd, uint64_t size)
{
    static uint64_t buffer[BUFFER / sizeof(uint64_t)];
    uint64_t sum = 0;
    while (size > 0) {
        size_t part = size < BUFFER ? size : BUFFER;
        read_all(fd, buffer, part);
        sum += sum_of(buffer, part);
        size -= part;
    }
    return sum;
}

static uint64_t read_segment(struct handover *handover)
{
    segb_segment *segment;
    void *memory;
    if (handover->memory)
        return sum_of(handover->memory, handover->options.size);
    must("open", segb_open(handover->client, handover->name, NULL, &segment));
    must("map", segb_map(segment, 0, 0, SEGB_RO, &memory));
    uint64_t sum = sum_of(memory, segb_size(segment));
    if (strcmp(handover->options.kind, "mapped") == 0) {
        handover->memory = memory;
        return sum;
    }
    must("unmap", segb_unmap(memory));
    segb_close(segment);
    return sum;
}

static uint64_t read_redis(struct handover *handover)
{
    static const char get[] = "*2\r\n$3\r\nGET\r\n$5\r\nbench\r\n";
    char head[64];
    int size = snprintf(head, sizeof(head), "$%" PRIu64 "\r\n",
                        handover->options.size);
    char got[64] = "";
    wire_send(handover->stream, get, sizeof(get) - 1);
    read_all(handover->stream, got, (size_t)size);
    if (memcmp(head, got, (size_t)size) != 0)
        station_give_up("Redis answered %s", got);
    uint64_t sum = read_stream(handover->stream, handover->options.size);
    read_all(handover->stream, got, 2);
    return sum;
}

static void receive(void *data)
{
    struct handover *handover = data;
    const char *kind = handover->options.kind;
    char go;
    /* The sender's ends: it would not see the sender end. */
    close(handover->sender);
    if (handover->other >= 0) {
        close(handover->stream);
        handover->stream = handover->other;
    }
    handover->memory = NULL; /* the sender's */
    if (handover->by_segment)
        connect_library(handover);
    else if (strcmp(kind, "redis") == 0)
        handover->stream = station_connect_socket(handover->options.socket);
    for (;;) {
        uint64_t sum;
        if (handover->other < 0)
            read_all(handover->control, &go, 1);
        if (handover->by_segment)
            sum = read_segment(handover);
        else if (strcmp(kind, "redis") == 0)
            sum = read_redis(handover);
        else
            sum = read_stream(handover->stream, handover->options.size);
        wire_send(handover->control, &sum, sizeof(sum));
    }
}

/* ---- the sender ---- */

static void write_all(int fd, const void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t written = write(fd, (const char *)bytes + done, size - done);
        if (written < 0 && errno != EINTR)
            station_give_up("write: %s", strerror(errno));
        if (written > 0)
            done += (size_t)written;
    }
}

static void set_redis(struct handover *handover)
{
    char head[64];
    char answer[8] = "";
    int size = snprintf(head, sizeof(head),
                        "*3\r\n$3\r\nSET\r\n$5\r\nbench\r\n$%" PRIu64 "\r\n",
                        handover->options.size);
    write_all(handover->stream, head, (size_t)size);
    write_all(handover->stream, handover->memory, handover->options.size);
    write_all(handover->stream, "\r\n", 2);
    read_all(handover->stream, answer, strlen("+OK\r\n"));
    if (strcmp(answer, "+OK\r\n") != 0)
        station_give_up("Redis answered %s", answer);
}

static int hand_over(void *data)
{
    struct handover *handover = data;
    uint64_t sum;
    if (handover->other >= 0)
        write_all(handover->stream, handover->memory, handover->options.size);
    else if (strcmp(handover->options.kind, "redis") == 0)
        set_redis(handover);
    if (handover->other < 0)
        wire_send(handover->control, "g", 1);
    read_all(handover->control, &sum, sizeof(sum));
    if (sum != handover->sum)
        return station_complain("the other process read something else");
    return 0;
}

/* ---- beginning and end ---- */

static void make_segment(struct handover *handover)
{
    void *memory;
    station_name(handover->name, 0);
    connect_library(handover);
    must("create",
         segb_create(handover->client, handover->name, handover->options.size,
                     NULL, &handover->segment));
    must("map", segb_map(handover->segment, 0, 0, SEGB_RW, &memory));
    handover->memory = memory;
}

static void make_private(struct handover *handover)
{
    void *memory = mmap(NULL, handover->options.size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        station_give_up("%" PRIu64 " bytes: %s", handover->options.size,
                        strerror(errno));
    handover->memory = memory;
}

static void make_stream(struct handover *handover)
{
    int ends[2];
    const char *kind = handover->options.kind;
    int r = -1;
    if (strcmp(kind, "socket") == 0)
        r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
    else if (strcmp(kind, "pipe") == 0)
        r = pipe2(ends, O_CLOEXEC);
    else
        station_give_up("unknown kind `%s`", kind);
    if (r < 0)
        station_give_up("%s: %s", kind, strerror(errno));
    handover->other = ends[0];
    handover->stream = ends[1];
    /* The default holds 64 KiB: more is asked for here than it must give. */
    if (strcmp(kind, "pipe") == 0)
        fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE);
}

static void start_receiver(struct handover *handover)
{
    int control[2];
    struct handover receiver = *handover;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) < 0)
        station_give_up("socketpair: %s", strerror(errno));
    receiver.control = control[0];
    receiver.sender = control[1];
    handover->control = control[1];
    handover->receiver =
        station_fork(handover->options.server_cpu, receive, &receiver);
    close(control[0]);
    if (handover->other >= 0)
        close(handover->other);
}

static void end(void *data)
{
    struct handover *handover = data;
    close(handover->control);
    if (handover->stream >= 0)
        close(handover->stream);
    station_join(handover->receiver);
    segb_close(handover->segment);
    segb_disconnect(handover->client);
}

int main(int argc, char **argv)
{
    struct handover handover = {
        .options = station_options(argc, argv), .stream = -1, .other = -1};
    struct station station = {.once = hand_over, .end = end, .data = &handover};
    if (handover.options.size == 0)
        handover.options.size = MIB;
    handover.by_segment = strcmp(handover.options.kind, "segment") == 0 ||
                          strcmp(handover.options.kind, "mapped") == 0;
    if (handover.by_segment)
        make_segment(&handover);
    else
        make_private(&handover);
    if (strcmp(handover.options.kind, "redis") == 0)
        handover.stream = station_connect_socket(handover.options.socket);
    else if (!handover.by_segment)
        make_stream(&handover);
    start_receiver(&handover);
    fill(&handover);
    return station_run(&station);
}
