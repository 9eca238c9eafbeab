#include "segment_errno.h"

#include "segment.h"

#include <errno.h>
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
