/*
 * Configuration files on this system: reading one, and finding drop-ins.
 */
#ifndef SEGBROKER_FILES_H
#define SEGBROKER_FILES_H

#include <stddef.h>

enum { FILES_SIZE_MAX = 1024 * 1024, FILES_E_NOMEM = -1 };

/*
 * Reads a regular file of at most FILES_SIZE_MAX bytes; never waits for a
 * device or a FIFO. 0 and bytes for the caller to free; or 1 and, in `why`, a
 * sentence; or FILES_E_NOMEM.
 */
int files_read(const char *path, char **text, size_t *size, const char **why);

/*
 * The paths of all `*.conf` in the folder `conf.d` beside `path`, in byte
 * order; none when there is no such folder. 0 and a list for
 * files_list_free; or 1 and `why`; or FILES_E_NOMEM.
 */
int files_drop_ins(const char *path, char ***list, size_t *count,
                   const char **why);
void files_list_free(char **list, size_t count);

#endif
