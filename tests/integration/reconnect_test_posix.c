/*
 * Who notices that the broker has died, where no call is made: one thread for
 * all clients of a process, and another one in each child by fork.
 */
#include "client/segbroker.h"
#include "tests/support/broker.h"
#include "tests/support/process.h"
#include "tests/support/raw.h"
#include "tests/support/suite.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The thread sanitizer knows no threads in the child of a process with some,
 * and the address sanitizer's memory may be locked there for ever. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { CHILD_MAY_HAVE_THREADS = 0 };
#else
enum { CHILD_MAY_HAVE_THREADS = 1 };
#endif

enum {
    CLIENTS = 20,
    SOON_MS = 20000,
    THREADS = 8,
    DEATHS = 10,
    FORKS = 20,
    FILES = 8,
    MORE_THAN_ALL = 256 /* descriptors */
};

static struct test_broker broker;

struct holder {
    segb_client *client;
    segb_segment *segment;
};

static void setup(void)
{
    struct test_broker_options options = {.config = "[broker]\ngrace = 500ms\n",
                                          .never_pauses = true};

    test_broker_start(&broker, &options);
}

static void teardown(void)
{
    test_broker_stop(&broker);
}

static struct holder hold(const char *name)
{
    segb_connect_options options = {.struct_size = sizeof(options),
                                    .socket = broker.socket};
    struct holder holder;

    REQUIRE_INT(segb_connect(&options, &holder.client), 0);
    REQUIRE_INT(segb_create(holder.client, name, 1, NULL, &holder.segment), 0);
    return holder;
}

static void let_go(struct holder *holder)
{
    segb_close(holder->segment);
    segb_disconnect(holder->client);
}

static void hold_a_moment(void *data)
{
    struct holder holder = hold(data);

    let_go(&holder);
}

static bool is_held(const char *name)
{
    struct raw raw;
    bool held;

    raw_open(&raw, broker.socket);
    raw_ask(&raw, "{'id':1,'op':'stat','name':'%s'}", name);
    held = raw.reply.ok && raw_record(&raw).grants == 1;
    raw_close(&raw);
    return held;
}

static const char *name_of(int index)
{
    static char name[16];

    snprintf(name, sizeof(name), "n%d", index);
    return name;
}

START_TEST(all_clients_of_a_process_notice_the_end)
{
    struct holder holders[CLIENTS];

    for (int i = 0; i < CLIENTS; i++)
        holders[i] = hold(name_of(i));
    /* One that ends is not waited for any more. */
    let_go(&holders[0]);
    for (int death = 0; death < 2; death++) {
        test_broker_crash(&broker);
        for (int i = 1; i < CLIENTS; i++)
            REQUIRE(TEST_UNTIL(SOON_MS, is_held(name_of(i))));
    }
    REQUIRE(!is_held(name_of(0)));
    for (int i = 1; i < CLIENTS; i++)
        let_go(&holders[i]);
}
END_TEST

static void hold_as_child(void *data)
{
    (void)data;
    hold("childs");
    pause();
}

START_TEST(child_by_fork_notices_the_end)
{
    SKIP_UNLESS(CHILD_MAY_HAVE_THREADS, "the sanitizer ends the child");
    struct holder parents = hold("parents");
    test_pid child = test_fork(hold_as_child, NULL);

    REQUIRE(TEST_UNTIL(SOON_MS, is_held("childs")));
    test_broker_crash(&broker);
    REQUIRE(TEST_UNTIL(SOON_MS, is_held("childs") && is_held("parents")));
    test_kill(child);
    test_join(child);
    let_go(&parents);
}
END_TEST

static void close_all(void)
{
    for (int fd = STDERR_FILENO + 1; fd < MORE_THAN_ALL; fd++)
        close(fd);
}

static bool is_alone(void)
{
    return test_folder_entries("/proc/self/task") == 1;
}

static void close_the_librarys_descriptor(void *data)
{
    hold_a_moment(data);
    close_all();
    /* What goes on then has to look at the number anew. */
    raise(SIGSTOP);
    REQUIRE(TEST_UNTIL(SOON_MS, is_alone()));
    hold_a_moment(data);
}

START_TEST(closed_descriptor_ends_the_thread)
{
    SKIP_UNLESS(CHILD_MAY_HAVE_THREADS, "the sanitizer ends the child");
    char name[] = "childs";
    test_pid child = test_fork(close_the_librarys_descriptor, name);
    int status;

    REQUIRE_INT(waitpid((pid_t)child, &status, WUNTRACED), child);
    REQUIRE(WIFSTOPPED(status));
    test_signal(child, SIGCONT);
    REQUIRE_INT(test_join(child), 0);
}
END_TEST

