/*
 * Segments as sealed memfds.
 *
 * The broker keeps `own`, a *reopened* description; clients get handles
 * reopened from it. So fcntl(own, F_SETLEASE, F_WRLCK) is refused exactly
 * while anybody else holds a description or a mapping of the file: that is
 * the last-holder test, by the kernel's word and without privilege.
 */
#include "segment.h"

#include "handle.h"
#include "message.h"
#include "numa.h"
#include "segment_file.h"
#include "segment_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of kernel 6.3; Debian 12's headers do not have it. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

struct segment {
    int own;               /* -1: it is of a file */
    uint64_t page;         /* of huge ones, their bytes; else 0 */
    unsigned numa;         /* as in the plan */
    struct lent *readable; /* NULL while not open */
    struct lent *writable; /* NULL while not open */
};

/* A file's descriptors are the client's own, and lie in their places. */
static bool is_of_file(const struct segment *segment)
{
    return segment->own < 0;
}

static struct segment_promises promises;

/* The folder of this process's descriptors; -1: not opened yet. From there a
 * reopening takes three fourths of what the whole path does. */
static int descriptors = -1;

static int reopen(int fd, int flags)
{
    char name[16];

    snprintf(name, sizeof(name), "%d", fd);
    return openat(descriptors, name, flags | O_CLOEXEC);
}

