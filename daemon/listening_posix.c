#include "listening.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static int fail(const char *what, const char *path)
{
    log_error("%s %s: %s", what, path, strerror(errno));
    return -1;
}

static void set_path(struct listening *listening, const char *path)
{
    snprintf(listening->path, sizeof(listening->path), "%s", path);
    snprintf(listening->lock_path, sizeof(listening->lock_path), "%s.lock",
             listening->path);
}

static int make_folder(const char *path)
{
    char folder[LISTENING_PATH_MAX];
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

static int take_lock(struct listening *listening)
{
    int lock = HANDLE_NONE, r;

    do
        r = try_lock(listening->lock_path, &lock);
    while (r > 0);
    listening->lock = lock;
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

static int bind_socket(struct listening *listening)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    listening->socket = fd;
    if (fd < 0)
        return fail("cannot make a socket for", listening->path);
    memcpy(address.sun_path, listening->path, strlen(listening->path) + 1);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return fail("cannot bind", listening->path);
    listening->socket_inode = inode_at(listening->path);
    if (chmod(listening->path, 0666) < 0)
        return fail("cannot open up", listening->path);
    if (listen(fd, BACKLOG) < 0)
        return fail("cannot listen on", listening->path);
    return 0;
}

int listening_open(struct listening *listening, const char *path,
                   const char *folder)
{
    size_t most = sizeof((struct sockaddr_un){0}.sun_path) - 1;

    (void)folder; /* the lock is beside the socket */
    listening->lock = listening->socket = HANDLE_NONE;
    if (strlen(path) > most) {
        log_error("the socket's path has %zu bytes, at most %zu are possible: "
                  "%s",
                  strlen(path), most, path);
        return -1;
    }
    set_path(listening, path);
    if (make_folder(path) < 0 || take_lock(listening) < 0)
        return -1;
    if (clear_path(path) < 0 || bind_socket(listening) < 0) {
        listening_remove(listening);
        return -1;
    }
    return 0;
}

int listening_adopt(struct listening *listening, frame_handle socket,
                    frame_handle lock, const char *path)
{
    int fd = (int)socket;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(address);
    int listens = 0;
    socklen_t listens_size = sizeof(listens);

    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0 ||
        address.sun_family != AF_UNIX || !address.sun_path[0] ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_size) <
            0 ||
        !listens || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return -1;
    listening->socket = socket;
    listening->lock = lock;
    set_path(listening, path ? path : address.sun_path);
    listening->socket_inode = inode_at(listening->path);
    return 0;
}

void listening_close(struct listening *listening)
{
    handle_close(listening->socket);
    handle_close(listening->lock);
    listening->lock = listening->socket = HANDLE_NONE;
}

void listening_remove(struct listening *listening)
{
    /* Somebody may have taken them away and begun another service there. */
    if (listening->lock >= 0) {
        if (listening->socket >= 0 &&
            inode_at(listening->path) == listening->socket_inode)
            unlink(listening->path);
        if (inode_at(listening->lock_path) == inode_of((int)listening->lock))
            unlink(listening->lock_path);
    }
    listening_close(listening);
}
