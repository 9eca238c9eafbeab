#include "file.h"

const struct file_problem
    file_no_write = {PROTOCOL_INVALID_ARGUMENT,
                     "rw access: no file for reading and writing came along"},
    file_failed = {PROTOCOL_INTERNAL, "the file cannot be looked at"};

const struct file_problem *file_fit(struct file_plan *plan, uint64_t size)
{
    static const struct file_problem
        empty = {PROTOCOL_FILE_EMPTY,
                 "the file is empty, and no size was given"},
        small = {PROTOCOL_FILE_TOO_SMALL,
                 "the file is smaller than the size asked for, and only rw "
                 "access makes it larger"},
        large = {PROTOCOL_FILE_TOO_SMALL,
                 "the file is larger than 2^53-1 bytes"};

    if (plan->size == 0)
        plan->size = size;
    if (plan->size == 0)
        return &empty;
    if (plan->size > PROTOCOL_INTEGER_MAX)
        return &large;
    return plan->size > size && plan->access != PROTOCOL_RW ? &small : NULL;
}
