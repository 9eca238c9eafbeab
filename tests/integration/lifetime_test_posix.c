/*
 * Lifetime is exact: a name lives by its grants, a charge by the last handle
 * or view anywhere.
 */
#include "client/segbroker.h"
#include "tests/support/broker.h"
#include "tests/support/raw.h"
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

enum { SIZE = 1 << 20, RELEASE_MS = 2000 };

static const char config[] = "[default]\n"
                             "bytes = 256MiB\n"
                             "connections = unlimited\n";

static struct test_broker broker;
static struct raw admin;

static void setup(void)
{
    struct test_broker_options options = {.config = config};
    test_broker_start(&broker, &options);
    raw_open(&admin, broker.socket);
}

static void teardown(void)
{
    raw_close(&admin);
    test_broker_stop(&broker);
}

static bool is_exact(void)
{
    return raw_has_feature(broker.socket, "exact-lifetime");
}

static const char no_lifetime[] = "the broker does not list exact-lifetime";

static unsigned char *map(int fd, int protection, int flags)
{
    void *memory = mmap(NULL, SIZE, protection, flags, fd, 0);
    REQUIRE(memory != MAP_FAILED);
    return memory;
}

/* Fails unless the segment is listed as held, and charged in full. */
static void expect_held(uint64_t segment)
{
    struct message_segment row;
    raw_ask(&admin, "{'id':1,'op':'stat','segment':%ju}", (uintmax_t)segment);
    struct message_segment record = raw_record(&admin);
    REQUIRE_INT(record.state, PROTOCOL_HELD);
    REQUIRE_INT(record.grants, 0);
    const struct message_reply *list =
        raw_ask(&admin, "{'id':1,'op':'list','after':%ju,'limit':1}",
                (uintmax_t)segment - 1);
    REQUIRE_INT(message_reply_segment(list, 0, &row), 0);
    REQUIRE_INT(row.segment, segment);
    REQUIRE_INT(row.state, PROTOCOL_HELD);
    REQUIRE_INT(raw_used_by_all(&admin, "bytes") >= SIZE, 1);
    raw_ask(&admin, "{'id':1,'op':'open','segment':%ju}", (uintmax_t)segment);
    REQUIRE(!admin.reply.ok);
}

static bool is_state(uint64_t segment, enum protocol_state state)
{
    raw_ask(&admin, "{'id':1,'op':'stat','segment':%ju}", (uintmax_t)segment);
    return admin.reply.ok && raw_record(&admin).state == state;
}

static bool is_gone(uint64_t segment)
{
    raw_ask(&admin, "{'id':1,'op':'stat','segment':%ju}", (uintmax_t)segment);
    return strcmp(raw_outcome(&admin), "not-found") == 0;
}

/* Stays held for longer than the broker takes to notice an end. */
static void expect_stays_held(uint64_t segment)
{
    REQUIRE(TEST_UNTIL(RELEASE_MS, is_state(segment, PROTOCOL_HELD)));
    REQUIRE(!TEST_UNTIL(RELEASE_MS + 500, is_gone(segment)));
    expect_held(segment);
}

static void expect_released(uint64_t segment)
{
    REQUIRE(TEST_UNTIL(RELEASE_MS, is_gone(segment)));
    REQUIRE_INT(raw_used_by_all(&admin, "bytes"), 0);
    REQUIRE_INT(raw_used_by_all(&admin, "segments"), 0);
    REQUIRE_INT(raw_used_by_all(&admin, "grants"), 0);
    REQUIRE_INT(raw_count_segments(&admin), 0);
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
    SKIP_UNLESS(is_exact(), no_lifetime);
    const struct view_case *c = &views[_i];
    struct message_grant grant;
    int fd = raw_create(&admin, &grant, "'name':'a','size':%d,'access':'%s'",
                        SIZE, c->access);
    unsigned char *view = map(fd, c->protection, c->flags);
    close(fd);
    raw_release(&admin, grant.grant);
    expect_held(grant.segment);
    if (_i == 0)
        expect_stays_held(grant.segment);
    munmap(view, SIZE);
    expect_released(grant.segment);
}
END_TEST

