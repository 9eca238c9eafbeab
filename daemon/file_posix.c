#include "file.h"

#include "handle.h"
#include "segment_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Of file systems that <linux/magic.h> does not list. */
enum { MAGIC_FUSE = 0x65735546, MAGIC_CEPH = 0x00c36400 };
#define MAGIC_CIFS 0xff534d42U
#define MAGIC_SMB2 0xfe534d42U

static const struct file_problem
    KIND = {PROTOCOL_INVALID_ARGUMENT, "the file: it is not a regular file"},
    PATH_ONLY = {PROTOCOL_INVALID_ARGUMENT,
                 "the file: it was opened with O_PATH, which gives no access"},
    APPEND = {PROTOCOL_INVALID_ARGUMENT,
              "the file: it was opened with O_APPEND"},
    NOT_BOTH = {PROTOCOL_INVALID_ARGUMENT,
                "the file: it is not open for reading and writing"},
    NOT_READ = {PROTOCOL_INVALID_ARGUMENT,
                "the file for reading: it is not open for reading only"},
    TWO = {PROTOCOL_INVALID_ARGUMENT,
           "the file for reading is another one than the file"},
    NO_READ = {PROTOCOL_INVALID_ARGUMENT,
               "ro or cow access: no file for reading only came along"},
    OWNER = {PROTOCOL_ACCESS_DENIED, "the file: it is another user's"},
    SERVED = {PROTOCOL_NOT_SUPPORTED,
              "the file: another program or host serves it, and may change or "
              "stop it at any time"},
    FULL = {PROTOCOL_FILE_FULL,
            "the file cannot be made that large: no room is left, or a limit "
            "is reached"},
    MEMORY = {PROTOCOL_INTERNAL, "out of memory"};

/* ---- questions that nobody but the kernel answers ---- */

static const struct file_problem *check_flags(int fd, int access,
                                              const struct file_problem *other)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return &file_failed;
    if (flags & O_PATH)
        return &PATH_ONLY;
    if ((flags & O_ACCMODE) != access)
        return other;
    return flags & O_APPEND ? &APPEND : NULL;
}

static const struct file_problem *check_kind(int fd, uint32_t user)
{
    struct statx status;

    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
              STATX_TYPE | STATX_UID, &status) < 0)
        return &file_failed;
    if (!S_ISREG(status.stx_mode))
        return &KIND;
    return user == 0 || status.stx_uid == user ? NULL : &OWNER;
}

/* Of one handle, unless there is none. */
static const struct file_problem *check_handle(frame_handle handle, int access,
                                               const struct file_plan *plan)
{
    const struct file_problem *problem;

    if (handle == HANDLE_NONE)
        return NULL;
    problem = check_flags((int)handle, access,
                          access == O_RDWR ? &NOT_BOTH : &NOT_READ);
    return problem ? problem : check_kind((int)handle, plan->user);
}

static const struct file_problem *check_handles(const struct file_plan *plan)
{
    bool has_write = plan->write != HANDLE_NONE;
    bool has_read = plan->read != HANDLE_NONE;
    const struct file_problem *problem;

    if (plan->access == PROTOCOL_RW && !has_write)
        return &file_no_write;
    if (plan->access != PROTOCOL_RW && !has_read)
        return &NO_READ;
    problem = check_handle(plan->write, O_RDWR, plan);
    if (!problem)
        problem = check_handle(plan->read, O_RDONLY, plan);
    if (!problem && has_write && has_read &&
        !segment_file_same((int)plan->write, (int)plan->read, false))
        problem = &TWO;
    return problem;
}

/* ---- questions to the file system ---- */

/* The first one: a file system of this host answers at once. */
static const struct file_problem *check_system(int fd)
{
    struct statfs status;

    if (fstatfs(fd, &status) < 0)
        return &file_failed;
    switch ((unsigned)status.f_type) {
    case MAGIC_FUSE:
    case MAGIC_CEPH:
    case MAGIC_CIFS:
    case MAGIC_SMB2:
    case NFS_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case V9FS_MAGIC:
    case AFS_SUPER_MAGIC:
    case AFS_FS_MAGIC:
    case CODA_SUPER_MAGIC:
        return &SERVED;
    default:
        return NULL;
    }
}

static const struct file_problem *growth_problem(void)
{
    switch (errno) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EINVAL: /* past the file system's largest */
    case EOVERFLOW:
        return &FULL;
    default:
        return &file_failed;
    }
}

/* What was allocated behind the end would stay the file's. */
static void give_back(int fd, uint64_t before)
{
    struct stat status;

    /* Unless somebody has made it larger meanwhile. */
    if (fstat(fd, &status) == 0 && (uint64_t)status.st_size == before &&
        ftruncate(fd, (off_t)before) < 0)
        errno = 0; /* there it stays, then */
}

/* The new part is allocated first, behind the end: until then nothing that
 * anybody sees has changed. */
static const struct file_problem *grow(int fd, uint64_t before,
                                       const struct file_plan *plan)
{
    const struct file_problem *problem;

    if ((!plan->commit ||
         fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)before,
                   (off_t)(plan->size - before)) == 0 ||
         errno == EOPNOTSUPP) &&
        ftruncate(fd, (off_t)plan->size) == 0)
        return NULL;
    problem = growth_problem();
    if (plan->commit)
        give_back(fd, before);
    return problem;
}

static const struct file_problem *fit(struct file_plan *plan, int fd)
{
    const struct file_problem *problem;
    struct stat status;
    uint64_t size;

    if (fstat(fd, &status) < 0)
        return &file_failed;
    size = (uint64_t)status.st_size;
    problem = file_fit(plan, size);
    return problem || plan->size <= size ? problem : grow(fd, size, plan);
}

static const struct file_problem *make(struct file_plan *plan, int fd)
{
    const struct file_problem *problem = check_system(fd);

    if (!problem)
        problem = fit(plan, fd);
    if (problem)
        return problem;
    return segment_of_file(plan->write, plan->read, plan->size,
                           &plan->segment) == 0
               ? NULL
               : &MEMORY;
}

const struct file_problem *file_prepare(struct file_plan *plan)
{
    const struct file_problem *problem = check_handles(plan);
    int fd = (int)(plan->write != HANDLE_NONE ? plan->write : plan->read);

    if (!problem)
        problem = make(plan, fd);
    if (problem) {
        handle_close(plan->write);
        handle_close(plan->read);
    }
    plan->write = plan->read = HANDLE_NONE;
    return problem;
}
