/*
 * Where the broker looks and listens when it is not told.
 */
#ifndef SEGBROKER_PATHS_H
#define SEGBROKER_PATHS_H

#include <stddef.h>

/* Outcomes. */
enum {
    PATHS_NONE = 1, /* the environment names no place */
    PATHS_TOO_LONG = 2
};

/*
 * Writes the socket's path: in `folder`, or where that is NULL in the service
 * manager's $RUNTIME_DIRECTORY, else for root /run/segbroker, else
 * $XDG_RUNTIME_DIR/segbroker. 0 or an outcome above.
 */
int paths_socket(const char *folder, char *path, size_t size);

/*
 * Writes the configuration's path: for root /etc/segbroker/segbroker.conf,
 * else segbroker/segbroker.conf in $XDG_CONFIG_HOME or ~/.config. 0, or
 * PATHS_NONE also where there is no such file.
 */
int paths_config(char *path, size_t size);

#endif
