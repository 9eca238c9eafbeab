/*
 * What only the files for Windows ask of their host.
 */
#ifndef SEGBROKER_HOST_WINDOWS_H
#define SEGBROKER_HOST_WINDOWS_H

#include <stdbool.h>
#include <wchar.h>

/* Whether this is Wine, which says so itself, and not Windows. */
bool host_is_wine(void);

/* The SID of this process's user as text. NULL when memory is short. For
 * LocalFree. */
wchar_t *host_user_sid(void);

#endif
