/*
 * Counts user instructions and system calls of one request, of a broker that
 * runs already: `count SOCKET PID` prints a line `CASE WHERE INSTRUCTIONS
 * CALLS` for each case. Each is played in two lengths and the difference is
 * divided, so that beginnings and ends drop out.
 *
 * Where the system lets nobody trace the broker it ends with status 3, behind a
 * line that says so.
 *
 * `count SOCKET PID CASE WHERE` prints what the profile of that case is made
 * of: a line of how many times it is played, the process's maps, an empty line,
 * and each instruction as stepper_write_steps has it.
 */
#include "stepper.h"

#include "client/segbroker.h"
#include "tests/support/memory.h"
#include "tests/support/raw.h"
#include "tests/support/suite.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WARM = 20, LENGTH = 2, LENGTHS = 2 * LENGTH, SIZE = 1 << 20 };
enum { ARRIVAL_MS = 60000, FAILED = 1, REFUSED = 3 };

#define NAME "global/bench/frames"

/* ---- clients ---- */

struct session {
    struct raw raw;
    segb_client *client;
    uint64_t grants[LENGTHS];
    segb_segment *segments[LENGTHS];
};

static void check(int r)
{
    if (r < 0)
        FAIL("%s: %s", segb_strerror(r), segb_last_detail());
}

static void raw_get(struct session *s, unsigned i)
{
    struct message_grant grant;

    test_close(raw_open_segment(&s->raw, &grant, "'name':'" NAME "'"));
    s->grants[i] = grant.grant;
}

static void raw_make(struct session *s, unsigned i)
{
    struct message_grant grant;

    test_close(raw_create(&s->raw, &grant, "'size':4096"));
    s->grants[i] = grant.grant;
}

static void raw_drop(struct session *s, unsigned i)
{
    raw_release(&s->raw, s->grants[i]);
}

/* True when the other side has received all that was sent. */
static bool has_arrived(int socket)
{
    int waiting;

    REQUIRE_INT(ioctl(socket, SIOCOUTQ, &waiting), 0);
    return waiting == 0;
}

/* As segb_close says it: nobody answers. The next one waits until it has
 * arrived, so that the broker gets each in a message of its own. */
static void raw_drop_quietly(struct session *s, unsigned i)
{
    raw_say(&s->raw, "{'id':0,'op':'release','grant':%" PRIu64 ",'quiet':true}",
            s->grants[i]);
    if (!TEST_UNTIL(ARRIVAL_MS, has_arrived(s->raw.fd)))
        FAIL("the broker does not read a release");
}

/* Gives the grant back and takes another one in one message, as it comes from
 * a client that gives back lazily and attaches again and again. */
static void raw_exchange(struct session *s, unsigned i)
{
    struct message_grant grant;

    (void)i;
    raw_say(&s->raw,
            "{'id':0,'op':'release','grant':%" PRIu64 ",'quiet':true}\n"
            "{'id':2,'op':'open','name':'" NAME "'}",
            s->grants[0]);
    raw_reply(&s->raw);
    test_close(raw_grant(&s->raw, &grant));
    s->grants[0] = grant.grant;
}

static void raw_get_first(struct session *s, unsigned i)
{
    if (i == 0)
        raw_get(s, 0);
}

static void raw_drop_first(struct session *s, unsigned i)
{
    if (i == 0)
        raw_drop(s, 0);
}

static void raw_ping(struct session *s, unsigned i)
{
    (void)i;
    raw_ask(&s->raw, "{'id':1,'op':'ping'}");
}

static void library_get(struct session *s, unsigned i)
{
    check(segb_open(s->client, NAME, NULL, &s->segments[i]));
}

static void library_make(struct session *s, unsigned i)
{
    check(segb_create(s->client, NULL, 4096, NULL, &s->segments[i]));
}

static void library_drop(struct session *s, unsigned i)
{
    segb_close(s->segments[i]);
}

