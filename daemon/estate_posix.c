/*
 * A connection with itself holds messages that outlive whoever sent them, as
 * long as some process has its two ends. 253 handles go into one message, so
 * a few hundred messages, half of them each way, hold the largest estate. A
 * service manager keeps the ends and knows nothing of what is under way
 * between them.
 *
 * Unpacking only looks, so that who dies over it loses nothing. A record is
 * preceded by its handles' devices and inodes and gets these very handles: one
 * that is missing, or a record that cannot be read, costs no other segment
 * anything.
 */
#include "estate.h"

#include "handle.h"
#include "handoff_posix.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
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

/* What a handle is to. */
struct target {
    uint64_t device;
    uint64_t inode;
};

static struct target target_of(frame_handle handle)
{
    struct stat status;

    if (fstat((int)handle, &status) < 0)
        return (struct target){0};
    return (struct target){status.st_dev, status.st_ino};
}

static int compare_targets(const struct target *a, const struct target *b)
{
    if (a->device != b->device)
        return a->device < b->device ? -1 : 1;
    return a->inode < b->inode ? -1 : a->inode > b->inode;
}

/* `DEVICE INODE DEVICE INODE {"record":...}` */
static int write_item(const struct estate_item *item, int fd)
{
    char targets[RECORD_HANDLES_MAX * 48];
    size_t size = 0;

    for (unsigned i = 0; i < item->count; i++) {
        struct target target = target_of(item->handles[i]);

        size +=
            (size_t)snprintf(targets + size, sizeof(targets) - size,
                             "%llu %llu ", (unsigned long long)target.device,
                             (unsigned long long)target.inode);
    }
    if (write_all(fd, targets, size) < 0)
        return -1;
    return write_all(fd, item->line, item->size);
}

/* First `ready` with the next id, then the segments. */
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
            r = write_item(item, fd);
    }
    return r;
}

struct packer {
    const int *ends;
    unsigned lost;
    unsigned count;
    frame_handle handles[PROTOCOL_HANDLES_MAX];
};

/* Each way holds as much as one socket may have sent and not read. */
static void pack_message(struct packer *packer)
{
    size_t sent;

    if (packer->count > 0 &&
        handoff_send(packer->ends[0], "h", 1, packer->handles, packer->count,
                     &sent) < 0 &&
        handoff_send(packer->ends[1], "h", 1, packer->handles, packer->count,
                     &sent) < 0)
        packer->lost += packer->count;
    packer->count = 0;
}

static void pack_handles(const struct estate *estate, const int ends[2])
{
    struct packer packer = {.ends = ends};
    struct estate_item *item, *next;

    HASH_ITER (hh, estate->items, item, next) {
        for (unsigned i = 0; i < item->count; i++) {
            packer.handles[packer.count++] = item->handles[i];
            if (packer.count == PROTOCOL_HANDLES_MAX)
                pack_message(&packer);
        }
    }
    pack_message(&packer);
    if (packer.lost > 0)
        log_error("%u handles do not fit into what the system lets be under "
                  "way: their segments will be lost: %s",
                  packer.lost, strerror(errno));
}

static int make_ends(int ends[2])
{
    int size = INT_MAX / 4; /* as much as the system lets */

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    for (int i = 0; i < 2; i++)
        setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return 0;
}

