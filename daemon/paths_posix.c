#include "paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char paths_option[] = "socket";
const char paths_help[] =
    "                      (root: /etc/segbroker/segbroker.conf, else\n"
    "                      ~/.config/segbroker/segbroker.conf, if there)\n"
    "  --runtime-dir DIR   listen on DIR/broker.sock (root: /run/segbroker,\n"
    "                      else $XDG_RUNTIME_DIR/segbroker)\n"
    "  --socket PATH       listen on PATH\n";

static const char SYSTEM_FOLDER[] = "/run/segbroker";
static const char SYSTEM_CONFIG[] = "/etc/segbroker/segbroker.conf";

static int join(const char *folder, const char *name, char *path, size_t size)
{
    int written = snprintf(path, size, "%s/%s", folder, name);

    return written < 0 || (size_t)written >= size ? PATHS_TOO_LONG : 0;
}

/* A variable that holds an absolute path, else NULL. */
static const char *absolute(const char *variable)
{
    const char *value = getenv(variable);

    return value && value[0] == '/' ? value : NULL;
}

int paths_socket(const char *folder, char *path, size_t size)
{
    const char *runtime = absolute("XDG_RUNTIME_DIR");

    if (!folder)
        folder = absolute("RUNTIME_DIRECTORY");
    if (!folder && geteuid() == 0)
        folder = SYSTEM_FOLDER;
    if (folder)
        return join(folder, "broker.sock", path, size);
    if (!runtime)
        return PATHS_NONE;
    return join(runtime, "segbroker/broker.sock", path, size);
}

int paths_config(char *path, size_t size)
{
    const char *folder = absolute("XDG_CONFIG_HOME");
    const char *home = absolute("HOME");
    int r = PATHS_NONE;

    if (geteuid() == 0)
        r = snprintf(path, size, "%s", SYSTEM_CONFIG) < 0;
    else if (folder)
        r = join(folder, "segbroker/segbroker.conf", path, size);
    else if (home)
        r = join(home, ".config/segbroker/segbroker.conf", path, size);
    return r == 0 && access(path, F_OK) == 0 ? 0 : PATHS_NONE;
}
