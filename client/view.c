/*
 * Views: the parts of segments that this process has mapped.
 *
 * The system unmaps by the exact range, and its offsets are multiples of a
 * page. Here any offset will do and any address inside a view names it, so
 * every view of the process stands in one table.
 */
#include "view.h"

#include "copy.h"
#include "error.h"
#include "internal.h"
#include "thread.h"

#include <stdlib.h>
#include <string.h>

struct view {
    struct view_memory memory; /* on the granularity */
    uintptr_t start;           /* the same, as numbers */
    uintptr_t end;
    int access;
    bool execute;
    bool of_file;
};

/* By address, the highest first: that is the order in which systems give
 * them, so that a new view goes to the end. Guarded by the process's lock. */
static struct {
    struct view *views;
    size_t count;
    size_t capacity;
} table;

/* The first view that ends at or below the address: those before it lie
 * above, or around it. */
static size_t find_end(uintptr_t address)
{
    size_t low = 0, high = table.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (table.views[middle].end > address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The view that the address lies in, or NULL. */
static struct view *find(uintptr_t address)
{
    size_t at = find_end(address);

    if (at == 0 || table.views[at - 1].start > address)
        return NULL;
    return &table.views[at - 1];
}

static void take_out(size_t at, size_t count)
{
    if (count == 0)
        return;
    memmove(&table.views[at], &table.views[at + count],
            (table.count - at - count) * sizeof(table.views[0]));
    table.count -= count;
}

/* Forgets views in a range that the system has just given anew: somebody has
 * unmapped them behind our back. */
static void forget_overlapped(const struct view *view)
{
    size_t end = find_end(view->start), first = end;

    while (first > 0 && table.views[first - 1].start < view->end)
        view_forget(&table.views[--first].memory);
    take_out(first, end - first);
}

static int put_in(struct view view)
{
    struct view *views = table.views;
    size_t capacity = table.capacity ? 2 * table.capacity : 16;
    size_t at;

    forget_overlapped(&view);
    if (table.count == table.capacity) {
        views = realloc(views, capacity * sizeof(views[0]));
        if (!views)
            return error_note(SEGB_E_SYSTEM, "out of memory");
        table.views = views;
        table.capacity = capacity;
    }
    at = find_end(view.start);
    memmove(&views[at + 1], &views[at], (table.count - at) * sizeof(views[0]));
    views[at] = view;
    table.count++;
    return 0;
}

static int add(struct view view)
{
    int r;

    thread_process_lock();
    r = put_in(view);
    thread_process_unlock();
    return r;
}

/* ---- for the library's other files ---- */

int view_map(segb_segment *segment, const struct view_wish *wish,
             void **address)
{
    size_t page = segment->page;
    size_t before = wish->offset & ((page ? page : view_granularity()) - 1);
    size_t more = wish->whole_pages ? -wish->length & (view_page() - 1) : 0;
    struct view_wish whole = *wish;
    struct view view = {.access = wish->access,
                        .execute = wish->execute,
                        .of_file = segment->of_file};
    int r;

    whole.offset -= before;
    whole.length += before;
    if (page) {
        whole.length += -whole.length & (page - 1);
        whole.huge = true;
    }
    if (whole.base)
        whole.base = (char *)whole.base - before;
    r = view_attach(segb_handle(segment), &whole, &view.memory);
    if (r != 0)
        return r;
    view.start = (uintptr_t)view.memory.address;
    view.end = view.start + before + wish->length + more;
    r = add(view);
    if (r < 0) {
        view_detach(&view.memory);
        return r;
    }
    *address = (char *)view.memory.address + before;
    return 0;
}

size_t view_huge_page(const segb_segment *segment)
{
    return segment->page;
}

bool view_find(const void *address, struct view_facts *facts)
{
    const struct view *found;

    thread_process_lock();
    found = find((uintptr_t)address);
    if (found)
        *facts = (struct view_facts){.start = found->start,
                                     .end = found->end,
                                     .access = found->access,
                                     .execute = found->execute};
    thread_process_unlock();
    return found != NULL;
}

/* ---- the public calls ---- */

static int check_range(const segb_segment *segment, size_t offset,
                       size_t *length)
{
    size_t size = segb_mapped_size(segment);

    if (offset >= size)
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "offset: %zu is behind the segment's end (%zu bytes)",
                         offset, size);
    if (*length > size - offset)
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "length: %zu bytes from offset %zu reach over the "
                         "segment's end (%zu bytes)",
                         *length, offset, size);
    if (*length == 0)
        *length = size - offset;
    return 0;
}

