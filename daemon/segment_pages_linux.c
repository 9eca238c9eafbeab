#include "segment_pages.h"

#include "handle.h"
#include "message.h"
#include "segment_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/memfd.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    WORD_BITS = sizeof(unsigned long) * CHAR_BIT,
    NODES = PROTOCOL_NODE_MAX + 1
};

unsigned segment_pages_flags(enum protocol_pages pages)
{
    static const unsigned flags[PROTOCOL_PAGES_KINDS] = {
        [PROTOCOL_PAGES_2M] = MFD_HUGETLB | MFD_HUGE_2MB,
        [PROTOCOL_PAGES_1G] = MFD_HUGETLB | MFD_HUGE_1GB};

    return flags[pages];
}

/* What is allocated by the view, or of its file later, comes from the node. */
static int bind_to(void *view, size_t length, unsigned numa)
{
    unsigned long nodes[NODES / WORD_BITS] = {0};
    unsigned node = numa - 1;

    if (numa == 0)
        return 0;
    nodes[node / WORD_BITS] = 1UL << node % WORD_BITS;
    return syscall(SYS_mbind, view, length, MPOL_BIND, nodes, NODES + 1, 0) < 0
               ? -1
               : 0;
}

/* A view of the file, bound; MAP_FAILED and errno. */
static void *map(int fd, uint64_t offset, uint64_t length, unsigned numa)
{
    void *view = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                      (off_t)offset);
    int error;

    if (view == MAP_FAILED || bind_to(view, length, numa) == 0)
        return view;
    error = errno;
    munmap(view, length);
    errno = error;
    return MAP_FAILED;
}

int segment_pages_place(int fd, uint64_t size, unsigned numa)
{
    void *view;

    if (numa == 0)
        return 0;
    view = map(fd, 0, size, numa);
    if (view == MAP_FAILED)
        return segment_outcome(errno);
    munmap(view, size);
    return 0;
}

static int outcome(void)
{
    return errno == ENOMEM || errno == EFAULT ? SEGMENT_E_NO_PAGES
                                              : SEGMENT_E_SYSTEM;
}

/* Mapping reserves, and the file keeps what was reserved. */
static int reserve(int fd)
{
    struct stat status;
    void *view;

    if (fstat(fd, &status) < 0)
        return SEGMENT_E_SYSTEM;
    view = map(fd, 0, (uint64_t)status.st_size, 0);
    if (view == MAP_FAILED)
        return outcome();
    munmap(view, (size_t)status.st_size);
    return 0;
}

int segment_pages_commit(int fd, uint64_t offset, uint64_t length,
                         unsigned numa)
{
    int r = offset == 0 ? reserve(fd) : 0;
    void *view;

    if (r < 0)
        return r;
    view = map(fd, offset, length, numa);
    if (view == MAP_FAILED)
        return outcome();
    /* Says what a touch would die of. */
    r = madvise(view, length, MADV_POPULATE_WRITE) < 0 ? outcome() : 0;
    munmap(view, length);
    return r;
}

/* Reads zeros up to a page that is not there, since a holder has punched a
 * hole: that is an error of read, and no signal. 0, or negative. */
static int read_zeros(int zeros, char *view, uint64_t size, uint64_t *at)
{
    while (*at < size) {
        ssize_t got = read(zeros, view + *at, size - *at);

        if (got > 0)
            *at += (uint64_t)got;
        else if (got == 0 || errno != EINTR)
            return -1;
    }
    return 0;
}

static int zero(int fd, uint64_t size, uint64_t page)
{
    int zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    /* Holes are not to be filled. */
    char *view = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_NORESERVE, fd, 0);
    uint64_t at = 0;
    int r = zeros < 0 || view == MAP_FAILED ? -1 : 0;

    while (r == 0 && at < size) {
        if (read_zeros(zeros, view, size, &at) == 0)
            break;
        if (errno == EFAULT)
            at = (at / page + 1) * page;
        else
            r = -1;
    }
    if (view != MAP_FAILED)
        munmap(view, size);
    handle_close(zeros);
    return r;
}

int segment_pages_wipe(int fd, uint64_t size, uint64_t page)
{
    if (zero(fd, size, page) == 0 ||
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                  (off_t)size) == 0)
        return 0;
    return SEGMENT_E_SYSTEM;
}