int estate_pack(const struct estate *estate, struct estate_pack *pack)
{
    int ends[2];
    int records = memfd_create("segbroker-records", MFD_CLOEXEC);

    if (records < 0)
        goto failed;
    if (make_ends(ends) < 0)
        goto undo_records;
    if (write_records(estate, records) < 0)
        goto undo_ends;
    pack_handles(estate, ends);
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

struct unpacked {
    struct target target;
    unsigned turn;       /* handles to the same stay in order */
    frame_handle handle; /* HANDLE_NONE: taken */
};

struct unpacker {
    struct unpacked *all;
    unsigned count;
    unsigned capacity;
};

static void add_handle(struct unpacker *unpacker, int fd)
{
    if (unpacker->count == unpacker->capacity) {
        unsigned capacity =
            unpacker->capacity ? 2 * unpacker->capacity : PROTOCOL_HANDLES_MAX;
        struct unpacked *all =
            realloc(unpacker->all, capacity * sizeof(all[0]));

        if (!all) {
            log_error("a handle of a segment is lost: out of memory");
            close(fd);
            return;
        }
        unpacker->all = all;
        unpacker->capacity = capacity;
    }
    unpacker->all[unpacker->count] =
        (struct unpacked){target_of(fd), unpacker->count, fd};
    unpacker->count++;
}

/* Looks at the next message. */
static int peek_message(int end, struct unpacker *unpacker)
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

    if (recvmsg(end, &header, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
        return -1;
    for (c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
        size_t size = c->cmsg_len - CMSG_LEN(0);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + sizeof(fd) <= size; at += sizeof(fd)) {
            memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
            add_handle(unpacker, fd);
        }
    }
    if (header.msg_flags & MSG_CTRUNC)
        log_error("handles of segments are lost: no descriptor is free");
    return 0;
}

static int compare_unpacked(const void *one, const void *other)
{
    const struct unpacked *a = one, *b = other;
    int order = compare_targets(&a->target, &b->target);

    if (order != 0)
        return order;
    return a->turn < b->turn ? -1 : a->turn > b->turn;
}

static void unpack_handles(struct unpacker *unpacker, const int ends[2])
{
    int beginning = 0;

    for (int i = 0; i < 2; i++) {
        /* Each look begins behind the last one. */
        if (setsockopt(ends[i], SOL_SOCKET, SO_PEEK_OFF, &beginning,
                       sizeof(beginning)) < 0)
            log_error("the segments' handles cannot be read: %s",
                      strerror(errno));
        else
            while (peek_message(ends[i], unpacker) == 0)
                ;
    }
    if (unpacker->count > 0)
        qsort(unpacker->all, unpacker->count, sizeof(unpacker->all[0]),
              compare_unpacked);
}

static int take_handle(struct unpacker *unpacker, const struct target *target,
                       frame_handle *handle)
{
    unsigned low = 0, high = unpacker->count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (compare_targets(&unpacker->all[middle].target, target) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < unpacker->count &&
           compare_targets(&unpacker->all[low].target, target) == 0;
         low++) {
        if (unpacker->all[low].handle == HANDLE_NONE)
            continue;
        *handle = unpacker->all[low].handle;
        unpacker->all[low].handle = HANDLE_NONE;
        return 0;
    }
    return -1;
}

static int read_number(const char **text, uint64_t *number)
{
    char *behind;

    *number = strtoull(*text, &behind, 10);
    if (behind == *text || *behind != ' ')
        return -1;
    *text = behind + 1;
    return 0;
}

/* Takes the handles to what stands before a record. */
static int take_handles(struct unpacker *unpacker, const char *targets,
                        size_t size, struct estate_new *new)
{
    const char *end = targets + size;
    struct target target;

    while (targets < end) {
        if (read_number(&targets, &target.device) < 0 ||
            read_number(&targets, &target.inode) < 0 ||
            new->count == RECORD_HANDLES_MAX ||
            take_handle(unpacker, &target, &new->handles[new->count]) < 0)
            return -1;
        new->count++;
    }
    return 0;
}

static int unpack_segment(struct estate *estate, struct unpacker *unpacker,
                          const char *targets, struct estate_new *new)
{
    int r = take_handles(unpacker, targets, (size_t)(new->line - targets), new);

    if (r == 0)
        return estate_keep(estate, new);
    while (new->count > 0)
        handle_close(new->handles[--new->count]);
    return r;
}

static int unpack_line(struct estate *estate, struct unpacker *unpacker,
                       const char *line, size_t size)
{
    const char *brace = memchr(line, '{', size);
    struct record record;
    struct estate_new new = {.line = brace};
    int r;

    if (!brace)
        return -1;
    new.size = size - (size_t)(brace - line);
    r = record_decode(brace, new.size, &record);
    if (r != 0)
        return -1;
    if (record.kind == RECORD_READY && record.next > estate->next)
        estate->next = record.next;
    new.id = record.segment.segment;
    if (record.kind == RECORD_KEEP)
        r = unpack_segment(estate, unpacker, line, &new);
    record_deinit(&record);
    return r;
}

static void unpack_text(struct estate *estate, const int ends[2],
                        const char *text, size_t size)
{
    struct unpacker unpacker = {0};
    const char *end;
    unsigned lost = 0;

    unpack_handles(&unpacker, ends);

    for (; size > 0; size -= (size_t)(end - text) + 1, text = end + 1) {
        end = memchr(text, '\n', size);
        if (!end)
            break;
        if (unpack_line(estate, &unpacker, text, (size_t)(end - text)) < 0)
            lost++;
    }
    for (unsigned i = 0; i < unpacker.count; i++)
        handle_close(unpacker.all[i].handle);
    free(unpacker.all);
    if (lost > 0)
        log_error("%u segments are lost: their records cannot be read, or "
                  "their handles are not there",
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
