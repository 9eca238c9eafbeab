#include "segment_file.h"

#include "handle.h"

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

int segment_file_lend(frame_handle write, frame_handle read,
                      struct lent **writable, struct lent **readable)
{
    *writable = write == HANDLE_NONE ? NULL : lent_new(write);
    *readable = read == HANDLE_NONE ? NULL : lent_new(read);
    if ((*writable || write == HANDLE_NONE) &&
        (*readable || read == HANDLE_NONE))
        return 0;
    lent_abandon(*writable);
    lent_abandon(*readable);
    return SEGMENT_E_NO_MEMORY;
}

unsigned segment_file_parts(const struct lent *writable,
                            const struct lent *readable, frame_handle *parts)
{
    unsigned count = 0;

    if (writable)
        parts[count++] = writable->handle;
    if (readable)
        parts[count++] = readable->handle;
    return count;
}

/* Which part is for what, HANDLE_NONE where there is none. 0, or negative when
 * they are no such parts. */
static int sort(const frame_handle *parts, unsigned count, frame_handle *write,
                frame_handle *read)
{
    unsigned found;

    *write = *read = HANDLE_NONE;
    for (unsigned i = 0; i < count; i++) {
        int flags = fcntl((int)parts[i], F_GETFL);

        if (flags >= 0 && (flags & O_ACCMODE) == O_RDWR)
            *write = parts[i];
        else if (flags >= 0 && (flags & O_ACCMODE) == O_RDONLY)
            *read = parts[i];
    }
    found = (unsigned)((*write != HANDLE_NONE) + (*read != HANDLE_NONE));
    return count > 0 && count == found ? 0 : -1;
}

int segment_file_adopt(const frame_handle *parts, unsigned count,
                       struct segment **segment)
{
    frame_handle write, read;
    int r = SEGMENT_E_SYSTEM;

    if (sort(parts, count, &write, &read) == 0)
        r = segment_of_file(write, read, 0, segment);
    if (r < 0)
        segment_close_parts(parts, count);
    return r;
}

/* Asks nobody but the kernel: a stranger may serve what is shown. */
static bool look_at(int fd, struct statx *status)
{
    return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO,
                 status) == 0;
}

bool segment_file_same(int fd, int shown, bool writable)
{
    struct statx ours, theirs;
    int flags = fcntl(shown, F_GETFL);

    /* A descriptor by O_PATH proves no right to the contents. */
    if (flags < 0 || (flags & O_PATH) ||
        (writable && (flags & O_ACCMODE) != O_RDWR))
        return false;
    return look_at(fd, &ours) && look_at(shown, &theirs) &&
           ours.stx_ino == theirs.stx_ino &&
           ours.stx_dev_major == theirs.stx_dev_major &&
           ours.stx_dev_minor == theirs.stx_dev_minor;
}

void segment_close_parts(const frame_handle *parts, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        close((int)parts[i]);
}