static void close_all_and_hold(void *data)
{
    int files[FILES];
    struct stat null, status;
    struct holder holder;

    (void)data;
    close_all();
    for (int i = 0; i < FILES; i++)
        REQUIRE((files[i] = open("/dev/null", O_WRONLY | O_CLOEXEC)) >= 0);
    REQUIRE_INT(fstat(files[0], &null), 0);
    holder = hold("childs");
    let_go(&holder);
    for (int i = 0; i < FILES; i++) {
        REQUIRE_INT(fstat(files[i], &status), 0);
        REQUIRE(status.st_rdev == null.st_rdev);
    }
}

START_TEST(child_by_fork_keeps_its_own_descriptors)
{
    SKIP_UNLESS(CHILD_MAY_HAVE_THREADS, "the sanitizer ends the child");
    struct holder parents = hold("parents");

    REQUIRE_INT(test_join(test_fork(close_all_and_hold, NULL)), 0);
    let_go(&parents);
}
END_TEST

/* ---- threads that come and go ---- */

struct comer {
    pthread_t thread;
    unsigned number;
    unsigned held; /* segments */
};

static atomic_bool is_over;

/* Segments that one client makes, from none on: it varies how far the client
 * is when the broker dies. */
static void come_and_go(struct comer *comer, unsigned segments)
{
    segb_connect_options options = {.struct_size = sizeof(options),
                                    .socket = broker.socket,
                                    .reconnect_ms = SOON_MS,
                                    .close_lazily = comer->number % 2 != 0};
    segb_client *client;
    segb_segment *segment;
    char name[16];

    snprintf(name, sizeof(name), "c%u", comer->number);
    if (segb_connect(&options, &client) < 0) {
        test_pause();
        return;
    }
    for (unsigned i = 0; i < segments; i++) {
        if (segb_create(client, name, 1, NULL, &segment) < 0)
            continue;
        comer->held++;
        test_pause_us(100 * ((comer->held + comer->number) % 20));
        segb_close(segment);
    }
    segb_disconnect(client);
}

static void *keep_coming(void *data)
{
    struct comer *comer = data;

    for (unsigned round = 0; !atomic_load(&is_over); round++)
        come_and_go(comer, (round + comer->number) % 4);
    return NULL;
}

static void start(struct comer *comers, unsigned count)
{
    atomic_store(&is_over, false);
    for (unsigned i = 0; i < count; i++) {
        comers[i] = (struct comer){.number = i};
        REQUIRE_INT(
            pthread_create(&comers[i].thread, NULL, keep_coming, &comers[i]),
            0);
    }
}

static void finish(struct comer *comers, unsigned count)
{
    atomic_store(&is_over, true);
    for (unsigned i = 0; i < count; i++) {
        REQUIRE_INT(pthread_join(comers[i].thread, NULL), 0);
        REQUIRE(comers[i].held > 0);
    }
}

START_TEST(threads_come_and_go_while_the_broker_dies)
{
    struct holder lasting = hold("lasting");
    struct comer comers[THREADS];

    start(comers, THREADS);
    for (int death = 0; death < DEATHS; death++) {
        test_broker_crash(&broker);
        REQUIRE(TEST_UNTIL(SOON_MS, is_held("lasting")));
    }
    finish(comers, THREADS);
    let_go(&lasting);
}
END_TEST

START_TEST(child_by_fork_does_not_wait_for_the_parents_threads)
{
    SKIP_UNLESS(CHILD_MAY_HAVE_THREADS, "the sanitizer ends the child");
    char name[] = "childs";
    struct comer comer;

    start(&comer, 1);
    for (int i = 0; i < FORKS; i++)
        REQUIRE_INT(test_join(test_fork(hold_a_moment, name)), 0);
    finish(&comer, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reconnecting on POSIX");
    TCase *tests = suite_case(suite, "ends", 120);

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, all_clients_of_a_process_notice_the_end);
    tcase_add_test(tests, child_by_fork_notices_the_end);
    tcase_add_test(tests, closed_descriptor_ends_the_thread);
    tcase_add_test(tests, child_by_fork_keeps_its_own_descriptors);
    tcase_add_test(tests, threads_come_and_go_while_the_broker_dies);
    tcase_add_test(tests, child_by_fork_does_not_wait_for_the_parents_threads);
    suite_add_tcase(suite, tests);
    return suite_main(suite);
}
