#include "identity.h"

#include <stdlib.h>

void identity_deinit(struct identity *identity)
{
    free(identity->groups);
    *identity = (struct identity){0};
}

bool identity_in_group(const struct identity *identity, uint32_t group)
{
    size_t low = 0, high = identity->group_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (identity->groups[middle] == group)
            return true;
        if (identity->groups[middle] < group)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

bool identity_is(const struct identity *identity,
                 const struct principal *principal)
{
    switch (principal->kind) {
    case PRINCIPAL_USER:
        return identity->user == principal->id;
    case PRINCIPAL_GROUP:
        return identity_in_group(identity, principal->id);
    case PRINCIPAL_EVERYONE:
        return true;
    }
    return false;
}