START_TEST(handle_keeps_memory_charged_behind_its_grant)
{
    SKIP_UNLESS(is_exact(), no_lifetime);
    static const char *const accesses[] = {"rw", "ro", "cow"};
    struct message_grant grant;
    int fd = raw_create(&admin, &grant, "'size':%d,'access':'%s'", SIZE,
                        accesses[_i]);
    int copy = dup(fd);
    close(fd);
    raw_release(&admin, grant.grant);
    expect_held(grant.segment);
    close(copy);
    expect_released(grant.segment);
}
END_TEST

START_TEST(nothing_held_is_released_at_once)
{
    struct message_grant grant;
    close(raw_create(&admin, &grant, "'name':'a','size':%d", SIZE));
    raw_release(&admin, grant.grant);
    /* No waiting: the broker asks before it answers. */
    REQUIRE_INT(raw_used_by_all(&admin, "bytes"), 0);
    REQUIRE_INT(raw_count_segments(&admin), 0);
}
END_TEST

START_TEST(name_goes_while_the_view_remains)
{
    SKIP_UNLESS(is_exact(), no_lifetime);
    struct message_grant first;
    struct message_grant second;
    int fd = raw_create(&admin, &first, "'name':'a','size':%d", SIZE);
    unsigned char *view = map(fd, PROT_READ | PROT_WRITE, MAP_SHARED);
    close(fd);
    view[0] = 1;
    raw_release(&admin, first.grant);
    raw_ask(&admin, "{'id':1,'op':'open','name':'a'}");
    REQUIRE_STR(raw_outcome(&admin), "not-found");
    fd = raw_create(&admin, &second, "'name':'a','size':%d", SIZE);
    REQUIRE(second.created && second.segment != first.segment);
    REQUIRE_INT(raw_used(&admin, NULL, "bytes"), 2 * SIZE);
    unsigned char *fresh = map(fd, PROT_READ, MAP_SHARED);
    REQUIRE_INT(fresh[0], 0);
    munmap(fresh, SIZE);
    close(fd);
    raw_release(&admin, second.grant);
    expect_held(first.segment);
    munmap(view, SIZE);
    expect_released(first.segment);
}
END_TEST

START_TEST(removed_segment_becomes_held_and_goes)
{
    SKIP_UNLESS(is_exact(), no_lifetime);
    struct message_grant grant;
    int fd = raw_create(&admin, &grant, "'name':'a','size':%d", SIZE);
    raw_ask(&admin, "{'id':1,'op':'remove','name':'a'}");
    REQUIRE(is_state(grant.segment, PROTOCOL_REMOVED));
    raw_release(&admin, grant.grant);
    expect_held(grant.segment);
    close(fd);
    expect_released(grant.segment);
}
END_TEST

START_TEST(removed_persistent_segment_is_held_by_a_view)
{
    SKIP_UNLESS(is_exact(), no_lifetime);
    struct message_grant grant;
    int fd =
        raw_create(&admin, &grant, "'name':'a','size':%d,'persist':true", SIZE);
    unsigned char *view = map(fd, PROT_READ, MAP_SHARED);
    close(fd);
    raw_release(&admin, grant.grant);
    REQUIRE(is_state(grant.segment, PROTOCOL_NAMED));
    raw_ask(&admin, "{'id':1,'op':'remove','name':'a'}");
    REQUIRE_STR(raw_outcome(&admin), "ok");
    expect_held(grant.segment);
    munmap(view, SIZE);
    expect_released(grant.segment);
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
    raw_open(&raw, broker.socket);
    int fd = raw_create(&raw, &grant, "'name':'a','size':%d", SIZE);
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
    SKIP_UNLESS(is_exact(), no_lifetime);
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
    REQUIRE(is_state(report.segment, PROTOCOL_NAMED));
    test_kill(client);
    test_join(client);
    REQUIRE(TEST_UNTIL(RELEASE_MS, is_state(report.segment, PROTOCOL_HELD)));
    raw_ask(&admin, "{'id':1,'op':'open','name':'a'}");
    REQUIRE_STR(raw_outcome(&admin), "not-found");
    expect_stays_held(report.segment);
    test_kill(report.grandchild);
    expect_released(report.segment);
    test_join(report.grandchild);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
}
END_TEST

