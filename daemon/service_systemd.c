/*
 * systemd's protocols: sd_notify(3) with the file descriptor store, and
 * sd_listen_fds(3). Both are stable interfaces that it invites programs to
 * speak themselves.
 *
 * Never one store entry a segment: storing is quadratic in PID 1, and the
 * names of all entries are one environment variable. A pack is three.
 */
#include "service.h"

#include "handle.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_GIVEN = 3, LEFT_COUNT = 5, BARRIER_MS = 10000 };

static const char LEFT_VARIABLE[] = "SEGBROKER_LEFT";

static const char RECORDS_NAME[] = "records";
static const char HANDLES_NAME[] = "handles";

/* ---- telling ---- */

bool service_is_managed(void)
{
    return getenv("NOTIFY_SOCKET") != NULL;
}

bool service_can_store(void)
{
    return service_is_managed();
}

int service_run(int (*body)(void *data), void *data)
{
    return body(data);
}

void service_watch(uv_loop_t *loop, service_told told, void *data)
{
    /* systemd says all by signals. */
    (void)loop;
    (void)told;
    (void)data;
}

void service_unwatch(void)
{
}

/* The manager's address; its size, or 0 when there is none. */
static socklen_t address_of_manager(struct sockaddr_un *address)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t size = path ? strlen(path) : 0;

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (size == 0 || size >= sizeof(address->sun_path))
        return 0;
    memcpy(address->sun_path, path, size);
    /* An abstract socket is written with an @. */
    if (path[0] == '@')
        address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size +
                       (path[0] == '@' ? 0 : 1));
}

static int tell(const char *state, const int *fds, unsigned count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(3 * sizeof(int))];
    } control = {0};
    struct sockaddr_un address;
    struct iovec data = {.iov_base = (void *)state, .iov_len = strlen(state)};
    struct msghdr header = {.msg_name = &address,
                            .msg_namelen = address_of_manager(&address),
                            .msg_iov = &data,
                            .msg_iovlen = 1};
    int manager, r;

    if (header.msg_namelen == 0)
        return -1;
    if (count > 0) {
        struct cmsghdr *c = &control.align;

        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_SPACE(count * sizeof(int));
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    }
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (manager < 0)
        return -1;
    r = sendmsg(manager, &header, MSG_NOSIGNAL) < 0 ? -1 : 0;
    close(manager);
    return r;
}

void service_notify(const char *state)
{
    if (service_is_managed() && tell(state, NULL, 0) < 0)
        log_warning("cannot tell the service manager %s: %s", state,
                    strerror(errno));
}

/* Waits until the manager has handled all that it was told before. */
static int wait_for_manager(void)
{
    struct pollfd wait = {.events = 0};
    int ends[2];
    int r;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    r = tell("BARRIER=1", &ends[1], 1);
    close(ends[1]);
    wait.fd = ends[0];
    /* A child's end, or a second signal, is no answer. */
    if (r == 0)
        do
            r = poll(&wait, 1, BARRIER_MS);
        while (r < 0 && errno == EINTR);
    else
        r = 0;
    close(ends[0]);
    return r == 1 ? 0 : -1;
}

void service_clear_store(void)
{
    service_notify("FDSTOREREMOVE=1\nFDNAME=records");
    service_notify("FDSTOREREMOVE=1\nFDNAME=handles");
}

int service_store(const struct estate_pack *pack)
{
    int records = (int)pack->records;
    int ends[2] = {(int)pack->ends[0], (int)pack->ends[1]};

    service_clear_store();
    /* Without FDPOLL=0 it would drop the ends, which are readable. */
    if (tell("FDSTORE=1\nFDNAME=records\nFDPOLL=0", &records, 1) == 0 &&
        tell("FDSTORE=1\nFDNAME=handles\nFDPOLL=0", ends, 2) == 0 &&
        wait_for_manager() == 0)
        return 0;
    log_error("the service manager does not keep the segments: %s",
              strerror(errno));
    return -1;
}