static void library_attach(struct session *s, unsigned i)
{
    void *memory;

    library_get(s, i);
    check(segb_map(s->segments[i], 0, 0, SEGB_RO, &memory));
    check(segb_unmap(memory));
    library_drop(s, i);
}

static void library_ping(struct session *s, unsigned i)
{
    (void)i;
    check(segb_ping(s->client));
}

/* ---- cases ---- */

enum where { BROKER, LIBRARY };

static const char *const WHERE[] = {"broker", "library"};

typedef void act(struct session *s, unsigned i);

/* `once` is counted; before it and behind it is not. */
static const struct play {
    const char *name;
    enum where where;
    act *before;
    act *once;
    act *behind;
} PLAYS[] = {
    {"attach", BROKER, NULL, raw_get, raw_drop},
    {"release", BROKER, raw_get, raw_drop_quietly, NULL},
    {"release+attach", BROKER, raw_get_first, raw_exchange, raw_drop_first},
    {"create", BROKER, NULL, raw_make, raw_drop},
    {"ping", BROKER, NULL, raw_ping, NULL},
    {"attach", LIBRARY, NULL, library_attach, NULL},
    {"open", LIBRARY, NULL, library_get, library_drop},
    {"close", LIBRARY, library_get, library_drop, NULL},
    {"create", LIBRARY, NULL, library_make, library_drop},
    {"ping", LIBRARY, NULL, library_ping, NULL},
};

enum { PLAY_COUNT = sizeof(PLAYS) / sizeof(PLAYS[0]) };

/* ---- who asks ---- */

struct driver {
    const struct play *play;
    const char *socket;
    int ends[2]; /* of a socket pair: the counter's, and his */
};

static void tell(int fd, unsigned number)
{
    REQUIRE_INT(write(fd, &number, sizeof(number)), sizeof(number));
}

/* False when the other side has ended. */
static bool hear(int fd, unsigned *number)
{
    return read(fd, number, sizeof(*number)) == sizeof(*number);
}

static void act_all(act *each, struct session *s, unsigned count)
{
    for (unsigned i = 0; each && i < count; i++)
        each(s, i);
}

/* What is made once is made now, and memory is where it will be. */
static void warm_up(const struct play *play, struct session *s)
{
    for (int i = 0; i < WARM; i++) {
        act_all(play->before, s, LENGTHS);
        act_all(play->once, s, LENGTHS);
        act_all(play->behind, s, LENGTHS);
    }
}

/* Told a number it gets ready, and told again it plays. */
static void drive(void *data)
{
    const struct driver *driver = data;
    const segb_connect_options options = {.struct_size = sizeof(options),
                                          .socket = driver->socket};
    struct session s = {.client = NULL};
    unsigned count, go;

    close(driver->ends[0]);
    raw_open(&s.raw, driver->socket);
    check(segb_connect(&options, &s.client));
    warm_up(driver->play, &s);
    while (hear(driver->ends[1], &count)) {
        act_all(driver->play->before, &s, count);
        tell(driver->ends[1], count);
        if (!hear(driver->ends[1], &go))
            break;
        act_all(driver->play->once, &s, count);
        raise(SIGSTOP);
        act_all(driver->play->behind, &s, count);
    }
    segb_disconnect(s.client);
    raw_close(&s.raw);
}

struct counted {
    const struct play *play;
    struct driver driver;
    test_pid asks;   /* the driver's process */
    test_pid target; /* the one whose instructions count */
};

/* Says why nothing is counted, to who started this. */
static _Noreturn void give_up(int status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void give_up(int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(status);
}

static void start(struct counted *counted, const struct play *play,
                  const char *socket, test_pid broker)
{
    *counted = (struct counted){.play = play,
                                .driver = {.play = play, .socket = socket}};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
                   counted->driver.ends) != 0)
        give_up(FAILED, "no socket pair: %s", strerror(errno));
    counted->asks = test_fork(drive, &counted->driver);
    close(counted->driver.ends[1]);
    counted->target = play->where == BROKER ? broker : counted->asks;
}

