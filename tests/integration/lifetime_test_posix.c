/*
 * Lifetime is exact where only POSIX has it: views without a handle, forks,
 * handles on their way; and a thousand clients that die at random.
 */
#include "client/segbroker.h"
#include "tests/support/held.h"
#include "tests/support/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static unsigned char *map(int fd, int protection, int flags)
{
    void *memory = mmap(NULL, HELD_SIZE, protection, flags, fd, 0);
    REQUIRE(memory != MAP_FAILED);
    return memory;
}

/* ---- one holder ---- */

struct view_case {
    const char *access;
    int protection;
    int flags;
};

static const struct view_case views[] = {
    {"rw", PROT_READ | PROT_WRITE, MAP_SHARED},
    {"rw", PROT_READ, MAP_SHARED},
    {"rw", PROT_READ, MAP_PRIVATE},
    {"ro", PROT_READ, MAP_SHARED},
    {"ro", PROT_READ, MAP_PRIVATE},
    {"cow", PROT_READ | PROT_WRITE, MAP_PRIVATE},
};

START_TEST(view_keeps_memory_charged_behind_its_grant)
{
    SKIP_UNLESS(held_is_exact(), HELD_NOT_EXACT);
    const struct view_case *c = &views[_i];
    struct message_grant grant;
    int fd =
        raw_create(&held_admin, &grant, "'name':'a','size':%d,'access':'%s'",
                   HELD_SIZE, c->access);
    unsigned char *view = map(fd, c->protection, c->flags);
    close(fd);
    raw_release(&held_admin, grant.grant);
    held_expect(grant.segment);
    if (_i == 0)
        held_expect_stays(grant.segment);
    munmap(view, HELD_SIZE);
    held_expect_released(grant.segment);
}
END_TEST

/* Such a descriptor is no handle, and keeps the inode all the same. */
START_TEST(path_descriptor_keeps_no_memory)
{
    SKIP_UNLESS(held_is_exact(), HELD_NOT_EXACT);
    char path[64];
    struct stat facts;
    struct message_grant grant;
    int fd = raw_create(&held_admin, &grant, "'size':%d", HELD_SIZE);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int inode = open(path, O_PATH | O_CLOEXEC);
    REQUIRE(inode >= 0 && fstat(inode, &facts) == 0 && facts.st_blocks > 0);
    close(fd);
    raw_release(&held_admin, grant.grant);
    held_expect_released(grant.segment);
    REQUIRE(fstat(inode, &facts) == 0);
    REQUIRE_INT(facts.st_blocks, 0);
    close(inode);
}
END_TEST

/* ---- processes ---- */

/* What a child tells its parent when it has its view. */
struct report {
    uint64_t segment;
    test_pid grandchild;
};

struct child {
    int pipe; /* it writes a report there */
};

static void sleep_until_killed(void *data)
{
    (void)data;
    for (;;)
        pause();
}

/* Creates a segment, and a grandchild that holds nothing but the view. */
static void client_with_heir(void *data)
{
    const struct child *child = data;
    struct raw raw;
    struct message_grant grant;
    raw_open(&raw, held_broker.socket);
    int fd = raw_create(&raw, &grant, "'name':'a','size':%d", HELD_SIZE);
    map(fd, PROT_READ | PROT_WRITE, MAP_SHARED);
    close(fd);
    pid_t heir = fork();
    REQUIRE(heir >= 0);
    if (heir == 0) {
        close(raw.fd);
        close(child->pipe);
        sleep_until_killed(NULL);
    }
    struct report report = {grant.segment, heir};
    REQUIRE(write(child->pipe, &report, sizeof(report)) == sizeof(report));
    sleep_until_killed(NULL);
}

START_TEST(view_of_a_killed_clients_child_keeps_memory_charged)
{
    SKIP_UNLESS(held_is_exact(), HELD_NOT_EXACT);
    int ends[2];
    struct report report;
    /* The heir becomes ours when its parent dies, so that it is waited for. */
    REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    struct child child = {ends[1]};
    test_pid client = test_fork(client_with_heir, &child);
    close(ends[1]);
    REQUIRE(read(ends[0], &report, sizeof(report)) == sizeof(report));
    close(ends[0]);
    REQUIRE(held_is_state(report.segment, PROTOCOL_NAMED));
    test_kill(client);
    test_join(client);
    REQUIRE(TEST_UNTIL(HELD_RELEASE_MS,
                       held_is_state(report.segment, PROTOCOL_HELD)));
    raw_ask(&held_admin, "{'id':1,'op':'open','name':'a'}");
    REQUIRE_STR(raw_outcome(&held_admin), "not-found");
    held_expect_stays(report.segment);
    test_kill(report.grandchild);
    held_expect_released(report.segment);
    test_join(report.grandchild);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
}
END_TEST

