/*
 * Views: a table of all that this process has mapped through the library, so
 * that any address inside a view finds it.
 */
#include "error.h"
#include "segbroker.h"
#include "wire.h"

#include <stdlib.h>

struct view {
    struct view *next;
    char *base;    /* where the pages begin */
    size_t length; /* of the pages */
    char *end;     /* of what was asked for */
};

static struct view *views;

/* Whether `access` to a view is within `granted` to the handle. */
static bool covers(int granted, int access)
{
    return access == SEGB_RW ? granted == SEGB_RW : true;
}

static int check(const segb_segment *segment, size_t offset, size_t length,
                 int access)
{
    size_t size = segb_mapped_size(segment);

    if (access != SEGB_RO && access != SEGB_RW && access != SEGB_COW)
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "access is SEGB_RO, SEGB_RW or SEGB_COW");
    if (!covers(segb_access(segment), access))
        return error_set(SEGB_E_ACCESS_DENIED,
                         "this handle is not for writing");
    if (offset >= size || length > size - offset)
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "the segment has %zu bytes: no view of %zu from %zu",
                         size, length, offset);
    return 0;
}

static void add_view(struct view *view)
{
    wire_lock_take(wire_process_lock());
    view->next = views;
    views = view;
    wire_lock_give(wire_process_lock());
}

int segb_map(segb_segment *segment, size_t offset, size_t length, int access,
             void **address)
{
    int r = check(segment, offset, length, access);
    size_t skipped = offset % wire_page();
    struct view *view;
    void *base;

    if (r < 0)
        return r;
    if (length == 0)
        length = segb_mapped_size(segment) - offset;
    view = malloc(sizeof(*view));
    if (!view)
        return error_set(SEGB_E_SYSTEM, "out of memory");
    r = wire_map(segb_handle(segment), offset - skipped, length + skipped,
                 access, &base);
    if (r < 0) {
        free(view);
        return r;
    }
    *view = (struct view){.base = base,
                          .length = length + skipped,
                          .end = (char *)base + skipped + length};
    add_view(view);
    *address = view->base + skipped;
    return 0;
}

static struct view **find(const void *address)
{
    const char *at = address;
    struct view **view = &views;

    while (*view && (at < (*view)->base || at >= (*view)->end))
        view = &(*view)->next;
    return view;
}

static int no_view(void)
{
    return error_set(SEGB_E_INVALID_ARGUMENT, "no view has that address");
}

int segb_unmap(void *address)
{
    struct view **place, *view;

    wire_lock_take(wire_process_lock());
    place = find(address);
    view = *place;
    if (view)
        *place = view->next;
    wire_lock_give(wire_process_lock());
    if (!view)
        return no_view();
    wire_unmap(view->base, view->length);
    free(view);
    return 0;
}

int segb_flush(void *address, size_t length)
{
    const struct view *view;
    size_t left = 0;

    wire_lock_take(wire_process_lock());
    view = *find(address);
    if (view)
        left = (size_t)(view->end - (char *)address);
    wire_lock_give(wire_process_lock());
    if (left == 0)
        return no_view();
    if (length > left)
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "the view has %zu bytes from there, not %zu", left,
                         length);
    return 0;
}
