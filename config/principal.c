#include "principal.h"

#include <string.h>

enum { NAME_MAX_BYTES = 255 };

static const uint32_t NO_ID = UINT32_MAX; /* means "unchanged" to chown */

/* A decimal id, or a name: then 1. */
static int read_id(const char *text, size_t size, uint32_t *id)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 1;
        value = value * 10 + (uint64_t)(text[i] - '0');
        if (value >= NO_ID)
            return 1;
    }
    *id = (uint32_t)value;
    return 0;
}

static int find(const char *text, size_t size,
                int (*lookup)(const char *name, uint32_t *id), uint32_t *id)
{
    char name[NAME_MAX_BYTES + 1];

    if (size == 0 || size > NAME_MAX_BYTES || memchr(text, '\0', size))
        return PRINCIPAL_BAD_FORM;
    if (read_id(text, size, id) == 0)
        return 0;
    memcpy(name, text, size);
    name[size] = '\0';
    return lookup(name, id) == 0 ? 0 : PRINCIPAL_NOBODY;
}

static bool begins(const char *text, size_t size, const char *prefix)
{
    return size >= strlen(prefix) && memcmp(text, prefix, strlen(prefix)) == 0;
}

int principal_parse(const char *text, size_t size,
                    const struct principal_lookup *lookup,
                    struct principal *principal)
{
    static const char everyone[] = "everyone",
                      user[] = "user:", group[] = "group:";
    struct principal found = {PRINCIPAL_EVERYONE, 0};
    int r;

    if (size == strlen(everyone) && begins(text, size, everyone)) {
        r = 0;
    } else if (begins(text, size, user)) {
        found.kind = PRINCIPAL_USER;
        r = find(text + strlen(user), size - strlen(user), lookup->user,
                 &found.id);
    } else if (begins(text, size, group)) {
        found.kind = PRINCIPAL_GROUP;
        r = find(text + strlen(group), size - strlen(group), lookup->group,
                 &found.id);
    } else {
        r = PRINCIPAL_BAD_FORM;
    }
    if (r == 0)
        *principal = found;
    return r;
}
