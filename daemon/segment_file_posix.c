#include "segment_file.h"

#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int segment_outcome(int error)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
        return SEGMENT_E_DESCRIPTORS;
    case ENOMEM:
    case ENOSPC:
    case EFBIG:  /* past `ulimit -f` */
    case EINVAL: /* past the largest file */
    case EOVERFLOW:
        return SEGMENT_E_NO_MEMORY;
    default:
        return SEGMENT_E_SYSTEM;
    }
}

uint64_t segment_mapped_size(uint64_t size)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t rounded = (size + page - 1) / page * page;

    return rounded < size || rounded > INT64_MAX ? 0 : rounded;
}

bool segment_file_is(int fd, uint64_t size, int access)
{
    struct stat status;
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && (flags & O_ACCMODE) == access &&
           fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
           (uint64_t)status.st_size == size;
}

bool segment_file_same(int fd, int shown, bool writable)
{
    struct stat ours, theirs;
    int flags = fcntl(shown, F_GETFL);

    /* A descriptor by O_PATH proves no right to the contents. */
    if (flags < 0 || (flags & O_PATH) ||
        (writable && (flags & O_ACCMODE) != O_RDWR))
        return false;
    return fstat(fd, &ours) == 0 && fstat(shown, &theirs) == 0 &&
           ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

void segment_close_parts(const frame_handle *parts, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        close((int)parts[i]);
}
