#include "copy.h"

#include "error.h"
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/* Into this process's own memory: by the kernel, who says what a touch would
 * die of. */
static int copy(char *to, const char *from, size_t length)
{
    while (length > 0) {
        struct iovec here = {(void *)from, length}, there = {to, length};
        ssize_t put = process_vm_writev(getpid(), &here, 1, &there, 1, 0);

        if (put <= 0)
            return error_set(errno == EFAULT ? SEGB_E_NO_MEMORY : SEGB_E_SYSTEM,
                             "process_vm_writev: %s", strerror(errno));
        to += put;
        from += put;
        length -= (size_t)put;
    }
    return 0;
}

int copy_in_view(const struct copy_range *range, const void *bytes)
{
    size_t before = range->offset & (range->page - 1);
    size_t whole = before + range->length;
    char *view;
    int r;

    whole += -whole & (range->page - 1);
    view = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                range->fd, (off_t)(range->offset - before));
    if (view == MAP_FAILED)
        return error_set(errno == ENOMEM ? SEGB_E_NO_MEMORY : SEGB_E_SYSTEM,
                         "mmap of %zu bytes: %s", whole, strerror(errno));
    r = copy(view + before, bytes, range->length);
    munmap(view, whole);
    return r;
}
