#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

enum { WIDTH_MAX = 10000, WIDTH_DEFAULT = 80 };

static const int interrupts[] = {SIGINT, SIGTERM, SIGHUP};
enum { INTERRUPTS = sizeof(interrupts) / sizeof(interrupts[0]) };

static volatile sig_atomic_t interrupted;
static bool catching;
static sigset_t outside; /* the signal mask while waiting */

void terminal_start(int *argc, char ***argv)
{
    /* Opened the wrong way round: reading stdin, or writing stdout, still
     * fails. */
    static const int wrong[] = {O_WRONLY, O_RDONLY, O_RDONLY};

    (void)argc;
    (void)argv;
    for (int fd = 0; fd < 3; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
            open("/dev/null", wrong[fd]) < 0)
            _exit(1);
    }
    setlocale(LC_CTYPE, "");
}

bool terminal_is_stderr(void)
{
    return isatty(STDERR_FILENO);
}

unsigned terminal_width(void)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;

    if (!isatty(STDOUT_FILENO))
        return 0;
    if (columns) {
        unsigned long width = strtoul(columns, NULL, 10);

        if (width > 0 && width <= WIDTH_MAX)
            return (unsigned)width;
    }
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return WIDTH_DEFAULT;
}

unsigned terminal_character_width(uint32_t point)
{
    int width = wcwidth((wchar_t)point);

    /* A character set that does not know it: most take one. */
    return width < 0 ? 1 : (unsigned)width;
}

uint64_t terminal_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* ---- data ---- */

uint64_t terminal_stdin_size(void)
{
    struct stat facts;
    off_t at;

    if (fstat(STDIN_FILENO, &facts) != 0 || !S_ISREG(facts.st_mode))
        return 0;
    at = lseek(STDIN_FILENO, 0, SEEK_CUR);
    if (at < 0 || at >= facts.st_size)
        return 0;
    return (uint64_t)(facts.st_size - at);
}

/* Until fd is readable: 0; TERMINAL_LATE; an error. Signals
 * are let in only here, so none can slip in between the look at the flag and
 * the wait. */
static int wait_readable(int fd, const struct timespec *most)
{
    fd_set set;
    int r;

    if (fd < 0 || fd >= FD_SETSIZE) {
        errno = EBADF;
        return TERMINAL_E_FAILED;
    }
    for (;;) {
        FD_ZERO(&set);
        FD_SET(fd, &set);
        if (interrupted)
            return TERMINAL_E_INTERRUPTED;
        r = pselect(fd + 1, &set, NULL, NULL, most, &outside);
        if (r >= 0)
            return r > 0 ? 0 : TERMINAL_LATE;
        if (errno != EINTR)
            return TERMINAL_E_FAILED;
    }
}

ptrdiff_t terminal_read(void *bytes, size_t size)
{
    for (;;) {
        int r = catching ? wait_readable(STDIN_FILENO, NULL) : 0;
        ssize_t got;

        if (r < 0)
            return r;
        got = read(STDIN_FILENO, bytes, size);
        if (got >= 0)
            return got;
        if (errno != EINTR && errno != EAGAIN)
            return TERMINAL_E_FAILED;
        if (errno == EAGAIN)
            poll(&(struct pollfd){.fd = STDIN_FILENO, .events = POLLIN}, 1, -1);
    }
}

ptrdiff_t terminal_write(const void *bytes, size_t size)
{
    for (;;) {
        ssize_t written = write(STDOUT_FILENO, bytes, size);

        if (written > 0)
            return written;
        if (written == 0)
            errno = EIO;
        if (errno != EINTR && errno != EAGAIN)
            return TERMINAL_E_FAILED;
        /* A stdout that somebody else made non-blocking. */
        if (errno == EAGAIN)
            poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1,
                 -1);
    }
}

int terminal_close_stdout(void)
{
    /* A placeholder of terminal_start takes no data and so loses none. */
    return close(STDOUT_FILENO) == 0 ? 0 : TERMINAL_E_FAILED;
}

/* ---- ending by the user's wish ---- */

static void note_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

void terminal_catch_interrupts(void)
{
    struct sigaction note = {.sa_handler = note_interrupt};
    struct sigaction before;
    sigset_t inside;

    if (catching)
        return;
    sigemptyset(&note.sa_mask);
    sigemptyset(&inside);
    for (int i = 0; i < INTERRUPTS; i++) {
        if (sigaction(interrupts[i], NULL, &before) == 0 &&
            before.sa_handler != SIG_IGN)
            sigaddset(&inside, interrupts[i]);
    }
    sigprocmask(SIG_BLOCK, &inside, &outside);
    for (int i = 0; i < INTERRUPTS; i++) {
        if (sigismember(&inside, interrupts[i])) {
            sigaction(interrupts[i], &note, NULL);
            sigdelset(&outside, interrupts[i]);
        }
    }
    catching = true;
}

int terminal_hold(int fd, int milliseconds)
{
    struct timespec most = {.tv_sec = milliseconds / 1000,
                            .tv_nsec = milliseconds % 1000 * 1000000L};

    return wait_readable(fd, milliseconds < 0 ? NULL : &most);
}

bool terminal_wait(int fd, int milliseconds)
{
    return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1,
                milliseconds) == 1;
}
