#include "listener.h"

#include "broker.h"
#include "host.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096, ACCEPTS_PER_WAKEUP = 64 };

/* ---- the path ---- */

static int fail(const char *what, const char *path)
{
    log_error("%s %s: %s", what, path, strerror(errno));
    return -1;
}

static int make_folder(const char *path)
{
    char folder[108];
    char *slash;
    bool system_wide;

    snprintf(folder, sizeof(folder), "%s", path);
    slash = strrchr(folder, '/');
    if (!slash || slash == folder)
        return 0;
    *slash = '\0';
    /* Identity comes from the kernel, so a system's socket is for everybody;
     * any other folder is for its user until somebody opens it up. */
    system_wide = strcmp(folder, "/run/segbroker") == 0;
    if (mkdir(folder, system_wide ? 0755 : 0700) < 0 && errno != EEXIST)
        return fail("cannot make the folder", folder);
    return 0;
}

/* The number of what is at the path now, 0 when nothing is. */
static uint64_t inode_at(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0 ? status.st_ino : 0;
}

static uint64_t inode_of(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

/* Locks the file that is at the path *now*: the one that we opened may have
 * been taken away by a broker that ended meanwhile. */
static int try_lock(const char *path, int *lock)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return fail("cannot open the lock", path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            log_error("another broker serves here: it holds %s", path);
        else
            fail("cannot lock", path);
        close(fd);
        return -1;
    }
    if (inode_of(fd) == inode_at(path)) {
        *lock = fd;
        return 0;
    }
    close(fd);
    return 1;
}

static int take_lock(struct listener *listener)
{
    int r;

    do
        r = try_lock(listener->lock_path, &listener->lock);
    while (r > 0);
    return r;
}

/* With the lock in hand, a socket at the path is a dead broker's. */
static int clear_path(const char *path)
{
    struct stat status;

    if (lstat(path, &status) < 0)
        return errno == ENOENT ? 0 : fail("cannot look at", path);
    if (!S_ISSOCK(status.st_mode)) {
        log_error("%s is there and is no socket", path);
        return -1;
    }
    return unlink(path) < 0 ? fail("cannot remove the old socket", path) : 0;
}

static int bind_socket(struct listener *listener)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, listener->path, strlen(listener->path) + 1);
    listener->socket =
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->socket < 0)
        return fail("cannot make a socket for", listener->path);
    if (bind(listener->socket, (struct sockaddr *)&address, sizeof(address)) <
        0)
        return fail("cannot bind", listener->path);
    listener->socket_inode = inode_at(listener->path);
    if (chmod(listener->path, 0666) < 0)
        return fail("cannot open up", listener->path);
    if (listen(listener->socket, BACKLOG) < 0)
        return fail("cannot listen on", listener->path);
    return 0;
}

int listener_init(struct listener *listener, struct broker *broker,
                  const char *path)
{
    listener->broker = broker;
    listener->lock = listener->socket = -1;
    if (strlen(path) >= sizeof(listener->path)) {
        log_error("the socket's path has %zu bytes, at most %zu are possible: "
                  "%s",
                  strlen(path), sizeof(listener->path) - 1, path);
        return -1;
    }
    snprintf(listener->path, sizeof(listener->path), "%s", path);
    snprintf(listener->lock_path, sizeof(listener->lock_path), "%s.lock", path);
    if (make_folder(path) < 0 || take_lock(listener) < 0)
        return -1;
    if (clear_path(path) < 0 || bind_socket(listener) < 0 ||
        uv_poll_init(&broker->loop, &listener->poll, listener->socket) < 0) {
        listener_deinit(listener);
        return -1;
    }
    listener->poll.data = listener;
    return 0;
}

void listener_deinit(struct listener *listener)
{
    /* Somebody may have taken them away and begun another broker there. */
    if (listener->socket >= 0) {
        if (inode_at(listener->path) == listener->socket_inode)
            unlink(listener->path);
        close(listener->socket);
    }
    if (listener->lock >= 0) {
        if (inode_at(listener->lock_path) == inode_of(listener->lock))
            unlink(listener->lock_path);
        close(listener->lock);
    }
    listener->lock = listener->socket = -1;
}

/* ---- accept ---- */

static void pause_accept(struct listener *listener)
{
    log_warning("descriptors are running out (%u): new clients wait",
                host_descriptor_limit());
    listener->paused = true;
    uv_poll_stop(&listener->poll);
    /* Segments that end free descriptors too, and nobody tells. */
    broker_needs_tick(listener->broker);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;

    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_WAKEUP && !listener->paused; i++) {
        int fd =
            accept4(listener->socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0) {
            if (errno != EAGAIN)
                pause_accept(listener);
            return;
        }
        /* The kernel gives the lowest free number. */
        if ((unsigned)fd + LISTENER_RESERVE >= host_descriptor_limit())
            pause_accept(listener);
        peer_accept(listener->broker, fd);
    }
}

void listener_start(struct listener *listener)
{
    uv_poll_start(&listener->poll, UV_READABLE, on_connection);
}

void listener_close(struct listener *listener)
{
    listener->paused = false;
    uv_close((uv_handle_t *)&listener->poll, NULL);
}

void listener_descriptor_freed(struct listener *listener)
{
    if (!listener->paused || host_descriptors_low(LISTENER_RESERVE))
        return;
    listener->paused = false;
    log_info("descriptors are free again: new clients are taken");
    listener_start(listener);
}
