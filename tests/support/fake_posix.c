#include "fake.h"

#include "process.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { LINE = 70000, PATIENCE_SECONDS = 20 };

static struct {
    const struct fake_step *script;
    char folder[TEST_PATH_MAX];
    char socket[TEST_PATH_MAX];
    int listener;
    int client;
    int memory; /* what it gives handles of */
    pthread_t thread;
    sem_t go;
    char line[LINE]; /* read last */
    char complaint[512];
} fake;

/* ---- its side of the connection; false ends the script ---- */

static bool complain(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

static bool complain(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(fake.complaint, sizeof(fake.complaint), format, arguments);
    va_end(arguments);
    return false;
}

static char *quoted(const char *text)
{
    char *copy = strdup(text);

    for (char *c = copy; c && *c; c++)
        if (*c == '\'')
            *c = '"';
    return copy;
}

static bool read_line(void)
{
    size_t size = 0;

    while (size + 1 < sizeof(fake.line)) {
        ssize_t n = recv(fake.client, fake.line + size, 1, 0);

        if (n <= 0)
            return complain("waited for a line: %s",
                            n == 0 ? "the client has gone" : strerror(errno));
        if (fake.line[size] == '\n')
            break;
        size++;
    }
    fake.line[size] = '\0';
    return true;
}

static bool expect(const char *text)
{
    char *part = quoted(text);
    bool good = read_line();

    if (good && !strstr(fake.line, part))
        good = complain("expected %s, not %.300s", part, fake.line);
    free(part);
    return good;
}

/* Sends all of it; a handle, unless -1, with the first byte. */
static bool send_all(const char *bytes, size_t size, int handle)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};

    while (size > 0) {
        struct iovec data = {.iov_base = (void *)bytes, .iov_len = size};
        struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
        ssize_t n;

        if (handle >= 0) {
            message.msg_control = control.bytes;
            message.msg_controllen = sizeof(control.bytes);
            control.header.cmsg_level = SOL_SOCKET;
            control.header.cmsg_type = SCM_RIGHTS;
            control.header.cmsg_len = CMSG_LEN(sizeof(int));
            memcpy(CMSG_DATA(&control.header), &handle, sizeof(handle));
        }
        n = sendmsg(fake.client, &message, MSG_NOSIGNAL);
        if (n < 0)
            return complain("sending: %s", strerror(errno));
        handle = -1;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

static bool say(const struct fake_step *step)
{
    char *line = quoted(step->text);
    size_t size = strlen(line) + 1;
    size_t piece = step->act == FAKE_CRAWL ? 1 : size;
    int handle = step->act == FAKE_SAY ? -1 : fake.memory;
    bool good = true;

    line[size - 1] = '\n'; /* in place of the NUL */
    if (handle >= 0 && ftruncate(handle, (off_t)step->number) < 0)
        good = complain("no memory to give: %s", strerror(errno));
    for (size_t at = 0; at < size && good; at += piece)
        good = send_all(line + at, piece, at == 0 ? handle : -1);
    free(line);
    return good;
}

static bool send_part(const struct fake_step *step)
{
    char *text = quoted(step->text);
    bool good = true;

    for (size_t i = 0; i < step->number && good; i++)
        good = send_all(text, strlen(text), -1);
    free(text);
    return good;
}

static bool answer(const struct fake_step *step)
{
    char *text = quoted(step->text);
    char line[512];
    unsigned long long id;
    bool good = true;

    for (size_t i = 0; (i < step->number || step->number == 0) && good; i++) {
        good = read_line();
        if (!good)
            break;
        id = strtoull(fake.line + strlen("{\"id\":"), NULL, 10);
        snprintf(line, sizeof(line), "{\"id\":%llu,%s}\n", id, text);
        good = send_all(line, strlen(line), -1);
    }
    free(text);
    if (step->number == 0)
        fake.complaint[0] = '\0'; /* it was meant to end like this */
    return good;
}

static bool await_hang_up(void)
{
    char byte;

    while (recv(fake.client, &byte, 1, 0) > 0)
        continue;
    return true;
}

static bool act(const struct fake_step *step)
{
    switch (step->act) {
    case FAKE_EXPECT:
        return expect(step->text);
    case FAKE_SAY:
    case FAKE_GIVE:
    case FAKE_CRAWL:
        return say(step);
    case FAKE_PART:
        return send_part(step);
    case FAKE_ANSWER:
        return answer(step);
    case FAKE_WAIT:
        sem_wait(&fake.go);
        return true;
    case FAKE_PAUSE:
        poll(NULL, 0, (int)step->number);
        return true;
    case FAKE_HANG_UP:
        return await_hang_up();
    case FAKE_END:
        break;
    }
    return false;
}

static void *play(void *data)
{
    const struct fake_step *step = fake.script;
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    sigset_t all;

    (void)data;
    /* Signals are for the client. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    fake.client = accept(fake.listener, NULL, NULL);
    if (fake.client < 0)
        return NULL;
    setsockopt(fake.client, SOL_SOCKET, SO_RCVTIMEO, &patience,
               sizeof(patience));
    setsockopt(fake.client, SOL_SOCKET, SO_SNDTIMEO, &patience,
               sizeof(patience));
    while (act(step))
        step++;
    close(fake.client);
    return NULL;
}

/* ---- the test's side ---- */

static int make_memory(void)
{
    char path[TEST_PATH_MAX];
    int fd;

    test_path(path, "%s/memory", fake.folder);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    unlink(path);
    return fd;
}

void fake_start(const struct fake_step *script)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    fake.script = script;
    fake.complaint[0] = '\0';
    test_folder_make(fake.folder);
    test_path(fake.socket, "%s/s", fake.folder);
    REQUIRE(strlen(fake.socket) < sizeof(address.sun_path));
    memcpy(address.sun_path, fake.socket, strlen(fake.socket) + 1);
    fake.memory = make_memory();
    REQUIRE(fake.memory >= 0);
    fake.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fake.listener >= 0);
    REQUIRE_INT(
        bind(fake.listener, (struct sockaddr *)&address, sizeof(address)), 0);
    REQUIRE_INT(listen(fake.listener, 1), 0);
    REQUIRE_INT(sem_init(&fake.go, 0, 0), 0);
    REQUIRE_INT(pthread_create(&fake.thread, NULL, play, NULL), 0);
}

const char *fake_socket(void)
{
    return fake.socket;
}

int fake_connect(int timeout_ms, segb_client **client)
{
    segb_connect_options options = {.struct_size = sizeof(options),
                                    .socket = fake.socket,
                                    .name = "fake_connect",
                                    .timeout_ms = timeout_ms,
                                    .reconnect_ms = -1};

    return segb_connect(&options, client);
}

size_t fake_unread(void)
{
    int unread = 0;

    return ioctl(fake.client, TIOCOUTQ, &unread) == 0 ? (size_t)unread : 0;
}

void fake_go(void)
{
    sem_post(&fake.go);
}

void fake_stop(void)
{
    pthread_join(fake.thread, NULL);
    close(fake.listener);
    close(fake.memory);
    sem_destroy(&fake.go);
    test_folder_remove(fake.folder);
    REQUIRE_STR(fake.complaint, "");
}