static int check_access(const segb_segment *segment, int access)
{
    if (access != SEGB_RO && access != SEGB_RW && access != SEGB_COW)
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "access: expected SEGB_RO, SEGB_RW or SEGB_COW, not "
                         "%d",
                         access);
    if (access == SEGB_RW && segb_access(segment) != SEGB_RW)
        return error_note(SEGB_E_ACCESS_DENIED,
                          "the segment was not opened for writing");
    return 0;
}

int segb_map(segb_segment *segment, size_t offset, size_t length, int access,
             void **address)
{
    struct view_wish wish = {.offset = offset, .access = access};
    int r;

    if (!segment || !address)
        return error_note(SEGB_E_INVALID_ARGUMENT,
                          "segment or address is NULL");
    r = check_range(segment, offset, &length);
    if (r == 0)
        r = check_access(segment, access);
    if (r != 0)
        return r;
    wish.length = length;
    return view_map(segment, &wish, address);
}

static int no_view(const void *address)
{
    return error_set(SEGB_E_INVALID_ARGUMENT, "no view is mapped at %p",
                     address);
}

int segb_unmap(void *address)
{
    struct view view, *found;

    thread_process_lock();
    found = find((uintptr_t)address);
    if (found) {
        /* Out of the table first: once it is unmapped, another thread may be
         * given the same addresses. */
        view = *found;
        take_out((size_t)(found - table.views), 1);
    }
    thread_process_unlock();
    if (!found)
        return no_view(address);
    return view_detach(&view.memory);
}

/* Tells of the view that a range lies in; of 0 bytes it goes to the end. */
static int find_range(const void *address, size_t *length, struct view *view)
{
    const struct view *found;
    size_t rest;

    thread_process_lock();
    found = find((uintptr_t)address);
    if (found)
        *view = *found;
    thread_process_unlock();
    if (!found)
        return no_view(address);
    rest = view->end - (uintptr_t)address;
    if (*length > rest)
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "length: the view has %zu bytes from here, not %zu",
                         rest, *length);
    if (*length == 0)
        *length = rest;
    return 0;
}

int segb_flush(void *address, size_t length)
{
    struct view view = {0};
    int r = find_range(address, &length, &view);

    if (r != 0)
        return r;
    return view.of_file ? view_flush(address, length) : 0;
}

int segb_prefault(void *address, size_t length)
{
    struct view view = {0};
    int r = find_range(address, &length, &view);

    if (r != 0)
        return r;
    return view_populate(address, length, view.access, view.of_file);
}

/* ---- without a view ---- */

static int check_copy(const segb_segment *segment, size_t offset,
                      const void *buffer, size_t length)
{
    if (!segment || (!buffer && length > 0))
        return error_note(SEGB_E_INVALID_ARGUMENT, "segment or buffer is NULL");
    if (offset > segment->mapped_size || length > segment->mapped_size - offset)
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "length: %zu bytes from offset %zu reach over the "
                         "segment's end (%zu bytes)",
                         length, offset, segment->mapped_size);
    return 0;
}

int segb_read(segb_segment *segment, size_t offset, void *buffer, size_t length)
{
    int r = check_copy(segment, offset, buffer, length);

    return r < 0 || length == 0
               ? r
               : copy_out(segment->handle, offset, buffer, length);
}

int segb_write(segb_segment *segment, size_t offset, const void *buffer,
               size_t length)
{
    int r = check_copy(segment, offset, buffer, length);

    if (r == 0)
        r = check_access(segment, SEGB_RW);
    return r < 0 || length == 0
               ? r
               : copy_in(segment->handle, offset, buffer, length);
}
