/*
 * A private broker: the built daemon on a socket in a temporary folder.
 */
#ifndef SEGBROKER_TESTS_BROKER_H
#define SEGBROKER_TESTS_BROKER_H

#include "process.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * What bounds a broker's memory in tests that do not say otherwise: one
 * segment cannot be larger, whatever goes wrong (RLIMIT_FSIZE).
 */
#define TEST_BROKER_FILE_SIZE (UINT64_C(1) << 30)

struct test_broker_options {
    const char *config;             /* text of the config file; NULL: empty */
    uint32_t user;                  /* 0: who runs the test */
    uint64_t descriptors;           /* RLIMIT_NOFILE; 0: as it is */
    bool own_users;                 /* in a user namespace with uid 0 alone */
    bool journal;                   /* as under systemd's journal */
    bool never_pauses;              /* between brokers that die */
    const char *const *environment; /* see test_spawn */
};

struct test_broker {
    test_pid pid;     /* of the keeper, who was started; 0: not running */
    test_pid serving; /* the broker itself, its child */
    struct test_broker_options options;
    char folder[TEST_PATH_MAX]; /* everything below is in it */
    char runtime[TEST_PATH_MAX];
    char socket[TEST_PATH_MAX];
    char config[TEST_PATH_MAX];
    char log[TEST_PATH_MAX];
};

/* The program's path: $BUILD/segbrokerd. */
const char *test_broker_program(void);

/* Starts one and returns when its socket answers; `options` NULL: all
 * defaults. */
void test_broker_start(struct test_broker *broker,
                       const struct test_broker_options *options);

/* Ends it as the system ends a service. The exit status must be 0: the broker
 * answers 3 when a charge did not return to zero. Nothing may be left in its
 * runtime folder, which is then removed. */
void test_broker_stop(struct test_broker *broker);

/* The halves of stop and start, for restarts in place; kill ends keeper and
 * broker at once. */
void test_broker_end(struct test_broker *broker);
void test_broker_kill(struct test_broker *broker);
void test_broker_run(struct test_broker *broker);
/* Waits until the socket answers; fails when the broker ends before. */
void test_broker_await(struct test_broker *broker);
void test_broker_forget(struct test_broker *broker);
/* Kills the broker alone; its keeper starts another one. Waits until that
 * serves. */
void test_broker_crash(struct test_broker *broker);

/* Writes the config file anew; a reload is the caller's. */
void test_broker_configure(struct test_broker *broker, const char *config);

/* True when the log has the text in it. */
bool test_broker_logged(const struct test_broker *broker, const char *text);

/* Descriptors that the broker has open; -1 when the system does not tell. */
int test_broker_descriptors(const struct test_broker *broker);

/* The same once `only` is its only connection: those before go in their own
 * time, the one that tried whether it serves among them. */
struct raw;
int test_broker_settle(const struct test_broker *broker, struct raw *only);

/* Kills whatever brokers run and removes their folders; how many. */
int test_broker_abandon_all(void);

/* ---- the system's part (broker_posix.c, broker_windows.c) ---- */

/* How programs' names end, and the option that says where to serve. */
extern const char test_broker_suffix[];
extern const char test_broker_option[];

/* Fills in where it will serve. */
void test_broker_address(struct test_broker *broker);

/* Tells it to end, and does not wait for that. */
void test_broker_tell_end(struct test_broker *broker);

#endif
