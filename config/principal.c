#include "principal.h"

#include <string.h>

enum { NAME_MAX_BYTES = 255 };

static const uint32_t NO_ID = UINT32_MAX; /* means "unchanged" to chown */

int principal_decimal(const char *text, uint32_t *id)
{
    uint64_t value = 0;

    if (!*text)
        return 1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return 1;
        value = value * 10 + (uint64_t)(*text - '0');
        if (value >= NO_ID)
            return 1;
    }
    *id = (uint32_t)value;
    return 0;
}

static int find(const char *text, size_t size,
                const struct principal_lookup *lookup, enum principal_kind kind,
                uint32_t *id)
{
    char name[NAME_MAX_BYTES + 1];
    int r;

    if (size == 0 || size > NAME_MAX_BYTES || memchr(text, '\0', size))
        return PRINCIPAL_BAD_FORM;
    memcpy(name, text, size);
    name[size] = '\0';
    if (lookup->id(name, id) == 0)
        return 0;
    r = kind == PRINCIPAL_USER ? lookup->user(name, id)
                               : lookup->group(name, id);
    return r == 0 ? 0 : PRINCIPAL_NOBODY;
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
        r = find(text + strlen(user), size - strlen(user), lookup, found.kind,
                 &found.id);
    } else if (begins(text, size, group)) {
        found.kind = PRINCIPAL_GROUP;
        r = find(text + strlen(group), size - strlen(group), lookup, found.kind,
                 &found.id);
    } else {
        r = PRINCIPAL_BAD_FORM;
    }
    if (r == 0)
        *principal = found;
    return r;
}
