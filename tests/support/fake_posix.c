#include "fake.h"
#include "fake_system.h"

#include "suite.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_SECONDS = 20 };

static struct {
    char folder[TEST_PATH_MAX];
    int listener;
    int client;
    int memory;
} fake;

static int make_memory(void)
{
    char path[TEST_PATH_MAX];
    int fd;

    test_path(path, "%s/memory", fake.folder);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    unlink(path);
    return fd;
}

void fake_listen(char path[TEST_PATH_MAX])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    test_folder_make(fake.folder);
    test_path(path, "%s/s", fake.folder);
    REQUIRE(strlen(path) < sizeof(address.sun_path));
    memcpy(address.sun_path, path, strlen(path) + 1);
    fake.memory = make_memory();
    REQUIRE(fake.memory >= 0);
    fake.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fake.listener >= 0);
    REQUIRE_INT(
        bind(fake.listener, (struct sockaddr *)&address, sizeof(address)), 0);
    REQUIRE_INT(listen(fake.listener, 1), 0);
}

bool fake_accept(void)
{
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    sigset_t all;

    /* Signals are for the client. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    fake.client = accept(fake.listener, NULL, NULL);
    if (fake.client < 0)
        return false;
    setsockopt(fake.client, SOL_SOCKET, SO_RCVTIMEO, &patience,
               sizeof(patience));
    setsockopt(fake.client, SOL_SOCKET, SO_SNDTIMEO, &patience,
               sizeof(patience));
    return true;
}

int fake_receive(char *byte)
{
    return (int)recv(fake.client, byte, 1, 0);
}

bool fake_send(const char *bytes, size_t size, bool give)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};

    while (size > 0) {
        struct iovec data = {.iov_base = (void *)bytes, .iov_len = size};
        struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
        ssize_t n;

        if (give) {
            message.msg_control = control.bytes;
            message.msg_controllen = sizeof(control.bytes);
            control.header.cmsg_level = SOL_SOCKET;
            control.header.cmsg_type = SCM_RIGHTS;
            control.header.cmsg_len = CMSG_LEN(sizeof(int));
            memcpy(CMSG_DATA(&control.header), &fake.memory, sizeof(int));
        }
        n = sendmsg(fake.client, &message, MSG_NOSIGNAL);
        if (n < 0)
            return false;
        give = false;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

char *fake_name_memory(char *line, size_t size)
{
    REQUIRE_INT(ftruncate(fake.memory, (off_t)size), 0);
    return line;
}

void fake_hang_up(void)
{
    close(fake.client);
}

void fake_forget(void)
{
    close(fake.listener);
    close(fake.memory);
    test_folder_remove(fake.folder);
}
