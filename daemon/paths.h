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

/* The option that says where to serve, without its dashes, and what --help
 * says of it and of the places. */
extern const char paths_option[];
extern const char paths_help[];

/*
 * Writes where to serve: a socket in `folder`, or where that is NULL in the
 * service manager's $RUNTIME_DIRECTORY, else for root /run/segbroker, else
 * $XDG_RUNTIME_DIR/segbroker; on Windows the one pipe. 0 or an outcome above.
 */
int paths_socket(const char *folder, char *path, size_t size);

/*
 * Writes the configuration's path: for root /etc/segbroker/segbroker.conf,
 * else segbroker/segbroker.conf in $XDG_CONFIG_HOME or ~/.config; on Windows
 * segbroker\segbroker.conf in %ProgramData%. 0, or PATHS_NONE also where there
 * is no such file.
 */
int paths_config(char *path, size_t size);

#endif
