#include "identity.h"

#include <stdlib.h>
#include <string.h>

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

/* ---- as text ---- */

/* Adds one id where there is room. The text's new length. */
static size_t add_id(char *text, size_t size, uint32_t id)
{
    char one[IDENTITY_ID_MAX];
    size_t length;

    identity_id_write(id, one);
    length = strlen(one);
    if (size + length + 2 > IDENTITY_TEXT_MAX)
        return size;
    if (size > 0)
        text[size++] = ',';
    memcpy(text + size, one, length + 1);
    return size + length;
}

char *identity_write(const struct identity *identity)
{
    char *text = malloc(IDENTITY_TEXT_MAX), *shorter;
    size_t size;

    if (!text)
        return NULL;
    size = add_id(text, 0, identity->user);
    for (size_t i = 0; i < identity->group_count; i++)
        size = add_id(text, size, identity->groups[i]);
    shorter = realloc(text, size + 1);
    return shorter ? shorter : text;
}

static int compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

void identity_sort(struct identity *identity)
{
    qsort(identity->groups, identity->group_count, sizeof(uint32_t),
          compare_ids);
}

/* Reads the id at the beginning of a text, and gives what follows it. */
static const char *take_id(const char *text, uint32_t *id)
{
    char one[IDENTITY_ID_MAX];
    size_t size = strcspn(text, ",");

    if (size >= sizeof(one))
        return NULL;
    memcpy(one, text, size);
    one[size] = '\0';
    if (identity_lookup.id(one, id) != 0)
        return NULL;
    return text[size] == ',' ? text + size + 1 : text + size;
}

int identity_read(const char *text, struct identity *identity)
{
    struct identity found = {0};

    /* Each id takes two bytes at least. */
    found.groups = malloc((strlen(text) / 2 + 1) * sizeof(uint32_t));
    if (!found.groups)
        return IDENTITY_E_SYSTEM;
    text = take_id(text, &found.user);
    while (text && *text)
        text = take_id(text, &found.groups[found.group_count++]);
    if (!text) {
        identity_deinit(&found);
        return IDENTITY_E_SYSTEM;
    }
    identity_sort(&found);
    *identity = found;
    return 0;
}
