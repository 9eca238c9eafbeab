#include "view.h"

#include "error.h"
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

size_t view_granularity(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

int view_attach(frame_handle handle, size_t offset, size_t length, int access,
                struct view_memory *memory)
{
    int protection = access == SEGB_RO ? PROT_READ : PROT_READ | PROT_WRITE;
    int flags = access == SEGB_COW ? MAP_PRIVATE : MAP_SHARED;
    void *address =
        mmap(NULL, length, protection, flags, (int)handle, (off_t)offset);

    if (address == MAP_FAILED)
        return error_set(errno == EACCES || errno == EPERM
                             ? SEGB_E_ACCESS_DENIED
                             : SEGB_E_SYSTEM,
                         "mmap of %zu bytes: %s", length, strerror(errno));
    *memory = (struct view_memory){address, length, -1};
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

int view_detach(const struct view_memory *memory)
{
    if (munmap(memory->address, memory->length) < 0)
        return error_set(SEGB_E_SYSTEM, "munmap: %s", strerror(errno));
    return 0;
}
