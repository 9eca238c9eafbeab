/*
 * Segments by shm_open, for systems without memfd: unlinked as soon as they
 * are open, so that nothing can leak and no name can collide. Here nothing
 * stops a writer from truncating, and nothing tells who still maps one.
 */
#include "segment.h"

#include "handle.h"
#include "segment_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct segment {
    struct lent *writable; /* of a file one of them may be NULL */
    struct lent *readable;
};

enum { NAME_TRIES = 100 };

/* Both descriptors of one new object, whose name is gone again. */
static int open_both(int *writable, int *readable)
{
    static unsigned long counter;
    char name[64];

    for (int i = 0; i < NAME_TRIES; i++) {
        snprintf(name, sizeof(name), "/segbroker.%ld.%lu", (long)getpid(),
                 counter++);
        *writable = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (*writable < 0 && errno == EEXIST)
            continue;
        if (*writable < 0)
            return -1;
        *readable = shm_open(name, O_RDONLY, 0);
        shm_unlink(name);
        if (*readable >= 0)
            return 0;
        close(*writable);
        return -1;
    }
    return -1;
}

int segment_of_file(frame_handle write, frame_handle read, uint64_t size,
                    struct segment **segment)
{
    struct segment *s = malloc(sizeof(*s));

    (void)size;
    if (s && segment_file_lend(write, read, &s->writable, &s->readable) == 0) {
        *segment = s;
        return 0;
    }
    free(s);
    return SEGMENT_E_NO_MEMORY;
}

int segment_new(const struct segment_plan *plan, struct segment **segment)
{
    int writable, readable, r;

    if (open_both(&writable, &readable) < 0)
        return segment_outcome(errno);
    if (ftruncate(writable, (off_t)plan->mapped_size) < 0)
        r = segment_outcome(errno);
    else
        r = segment_of_file(writable, readable, 0, segment);
    if (r < 0) {
        close(writable);
        close(readable);
    }
    return r;
}

void segment_empty(struct segment *segment)
{
    /* Nobody can tell who holds it: it goes with the last one who does. */
    (void)segment;
}

uint64_t segment_filled(const struct segment *segment)
{
    (void)segment;
    return 0;
}

int segment_freeze(struct segment *segment, enum protocol_frozen frozen)
{
    /* Nothing takes writing from who has a descriptor. */
    (void)segment;
    (void)frozen;
    return 0;
}

enum protocol_frozen segment_frozen(const struct segment *segment)
{
    (void)segment;
    return PROTOCOL_FROZEN_NO;
}

int segment_wipe(struct segment *segment, uint64_t mapped_size)
{
    static const char zeros[64 * 1024];
    int fd = (int)segment->writable->handle;
    ssize_t written;

    for (uint64_t at = 0; at < mapped_size; at += (uint64_t)written) {
        uint64_t left = mapped_size - at;

        written = pwrite(fd, zeros,
                         left < sizeof(zeros) ? (size_t)left : sizeof(zeros),
                         (off_t)at);
        if (written <= 0)
            return SEGMENT_E_SYSTEM;
    }
    return 0;
}

struct segment *segment_free(struct segment *segment)
{
    if (!segment)
        return NULL;
    lent_unref(segment->writable);
    lent_unref(segment->readable);
    free(segment);
    return NULL;
}

unsigned segment_parts(const struct segment *segment,
                       frame_handle parts[SEGMENT_PARTS_MAX])
{
    return segment_file_parts(segment->writable, segment->readable, parts);
}

int segment_adopt(const frame_handle *parts, unsigned count,
                  const struct segment_plan *plan, struct segment **segment)
{
    /* Memory has both descriptors, and is a file like any other here. */
    if (plan->of_file ||
        (count == 2 &&
         segment_file_is((int)parts[0], plan->mapped_size, O_RDWR) &&
         segment_file_is((int)parts[1], plan->mapped_size, O_RDONLY)))
        return segment_file_adopt(parts, count, segment);
    segment_close_parts(parts, count);
    return SEGMENT_E_SYSTEM;
}

bool segment_is(const struct segment *segment, frame_handle handle,
                bool writable)
{
    frame_handle ours[SEGMENT_PARTS_MAX] = {HANDLE_NONE};

    segment_parts(segment, ours);
    return segment_file_same((int)ours[0], (int)handle, writable);
}

int segment_commit(struct segment *segment, uint64_t offset, uint64_t length)
{
    int r;

    do
        r = posix_fallocate((int)segment->writable->handle, (off_t)offset,
                            (off_t)length);
    while (r == EINTR);
    return r == 0 ? 0 : segment_outcome(r);
}

int segment_handle(struct segment *segment, bool writable, struct lent **handle)
{
    *handle = writable ? segment->writable : segment->readable;
    return *handle ? 0 : SEGMENT_E_ACCESS;
}

void segment_forget_handles(struct segment *segment)
{
    /* Both are the broker's own; closing them would free the memory. */
    (void)segment;
}

enum segment_use segment_use(struct segment *segment, bool kept)
{
    (void)segment;
    (void)kept;
    return SEGMENT_UNKNOWN;
}

void segment_init(void)
{
}

struct segment_promises segment_promises(void)
{
    return (struct segment_promises){
        .pages = {[PROTOCOL_PAGES_DEFAULT] = true}};
}

const char *segment_pages_need(enum protocol_pages pages)
{
    (void)pages;
    return "they need a broker that makes segments by memfd_create";
}
