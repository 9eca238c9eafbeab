/*
 * A connection with itself holds messages that outlive whoever sent them, as
 * long as some process has its two ends. 253 handles go into one message, so
 * a hundred messages hold the largest estate. A service manager keeps the
 * ends and knows nothing of what is under way between them.
 */
#include "estate.h"

#include "handle.h"
#include "handoff_posix.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- in ---- */

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

/* First `ready` with the next id, then the segments in the order of their
 * handles. */
static int write_records(const struct estate *estate, int fd)
{
    struct record ready = {.kind = RECORD_READY, .next = estate->next};
    struct estate_item *item, *next;
    struct buffer line;
    int r;

    buffer_init(&line, PROTOCOL_LINE_MAX);
    r = record_write(&line, &ready) < 0 ? -1
                                        : write_all(fd, line.data, line.size);
    buffer_deinit(&line);
    HASH_ITER (hh, estate->items, item, next) {
        if (r == 0)
            r = write_all(fd, item->line, item->size);
    }
    return r;
}

struct packer {
    int end;
    unsigned count;
    frame_handle handles[PROTOCOL_HANDLES_MAX];
};

static int pack_message(struct packer *packer)
{
    size_t sent;
    int r = 0;

    if (packer->count > 0)
        r = handoff_send(packer->end, "h", 1, packer->handles, packer->count,
                         &sent);
    packer->count = 0;
    return r;
}

static int pack_handles(const struct estate *estate, int end)
{
    struct packer packer = {.end = end};
    struct estate_item *item, *next;

    HASH_ITER (hh, estate->items, item, next) {
        for (unsigned i = 0; i < item->count; i++) {
            packer.handles[packer.count++] = item->handles[i];
            if (packer.count == PROTOCOL_HANDLES_MAX &&
                pack_message(&packer) < 0)
                return -1;
        }
    }
    return pack_message(&packer);
}

int estate_pack(const struct estate *estate, struct estate_pack *pack)
{
    int ends[2];
    int records = memfd_create("segbroker-records", MFD_CLOEXEC);

    if (records < 0)
        goto failed;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        goto undo_records;
    if (write_records(estate, records) < 0 || pack_handles(estate, ends[0]) < 0)
        goto undo_ends;
    *pack = (struct estate_pack){records, {ends[0], ends[1]}};
    return 0;

undo_ends:
    close(ends[0]);
    close(ends[1]);
undo_records:
    close(records);
failed:
    log_error("cannot pack %u segments: %s", estate_count(estate),
              strerror(errno));
    return ESTATE_E_SYSTEM;
}

void estate_pack_close(const struct estate_pack *pack)
{
    handle_close(pack->records);
    handle_close(pack->ends[0]);
    handle_close(pack->ends[1]);
}

/* ---- out ---- */

/* Handles as they come out, a message at a time. */
struct unpacker {
    const int *ends;
    unsigned taken;
    unsigned count;
    frame_handle handles[PROTOCOL_HANDLES_MAX];
};

static int receive_message(int end, struct unpacker *unpacker)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(PROTOCOL_HANDLES_MAX * sizeof(int))];
    } control;
    char byte;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr header = {.msg_iov = &data,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *c;
    int fd;

    unpacker->taken = unpacker->count = 0;
    if (recvmsg(end, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
        return -1;
    for (c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
        size_t size = c->cmsg_len - CMSG_LEN(0);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + sizeof(fd) <= size; at += sizeof(fd)) {
            memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
            unpacker->handles[unpacker->count++] = fd;
        }
    }
    if (header.msg_flags & MSG_CTRUNC)
        log_error("handles of segments are lost: no descriptor is free");
    return 0;
}

/* Nobody knows which of the two ends comes first. */
static int next_handle(struct unpacker *unpacker, frame_handle *handle)
{
    while (unpacker->taken == unpacker->count) {
        if (receive_message(unpacker->ends[1], unpacker) < 0 &&
            receive_message(unpacker->ends[0], unpacker) < 0)
            return -1;
    }
    *handle = unpacker->handles[unpacker->taken++];
    return 0;
}

static int unpack_line(struct estate *estate, struct unpacker *unpacker,
                       const char *line, size_t size)
{
    struct record record;
    struct estate_new new = {.line = line, .size = size};
    int r = record_decode(line, size, &record);

    if (r != 0)
        return -1;
    if (record.kind == RECORD_READY && record.next > estate->next)
        estate->next = record.next;
    new.id = record.segment.segment;
    if (record.kind == RECORD_KEEP) {
        while (r == 0 && new.count < record.handles)
            if ((r = next_handle(unpacker, &new.handles[new.count])) == 0)
                new.count++;
        if (r == 0)
            r = estate_keep(estate, &new);
        else
            while (new.count > 0)
                handle_close(new.handles[--new.count]);
    }
    record_deinit(&record);
    return r;
}

static void unpack_text(struct estate *estate, const int ends[2],
                        const char *text, size_t size)
{
    struct unpacker unpacker = {.ends = ends};
    const char *end;
    unsigned lost = 0;

    for (; size > 0; size -= (size_t)(end - text) + 1, text = end + 1) {
        end = memchr(text, '\n', size);
        if (!end)
            break;
        if (unpack_line(estate, &unpacker, text, (size_t)(end - text)) < 0)
            lost++;
    }
    while (unpacker.taken < unpacker.count)
        handle_close(unpacker.handles[unpacker.taken++]);
    if (lost > 0)
        log_error("%u records of segments cannot be read: these are lost",
                  lost);
}

void estate_unpack(struct estate *estate, const struct estate_pack *pack)
{
    int ends[2] = {(int)pack->ends[0], (int)pack->ends[1]};
    struct stat status;
    void *text = MAP_FAILED;

    if (fstat((int)pack->records, &status) == 0 && status.st_size > 0)
        text = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE,
                    (int)pack->records, 0);
    if (text == MAP_FAILED) {
        log_error("the records of segments cannot be read: they are lost");
    } else {
        unpack_text(estate, ends, text, (size_t)status.st_size);
        munmap(text, (size_t)status.st_size);
    }
    estate_pack_close(pack);
}