static void end(struct counted *counted)
{
    close(counted->driver.ends[0]);
    if (test_join(counted->asks) != 0)
        give_up(FAILED, "who asked for %s failed at the end",
                counted->play->name);
}

static void take(struct stepper *stepper, const struct counted *counted)
{
    switch (stepper_take(stepper, counted->target)) {
    case STEPPER_TAKEN:
        return;
    case STEPPER_BUSY:
        give_up(FAILED, "process %ld goes on and on, or has ended",
                counted->target);
    case STEPPER_REFUSED:
        give_up(REFUSED,
                "process %ld may not be traced here (ptrace: a container, or "
                "a rule of this system, forbids it)",
                counted->target);
    }
}

/* Plays it `length` times, with all steps in `steps` unless that is NULL; the
 * caller frees what was counted. */
static struct stepper *run(struct counted *counted, unsigned length,
                           FILE *steps)
{
    struct stepper *stepper = stepper_new();
    int end = counted->driver.ends[0];
    unsigned ready;

    if (!stepper)
        give_up(FAILED, "out of memory");
    stepper_write_steps(stepper, steps);
    tell(end, length);
    if (!hear(end, &ready))
        give_up(FAILED, "who asks for %s has ended", counted->play->name);
    take(stepper, counted);
    tell(end, length);
    if (!stepper_follow(stepper, counted->asks))
        give_up(FAILED, "a process ended while %s was counted",
                counted->play->name);
    stepper_leave(stepper);
    test_signal(counted->asks, SIGCONT);
    return stepper;
}

/* ---- what is printed ---- */

static void print_counts(struct counted *counted)
{
    struct stepper *lengths[2];
    double instructions, calls;

    lengths[0] = run(counted, LENGTH, NULL);
    lengths[1] = run(counted, LENGTHS, NULL);
    instructions = (double)(stepper_instructions(lengths[1]) -
                            stepper_instructions(lengths[0]));
    calls = (double)(stepper_calls(lengths[1]) - stepper_calls(lengths[0]));
    printf("%s %s %.1f %.2f\n", counted->play->name,
           WHERE[counted->play->where], instructions / LENGTH, calls / LENGTH);
    fflush(stdout);
    stepper_free(lengths[0]);
    stepper_free(lengths[1]);
}

static void print_maps(test_pid pid)
{
    char path[64], text[4096];
    size_t size;
    FILE *maps;

    snprintf(path, sizeof(path), "/proc/%ld/maps", pid);
    maps = fopen(path, "re");
    if (!maps)
        give_up(FAILED, "%s: %s", path, strerror(errno));
    while ((size = fread(text, 1, sizeof(text), maps)) > 0)
        fwrite(text, 1, size, stdout);
    fclose(maps);
    printf("\n");
}

static void print_profile(struct counted *counted)
{
    printf("%d\n", LENGTHS);
    print_maps(counted->target);
    stepper_free(run(counted, LENGTHS, stdout));
}

/* ---- all of it ---- */

static void play(const struct play *play, const char *socket, test_pid broker,
                 void (*print)(struct counted *counted))
{
    struct counted counted;

    start(&counted, play, socket, broker);
    print(&counted);
    end(&counted);
}

static bool is_asked_for(const struct play *play, char **named)
{
    return !*named || (strcmp(named[0], play->name) == 0 &&
                       strcmp(named[1], WHERE[play->where]) == 0);
}

int main(int argc, char **argv)
{
    struct raw owner;
    struct message_grant grant;
    test_pid broker;

    if (argc != 3 && argc != 5)
        give_up(FAILED, "usage: count SOCKET PID [CASE WHERE]");
    broker = strtol(argv[2], NULL, 10);
    raw_open(&owner, argv[1]);
    test_close(raw_create(&owner, &grant, "'name':'" NAME "','size':%d", SIZE));
    for (int i = 0; i < PLAY_COUNT; i++) {
        if (is_asked_for(&PLAYS[i], argv + 3))
            play(&PLAYS[i], argv[1], broker,
                 argc == 3 ? print_counts : print_profile);
    }
    raw_close(&owner);
    return 0;
}
