/*
 * SO_PEERCRED and SO_PEERGROUPS: both are frozen when the peer connects, so a
 * process cannot change who it was.
 */
#include "identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OVERFLOW_ID = 65534 };

/* Whether some users of the host have no number in our namespace: then all of
 * them appear as the overflow id. */
static bool namespace_is_partial(void)
{
    unsigned long inside, outside, count;
    char line[128], *at = line;
    FILE *map = fopen("/proc/self/uid_map", "re");
    bool read = map && fgets(line, sizeof(line), map);

    if (map)
        fclose(map);
    if (!read)
        return true;
    inside = strtoul(at, &at, 10);
    outside = strtoul(at, &at, 10);
    count = strtoul(at, &at, 10);
    return inside != 0 || outside != 0 || count < UINT32_MAX;
}

/* Reads the supplementary groups into an array that has room for one more. */
static int read_groups(int fd, struct identity *identity)
{
    socklen_t size = 32 * sizeof(gid_t);
    uint32_t *groups = NULL, *larger;

    for (;;) {
        larger = realloc(groups, size + sizeof(gid_t));
        if (!larger)
            break;
        groups = larger;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0) {
            identity->groups = groups;
            identity->group_count = size / sizeof(gid_t);
            return 0;
        }
        if (errno != ERANGE)
            break;
    }
    free(groups);
    return IDENTITY_E_SYSTEM;
}

int identity_of_peer(const struct connection *connection,
                     struct identity *identity, uint64_t *process)
{
    int fd = (int)connection_handle(connection);
    struct identity found;
    struct ucred peer;
    socklen_t size = sizeof(peer);
    int r;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return IDENTITY_E_SYSTEM;
    if (peer.uid == (uid_t)-1)
        return IDENTITY_E_SYSTEM;
    if (peer.uid == OVERFLOW_ID && namespace_is_partial())
        return IDENTITY_UNMAPPED;
    r = read_groups(fd, &found);
    if (r < 0)
        return r;
    found.user = peer.uid;
    found.groups[found.group_count++] = peer.gid;
    identity_sort(&found);
    *identity = found;
    *process = (uint64_t)peer.pid;
    return 0;
}
