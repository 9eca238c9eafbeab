/*
 * The kill matrix: broker, keeper and clients die before and after each of
 * their system calls, while eight clients work. Whatever a client was told
 * must be true afterwards, whoever died.
 */
#include "tests/support/asker.h"
#include "tests/support/broker.h"
#include "tests/support/raw.h"
#include "tests/support/suite.h"
#include "tests/support/tracer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CLIENTS = 8,
    HELD_MAX = 24, /* segments that a client has at a time */
    SMALL = 4096,
    LARGE = 256 * 1024, /* committed by a worker thread */
    STEPS_MAX = 400
};

static const char config[] = "[broker]\n"
                             "grace = 2s\n"
                             "[default]\n"
                             "connections = unlimited\n"
                             "bytes = 1GiB\n";

static struct test_broker broker;
/* Else names that were given up wait until the end of the grace. */
static bool is_exact;
/* The kernel takes writing from who has a handle. */
static bool freezes;
/* Memory can be of a node. */
static bool places;

/* ---- a client that remembers what it was told ---- */

enum fate { HELD, RELEASED, REMOVED };

struct held {
    uint64_t id;
    uint64_t grant;
    char name[40]; /* "": it has none */
    unsigned seed;
    int fd;
    int bell;       /* -1: it has none */
    unsigned rings; /* signals that nobody took */
    bool persist;
    bool removed;
    bool unpublished; /* as it was told, unless: */
    bool publishing;  /* the answer did not come */
    bool freezable;
    bool frozen; /* as it was told */
    bool spent;
    char ticket[PROTOCOL_TICKET_MAX + 1]; /* "": it has none */
    size_t size;
};

struct worker {
    struct asker asker;
    unsigned number; /* of the client */
    unsigned names;  /* given so far; none is used twice */
    unsigned random;
    struct held held[HELD_MAX];
    int count;
    struct held revoked; /* the last one, if: */
    bool has_revoked;
    char gone[40]; /* the name that was removed last */
};

static unsigned draw(struct worker *worker, unsigned below)
{
    worker->random = worker->random * 1103515245 + 12345;
    return (worker->random >> 8) % below;
}

/* ---- content ---- */

static void fill(const struct held *held)
{
    for (size_t at = 0; at < held->size; at += SMALL) {
        unsigned value = held->seed + (unsigned)at;
        REQUIRE(pwrite(held->fd, &value, sizeof(value), (off_t)at) ==
                sizeof(value));
    }
}

static void expect_filled(const struct held *held, int fd)
{
    for (size_t at = 0; at < held->size; at += SMALL) {
        unsigned value = 0;
        REQUIRE(pread(fd, &value, sizeof(value), (off_t)at) == sizeof(value));
        REQUIRE_INT(value, held->seed + (unsigned)at);
    }
}