/* Holds a view through a descriptor that came from elsewhere than the
 * held_broker. */
static void stranger(void *data)
{
    struct raw from = {.fd = *(int *)data};
    char byte;
    int fd = -1;
    raw_close(
        &held_admin); /* or the broker would see a client in this process */
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {&byte, 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    REQUIRE(recvmsg(from.fd, &message, MSG_CMSG_CLOEXEC) == 1);
    memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
    map(fd, PROT_READ, MAP_SHARED);
    close(fd);
    REQUIRE(write(from.fd, "x", 1) == 1);
    sleep_until_killed(NULL);
}

START_TEST(view_in_a_process_unknown_to_the_broker_counts)
{
    SKIP_UNLESS(held_is_exact(), HELD_NOT_EXACT);
    int ends[2];
    char byte;
    struct message_grant grant;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    test_pid other = test_fork(stranger, &ends[1]);
    int fd = raw_create(&held_admin, &grant, "'size':%d", HELD_SIZE);
    struct raw to = {.fd = ends[0]};
    REQUIRE(raw_send_with(&to, "x", 1, &fd, 1));
    REQUIRE(read(ends[0], &byte, 1) == 1);
    close(fd);
    close(ends[0]);
    close(ends[1]);
    raw_release(&held_admin, grant.grant);
    held_expect(grant.segment);
    test_kill(other);
    held_expect_released(grant.segment);
    test_join(other);
}
END_TEST

/* The descriptor is on its way and nobody has it yet. */
START_TEST(handle_in_flight_counts)
{
    SKIP_UNLESS(held_is_exact(), HELD_NOT_EXACT);
    int ends[2];
    struct message_grant grant;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    int fd = raw_create(&held_admin, &grant, "'size':%d", HELD_SIZE);
    struct raw to = {.fd = ends[0]};
    REQUIRE(raw_send_with(&to, "x", 1, &fd, 1));
    close(fd);
    raw_release(&held_admin, grant.grant);
    held_expect(grant.segment);
    close(ends[0]);
    close(ends[1]);
    held_expect_released(grant.segment);
}
END_TEST

/* ---- at random ---- */

static unsigned random_below(uint64_t *state, unsigned bound)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (unsigned)(*state % bound);
}

struct victim {
    uint64_t random;
};

enum { VICTIM_NAMES = 5, VICTIM_HELD = 12 };

/* Opens or creates; what fails by a race with another victim is fine. */
static segb_segment *victim_take(segb_client *client, uint64_t *random)
{
    static const int accesses[] = {SEGB_RO, SEGB_RW, SEGB_COW};
    segb_segment *segment = NULL;
    char name[32];
    snprintf(name, sizeof(name), "round/%u",
             random_below(random, VICTIM_NAMES));
    int access = accesses[random_below(random, 3)];
    if (random_below(random, 2)) {
        segb_open_options options = {.struct_size = sizeof(options),
                                     .access = access};
        segb_open(client, name, &options, &segment);
        return segment;
    }
    segb_create_options options = {.struct_size = sizeof(options),
                                   .access = access,
                                   .reserve = (int)random_below(random, 2)};
    segb_create(client, random_below(random, 4) ? name : NULL,
                1 + random_below(random, 400000), &options, &segment);
    return segment;
}

static void victim_map(segb_segment *segment, uint64_t *random)
{
    void *memory;
    if (segb_map(segment, 0, 0, segb_access(segment), &memory))
        return;
    if (segb_access(segment) != SEGB_RO)
        memset(memory, 1, segb_size(segment));
    if (random_below(random, 3) == 0)
        segb_unmap(memory);
}

static void victim_fork(uint64_t *random)
{
    pid_t pid = fork();
    if (pid == 0) {
        test_pause_us(random_below(random, 20000));
        _exit(0);
    }
}

