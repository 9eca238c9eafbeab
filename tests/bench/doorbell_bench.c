/*
 * Two processes wake each other in turn: there and back is one operation.
 *
 *   library  the doorbells of two segments
 *   eventfd  two of them, blocking
 *   futex    two words in shared memory
 */
#include "station.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SIZE = 4096, WAIT_MS = 10000 };

/* There, and back. */
enum { THERE, BACK, WAYS };

struct doorbell {
    struct station_options options;
    pid_t other;
    segb_client *client;
    char names[WAYS][STATION_NAME_MAX];
    segb_segment *bells[WAYS];
    int events[WAYS];
    atomic_uint *words;
};

/* ---- the library ---- */

static int ring(segb_segment *bell)
{
    return station_check("signal", segb_signal(bell));
}

static int await_ring(segb_segment *bell)
{
    return station_check("wait", segb_wait(bell, WAIT_MS));
}

static int once_library(void *data)
{
    struct doorbell *d = data;

    return ring(d->bells[THERE]) < 0 ? -1 : await_ring(d->bells[BACK]);
}

static int open_bell(struct doorbell *d, int way)
{
    segb_open_options options = {.struct_size = sizeof(options),
                                 .wait_ms = WAIT_MS};

    return station_check(
        "open", segb_open(d->client, d->names[way], &options, &d->bells[way]));
}

/* A client of its own: a parent's is not for its child. */
static void other_library(void *data)
{
    struct doorbell *d = data;

    d->client = station_connect(&d->options);
    if (!d->client || open_bell(d, THERE) < 0 || open_bell(d, BACK) < 0)
        return;
    /* The parent ends it, and rounds may be far apart. */
    while (station_check("wait", segb_wait(d->bells[THERE], -1)) == 0 &&
           ring(d->bells[BACK]) == 0)
        ;
}

static int create_bell(struct doorbell *d, int way)
{
    segb_create_options options = {.struct_size = sizeof(options),
                                   .doorbell = 1};

    return station_check("create", segb_create(d->client, d->names[way], SIZE,
                                               &options, &d->bells[way]));
}

static int start_library(struct doorbell *d)
{
    station_name(d->names[THERE], THERE);
    station_name(d->names[BACK], BACK);
    d->other = station_fork(d->options.server_cpu, other_library, d);
    d->client = station_connect(&d->options);
    if (!d->client || create_bell(d, THERE) < 0 || create_bell(d, BACK) < 0)
        return -1;
    return once_library(d);
}

/* ---- eventfd ---- */

static int once_eventfd(void *data)
{
    struct doorbell *d = data;
    eventfd_t count;

    if (eventfd_write(d->events[THERE], 1) < 0 ||
        eventfd_read(d->events[BACK], &count) < 0)
        return station_complain_system("eventfd");
    return 0;
}

static void other_eventfd(void *data)
{
    struct doorbell *d = data;
    eventfd_t count;

    while (eventfd_read(d->events[THERE], &count) == 0 &&
           eventfd_write(d->events[BACK], 1) == 0)
        ;
}

static int start_eventfd(struct doorbell *d)
{
    for (int way = 0; way < WAYS; way++) {
        d->events[way] = eventfd(0, EFD_CLOEXEC);
        if (d->events[way] < 0)
            return station_complain_system("eventfd");
    }
    d->other = station_fork(d->options.server_cpu, other_eventfd, d);
    return 0;
}

/* ---- futex ---- */

static int futex_ring(atomic_uint *word)
{
    atomic_store(word, 1);
    if (syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) < 0)
        return station_complain_system("futex");
    return 0;
}

static int futex_await(atomic_uint *word)
{
    while (atomic_exchange(word, 0) == 0) {
        if (syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0) < 0 &&
            errno != EAGAIN && errno != EINTR)
            return station_complain_system("futex");
    }
    return 0;
}

static int once_futex(void *data)
{
    struct doorbell *d = data;

    if (futex_ring(&d->words[THERE]) < 0)
        return -1;
    return futex_await(&d->words[BACK]);
}

static void other_futex(void *data)
{
    struct doorbell *d = data;

    while (futex_await(&d->words[THERE]) == 0 &&
           futex_ring(&d->words[BACK]) == 0)
        ;
}

static int start_futex(struct doorbell *d)
{
    void *page = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return station_complain_system("mmap");
    d->words = page;
    d->other = station_fork(d->options.server_cpu, other_futex, d);
    return 0;
}

/* ---- main ---- */

static void end(void *data)
{
    struct doorbell *d = data;

    if (d->other > 0) {
        kill(d->other, SIGTERM);
        station_join(d->other);
    }
    for (int way = 0; way < WAYS; way++)
        segb_close(d->bells[way]);
    segb_disconnect(d->client);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *kind;
        int (*start)(struct doorbell *d);
        int (*once)(void *data);
    } kinds[] = {{"library", start_library, once_library},
                 {"eventfd", start_eventfd, once_eventfd},
                 {"futex", start_futex, once_futex}};
    struct doorbell d = {.options = station_options(argc, argv)};
    struct station station = {.end = end, .data = &d};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].kind, d.options.kind) != 0)
            continue;
        station.once = kinds[i].once;
        if (kinds[i].start(&d) < 0) {
            end(&d);
            return 1;
        }
        return station_run(&station);
    }
    station_give_up("unknown kind `%s`", d.options.kind);
}
