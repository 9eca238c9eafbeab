/*
 * Processes, identities, folders, files and time, as tests need them of the
 * operating system. Failures of the system end the test.
 */
#ifndef SEGBROKER_TESTS_PROCESS_H
#define SEGBROKER_TESTS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef long test_pid;

/* Users and groups that tests run as root turn into. Nothing on the host
 * needs to know them. */
enum {
    TEST_ALICE = 12345,
    TEST_BOB = 12346,
    TEST_SERVICE = 12347, /* a broker that is not root */
    TEST_CAROL = 12348,
    TEST_GROUP = 12399
};

enum { TEST_PATH_MAX = 512 };

/* Exit statuses are 0 to 255; a process ended by a signal has this plus the
 * signal's number. */
enum { TEST_SIGNALLED = 256 };

/* ---- starting and ending ---- */

struct test_spawn {
    const char *const *argv; /* ends with NULL; argv[0] is the program's path */
    const char *const *environment; /* NAME=VALUE more than the own, or NULL;
                                     * NAME alone takes it away */
    const char *output;   /* file for stdout and stderr, appended; NULL: own */
    uint32_t user;        /* 0: stays who it is */
    uint64_t descriptors; /* RLIMIT_NOFILE, soft and hard; 0: as it is */
    uint64_t file_size;   /* RLIMIT_FSIZE; 0: as it is */
    bool own_users;       /* in a user namespace of its own with uid 0 alone */
    bool journal; /* JOURNAL_STREAM names the output, as under systemd */
};

/* Starts a program; it dies with this process. */
test_pid test_spawn(const struct test_spawn *spawn);

/* Runs body in a forked child and exits it with 0. */
test_pid test_fork(void (*body)(void *data), void *data);
/* In a child of test_fork, or in a role (role.h). */
bool test_in_child(void);
void test_be_child(void);
_Noreturn void test_exit(int status);

/* The exit status once it ended; -1 while it runs when `ms` have passed. */
int test_wait(test_pid pid, int ms);
/* Waits without limit worth naming, and kills what hangs. */
int test_join(test_pid pid);
bool test_runs(test_pid pid);
void test_terminate(test_pid pid); /* asks: SIGTERM */
void test_kill(test_pid pid);      /* SIGKILL, not waited for */
void test_stop(test_pid pid);      /* it stands still, and can be killed */
void test_signal(test_pid pid, int signal);

/* Runs a program to its end, with its output in `output` (always ended by a
 * NUL, cut when too long); the exit status. */
int test_run(const struct test_spawn *spawn, char *output, size_t size);

/* ---- facts about a process; -1 when the system does not tell ---- */

test_pid test_self(void);
/* The path of this process's program. */
const char *test_program(void);
/* Sets a variable of the own environment; NULL takes it away. */
void test_environment(const char *name, const char *value);
/* Bytes of memory that the host has. */
uint64_t test_host_memory(void);
/* The first child of a process; 0: it has none. */
test_pid test_child_of(test_pid pid);
/* Without the one that the library keeps for all clients, when it has none. */
int test_process_descriptors(test_pid pid);
int64_t test_process_memory(test_pid pid); /* anonymous bytes resident */
int64_t test_process_cpu_ms(test_pid pid);

/* Puts a process on one processor, the same for all that are put so; `any`
 * frees it again. Where that is refused, nothing happens. */
void test_process_pin(test_pid pid, bool any);

/* Sets the own soft limit of descriptors (raising it to the hard one at
 * most) and gives the former; `limit` 0 takes the hard one. */
uint64_t test_limit_descriptors(uint64_t limit);

/* ---- identities ---- */

/* True where the test may become other users. */
bool test_is_root(void);
/* Whom a peer sees in this process from now on; `group` 0 means none besides
 * the user's own number. */
void test_act_as(uint32_t user, uint32_t group);
void test_act_as_self(void);
/* For good, in a child: no way back, no privileges. */
void test_become(uint32_t user, uint32_t group);
/* The own user and one group of his, as the config file names them. */
const char *test_user(void);
const char *test_group(void);
/* Some user who is not this one. */
const char *test_other_user(void);
/* False where user namespaces cannot be made. */
bool test_can_own_users(void);

/* ---- folders and files ---- */

/* A new folder in TMPDIR that others may enter. */
void test_folder_make(char path[TEST_PATH_MAX]);
/* Removes it with all that is in it. */
void test_folder_remove(const char *path);
/* Entries in a folder. */
int test_folder_entries(const char *path);
void test_folder_add(const char *path, uint32_t user, unsigned mode);
bool test_exists(const char *path);
void test_write(const char *path, const char *text);
void test_read(const char *path, char *text, size_t size);
/* The text of `format` with the rest in it, for paths. */
void test_path(char path[TEST_PATH_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- time ---- */

int64_t test_clock_us(void);
int64_t test_clock_ns(void);
void test_pause(void); /* a few milliseconds, between two looks */
/* So long, for what happens at random times. */
void test_pause_us(unsigned us);

/* Looks again and again until the condition holds; false after `ms`. */
#define TEST_UNTIL(ms, condition)                                              \
    __extension__({                                                            \
        int64_t test_end = test_clock_us() + (int64_t)(ms)*1000;               \
        bool test_holds = false;                                               \
        for (;;) {                                                             \
            test_holds = (condition);                                          \
            if (test_holds || test_clock_us() > test_end)                      \
                break;                                                         \
            test_pause();                                                      \
        }                                                                      \
        test_holds;                                                            \
    })

#endif
