#include "paths.h"

#include "paths_windows.h"
#include "wide_windows.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include <knownfolders.h>
#include <objbase.h>
#include <shlobj.h>

const char paths_option[] = "pipe";
const char paths_help[] =
    "                      (%ProgramData%\\segbroker\\segbroker.conf, if\n"
    "                      there)\n"
    "  --runtime-dir DIR   hold a lock in DIR (%ProgramData%\\segbroker\\run, "
    "or\n"
    "                      of %LocalAppData% where no service is installed)\n"
    "  --pipe NAME         serve NAME (\\\\.\\pipe\\segbroker)\n";

static const char PIPE[] = "\\\\.\\pipe\\segbroker";

static int outcome(int written, size_t size)
{
    return written < 0 || (size_t)written >= size ? PATHS_TOO_LONG : 0;
}

/* This program's folder in one of the system's. */
static int known_folder(const KNOWNFOLDERID *id, char *path, size_t size)
{
    wchar_t *data = NULL;
    char *text = NULL;
    int r = PATHS_NONE;

    /* Not of the environment: a service's may say otherwise. */
    if (SHGetKnownFolderPath(id, 0, NULL, &data) == S_OK)
        text = wide_to(data);
    CoTaskMemFree(data);
    if (text)
        r = outcome(snprintf(path, size, "%s\\segbroker", text), size);
    free(text);
    return r;
}

int paths_data(char *path, size_t size)
{
    return known_folder(&FOLDERID_ProgramData, path, size);
}

int paths_socket(const char *folder, char *path, size_t size)
{
    /* Pipes are in no folder. */
    (void)folder;
    return outcome(snprintf(path, size, "%s", PIPE), size);
}

static bool is_there(const char *path)
{
    wchar_t *wide = wide_from(path);
    bool found = wide && GetFileAttributesW(wide) != INVALID_FILE_ATTRIBUTES;

    free(wide);
    return found;
}

int paths_config(char *path, size_t size)
{
    char folder[MAX_PATH * 3];
    int r = paths_data(folder, sizeof(folder));

    if (r == 0)
        r = outcome(snprintf(path, size, "%s\\segbroker.conf", folder), size);
    return r == 0 && is_there(path) ? 0 : PATHS_NONE;
}

/* It may be there already. */
static void make_folder(const char *path)
{
    wchar_t *wide = wide_from(path);

    if (wide)
        CreateDirectoryW(wide, NULL);
    free(wide);
}

/* Where a lock lies unless somebody says otherwise: with the service's data, or
 * where no service is installed with the user's own. The former only the
 * installation makes, since whoever makes a folder owns it. */
static int lock_folder(char *path, size_t size)
{
    char folder[MAX_PATH * 3];
    int r = paths_data(folder, sizeof(folder));

    if (r == 0 && !is_there(folder)) {
        r = known_folder(&FOLDERID_LocalAppData, folder, sizeof(folder));
        if (r == 0)
            make_folder(folder);
    }
    return r == 0 ? outcome(snprintf(path, size, "%s\\run", folder), size) : r;
}

int paths_lock(const char *folder, const char *pipe, char *path, size_t size)
{
    char own[MAX_PATH * 3];
    const char *name = strrchr(pipe, '\\');
    int r;

    if (!folder) {
        r = lock_folder(own, sizeof(own));
        if (r != 0)
            return r;
        folder = own;
    }
    make_folder(folder);
    return outcome(
        snprintf(path, size, "%s\\%s.lock", folder, name ? name + 1 : pipe),
        size);
}