/* Takes, maps, forks and drops at random until it is killed. */
static void victim_body(void *data)
{
    struct victim *victim = data;
    segb_segment *held[VICTIM_HELD] = {0};
    segb_client *client;
    segb_connect_options options = {.struct_size = sizeof(options),
                                    .socket = held_broker.socket};
    REQUIRE(setpgid(0, 0) == 0);
    REQUIRE_INT(segb_connect(&options, &client), 0);
    for (;;) {
        unsigned at = random_below(&victim->random, VICTIM_HELD);
        if (held[at])
            segb_close(held[at]);
        held[at] = victim_take(client, &victim->random);
        if (held[at] && random_below(&victim->random, 2))
            victim_map(held[at], &victim->random);
        if (random_below(&victim->random, 20) == 0)
            victim_fork(&victim->random);
    }
}

/* One of those that live is killed with all that it forked. */
static void kill_victim(test_pid *victim)
{
    kill((pid_t) - *victim, SIGKILL); /* its group, when it has one already */
    test_kill(*victim);
    REQUIRE_INT(test_join(*victim), TEST_SIGNALLED + SIGKILL);
    *victim = 0;
}

static bool everything_is_back(int descriptors)
{
    return raw_used_by_all(&held_admin, "bytes") == 0 &&
           raw_used_by_all(&held_admin, "segments") == 0 &&
           raw_used_by_all(&held_admin, "grants") == 0 &&
           raw_count_segments(&held_admin) == 0 &&
           test_broker_descriptors(&held_broker) == descriptors;
}

static void print_what_is_left(int descriptors)
{
    printf("left: %ju bytes, %ju segments, %ju grants, %u listed, "
           "%d descriptors of %d\n",
           (uintmax_t)raw_used_by_all(&held_admin, "bytes"),
           (uintmax_t)raw_used_by_all(&held_admin, "segments"),
           (uintmax_t)raw_used_by_all(&held_admin, "grants"),
           raw_count_segments(&held_admin),
           test_broker_descriptors(&held_broker), descriptors);
}

static uint64_t seed_of_this_run(void)
{
    const char *given = getenv("SEGBROKER_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10)
                          : (uint64_t)test_clock_us() * 2654435761u;
    printf("SEGBROKER_SEED=%ju\n", (uintmax_t)seed);
    fflush(stdout);
    return seed | 1;
}

START_TEST(everything_comes_back_after_random_rounds)
{
    enum { AT_ONCE = 4 };
    int rounds = suite_quick() ? 100 : 1000;
    test_pid victims[AT_ONCE] = {0};
    uint64_t random = seed_of_this_run();
    struct message_grant grant;

    /* Whatever the broker opens once and keeps, it has after this. */
    close(
        raw_create(&held_admin, &grant, "'name':'warm','size':%d", HELD_SIZE));
    close(raw_open_segment(&held_admin, NULL, "'name':'warm'"));
    raw_close(&held_admin);
    raw_open(&held_admin, held_broker.socket);
    REQUIRE(TEST_UNTIL(5000, raw_count_segments(&held_admin) == 0));
    int descriptors = test_broker_settle(&held_broker, &held_admin);

    for (int round = 0; round < rounds; round++) {
        unsigned at = random_below(&random, AT_ONCE);
        if (victims[at])
            kill_victim(&victims[at]);
        struct victim victim = {random | 1};
        victims[at] = test_fork(victim_body, &victim);
        test_pause_us(random_below(&random, 6000));
    }
    for (int i = 0; i < AT_ONCE; i++) {
        if (victims[i])
            kill_victim(&victims[i]);
    }
    if (!TEST_UNTIL(5000, everything_is_back(descriptors))) {
        print_what_is_left(descriptors);
        FAIL("something is left behind");
    }
    REQUIRE(
        TEST_UNTIL(5000, raw_used(&held_admin, "total", "connections") == 1));
}
END_TEST

static Suite *lifetime_suite(void)
{
    Suite *suite = suite_create("lifetime");
    TCase *tests = suite_case(suite, "lifetime", 120);
    tcase_add_checked_fixture(tests, held_setup, held_teardown);
    tcase_add_loop_test(tests, view_keeps_memory_charged_behind_its_grant, 0,
                        sizeof(views) / sizeof(views[0]));
    tcase_add_test(tests, path_descriptor_keeps_no_memory);
    tcase_add_test(tests, view_of_a_killed_clients_child_keeps_memory_charged);
    tcase_add_test(tests, view_in_a_process_unknown_to_the_broker_counts);
    tcase_add_test(tests, handle_in_flight_counts);

    tests = suite_case(suite, "random", 250);
    tcase_add_checked_fixture(tests, held_setup, held_teardown);
    tcase_add_test(tests, everything_comes_back_after_random_rounds);
    return suite;
}

int main(void)
{
    return suite_main(lifetime_suite());
}
