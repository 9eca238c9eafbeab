/*
 * The page is a segment like any other: sealed, committed, counted until its
 * last holder is gone.
 */
#include "bell.h"

#include <stdlib.h>

struct bell {
    struct segment *page;
};

uint64_t bell_bytes(void)
{
    return segment_mapped_size(1);
}

/* Adopts the page. */
static int own(struct segment *page, struct bell **bell)
{
    struct bell *b = malloc(sizeof(*b));

    if (!b) {
        segment_free(page);
        return SEGMENT_E_NO_MEMORY;
    }
    b->page = page;
    *bell = b;
    return 0;
}

int bell_new(struct bell **bell)
{
    struct segment_plan plan = {.mapped_size = bell_bytes(), .commit = true};
    struct segment *page;
    int r = segment_new(&plan, &page);

    if (r < 0)
        return r;
    r = segment_commit(page, 0, plan.mapped_size);
    if (r == 0)
        return own(page, bell);
    segment_free(page);
    return r;
}

struct bell *bell_free(struct bell *bell)
{
    if (!bell)
        return NULL;
    segment_free(bell->page);
    free(bell);
    return NULL;
}

unsigned bell_parts(const struct bell *bell, frame_handle parts[BELL_PARTS_MAX])
{
    return segment_parts(bell->page, parts);
}

int bell_adopt(const frame_handle *parts, unsigned count, struct bell **bell)
{
    struct segment_plan plan = {.mapped_size = bell_bytes()};
    struct segment *page;
    int r = segment_adopt(parts, count, &plan, &page);

    return r < 0 ? r : own(page, bell);
}

int bell_handles(struct bell *bell, struct lent *handles[PROTOCOL_BELL_HANDLES])
{
    int r = segment_handle(bell->page, true, &handles[0]);

    return r < 0 ? r : 1;
}

void bell_forget_handles(struct bell *bell)
{
    segment_forget_handles(bell->page);
}

enum segment_use bell_use(struct bell *bell, bool kept)
{
    return segment_use(bell->page, kept);
}

void bell_empty(struct bell *bell)
{
    segment_empty(bell->page);
}