/* Holds a view through a descriptor that came from elsewhere than the
 * broker. */
static void stranger(void *data)
{
    struct raw from = {.fd = *(int *)data};
    char byte;
    int fd = -1;
    raw_close(&admin); /* or the broker would see a client in this process */
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
    SKIP_UNLESS(is_exact(), no_lifetime);
    int ends[2];
    char byte;
    struct message_grant grant;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    test_pid other = test_fork(stranger, &ends[1]);
    int fd = raw_create(&admin, &grant, "'size':%d", SIZE);
    struct raw to = {.fd = ends[0]};
    REQUIRE(raw_send_with(&to, "x", 1, &fd, 1));
    REQUIRE(read(ends[0], &byte, 1) == 1);
    close(fd);
    close(ends[0]);
    close(ends[1]);
    raw_release(&admin, grant.grant);
    expect_held(grant.segment);
    test_kill(other);
    expect_released(grant.segment);
    test_join(other);
}
END_TEST

/* The descriptor is on its way and nobody has it yet. */
START_TEST(handle_in_flight_counts)
{
    SKIP_UNLESS(is_exact(), no_lifetime);
    int ends[2];
    struct message_grant grant;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    int fd = raw_create(&admin, &grant, "'size':%d", SIZE);
    struct raw to = {.fd = ends[0]};
    REQUIRE(raw_send_with(&to, "x", 1, &fd, 1));
    close(fd);
    raw_release(&admin, grant.grant);
    expect_held(grant.segment);
    close(ends[0]);
    close(ends[1]);
    expect_released(grant.segment);
}
END_TEST

START_TEST(unread_handle_of_a_dead_client_is_released)
{
    struct raw raw;
    uint64_t before = raw_used_by_all(&admin, "segments");
    raw_open(&raw, broker.socket);
    raw_say(&raw, "{'id':1,'op':'create','name':'a','size':%d}", SIZE);
    REQUIRE(TEST_UNTIL(5000, raw_pending(&raw)));
    raw_close(&raw);
    REQUIRE(
        TEST_UNTIL(RELEASE_MS, raw_used_by_all(&admin, "segments") == before &&
                                   raw_used_by_all(&admin, "bytes") == 0));
}
END_TEST

START_TEST(owner_is_charged_while_another_user_holds)
{
    SKIP_UNLESS(test_is_root(), "needs root to act as other users");
    SKIP_UNLESS(is_exact(), no_lifetime);
    struct raw alice;
    struct raw bob;
    struct message_grant made;
    struct message_grant opened;
    raw_open_as(&alice, broker.socket, TEST_ALICE, 0);
    raw_open_as(&bob, broker.socket, TEST_BOB, 0);
    close(raw_create(&alice, &made, "'size':%d,'share':{'read':['user:%d']}",
                     SIZE, TEST_BOB));
    int fd = raw_open_segment(&bob, &opened, "'segment':%ju",
                              (uintmax_t)made.segment);
    unsigned char *view = map(fd, PROT_READ, MAP_SHARED);
    close(fd);
    raw_release(&alice, made.grant);
    REQUIRE(is_state(made.segment, PROTOCOL_UNNAMED));
    REQUIRE_INT(raw_used(&alice, NULL, "grants"), 0);
    REQUIRE_INT(raw_used(&bob, NULL, "grants"), 1);
    raw_release(&bob, opened.grant);
    expect_held(made.segment);
    REQUIRE_INT(raw_used(&alice, NULL, "bytes"), SIZE);
    REQUIRE_INT(raw_used(&bob, NULL, "bytes"), 0);
    munmap(view, SIZE);
    expect_released(made.segment);
    REQUIRE_INT(raw_used(&alice, NULL, "bytes"), 0);
    raw_close(&alice);
    raw_close(&bob);
}
END_TEST