static void open_descriptors(void)
{
    /* One of before may be another process's. */
    handle_close(descriptors);
    descriptors = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* A memfd that only this user may reopen, fixed in size for ever. Who may write
 * can set the seals that are left open. */
static int make_sealed(const struct segment_plan *plan)
{
    int seals =
        F_SEAL_SHRINK | F_SEAL_GROW | (plan->freezable ? 0 : F_SEAL_SEAL);
    unsigned flags =
        MFD_CLOEXEC | MFD_ALLOW_SEALING | segment_pages_flags(plan->pages);
    /* Kernels before 6.3 refuse a flag that they do not know. */
    int fd = memfd_create("segbroker", flags | MFD_NOEXEC_SEAL);

    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("segbroker", flags);
    if (fd < 0)
        return -1;
    if (fchmod(fd, 0600) == 0 && ftruncate(fd, (off_t)plan->mapped_size) == 0 &&
        fcntl(fd, F_ADD_SEALS, seals) == 0)
        return fd;
    close(fd);
    return -1;
}

int segment_new(const struct segment_plan *plan, struct segment **segment)
{
    struct segment *s = malloc(sizeof(*s));
    int fd, r;

    if (!s)
        return SEGMENT_E_NO_MEMORY;
    fd = make_sealed(plan);
    if (fd < 0) {
        r = segment_outcome(errno);
        goto undo_memory;
    }
    *s = (struct segment){.own = reopen(fd, O_RDWR),
                          .page = message_pages_bytes(plan->pages),
                          .numa = plan->numa};
    r = s->own < 0 ? segment_outcome(errno) : 0;
    close(fd);
    if (r == 0 && s->page == 0)
        r = segment_pages_place(s->own, plan->mapped_size, plan->numa);
    if (r == 0) {
        *segment = s;
        return 0;
    }
    handle_close(s->own);

undo_memory:
    free(s);
    return r;
}

int segment_of_file(frame_handle write, frame_handle read, uint64_t size,
                    struct segment **segment)
{
    struct segment *s = malloc(sizeof(*s));

    (void)size;
    if (s)
        *s = (struct segment){.own = -1};
    if (s && segment_file_lend(write, read, &s->writable, &s->readable) == 0) {
        *segment = s;
        return 0;
    }
    free(s);
    return SEGMENT_E_NO_MEMORY;
}

/* Bytes that are allocated; 0 when it is of a file. */
static uint64_t look(const struct segment *segment, struct stat *status)
{
    if (is_of_file(segment) || fstat(segment->own, status) < 0)
        return 0;
    /* Huge pages may be reserved where there are none yet. */
    return segment->page ? (uint64_t)status->st_size
                         : (uint64_t)status->st_blocks * 512;
}

uint64_t segment_filled(const struct segment *segment)
{
    struct stat status;

    return look(segment, &status);
}

void segment_empty(struct segment *segment)
{
    struct stat status;

    /* An O_PATH descriptor is no lease's concern, and keeps the inode. */
    if (look(segment, &status) > 0)
        fallocate(segment->own, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                  status.st_size);
}

static enum protocol_frozen frozen_by(int seals)
{
    if (seals >= 0 && (seals & F_SEAL_WRITE))
        return PROTOCOL_FROZEN_YES;
    if (seals >= 0 && (seals & F_SEAL_FUTURE_WRITE))
        return PROTOCOL_FROZEN_FUTURE;
    return PROTOCOL_FROZEN_NO;
}

enum protocol_frozen segment_frozen(const struct segment *segment)
{
    if (is_of_file(segment))
        return PROTOCOL_FROZEN_NO;
    return frozen_by(fcntl(segment->own, F_GET_SEALS));
}

int segment_freeze(struct segment *segment, enum protocol_frozen frozen)
{
    /* The last seal only with the last step: until then `future` can become
     * `yes`. */
    int seals = frozen == PROTOCOL_FROZEN_YES ? F_SEAL_WRITE | F_SEAL_SEAL
                                              : F_SEAL_FUTURE_WRITE;

    if (fcntl(segment->own, F_ADD_SEALS, seals) == 0 ||
        segment_frozen(segment) >= frozen)
        return 0;
    if (errno == EBUSY)
        return SEGMENT_E_BUSY;
    return errno == EPERM ? SEGMENT_E_SEALED : SEGMENT_E_SYSTEM;
}

int segment_wipe(struct segment *segment, uint64_t mapped_size)
{
    if (segment->page)
        return segment_pages_wipe(segment->own, mapped_size, segment->page);
    return fallocate(segment->own, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     0, (off_t)mapped_size) == 0
               ? 0
               : SEGMENT_E_SYSTEM;
}

struct segment *segment_free(struct segment *segment)
{
    if (!segment)
        return NULL;
    lent_unref(segment->readable);
    lent_unref(segment->writable);
    handle_close(segment->own);
    free(segment);
    return NULL;
}

unsigned segment_parts(const struct segment *segment,
                       frame_handle parts[SEGMENT_PARTS_MAX])
{
    if (is_of_file(segment))
        return segment_file_parts(segment->writable, segment->readable, parts);
    parts[0] = segment->own;
    return 1;
}

int segment_adopt(const frame_handle *parts, unsigned count,
                  const struct segment_plan *plan, struct segment **segment)
{
    struct segment *s;

    if (plan->of_file)
        return segment_file_adopt(parts, count, segment);
    if (count != 1 ||
        !segment_file_is((int)parts[0], plan->mapped_size, O_RDWR)) {
        segment_close_parts(parts, count);
        return SEGMENT_E_SYSTEM;
    }
    s = malloc(sizeof(*s));
    if (!s) {
        segment_close_parts(parts, count);
        return SEGMENT_E_NO_MEMORY;
    }
    *s = (struct segment){.own = (int)parts[0],
                          .page = message_pages_bytes(plan->pages),
                          .numa = plan->numa};
    /* Its last owner may have died while it asked who has it. */
    fcntl(s->own, F_SETLEASE, F_UNLCK);
    *segment = s;
    return 0;
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

    if (segment->page)
        return segment_pages_commit(segment->own, offset, length,
                                    segment->numa);
    do
        r = fallocate(segment->own, 0, (off_t)offset, (off_t)length);
    while (r < 0 && errno == EINTR);
    return r < 0 ? segment_outcome(errno) : 0;
}

/* A new handle to lend. */
static int lend(const struct segment *segment, int flags, struct lent **lent)
{
    int fd = reopen(segment->own, flags);

    if (fd < 0)
        return segment_outcome(errno);
    *lent = lent_new(fd);
    if (*lent)
        return 0;
    close(fd);
    return SEGMENT_E_NO_MEMORY;
}

int segment_handle(struct segment *segment, bool writable, struct lent **handle)
{
    struct lent **kept = writable ? &segment->writable : &segment->readable;
    int r = 0;

    /* Reopening costs half of a whole request, so the handle is kept. */
    if (!*kept && is_of_file(segment))
        return SEGMENT_E_ACCESS;
    if (!*kept)
        r = lend(segment, writable ? O_RDWR : O_RDONLY, kept);
    *handle = *kept;
    return r;
}

void segment_forget_handles(struct segment *segment)
{
    if (is_of_file(segment))
        return;
    segment->readable = lent_unref(segment->readable);
    segment->writable = lent_unref(segment->writable);
}

static enum segment_use ask_lease(const struct segment *segment)
{
    if (fcntl(segment->own, F_SETLEASE, F_WRLCK) == 0) {
        fcntl(segment->own, F_SETLEASE, F_UNLCK);
        return SEGMENT_FREE;
    }
    return errno == EAGAIN ? SEGMENT_IN_USE : SEGMENT_UNKNOWN;
}

enum segment_use segment_use(struct segment *segment, bool kept)
{
    /* The keeper has the same description. Only its owner may ask for a lease
     * on a file. */
    (void)kept;
    return promises.exact_lifetime && !is_of_file(segment) ? ask_lease(segment)
                                                           : SEGMENT_UNKNOWN;
}

/* The answers of the last-holder test where they are known: nobody, a handle,
 * only a view, nobody again. */
static bool try_lease(struct segment *segment)
{
    uint64_t size = segment_mapped_size(1);
    struct lent *handle = NULL;
    bool good = ask_lease(segment) == SEGMENT_FREE;
    void *view;

    if (segment_handle(segment, false, &handle) < 0 || !handle)
        return false;
    good = good && ask_lease(segment) == SEGMENT_IN_USE;
    view = mmap(NULL, size, PROT_READ, MAP_SHARED, (int)handle->handle, 0);
    segment_forget_handles(segment);
    if (view == MAP_FAILED)
        return false;
    good = good && ask_lease(segment) == SEGMENT_IN_USE;
    munmap(view, size);
    return good && ask_lease(segment) == SEGMENT_FREE;
}

static void try_pages(void)
{
    for (int i = 0; i < PROTOCOL_PAGES_KINDS; i++) {
        unsigned flags = segment_pages_flags((enum protocol_pages)i);
        int fd = memfd_create("segbroker", MFD_CLOEXEC | flags);

        promises.pages[i] = fd >= 0;
        handle_close(fd);
    }
}

/* On the first node that there is: kernels without nodes, and sandboxes, refuse
 * the call. */
static bool try_node(void)
{
    struct segment_plan plan = {.mapped_size = segment_mapped_size(1)};
    struct segment *trial = NULL;

    while (plan.numa <= PROTOCOL_NODE_MAX && !numa_has(plan.numa))
        plan.numa++;
    plan.numa++;
    if (plan.numa > PROTOCOL_NODE_MAX + 1 || segment_new(&plan, &trial) < 0)
        return false;
    segment_free(trial);
    return true;
}

void segment_init(void)
{
    struct segment_plan plan = {.mapped_size = segment_mapped_size(1),
                                .commit = true};
    struct segment *trial = NULL;

    promises = (struct segment_promises){.sealed_size = true, .freezes = true};
    open_descriptors();
    try_pages();
    promises.numa = try_node();
    if (segment_new(&plan, &trial) < 0 || !trial)
        return;
    promises.exact_lifetime = try_lease(trial);
    segment_free(trial);
}

struct segment_promises segment_promises(void)
{
    return promises;
}

const char *segment_pages_need(enum protocol_pages pages)
{
    return pages == PROTOCOL_PAGES_1G
               ? "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages "
                 "says how many there are"
               : "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages says "
                 "how many there are";
}
