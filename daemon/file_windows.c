#include "file.h"

#include "handle.h"

#include <windows.h>

static const struct file_problem
    KIND = {PROTOCOL_INVALID_ARGUMENT, "the file: it is not a file on a disk"},
    NO_WRITE = {PROTOCOL_INVALID_ARGUMENT,
                "rw access: no file for reading and writing came along"},
    ACCESS = {PROTOCOL_INVALID_ARGUMENT,
              "the file: it is not open for reading, or not for writing"},
    EMPTY = {PROTOCOL_FILE_EMPTY, "the file is empty, and no size was given"},
    SMALL = {PROTOCOL_FILE_TOO_SMALL,
             "the file is smaller than the size asked for, and only rw access "
             "makes it larger"},
    LARGE = {PROTOCOL_FILE_TOO_SMALL, "the file is larger than 2^53-1 bytes"},
    FULL = {PROTOCOL_FILE_FULL,
            "the file cannot be made that large: no room is left"},
    FAILED = {PROTOCOL_INTERNAL, "the file cannot be looked at"};

static const struct file_problem *fit(struct file_plan *plan, HANDLE file)
{
    LARGE_INTEGER size;

    /* A folder has no size, nor has what is no file at all. */
    if (GetFileType(file) != FILE_TYPE_DISK || !GetFileSizeEx(file, &size))
        return &KIND;
    if (plan->size == 0)
        plan->size = (uint64_t)size.QuadPart;
    if (plan->size == 0)
        return &EMPTY;
    if (plan->size > PROTOCOL_INTEGER_MAX)
        return &LARGE;
    if (plan->size > (uint64_t)size.QuadPart && plan->access != PROTOCOL_RW)
        return &SMALL;
    return NULL;
}

/* Windows makes the file larger as it makes the section. */
static const struct file_problem *make(struct file_plan *plan, HANDLE file)
{
    switch (
        segment_of_file(plan->write, plan->read, plan->size, &plan->segment)) {
    case 0:
        return NULL;
    case SEGMENT_E_ACCESS:
        return &ACCESS;
    case SEGMENT_E_NO_MEMORY:
        return &FULL;
    default:
        (void)file;
        return &FAILED;
    }
}

const struct file_problem *file_prepare(struct file_plan *plan)
{
    HANDLE file =
        (HANDLE)(plan->write != HANDLE_NONE ? plan->write : plan->read);
    const struct file_problem *problem = NULL;

    if (plan->access == PROTOCOL_RW && plan->write == HANDLE_NONE)
        problem = &NO_WRITE;
    if (!problem)
        problem = fit(plan, file);
    if (!problem)
        problem = make(plan, file);
    /* The section has the file. */
    handle_close(plan->write);
    handle_close(plan->read);
    plan->write = plan->read = HANDLE_NONE;
    return problem;
}
