/*
 * The listening socket itself, which outlives brokers: it is the keeper's.
 *
 * A lock beside the socket (PATH.lock) tells a living service from a socket
 * that a dead one left. A socket of the service manager has no lock, and is
 * not ours to take away.
 */
#ifndef SEGBROKER_LISTENING_H
#define SEGBROKER_LISTENING_H

#include "handle.h"

#include <stdint.h>

enum { LISTENING_PATH_MAX = 256 };

struct listening {
    char path[LISTENING_PATH_MAX];
    char lock_path[LISTENING_PATH_MAX + 8];
    frame_handle lock; /* HANDLE_NONE: none */
    frame_handle socket;
    uint64_t socket_inode; /* of the path, to know it again */
};

/* Binds, and makes the folder of lock and socket when it is missing: `folder`,
 * or where that is NULL the socket's or the default one. 0, or negative with
 * the reason in the log. */
int listening_open(struct listening *listening, const char *path,
                   const char *folder);

/* Takes over one that is open already; `lock` HANDLE_NONE when it has none.
 * `path` NULL asks the socket. 0, or negative when it is no listening socket.
 */
int listening_adopt(struct listening *listening, frame_handle socket,
                    frame_handle lock, const char *path);

/* Closes it. */
void listening_close(struct listening *listening);

/* Takes socket and lock away, where they are still ours, and closes them. */
void listening_remove(struct listening *listening);

#endif
