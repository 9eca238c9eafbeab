#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(const char **why, const char *sentence)
{
    *why = sentence;
    return 1;
}

static int check_kind(int fd, const char **why)
{
    struct stat status;

    if (fstat(fd, &status) < 0)
        return fail(why, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return fail(why, "it is not a regular file");
    if (status.st_size > FILES_SIZE_MAX)
        return fail(why, "it is larger than 1 MiB");
    return 0;
}

/* Reads to the end, or one byte more than is allowed. */
static int read_all(int fd, char **text, size_t *size, const char **why)
{
    char *bytes = malloc(FILES_SIZE_MAX + 1);
    size_t have = 0;
    ssize_t n = 1;

    if (!bytes)
        return FILES_E_NOMEM;
    while (n > 0 && have <= FILES_SIZE_MAX) {
        n = read(fd, bytes + have, FILES_SIZE_MAX + 1 - have);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            have += (size_t)n;
    }
    if (n == 0) {
        *text = bytes;
        *size = have;
        return 0;
    }
    free(bytes);
    return fail(why, n < 0 ? strerror(errno) : "it is larger than 1 MiB");
}

int files_read(const char *path, char **text, size_t *size, const char **why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int r;

    if (fd < 0)
        return fail(why, strerror(errno));
    r = check_kind(fd, why);
    if (r == 0)
        r = read_all(fd, text, size, why);
    close(fd);
    return r;
}

static int is_drop_in(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);

    return entry->d_name[0] != '.' && size > strlen(".conf") &&
           strcmp(entry->d_name + size - strlen(".conf"), ".conf") == 0;
}

static int in_byte_order(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static char *join(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);

    if (path)
        snprintf(path, size, "%s/%s", folder, name);
    return path;
}

static char *drop_in_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder, *result;

    if (!slash)
        return join(".", "conf.d");
    folder = strndup(path, (size_t)(slash - path));
    if (!folder)
        return NULL;
    result = join(folder, "conf.d");
    free(folder);
    return result;
}

void files_list_free(char **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

/* The entries' paths; NULL when memory is short. */
static char **make_paths(const char *folder, struct dirent **entries,
                         size_t count)
{
    char **paths = malloc((count + 1) * sizeof(*paths));

    for (size_t i = 0; paths && i < count; i++) {
        paths[i] = join(folder, entries[i]->d_name);
        if (!paths[i]) {
            files_list_free(paths, i);
            paths = NULL;
        }
    }
    return paths;
}

/* The entries of a folder, which there need not be: their number, or -1. */
static int read_folder(const char *folder, struct dirent ***entries)
{
    int found = scandir(folder, entries, is_drop_in, in_byte_order);

    if (found < 0) {
        *entries = NULL;
        return errno == ENOENT ? 0 : -1;
    }
    return found;
}

int files_drop_ins(const char *path, char ***list, size_t *count,
                   const char **why)
{
    char *folder = drop_in_folder(path);
    struct dirent **entries;
    char **paths = NULL;
    int found;

    if (!folder)
        return FILES_E_NOMEM;
    found = read_folder(folder, &entries);
    if (found < 0)
        *why = strerror(errno);
    else
        paths = make_paths(folder, entries, (size_t)found);
    for (int i = 0; i < found; i++)
        free(entries[i]);
    free(entries);
    free(folder);
    if (found < 0)
        return 1;
    if (!paths)
        return FILES_E_NOMEM;
    *list = paths;
    *count = (size_t)found;
    return 0;
}
