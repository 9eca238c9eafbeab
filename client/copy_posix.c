#include "copy.h"

#include "error.h"
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed(const char *call)
{
    return error_set(errno == EPERM || errno == EBADF ? SEGB_E_ACCESS_DENIED
                                                      : SEGB_E_SYSTEM,
                     "%s: %s", call, strerror(errno));
}

static int cut_off(size_t offset)
{
    return error_set(SEGB_E_FILE_TOO_SMALL,
                     "somebody has made the file smaller: it has nothing at "
                     "%zu any more",
                     offset);
}

int copy_out(frame_handle handle, size_t offset, void *bytes, size_t length)
{
    char *at = bytes;
    ssize_t got;

    while (length > 0) {
        got = pread((int)handle, at, length, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return failed("pread");
        if (got == 0)
            return cut_off(offset);
        at += got;
        offset += (size_t)got;
        length -= (size_t)got;
    }
    return 0;
}

int copy_in(frame_handle handle, size_t offset, const void *bytes,
            size_t length)
{
    const char *at = bytes;
    struct stat status;
    ssize_t put;

    /* What lies behind its end would make it larger again. */
    if (fstat((int)handle, &status) < 0)
        return failed("fstat");
    if ((uint64_t)status.st_size < (uint64_t)offset + length)
        return cut_off((size_t)status.st_size);
    while (length > 0) {
        put = pwrite((int)handle, at, length, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        /* Files of huge pages cannot be written to. */
        if (put < 0 && errno == EINVAL)
            return copy_in_view(&(struct copy_range){(int)handle, offset,
                                                     length,
                                                     (size_t)status.st_blksize},
                                at);
        if (put < 0)
            return failed("pwrite");
        at += put;
        offset += (size_t)put;
        length -= (size_t)put;
    }
    return 0;
}
