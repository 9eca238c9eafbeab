#include "wire.h"

#include "error.h"
#include "segbroker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const char SYSTEM_SOCKET[] = "/run/segbroker/broker.sock";

static int fail_system(const char *what)
{
    return error_set(SEGB_E_SYSTEM, "%s: %s", what, strerror(errno));
}

/* ---- the address ---- */

int wire_address(const char *given, char *address, size_t size)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    int written;

    if (!given)
        given = getenv("SEGBROKER_SOCKET");
    if (given && *given) {
        written = snprintf(address, size, "%s", given);
    } else {
        written = snprintf(address, size, "%s/segbroker/broker.sock",
                           runtime ? runtime : "");
        if (!runtime || *runtime != '/' || access(address, F_OK) < 0)
            written = snprintf(address, size, "%s", SYSTEM_SOCKET);
    }
    if (written < 0 || (size_t)written >= size)
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "the socket's path is longer than %zu bytes",
                         size - 1);
    return 0;
}

/* ---- the connection ---- */

static int refused(const char *address)
{
    switch (errno) {
    case ENOENT:
    case ECONNREFUSED:
    case ENOTDIR:
        return error_set(SEGB_E_NO_BROKER, "no broker serves at %s", address);
    case EACCES:
    case EPERM:
        return error_set(SEGB_E_ACCESS_DENIED, "%s: %s", address,
                         strerror(errno));
    case EAGAIN:
        return error_set(SEGB_E_TIMEOUT, "%s does not answer", address);
    default:
        return error_set(SEGB_E_SYSTEM, "%s: %s", address, strerror(errno));
    }
}

/* A full queue of waiting connections lets connect wait as long as a send. */
static void bound_connect(int fd, int timeout_ms)
{
    struct timeval limit = {0, 0};

    if (timeout_ms > 0) {
        limit.tv_sec = timeout_ms / 1000;
        limit.tv_usec = timeout_ms % 1000 * 1000;
    }
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

int wire_connect(const char *address, int timeout_ms, intptr_t *connection)
{
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    int fd, r;

    if (strlen(address) >= sizeof(where.sun_path))
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "a socket's path has at most %zu bytes: %s",
                         sizeof(where.sun_path) - 1, address);
    memcpy(where.sun_path, address, strlen(address) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail_system("socket");
    bound_connect(fd, timeout_ms);
    do
        r = connect(fd, (struct sockaddr *)&where, sizeof(where));
    while (r < 0 && errno == EINTR);
    if (r < 0) {
        r = refused(address);
        close(fd);
        return r;
    }
    *connection = fd;
    return 0;
}

void wire_close(intptr_t connection)
{
    close((int)connection);
}

int wire_send(intptr_t connection, const char *bytes, size_t size, size_t *sent)
{
    ssize_t n;

    do
        n = send((int)connection, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN || errno == ENOBUFS ? WIRE_AGAIN : WIRE_GONE;
    *sent = (size_t)n;
    return 0;
}

static void take_handles(struct msghdr *header, struct wire_message *message)
{
    struct cmsghdr *c;

    for (c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        const unsigned char *data = CMSG_DATA(c);
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, data + i * sizeof(fd), sizeof(fd));
            message->handles[message->count++] = fd;
        }
    }
}

int wire_receive(intptr_t connection, char *bytes, size_t capacity,
                 struct wire_message *message)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(PROTOCOL_HANDLES_MAX * sizeof(int))];
    } control;
    struct iovec data = {.iov_base = bytes, .iov_len = capacity};
    struct msghdr header = {.msg_iov = &data,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof(control)};
    ssize_t n;

    do
        n = recvmsg((int)connection, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return WIRE_AGAIN;
    if (n <= 0)
        return WIRE_GONE;
    message->size = (size_t)n;
    message->count = 0;
    /* At our descriptor limit the kernel keeps what does not fit. */
    message->truncated = (header.msg_flags & MSG_CTRUNC) != 0;
    take_handles(&header, message);
    return 0;
}

bool wire_wait(intptr_t connection, bool for_writing, int64_t deadline)
{
    struct pollfd wanted = {
        .fd = (int)connection,
        .events = (short)(for_writing ? POLLIN | POLLOUT : POLLIN)};
    int64_t left = -1;
    int r;

    if (deadline != WIRE_FOREVER) {
        left = deadline - wire_now();
        left = left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : left;
    }
    r = poll(&wanted, 1, (int)left);
    return r != 0;
}

int64_t wire_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void wire_close_handle(frame_handle handle)
{
    close((int)handle);
}

bool wire_has_size(frame_handle handle, uint64_t size)
{
    struct stat status;

    return fstat((int)handle, &status) == 0 && status.st_size >= 0 &&
           (uint64_t)status.st_size >= size;
}

/* ---- threads ---- */

struct wire_lock {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
};

struct wire_lock *wire_lock_new(void)
{
    struct wire_lock *lock = malloc(sizeof(*lock));
    pthread_condattr_t attributes;

    if (!lock)
        return NULL;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&lock->mutex, NULL);
    pthread_cond_init(&lock->condition, &attributes);
    pthread_condattr_destroy(&attributes);
    return lock;
}

struct wire_lock *wire_process_lock(void)
{
    static struct wire_lock lock = {PTHREAD_MUTEX_INITIALIZER,
                                    PTHREAD_COND_INITIALIZER};

    return &lock;
}

void wire_lock_free(struct wire_lock *lock)
{
    pthread_cond_destroy(&lock->condition);
    pthread_mutex_destroy(&lock->mutex);
    free(lock);
}

void wire_lock_take(struct wire_lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
}

void wire_lock_give(struct wire_lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}

void wire_lock_wait(struct wire_lock *lock, int64_t deadline)
{
    struct timespec until = {.tv_sec = (time_t)(deadline / 1000),
                             .tv_nsec = (long)(deadline % 1000) * 1000000};

    if (deadline == WIRE_FOREVER)
        pthread_cond_wait(&lock->condition, &lock->mutex);
    else
        pthread_cond_timedwait(&lock->condition, &lock->mutex, &until);
}

void wire_lock_wake_all(struct wire_lock *lock)
{
    pthread_cond_broadcast(&lock->condition);
}

/* ---- mapping ---- */

size_t wire_page(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

int wire_map(frame_handle handle, size_t offset, size_t length, int access,
             void **address)
{
    int protection = access == SEGB_RO ? PROT_READ : PROT_READ | PROT_WRITE;
    int flags = access == SEGB_COW ? MAP_PRIVATE : MAP_SHARED;
    void *at =
        mmap(NULL, length, protection, flags, (int)handle, (off_t)offset);

    if (at == MAP_FAILED)
        return fail_system("mmap");
    *address = at;
    return 0;
}

void wire_unmap(void *address, size_t length)
{
    munmap(address, length);
}