static uint64_t number_in(const char *variable)
{
    const char *value = getenv(variable);

    return value ? strtoull(value, NULL, 10) : 0;
}

uint64_t service_watchdog_ms(void)
{
    uint64_t process = number_in("WATCHDOG_PID");

    if (process != 0 && process != (uint64_t)getpid())
        return 0;
    return number_in("WATCHDOG_USEC") / 1000;
}

/* ---- what was given ---- */

static bool is_listening(int fd)
{
    int listens = 0;
    socklen_t size = sizeof(listens);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 &&
           listens;
}

static bool is_named(const char *name, size_t size, const char *wanted)
{
    return strlen(wanted) == size && memcmp(name, wanted, size) == 0;
}

static void sort_in(struct service_given *given, int fd, const char *name,
                    size_t size)
{
    frame_handle *ends = given->pack.ends;

    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (is_named(name, size, RECORDS_NAME) && given->pack.records < 0) {
        given->pack.records = fd;
    } else if (is_named(name, size, HANDLES_NAME) && ends[1] < 0) {
        ends[ends[0] < 0 ? 0 : 1] = fd;
    } else if (given->socket < 0 && is_listening(fd)) {
        given->socket = fd;
    } else {
        log_warning("the service manager gave a descriptor that nobody wants: "
                    "%.*s",
                    (int)size, name);
        close(fd);
    }
}

static void sort_all(struct service_given *given, unsigned count)
{
    const char *name = getenv("LISTEN_FDNAMES");

    if (!name)
        name = "";
    for (unsigned i = 0; i < count; i++) {
        size_t size = strcspn(name, ":");

        sort_in(given, FIRST_GIVEN + (int)i, name, size);
        name += size + (name[size] == ':');
    }
}

/* What the program left that this process was before. */
static bool take_left(struct service_given *given)
{
    char *text = getenv(LEFT_VARIABLE);
    int fds[LEFT_COUNT];

    if (!text)
        return false;
    for (int i = 0; i < LEFT_COUNT; i++)
        fds[i] = (int)strtol(text, &text, 10);
    given->socket = fds[0];
    given->lock = fds[1];
    given->pack = (struct estate_pack){fds[2], {fds[3], fds[4]}};
    given->has_pack = true;
    service_unleave(given);
    return true;
}

void service_take(struct service_given *given)
{
    struct estate_pack *pack = &given->pack;

    *given = (struct service_given){
        .socket = HANDLE_NONE,
        .lock = HANDLE_NONE,
        .pack = {HANDLE_NONE, {HANDLE_NONE, HANDLE_NONE}}};
    if (take_left(given))
        return;
    if (number_in("LISTEN_PID") == (uint64_t)getpid())
        sort_all(given, (unsigned)number_in("LISTEN_FDS"));
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    given->has_pack = pack->records >= 0 && pack->ends[1] >= 0;
    if (!given->has_pack && (pack->records >= 0 || pack->ends[0] >= 0))
        log_error("the service manager lost a part of the segments' "
                  "handles: they are lost");
}

/* ---- what is left to the next program ---- */

static int set_inherited(const struct service_given *left, bool inherited)
{
    int fds[] = {(int)left->socket, (int)left->lock, (int)left->pack.records,
                 (int)left->pack.ends[0], (int)left->pack.ends[1]};

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] >= 0 &&
            fcntl(fds[i], F_SETFD, inherited ? 0 : FD_CLOEXEC) < 0)
            return -1;
    return 0;
}

int service_leave(const struct service_given *left)
{
    char text[120];

    snprintf(text, sizeof(text), "%d %d %d %d %d", (int)left->socket,
             (int)left->lock, (int)left->pack.records, (int)left->pack.ends[0],
             (int)left->pack.ends[1]);
    if (set_inherited(left, true) == 0 && setenv(LEFT_VARIABLE, text, 1) == 0)
        return 0;
    log_error("cannot leave the segments to the new program: %s",
              strerror(errno));
    return -1;
}

void service_unleave(const struct service_given *left)
{
    set_inherited(left, false);
    unsetenv(LEFT_VARIABLE);
}