static bool is_same(int one, int other)
{
    struct stat a, b;
    return fstat(one, &a) == 0 && fstat(other, &b) == 0 &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* The doorbell is the same page, with all its signals in it. */
static void expect_rings(const struct held *held, int bell)
{
    unsigned count = 0;
    REQUIRE_INT(bell >= 0, held->bell >= 0);
    if (bell < 0)
        return;
    REQUIRE(is_same(bell, held->bell));
    REQUIRE(pread(bell, &count, sizeof(count), 0) == sizeof(count));
    REQUIRE_INT(count, held->rings);
}

static void ring(struct held *held)
{
    if (held->bell < 0)
        return;
    held->rings++;
    REQUIRE(pwrite(held->bell, &held->rings, sizeof(held->rings), 0) ==
            sizeof(held->rings));
}

/* Takes the doorbell that came with the reply. */
static void keep_bell(struct worker *worker, struct held *held, bool wanted)
{
    held->bell = worker->asker.bell;
    worker->asker.bell = -1;
    REQUIRE_INT(held->bell >= 0, wanted);
}

static void close_held(const struct held *held)
{
    close(held->fd);
    if (held->bell >= 0)
        close(held->bell);
}

/* What was frozen stays so, whoever died. */
static void expect_frozen(const struct held *held)
{
    if (held->frozen && freezes)
        REQUIRE(pwrite(held->fd, "x", 1, 0) < 0);
}

/* ---- after the connection was lost ---- */

/* The segment is there, is the same, and is ours again. */
static int reclaim(struct worker *worker, struct held *held)
{
    struct message_grant grant;
    if (asker_ask(&worker->asker, NULL, held->fd,
                  "\"op\":\"reclaim\",\"segment\":%ju,\"access\":\"rw\","
                  "\"handles\":{\"memory\":0}",
                  (uintmax_t)held->id) != ANSWERED)
        return LOST;
    if (!worker->asker.reply.ok)
        FAIL("client %u: segment %ju is lost: %s", worker->number,
             (uintmax_t)held->id, worker->asker.line);
    REQUIRE_INT(message_reply_grant(&worker->asker.reply, &grant), 0);
    REQUIRE_INT(grant.mapped_size, held->size);
    held->grant = grant.grant;
    expect_filled(held, held->fd);
    expect_frozen(held);
    return ANSWERED;
}

/* Its name leads to it, and to nothing else. */
static int expect_name(struct worker *worker, const struct held *held)
{
    struct message_grant grant;
    int fd;
    if (!held->name[0])
        return ANSWERED;
    if (asker_ask(&worker->asker, &fd, -1, "\"op\":\"open\",\"name\":\"%s\"",
                  held->name) != ANSWERED)
        return LOST;
    if (held->removed) {
        if (worker->asker.reply.ok)
            FAIL("client %u: %s is back: %s", worker->number, held->name,
                 worker->asker.line);
        return ANSWERED;
    }
    if (!worker->asker.reply.ok)
        FAIL("client %u: the name %s is lost: %s", worker->number, held->name,
             worker->asker.line);
    REQUIRE_INT(message_reply_grant(&worker->asker.reply, &grant), 0);
    REQUIRE_INT(grant.segment, held->id);
    REQUIRE(is_same(fd, held->fd));
    expect_filled(held, fd);
    expect_rings(held, worker->asker.bell);
    close(fd);
    return asker_ask(&worker->asker, NULL, -1,
                     "\"op\":\"release\",\"grant\":%ju",
                     (uintmax_t)grant.grant);
}

static int expect_gone(struct worker *worker)
{
    if (!worker->gone[0])
        return ANSWERED;
    if (asker_ask(&worker->asker, NULL, -1, "\"op\":\"stat\",\"name\":\"%s\"",
                  worker->gone) != ANSWERED)
        return LOST;
    if (worker->asker.reply.ok)
        FAIL("client %u: %s is back: %s", worker->number, worker->gone,
             worker->asker.line);
    return ANSWERED;
}

/* Its handle is no proof any more. */
static int expect_revoked(struct worker *worker)
{
    if (!worker->has_revoked)
        return ANSWERED;
    if (asker_ask(&worker->asker, NULL, worker->revoked.fd,
                  "\"op\":\"reclaim\",\"segment\":%ju,\"access\":\"rw\","
                  "\"handles\":{\"memory\":0}",
                  (uintmax_t)worker->revoked.id) != ANSWERED)
        return LOST;
    if (worker->asker.reply.ok)
        FAIL("client %u: a revoked segment is back: %s", worker->number,
             worker->asker.line);
    return ANSWERED;
}

/* A death publishes nothing, and takes nothing back. */
static int expect_published(struct worker *worker, const struct held *held)
{
    struct message_segment record;
    if (asker_ask(&worker->asker, NULL, -1, "\"op\":\"stat\",\"segment\":%ju",
                  (uintmax_t)held->id) != ANSWERED)
        return LOST;
    REQUIRE(worker->asker.reply.ok);
    REQUIRE_INT(message_reply_stat(&worker->asker.reply, &record), 0);
    if (!held->publishing)
        REQUIRE_INT(record.unpublished, held->unpublished);
    return ANSWERED;
}

static int recover(struct worker *worker)
{
    asker_connect(&worker->asker, broker.socket);
    if (asker_ask(&worker->asker, NULL, -1, "\"op\":\"hello\",\"version\":1") !=
        ANSWERED)
        return LOST;
    REQUIRE(worker->asker.reply.ok);
    for (int i = 0; i < worker->count; i++) {
        if (reclaim(worker, &worker->held[i]) != ANSWERED)
            return LOST;
    }
    for (int i = 0; i < worker->count; i++) {
        if (expect_name(worker, &worker->held[i]) != ANSWERED ||
            expect_published(worker, &worker->held[i]) != ANSWERED)
            return LOST;
    }
    if (expect_revoked(worker) != ANSWERED)
        return LOST;
    return expect_gone(worker);
}

/* ---- what it does all the time ---- */

static int create(struct worker *worker)
{
    struct held made = {.fd = -1, .size = SMALL};
    char name[80] = "";
    bool doorbell = draw(worker, 2) == 0;
    const char *node = places && draw(worker, 2) ? ",\"numa\":0" : "";
    struct message_grant grant;
    if (worker->count == HELD_MAX)
        return ANSWERED;
    if (draw(worker, 6) == 0)
        made.size = LARGE;
    if (draw(worker, 4) != 0)
        snprintf(made.name, sizeof(made.name), "%s%u.%u",
                 draw(worker, 2) ? "global/" : "", worker->number,
                 ++worker->names);
    if (made.name[0])
        snprintf(name, sizeof(name), ",\"name\":\"%s\"", made.name);
    made.seed = draw(worker, 1 << 20) * 16;
    made.persist = made.name[0] && draw(worker, 4) == 0;
    made.freezable = draw(worker, 2) == 0;
    made.unpublished = draw(worker, 3) == 0;
    if (asker_ask(&worker->asker, &made.fd, -1,
                  "\"op\":\"create\",\"size\":%zu,\"if_exists\":\"fail\","
                  "\"persist\":%s,\"freezable\":%s,\"doorbell\":%s,"
                  "\"publish\":\"%s\"%s%s",
                  made.size, made.persist ? "true" : "false",
                  made.freezable ? "true" : "false",
                  doorbell ? "true" : "false",
                  made.unpublished ? "later" : "now", name, node) != ANSWERED)
        return LOST;
    if (!worker->asker.reply.ok)
        FAIL("client %u: %s", worker->number, worker->asker.line);
    REQUIRE_INT(message_reply_grant(&worker->asker.reply, &grant), 0);
    REQUIRE(made.fd >= 0);
    keep_bell(worker, &made, doorbell);
    ring(&made);
    for (int i = 0; i < worker->count; i++)
        REQUIRE(worker->held[i].id != grant.segment);
    made.id = grant.segment;
    made.grant = grant.grant;
    fill(&made);
    worker->held[worker->count++] = made;
    return ANSWERED;
}

static void forget(struct worker *worker, int index)
{
    close_held(&worker->held[index]);
    worker->held[index] = worker->held[--worker->count];
}

/* From the moment that it is asked for nobody knows, until it was answered. */
static int give_back(struct worker *worker, int index)
{
    struct held held = worker->held[index];
    if (held.persist && !held.removed)
        return ANSWERED; /* its name must go first */
    forget(worker, index);
    worker->gone[0] = '\0';
    if (asker_ask(&worker->asker, NULL, -1, "\"op\":\"release\",\"grant\":%ju",
                  (uintmax_t)held.grant) != ANSWERED)
        return LOST;
    REQUIRE(worker->asker.reply.ok);
    if (is_exact || held.removed)
        snprintf(worker->gone, sizeof(worker->gone), "%s", held.name);
    return ANSWERED;
}

static int take_name_away(struct worker *worker, int index)
{
    struct held *held = &worker->held[index];
    if (!held->name[0] || held->removed)
        return ANSWERED;
    if (asker_ask(&worker->asker, NULL, -1, "\"op\":\"remove\",\"segment\":%ju",
                  (uintmax_t)held->id) != ANSWERED) {
        /* The name may be there or not: it is nothing to rely on. */
        held->name[0] = '\0';
        held->removed = true;
        return LOST;
    }
    REQUIRE(worker->asker.reply.ok);
    held->removed = true;
    return ANSWERED;
}

static int publish(struct worker *worker, struct held *held)
{
    held->publishing = held->unpublished;
    if (asker_ask(&worker->asker, NULL, -1,
                  "\"op\":\"publish\",\"segment\":%ju",
                  (uintmax_t)held->id) != ANSWERED)
        return LOST;
    REQUIRE(worker->asker.reply.ok);
    held->unpublished = held->publishing = false;
    return expect_published(worker, held);
}

/* Nobody makes that name: it is waited for in vain, or the connection ends. */
static int wait_in_vain(struct worker *worker)
{
    if (asker_ask(&worker->asker, NULL, -1,
                  "\"op\":\"open\",\"name\":\"never\",\"wait_ms\":%u",
                  1 + draw(worker, 20)) != ANSWERED)
        return LOST;
    REQUIRE(!worker->asker.reply.ok);
    REQUIRE_INT(worker->asker.reply.error, PROTOCOL_TIMEOUT);
    return ANSWERED;
}

/* Events come between answers until the watch ends, or the connection does. */
static int watch(struct worker *worker)
{
    uint64_t number;
    if (asker_ask(&worker->asker, NULL, -1, "\"op\":\"watch\"") != ANSWERED)
        return LOST;
    REQUIRE(worker->asker.reply.ok);
    REQUIRE_INT(message_reply_watch(&worker->asker.reply, &number), 0);
    for (int i = 0; i < 3; i++)
        if (create(worker) != ANSWERED)
            return LOST;
    if (asker_ask(&worker->asker, NULL, -1, "\"op\":\"unwatch\",\"watch\":%ju",
                  (uintmax_t)number) != ANSWERED)
        return LOST;
    REQUIRE(worker->asker.reply.ok);
    return ANSWERED;
}

static int freeze(struct worker *worker, struct held *held)
{
    int fd;
    if (!held->freezable || held->removed)
        return ANSWERED;
    if (asker_ask(&worker->asker, NULL, -1,
                  "\"op\":\"freeze\",\"segment\":%ju,\"mode\":\"%s\"",
                  (uintmax_t)held->id, freezes ? "now" : "future") != ANSWERED)
        return LOST;
    if (!worker->asker.reply.ok)
        FAIL("client %u: %s", worker->number, worker->asker.line);
    held->frozen = true;
    expect_frozen(held);
    if (asker_ask(&worker->asker, &fd, -1,
                  "\"op\":\"open\",\"segment\":%ju,\"access\":\"rw\"",
                  (uintmax_t)held->id) != ANSWERED)
        return LOST;
    REQUIRE_INT(worker->asker.reply.error, PROTOCOL_ACCESS_DENIED);
    return ANSWERED;
}

/* Its bytes are gone and its name, and nobody gets it again. */
static int take_from_all(struct worker *worker, int index)
{
    struct held held = worker->held[index];
    bool emptied;
    unsigned value = 0;
    worker->held[index] = worker->held[--worker->count];
    if (asker_ask(&worker->asker, NULL, -1, "\"op\":\"revoke\",\"segment\":%ju",
                  (uintmax_t)held.id) != ANSWERED) {
        close_held(&held);
        return LOST;
    }
    REQUIRE(worker->asker.reply.ok);
    REQUIRE_INT(message_reply_revoked(&worker->asker.reply, &emptied), 0);
    REQUIRE(pread(held.fd, &value, sizeof(value), 0) == sizeof(value));
    REQUIRE(!emptied || value == 0);
    if (worker->has_revoked)
        close_held(&worker->revoked);
    worker->revoked = held;
    worker->has_revoked = true;
    return expect_revoked(worker);
}

static int offer(struct worker *worker, struct held *held)
{
    struct message_ticket made;
    if (asker_ask(&worker->asker, NULL, -1,
                  "\"op\":\"offer\",\"grant\":%ju,\"expires_ms\":86400000",
                  (uintmax_t)held->grant) != ANSWERED)
        return LOST;
    if (!worker->asker.reply.ok)
        return ANSWERED; /* those of lost answers count too */
    REQUIRE_INT(message_reply_ticket(&worker->asker.reply, &made), 0);
    snprintf(held->ticket, sizeof(held->ticket), "%s", made.ticket);
    held->spent = false;
    return ANSWERED;
}

/* A ticket that was told of is good for once, whoever dies. */
static int use_ticket(struct worker *worker, struct held *held)
{
    char ticket[sizeof(held->ticket)];
    struct message_grant grant;
    int fd;
    if (!held->ticket[0])
        return offer(worker, held);
    memcpy(ticket, held->ticket, sizeof(ticket));
    held->ticket[0] = '\0';
    if (asker_ask(&worker->asker, &fd, -1,
                  "\"op\":\"redeem\",\"ticket\":\"%s\"", ticket) != ANSWERED)
        return LOST;
    if (worker->asker.reply.ok == held->spent &&
        worker->asker.reply.error != PROTOCOL_RATE_LIMITED)
        FAIL("client %u: a ticket that is %s: %s", worker->number,
             held->spent ? "spent" : "good", worker->asker.line);
    if (!worker->asker.reply.ok)
        return ANSWERED;
    REQUIRE_INT(message_reply_grant(&worker->asker.reply, &grant), 0);
    REQUIRE(is_same(fd, held->fd));
    expect_rings(held, worker->asker.bell);
    close(fd);
    memcpy(held->ticket, ticket, sizeof(ticket));
    held->spent = true;
    return asker_ask(&worker->asker, NULL, -1,
                     "\"op\":\"release\",\"grant\":%ju",
                     (uintmax_t)grant.grant);
}

static int work_once(struct worker *worker)
{
    unsigned what = draw(worker, 19);
    int index =
        worker->count > 0 ? (int)draw(worker, (unsigned)worker->count) : 0;
    if (what < 4 || worker->count == 0)
        return create(worker);
    if (what < 7)
        return give_back(worker, index);
    if (what < 8)
        return take_name_away(worker, index);
    if (what < 9)
        return expect_name(worker, &worker->held[index]);
    if (what < 12)
        return use_ticket(worker, &worker->held[index]);
    if (what < 13)
        return freeze(worker, &worker->held[index]);
    if (what < 14)
        return take_from_all(worker, index);
    if (what < 15) {
        ring(&worker->held[index]);
        return expect_name(worker, &worker->held[index]);
    }
    if (what < 16)
        return publish(worker, &worker->held[index]);
    if (what < 17)
        return wait_in_vain(worker);
    if (what < 18)
        return watch(worker);
    return asker_ask(&worker->asker, NULL, -1, "\"op\":\"list\",\"limit\":10");
}

static void work(void *data)
{
    static struct worker worker;
    const unsigned *number = data;
    worker = (struct worker){
        .asker = {.connection = -1, .bell = -1, .number = *number},
        .number = *number,
        .random = *number * 7919 + 1};
    int r = LOST;
    for (;;) {
        r = r == LOST ? recover(&worker) : work_once(&worker);
        if (getppid() == 1)
            return;
    }
}

/* ---- the matrix ---- */

static test_pid clients[CLIENTS];
static unsigned numbers[CLIENTS];

static void start_client(int index)
{
    static unsigned last;
    numbers[index] = ++last;
    clients[index] = test_fork(work, &numbers[index]);
}

static void expect_clients_run(unsigned round)
{
    for (int i = 0; i < CLIENTS; i++) {
        if (!test_runs(clients[i])) {
            clients[i] = 0;
            FAIL("round %u: a client found something wrong", round);
        }
    }
}

/* The pair that serves now; waits until both are there. */
static void find_pair(bool keeper_died)
{
    if (keeper_died)
        REQUIRE(TEST_UNTIL(20000,
                           (broker.pid = test_child_of(broker.serving)) != 0));
    else
        REQUIRE(TEST_UNTIL(20000,
                           (broker.serving = test_child_of(broker.pid)) != 0));
}

static bool kill_broker(unsigned step)
{
    test_pid killed = broker.serving;
    bool reached = tracer_kill(killed, step, 5000);
    REQUIRE(
        TEST_UNTIL(20000, (broker.serving = test_child_of(broker.pid)) != 0 &&
                              broker.serving != killed));
    REQUIRE(raw_answers(broker.socket));
    return reached;
}

static bool kill_keeper(unsigned step)
{
    test_pid killed = broker.pid;
    bool reached = tracer_kill(killed, step, 5000);
    REQUIRE(
        TEST_UNTIL(20000, (broker.pid = test_child_of(broker.serving)) != 0 &&
                              broker.pid != killed));
    REQUIRE(raw_answers(broker.socket));
    return reached;
}

static bool kill_client(unsigned step)
{
    int index = (int)(step % CLIENTS);
    bool reached = tracer_kill(clients[index], step, 5000);
    test_kill(clients[index]);
    test_join(clients[index]);
    start_client(index);
    return reached;
}

/* All that clients left behind: names that persist. */
static void remove_all(struct raw *raw)
{
    struct message_segment row;
    for (;;) {
        const struct message_reply *list =
            raw_ask(raw, "{'id':1,'op':'list','limit':1}");
        if (message_reply_segment(list, 0, &row) != 0)
            return;
        raw_ask(raw, "{'id':1,'op':'remove','segment':%ju}",
                (uintmax_t)row.segment);
        test_pause();
    }
}

static void expect_nothing_left(void)
{
    static const char *const budgets[] = {"bytes", "segments", "grants"};
    struct raw raw;
    raw_open(&raw, broker.socket);
    remove_all(&raw);
    for (int i = 0; i < 3; i++)
        REQUIRE(TEST_UNTIL(20000, raw_used_by_all(&raw, budgets[i]) == 0));
    raw_close(&raw);
}

static void run_matrix(bool (*kill_one)(unsigned step), unsigned rounds,
                       unsigned steps)
{
    unsigned random = 1;
    unsigned reached = 0;
    SKIP_UNLESS(tracer_works(), "this system does not let processes be traced");
    for (int i = 0; i < CLIENTS; i++)
        start_client(i);
    for (unsigned round = 0; round < rounds; round++) {
        random = random * 1103515245 + 12345;
        /* The first ones in order, then anywhere. */
        if (kill_one(round < steps ? round + 1 : 1 + (random >> 8) % steps))
            reached++;
        expect_clients_run(round);
        test_pause();
    }
    for (int i = 0; i < CLIENTS; i++) {
        test_kill(clients[i]);
        test_join(clients[i]);
    }
    printf("%u of %u steps were reached\n", reached, rounds);
    /* Who is idle takes none; more of them would test nothing. */
    REQUIRE(reached >= rounds / 2);
    find_pair(kill_one == kill_keeper);
    expect_nothing_left();
}

static unsigned rounds(void)
{
    const char *wanted = getenv("SEGBROKER_ROUNDS");
    if (wanted)
        return (unsigned)strtoul(wanted, NULL, 10);
    return suite_quick() ? 40 : 500;
}

static void setup(void)
{
    struct test_broker_options options = {.config = config,
                                          .never_pauses = true};
    test_broker_start(&broker, &options);
    is_exact = raw_has_feature(broker.socket, "exact-lifetime");
    freezes = raw_has_feature(broker.socket, "freeze");
    places = raw_has_feature(broker.socket, "numa");
}

START_TEST(broker_dies_at_every_step)
{
    run_matrix(kill_broker, rounds(), STEPS_MAX);
    test_broker_stop(&broker);
}
END_TEST

START_TEST(client_dies_at_every_step)
{
    run_matrix(kill_client, rounds(), 100);
    test_broker_stop(&broker);
}
END_TEST

START_TEST(keeper_dies_at_every_step)
{
    run_matrix(kill_keeper, rounds(), 60);
    /* The last keeper is nobody's child here. */
    test_terminate(broker.pid);
    REQUIRE(TEST_UNTIL(20000, test_process_descriptors(broker.pid) < 0));
    REQUIRE_INT(test_folder_entries(broker.runtime), 0);
    test_broker_forget(&broker);
}
END_TEST

static Suite *killmatrix_suite(void)
{
    Suite *suite = suite_create("killmatrix");
    TCase *tests = suite_case(suite, "killmatrix", 280);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, broker_dies_at_every_step);
    tcase_add_test(tests, client_dies_at_every_step);
    tcase_add_test(tests, keeper_dies_at_every_step);
    return suite;
}

int main(void)
{
    return suite_main(killmatrix_suite());
}
