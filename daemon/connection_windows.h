/*
 * What only the listener and the starter of processes ask of connections on
 * Windows.
 */
#ifndef SEGBROKER_CONNECTION_WINDOWS_H
#define SEGBROKER_CONNECTION_WINDOWS_H

#include "connection.h"

#include <windows.h>

/* Clients that have said nothing yet, at most; above that the one who has been
 * silent longest is dropped. */
enum { CONNECTION_SILENT_MAX = 1024 };

/*
 * Windows says who a client is when something was read from it. Waits for
 * that, and then gives the connection, or NULL when the client has gone or
 * lets nobody duplicate its handles. The pipe, bound already (io_windows.h),
 * becomes its own.
 */
void connection_greet(HANDLE pipe,
                      void (*greeted)(void *data, struct connection *c),
                      void *data);

/* Drops all that are silent. */
void connection_drop_silent(void);

/* Memory for the notes of two processes (struct connection_other), which a
 * child inherits. NULL, and GetLastError says why. */
HANDLE connection_new_notes(void);

#endif
