/*
 * The host's account database.
 */
#include "identity.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIRST_SIZE = 1024, LAST_SIZE = 1024 * 1024 };

uint32_t identity_self(void)
{
    return geteuid();
}

size_t identity_administrators(struct principal administrators[2])
{
    /* root, who is user 0 wherever there is one. */
    administrators[0] = (struct principal){PRINCIPAL_USER, 0};
    return 1;
}

static int find_user(const char *name, uint32_t user, char *text, size_t size,
                     struct passwd *entry)
{
    struct passwd *found;
    int r;

    if (name)
        r = getpwnam_r(name, entry, text, size, &found);
    else
        r = getpwuid_r(user, entry, text, size, &found);
    if (r == ERANGE)
        return ERANGE;
    return r == 0 && found ? 0 : ENOENT;
}

static int look_up_user(const char *name, uint32_t *id)
{
    struct passwd entry;

    for (size_t size = FIRST_SIZE; size <= LAST_SIZE; size *= 4) {
        char *text = malloc(size);
        int r = text ? find_user(name, 0, text, size, &entry) : ENOENT;

        free(text);
        if (r == 0)
            *id = entry.pw_uid;
        if (r != ERANGE)
            return r != 0;
    }
    return 1;
}

static int look_up_group(const char *name, uint32_t *id)
{
    struct group entry, *found;

    for (size_t size = FIRST_SIZE; size <= LAST_SIZE; size *= 4) {
        char *text = malloc(size);
        int r = text ? getgrnam_r(name, &entry, text, size, &found) : ENOENT;

        free(text);
        if (r == 0 && found) {
            *id = entry.gr_gid;
            return 0;
        }
        if (r != ERANGE)
            return 1;
    }
    return 1;
}

const struct principal_lookup identity_lookup = {
    .user = look_up_user, .group = look_up_group, .id = principal_decimal};

void identity_id_write(uint32_t id, char text[IDENTITY_ID_MAX])
{
    snprintf(text, IDENTITY_ID_MAX, "%lu", (unsigned long)id);
}

void identity_user_name(uint32_t user, char *name, size_t size)
{
    struct passwd entry;
    char text[4 * FIRST_SIZE];

    if (find_user(NULL, user, text, sizeof(text), &entry) == 0)
        snprintf(name, size, "%s", entry.pw_name);
    else
        snprintf(name, size, "%lu", (unsigned long)user);
}

void identity_id_release(uint32_t id)
{
    /* Here it is the system's own number. */
    (void)id;
}