/* Asking whether one segment is still held must not wait behind many. */
START_TEST(many_held_segments_are_released_in_time)
{
    SKIP_UNLESS(is_exact(), no_lifetime);
    enum { COUNT = 500 };
    unsigned char *memory[COUNT];
    for (int i = 0; i < COUNT; i++) {
        struct message_grant grant;
        int fd = raw_create(&admin, &grant, "'size':4096");
        memory[i] = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
        REQUIRE(memory[i] != MAP_FAILED);
        close(fd);
        raw_release(&admin, grant.grant);
    }
    REQUIRE_INT(raw_used_by_all(&admin, "grants"), 0);
    REQUIRE_INT(raw_count_segments(&admin), COUNT);
    for (int i = 0; i < COUNT; i++)
        munmap(memory[i], 4096);
    REQUIRE(TEST_UNTIL(RELEASE_MS, raw_count_segments(&admin) == 0));
    REQUIRE_INT(raw_used_by_all(&admin, "bytes"), 0);
}
END_TEST

START_TEST(held_segments_do_not_disturb_the_broker_s_end)
{
    struct message_grant grant;
    int fd = raw_create(&admin, &grant, "'size':%d", SIZE);
    unsigned char *view = map(fd, PROT_READ | PROT_WRITE, MAP_SHARED);
    close(fd);
    raw_release(&admin, grant.grant);
    raw_close(&admin);
    test_broker_end(&broker); /* 0, though the view is still here */
    view[0] = 1;
    munmap(view, SIZE);
    test_broker_run(&broker);
    raw_open(&admin, broker.socket);
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
                                    .socket = broker.socket};
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
    return raw_used_by_all(&admin, "bytes") == 0 &&
           raw_used_by_all(&admin, "segments") == 0 &&
           raw_used_by_all(&admin, "grants") == 0 &&
           raw_count_segments(&admin) == 0 &&
           test_broker_descriptors(&broker) == descriptors;
}

static void print_what_is_left(int descriptors)
{
    printf("left: %ju bytes, %ju segments, %ju grants, %u listed, "
           "%d descriptors of %d\n",
           (uintmax_t)raw_used_by_all(&admin, "bytes"),
           (uintmax_t)raw_used_by_all(&admin, "segments"),
           (uintmax_t)raw_used_by_all(&admin, "grants"),
           raw_count_segments(&admin), test_broker_descriptors(&broker),
           descriptors);
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
    close(raw_create(&admin, &grant, "'name':'warm','size':%d", SIZE));
    close(raw_open_segment(&admin, NULL, "'name':'warm'"));
    raw_close(&admin);
    raw_open(&admin, broker.socket);
    REQUIRE(TEST_UNTIL(5000, raw_count_segments(&admin) == 0));
    int descriptors = test_broker_settle(&broker, &admin);

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
    REQUIRE(TEST_UNTIL(5000, raw_used(&admin, "total", "connections") == 1));
}
END_TEST

static Suite *lifetime_suite(void)
{
    Suite *suite = suite_create("lifetime");
    TCase *tests = suite_case(suite, "lifetime", 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, view_keeps_memory_charged_behind_its_grant, 0,
                        sizeof(views) / sizeof(views[0]));
    tcase_add_loop_test(tests, handle_keeps_memory_charged_behind_its_grant, 0,
                        3);
    tcase_add_test(tests, nothing_held_is_released_at_once);
    tcase_add_test(tests, name_goes_while_the_view_remains);
    tcase_add_test(tests, removed_segment_becomes_held_and_goes);
    tcase_add_test(tests, removed_persistent_segment_is_held_by_a_view);
    tcase_add_test(tests, view_of_a_killed_clients_child_keeps_memory_charged);
    tcase_add_test(tests, view_in_a_process_unknown_to_the_broker_counts);
    tcase_add_test(tests, handle_in_flight_counts);
    tcase_add_test(tests, unread_handle_of_a_dead_client_is_released);
    tcase_add_test(tests, owner_is_charged_while_another_user_holds);
    tcase_add_test(tests, many_held_segments_are_released_in_time);
    tcase_add_test(tests, held_segments_do_not_disturb_the_broker_s_end);

    tests = suite_case(suite, "random", 250);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, everything_comes_back_after_random_rounds);
    return suite;
}

int main(void)
{
    return suite_main(lifetime_suite());
}
