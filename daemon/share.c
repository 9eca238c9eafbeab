#include "share.h"

#include <stdlib.h>
#include <string.h>

static int look_up_nothing(const char *name, uint32_t *id)
{
    (void)name;
    (void)id;
    return 1;
}

static int read_id(const char *text, uint32_t *id)
{
    return identity_lookup.id(text, id);
}

const struct principal_lookup share_ids_only = {
    .user = look_up_nothing, .group = look_up_nothing, .id = read_id};

static void release(struct principal *list, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (list[i].kind != PRINCIPAL_EVERYONE)
            identity_id_release(list[i].id);
    free(list);
}

static int resolve_list(const char *const *names, unsigned count,
                        const struct principal_lookup *lookup,
                        struct principal **list, const char **culprit)
{
    struct principal *found;
    int r;

    if (count == 0)
        return 0;
    found = calloc(count, sizeof(*found));
    if (!found)
        return SHARE_E_NOMEM;
    for (unsigned i = 0; i < count; i++) {
        r = principal_parse(names[i], strlen(names[i]), lookup, &found[i]);
        if (r != 0) {
            *culprit = names[i];
            release(found, i);
            return r == PRINCIPAL_NOBODY ? SHARE_NOBODY : SHARE_BAD_FORM;
        }
    }
    *list = found;
    return 0;
}

int share_resolve(const struct message_share *names,
                  const struct principal_lookup *lookup,
                  struct access_share *share, const char **culprit)
{
    struct access_share s = {.read_count = names->read_count,
                             .write_count = names->write_count};
    int r =
        resolve_list(names->read, names->read_count, lookup, &s.read, culprit);

    if (r == 0)
        r = resolve_list(names->write, names->write_count, lookup, &s.write,
                         culprit);
    if (r == 0)
        *share = s;
    else
        share_deinit(&s);
    return r;
}

void share_deinit(struct access_share *share)
{
    if (share->read)
        release(share->read, share->read_count);
    if (share->write)
        release(share->write, share->write_count);
    *share = (struct access_share){0};
}
