/*
 * Named pipes, with descriptors that say who may do what.
 */
#ifndef SEGBROKER_PIPE_WINDOWS_H
#define SEGBROKER_PIPE_WINDOWS_H

#include <stdbool.h>
#include <windows.h>

/* Pipes are `\\.\pipe\` and a name; NULL when `path` is none or memory is
 * short. For free(). */
wchar_t *pipe_path(const char *path);

/*
 * One instance, not connected yet: for local users, who may read and write it
 * and make no instances; for nobody over the network. `first`: the name must
 * be free. NULL, and GetLastError says why.
 */
HANDLE pipe_create(const wchar_t *path, bool first);

/* What pipe_create lets others do, in Windows' words (SDDL). For LocalFree. */
wchar_t *pipe_rights(void);

/* The other end of an instance. NULL, and GetLastError says why. */
HANDLE pipe_connect(const wchar_t *path);

/* Two connected ends, for this user alone. 0 or negative. */
int pipe_pair(HANDLE ends[2]);

/* The process of an instance's client, opened with the client's own rights so
 * that ours need not reach it: handles can be duplicated to and from it. NULL
 * when it has gone or lets nobody. */
HANDLE pipe_client_process(HANDLE pipe);

#endif
