#include "file.h"

#include "handle.h"

#include <windows.h>

static const struct file_problem
    KIND = {PROTOCOL_INVALID_ARGUMENT, "the file: it is not a file on a disk"},
    ACCESS = {PROTOCOL_INVALID_ARGUMENT,
              "the file: it is not open for reading, or not for writing"},
    FULL = {PROTOCOL_FILE_FULL,
            "the file cannot be made that large: no room is left"};

static const struct file_problem *fit(struct file_plan *plan, HANDLE file)
{
    LARGE_INTEGER size;

    /* A folder has no size, nor has what is no file at all. */
    if (GetFileType(file) != FILE_TYPE_DISK || !GetFileSizeEx(file, &size))
        return &KIND;
    return file_fit(plan, (uint64_t)size.QuadPart);
}

/* Windows makes the file larger as it makes the section. */
static const struct file_problem *make(struct file_plan *plan)
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
        return &file_failed;
    }
}

const struct file_problem *file_prepare(struct file_plan *plan)
{
    HANDLE file =
        (HANDLE)(plan->write != HANDLE_NONE ? plan->write : plan->read);
    const struct file_problem *problem = NULL;

    if (plan->access == PROTOCOL_RW && plan->write == HANDLE_NONE)
        problem = &file_no_write;
    if (!problem)
        problem = fit(plan, file);
    if (!problem)
        problem = make(plan);
    /* The section has the file. */
    handle_close(plan->write);
    handle_close(plan->read);
    plan->write = plan->read = HANDLE_NONE;
    return problem;
}
