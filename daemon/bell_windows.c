/*
 * Beside the page a semaphore for those who wait, and one for those whose
 * event loop waits: WaitOnAddress knows only the threads of its own process.
 * Both have a list of rights that gives none, so that nobody makes more of the
 * handle that he was given.
 */
#include "bell.h"

#include "handle.h"
#include "rights_windows.h"

#include <stdlib.h>
#include <windows.h>

enum { SEMAPHORES = 2, LONGEST_QUEUE = 1024 };

struct bell {
    struct segment *page;
    HANDLE own[SEMAPHORES];
    struct lent *lent[SEMAPHORES]; /* NULL while not open */
};

uint64_t bell_bytes(void)
{
    return segment_mapped_size(1);
}

static HANDLE make_semaphore(void)
{
    struct rights_nobody nobody;
    SECURITY_ATTRIBUTES *rights = rights_nobody(&nobody);

    return rights ? CreateSemaphoreW(rights, 0, LONGEST_QUEUE, NULL) : NULL;
}

struct bell *bell_free(struct bell *bell)
{
    if (!bell)
        return NULL;
    segment_free(bell->page);
    for (int i = 0; i < SEMAPHORES; i++) {
        lent_unref(bell->lent[i]);
        if (bell->own[i])
            CloseHandle(bell->own[i]);
    }
    free(bell);
    return NULL;
}

int bell_new(struct bell **bell)
{
    struct segment_plan plan = {.mapped_size = bell_bytes(), .commit = true};
    struct bell *b = calloc(1, sizeof(*b));
    int r = b ? segment_new(&plan, &b->page) : SEGMENT_E_NO_MEMORY;

    for (int i = 0; r == 0 && i < SEMAPHORES; i++) {
        b->own[i] = make_semaphore();
        if (!b->own[i])
            r = SEGMENT_E_DESCRIPTORS;
    }
    if (r == 0)
        *bell = b;
    else
        bell_free(b);
    return r;
}

unsigned bell_parts(const struct bell *bell, frame_handle parts[BELL_PARTS_MAX])
{
    unsigned count = segment_parts(bell->page, parts);

    for (int i = 0; i < SEMAPHORES; i++)
        parts[count++] = (frame_handle)bell->own[i];
    return count;
}

int bell_adopt(const frame_handle *parts, unsigned count, struct bell **bell)
{
    struct segment_plan plan = {.mapped_size = bell_bytes()};
    struct bell *b = calloc(1, sizeof(*b));
    int r;

    if (!b || count != BELL_PARTS_MAX) {
        for (unsigned i = 0; i < count; i++)
            handle_close(parts[i]);
        r = b ? SEGMENT_E_SYSTEM : SEGMENT_E_NO_MEMORY;
        free(b);
        return r;
    }
    for (int i = 0; i < SEMAPHORES; i++)
        b->own[i] = (HANDLE)parts[1 + i];
    if (segment_adopt(parts, 1, &plan, &b->page) == 0) {
        *bell = b;
        return 0;
    }
    bell_free(b);
    return SEGMENT_E_SYSTEM;
}

static int lend(HANDLE own, struct lent **lent)
{
    HANDLE copy;

    if (!DuplicateHandle(GetCurrentProcess(), own, GetCurrentProcess(), &copy,
                         SEMAPHORE_MODIFY_STATE | SYNCHRONIZE, FALSE, 0))
        return SEGMENT_E_DESCRIPTORS;
    *lent = lent_new((frame_handle)copy);
    if (*lent)
        return 0;
    CloseHandle(copy);
    return SEGMENT_E_NO_MEMORY;
}

int bell_handles(struct bell *bell, struct lent *handles[PROTOCOL_BELL_HANDLES])
{
    int r = segment_handle(bell->page, true, &handles[0]);

    for (int i = 0; r == 0 && i < SEMAPHORES; i++) {
        if (!bell->lent[i])
            r = lend(bell->own[i], &bell->lent[i]);
        handles[1 + i] = bell->lent[i];
    }
    return r < 0 ? r : 1 + SEMAPHORES;
}

void bell_forget_handles(struct bell *bell)
{
    segment_forget_handles(bell->page);
    for (int i = 0; i < SEMAPHORES; i++)
        bell->lent[i] = lent_unref(bell->lent[i]);
}

enum segment_use bell_use(struct bell *bell, bool kept)
{
    return segment_use(bell->page, kept);
}

void bell_empty(struct bell *bell)
{
    segment_empty(bell->page);
}
