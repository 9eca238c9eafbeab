#include "lent.h"

#include "handle.h"

#include <stdlib.h>

struct lent *lent_new(frame_handle handle)
{
    struct lent *lent = malloc(sizeof(*lent));

    if (lent)
        *lent = (struct lent){.handle = handle, .borrowers = 1};
    return lent;
}

struct lent *lent_ref(struct lent *lent)
{
    lent->borrowers++;
    return lent;
}

struct lent *lent_unref(struct lent *lent)
{
    if (lent && --lent->borrowers == 0) {
        handle_close(lent->handle);
        free(lent);
    }
    return NULL;
}

void lent_abandon(struct lent *lent)
{
    free(lent);
}
