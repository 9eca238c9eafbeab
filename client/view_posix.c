#include "view.h"

#include "error.h"
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

size_t view_page(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

size_t view_granularity(void)
{
    return view_page();
}

static int protection_for(const struct view_wish *wish)
{
    int protection = PROT_READ;

    if (wish->access != SEGB_RO)
        protection |= PROT_WRITE;
    if (wish->execute)
        protection |= PROT_EXEC;
    return protection;
}

int view_attach(frame_handle handle, const struct view_wish *wish,
                struct view_memory *memory)
{
    int flags = wish->access == SEGB_COW ? MAP_PRIVATE : MAP_SHARED;
    /* The system takes the base as a hint, and never one that is taken. */
    void *address = mmap(wish->base, wish->length, protection_for(wish), flags,
                         (int)handle, (off_t)wish->offset);

    if (address == MAP_FAILED && wish->huge && errno == ENOMEM)
        return error_set(SEGB_E_NO_MEMORY,
                         "mmap of %zu bytes: too few huge pages are free",
                         wish->length);
    if (address == MAP_FAILED)
        return error_set(
            errno == EACCES || errno == EPERM ? SEGB_E_ACCESS_DENIED
                                              : SEGB_E_SYSTEM,
            "mmap of %zu bytes: %s", wish->length, strerror(errno));
    if (wish->base && address != wish->base) {
        munmap(address, wish->length);
        return error_set(SEGB_E_BUSY, "%p is not free for a view of %zu bytes",
                         wish->base, wish->length);
    }
    *memory = (struct view_memory){address, wish->length, -1};
    return 0;
}

void view_forget(const struct view_memory *memory)
{
    (void)memory;
}

int view_flush(char *address, size_t length)
{
    size_t before = (uintptr_t)address & (view_granularity() - 1);

    if (msync(address - before, before + length, MS_SYNC) == 0)
        return 0;
    return error_set(SEGB_E_SYSTEM, "msync: %s", strerror(errno));
}

static int code_for(int error, bool of_file)
{
    switch (error) {
    case EFAULT: /* touching it would be SIGBUS */
        return of_file ? SEGB_E_FILE_TOO_SMALL : SEGB_E_NO_MEMORY;
    case ENOMEM:
        return SEGB_E_NO_MEMORY;
    case EINVAL: /* before Linux 5.14 */
        return SEGB_E_NOT_SUPPORTED;
    default:
        return SEGB_E_SYSTEM;
    }
}

int view_populate(char *address, size_t length, int access, bool of_file)
{
    size_t before = (uintptr_t)address & (view_page() - 1);
    int how = access == SEGB_RW ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
    int r;

    do
        r = madvise(address - before, before + length, how);
    while (r < 0 && (errno == EINTR || errno == EAGAIN));
    if (r == 0)
        return 0;
    return error_set(code_for(errno, of_file), "madvise of %zu bytes: %s",
                     length, strerror(errno));
}

int view_detach(const struct view_memory *memory)
{
    if (munmap(memory->address, memory->length) < 0)
        return error_set(SEGB_E_SYSTEM, "munmap: %s", strerror(errno));
    return 0;
}
