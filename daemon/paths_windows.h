/*
 * Places that only Windows has.
 */
#ifndef SEGBROKER_PATHS_WINDOWS_H
#define SEGBROKER_PATHS_WINDOWS_H

#include <stddef.h>

/* Writes the lock's path for a pipe, in `folder` or, where that is NULL, in
 * the default one, which is made when it is missing. 0 or an outcome. */
int paths_lock(const char *folder, const char *pipe, char *path, size_t size);

/* Writes %ProgramData%\segbroker. 0 or an outcome. */
int paths_data(char *path, size_t size);

#endif
