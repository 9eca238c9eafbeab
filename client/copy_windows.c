#include "copy.h"

#include "error.h"
#include "internal.h"
#include "view.h"

#include <string.h>

/* Nobody can make a file smaller that a section has, so a view will do. */
static int map(frame_handle handle, size_t offset, size_t length, int access,
               struct view_memory *memory, char **at)
{
    size_t before = offset & (view_granularity() - 1);
    struct view_wish wish = {
        .offset = offset - before, .length = before + length, .access = access};
    int r = view_attach(handle, &wish, memory);

    if (r == 0)
        *at = (char *)memory->address + before;
    return r;
}

int copy_out(frame_handle handle, size_t offset, void *bytes, size_t length)
{
    struct view_memory memory;
    char *at = NULL;
    int r = map(handle, offset, length, SEGB_RO, &memory, &at);

    if (r < 0)
        return r;
    memcpy(bytes, at, length);
    return view_detach(&memory);
}

int copy_in(frame_handle handle, size_t offset, const void *bytes,
            size_t length)
{
    struct view_memory memory;
    char *at = NULL;
    int r = map(handle, offset, length, SEGB_RW, &memory, &at);

    if (r < 0)
        return r;
    memcpy(at, bytes, length);
    return view_detach(&memory);
}
