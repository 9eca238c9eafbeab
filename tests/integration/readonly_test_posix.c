/*
 * A read-only handle is read-only: its holder, with another uid than the
 * broker's, has no way to change the memory behind it.
 *
 * Each way is first tried on a memory file that allows it, so that a refusal
 * means what it seems to.
 */
#include "tests/support/broker.h"
#include "tests/support/raw.h"
#include "tests/support/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 8192, CONTENT = 0x5a, FORGED = 0xa5 };

static const char config[] = "[access global/*]\n"
                             "create = user:12345\n";

static struct test_broker broker;

/* ---- ways to write: true when it worked ---- */

static bool by_shared_map(int fd)
{
    unsigned char *view =
        mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (view == MAP_FAILED)
        return false;
    view[0] = FORGED;
    munmap(view, SIZE);
    return true;
}

static bool by_mprotect(int fd)
{
    unsigned char *view = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
    if (view == MAP_FAILED)
        return false;
    bool may = mprotect(view, SIZE, PROT_READ | PROT_WRITE) == 0;
    if (may)
        view[0] = FORGED;
    munmap(view, SIZE);
    return may;
}

static bool by_reopening_as(int fd, int flags)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int again = open(path, flags | O_CLOEXEC);
    if (again < 0)
        return false;
    if ((flags & O_TRUNC) == 0) {
        unsigned char byte = FORGED;
        if (pwrite(again, &byte, 1, 0) != 1)
            perror("pwrite");
    }
    close(again);
    return true;
}

static bool by_reopening(int fd)
{
    return by_reopening_as(fd, O_RDWR);
}

static bool by_reopening_for_writing(int fd)
{
    return by_reopening_as(fd, O_WRONLY);
}

static bool by_reopening_truncated(int fd)
{
    return by_reopening_as(fd, O_RDWR | O_TRUNC);
}

static bool by_fchmod(int fd)
{
    return fchmod(fd, 0666) == 0;
}

static bool by_fchown(int fd)
{
    return fchown(fd, geteuid(), (gid_t)-1) == 0;
}

static bool by_ftruncate(int fd)
{
    return ftruncate(fd, 0) == 0;
}

static bool by_growing(int fd)
{
    return ftruncate(fd, (off_t)SIZE * 2) == 0;
}

static bool by_write_seal(int fd)
{
    return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0;
}

static bool by_future_write_seal(int fd)
{
    return fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0;
}

static bool by_write(int fd)
{
    unsigned char byte = FORGED;
    return pwrite(fd, &byte, 1, 0) == 1;
}

static bool by_punching(int fd)
{
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SIZE) ==
           0;
}

/* A debugger's way into one's own read-only view. */
static bool by_own_memory_file(int fd)
{
    unsigned char byte = FORGED;
    unsigned char *view = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
    int memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    bool written = false;
    if (view != MAP_FAILED && memory >= 0)
        written = pwrite(memory, &byte, 1, (off_t)(uintptr_t)view) == 1;
    if (memory >= 0)
        close(memory);
    if (view != MAP_FAILED)
        munmap(view, SIZE);
    return written;
}

static bool by_process_vm_writev(int fd)
{
    unsigned char byte = FORGED;
    unsigned char *view = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
    if (view == MAP_FAILED)
        return false;
    struct iovec from = {&byte, 1};
    struct iovec to = {view, 1};
    bool written = process_vm_writev(getpid(), &from, 1, &to, 1, 0) == 1;
    munmap(view, SIZE);
    return written;
}

static bool by_link(int fd)
{
    char path[64];
    snprintf(path, sizeof(path), "/dev/shm/segbroker-link-%d", (int)getpid());
    bool linked = linkat(fd, "", AT_FDCWD, path, AT_EMPTY_PATH) == 0;
    if (linked)
        unlink(path);
    return linked;
}

/* As root of a user namespace that one may make for oneself. */
static bool by_own_user_namespace(int fd)
{
    int status = 1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        bool worked = unshare(CLONE_NEWUSER) == 0 &&
                      (by_reopening(fd) || by_fchmod(fd) || by_fchown(fd));
        _exit(worked ? 0 : 1);
    }
    REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
    return status == 0;
}

struct way {
    const char *name;
    bool (*works)(int fd);
    bool on_own_file; /* a read-only handle of an open file allows it */
};

static const struct way ways[] = {
    {"mmap", by_shared_map, false},
    {"mprotect", by_mprotect, false},
    {"reopening", by_reopening, true},
    {"reopening O_WRONLY", by_reopening_for_writing, true},
    {"reopening O_TRUNC", by_reopening_truncated, true},
    {"fchmod", by_fchmod, true},
    {"fchown", by_fchown, true},
    {"ftruncate", by_ftruncate, false},
    {"growing", by_growing, false},
    {"F_SEAL_WRITE", by_write_seal, false},
    {"F_SEAL_FUTURE_WRITE", by_future_write_seal, false},
    {"write", by_write, false},
    {"punching a hole", by_punching, false},
    {"/proc/self/mem", by_own_memory_file, false},
    {"process_vm_writev", by_process_vm_writev, false},
    {"linkat", by_link, false},
    {"user namespace", by_own_user_namespace, true},
};

enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

/* ---- the proofs ---- */

struct attempt {
    int fd;
    uint32_t user;
    const struct way *way;
};

static void attempt_body(void *data)
{
    const struct attempt *attempt = data;
    test_become(attempt->user, 0);
    test_exit(attempt->way->works(attempt->fd) ? 10 : 0);
}

/* True when the way worked for that user on that descriptor. */
static bool worked(int fd, uint32_t user, const struct way *way)
{
    struct attempt attempt = {fd, user, way};
    int status = test_join(test_fork(attempt_body, &attempt));
    if (status != 0 && status != 10)
        FAIL("%s ended with %d", way->name, status);
    return status == 10;
}

static void open_file_body(void *data)
{
    const struct attempt *attempt = data;
    char path[64];
    test_become(attempt->user, 0);
    int memory = memfd_create("open to its owner", MFD_CLOEXEC);
    REQUIRE(memory >= 0 && ftruncate(memory, SIZE) == 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
    int ro = open(path, O_RDONLY | O_CLOEXEC);
    REQUIRE(ro >= 0);
    test_exit(attempt->way->works(ro) ? 10 : 0);
}

START_TEST(ways_work_on_an_unprotected_file)
{
    SKIP_UNLESS(test_is_root(), "needs root to become other users");
    const struct way *way = &ways[_i];
    if (way->works == by_own_user_namespace)
        SKIP_UNLESS(test_can_own_users(), "no user namespaces here");
    struct attempt attempt = {-1, TEST_BOB, way};
    int status = test_join(test_fork(open_file_body, &attempt));
    if (way->on_own_file && status != 10)
        FAIL("%s ended with %d on a file that allows it", way->name, status);
}
END_TEST

static void expect_content(const unsigned char *memory, int fd,
                           const struct way *way)
{
    struct stat facts;
    REQUIRE(fstat(fd, &facts) == 0);
    REQUIRE_INT(facts.st_size, SIZE);
    for (int i = 0; i < SIZE; i++) {
        if (memory[i] != CONTENT)
            FAIL("%s changed byte %d", way->name, i);
    }
    /* The creator can still do all it could. */
    int again = fcntl(fd, F_GETFL) & O_ACCMODE;
    REQUIRE_INT(again, O_RDWR);
    unsigned char *view =
        mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    REQUIRE(view != MAP_FAILED);
    munmap(view, SIZE);
}

/* Every way, for the holder of a handle with that access. */
static void try_all(uint32_t broker_user, uint32_t receiver, const char *access)
{
    struct raw creator;
    struct raw holder;
    struct message_grant grant;
    struct test_broker_options options = {.config = config,
                                          .user = broker_user};
    test_broker_start(&broker, &options);
    raw_open_as(&creator, broker.socket, TEST_ALICE, 0);
    raw_open_as(&holder, broker.socket, receiver, 0);
    int rw = raw_create(&creator, &grant,
                        "'name':'global/a','size':%d,'access':'rw',"
                        "'share':{'read':['user:%d']}",
                        SIZE, TEST_BOB);
    unsigned char *memory =
        mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, rw, 0);
    REQUIRE(memory != MAP_FAILED);
    memset(memory, CONTENT, SIZE);
    int ro = raw_open_segment(&holder, NULL, "'name':'global/a','access':'%s'",
                              access);
    for (int i = 0; i < WAYS; i++) {
        if (worked(ro, receiver, &ways[i]))
            FAIL("%s worked on an %s handle", ways[i].name, access);
        expect_content(memory, rw, &ways[i]);
    }
    munmap(memory, SIZE);
    close(ro);
    close(rw);
    raw_close(&creator);
    raw_close(&holder);
    test_broker_stop(&broker);
}

static const char *const accesses[] = {"ro", "cow"};

START_TEST(receiver_cannot_write_with_a_broker_of_root)
{
    SKIP_UNLESS(test_is_root(), "needs root to become other users");
    try_all(0, TEST_BOB, accesses[_i]);
}
END_TEST

START_TEST(receiver_cannot_write_with_a_broker_of_its_own_user)
{
    SKIP_UNLESS(test_is_root(), "needs root to become other users");
    try_all(TEST_SERVICE, TEST_BOB, accesses[_i]);
}
END_TEST

START_TEST(creator_cannot_write_through_its_read_only_handle)
{
    SKIP_UNLESS(test_is_root(), "needs root to become other users");
    try_all(TEST_SERVICE, TEST_ALICE, accesses[_i]);
    try_all(0, TEST_ALICE, accesses[_i]);
}
END_TEST

/* Nobody who created it, not even with its writable handle, may loosen the
 * file for others. */
START_TEST(creator_cannot_open_the_file_to_others)
{
    SKIP_UNLESS(test_is_root(), "needs root to become other users");
    struct raw creator;
    struct test_broker_options options = {.config = config};
    test_broker_start(&broker, &options);
    bool sealed = raw_has_feature(broker.socket, "sealed-size");
    raw_open_as(&creator, broker.socket, TEST_ALICE, 0);
    int rw = raw_create(&creator, NULL, "'size':%d", SIZE);
    for (int i = 0; i < WAYS; i++) {
        bool (*works)(int) = ways[i].works;
        if (works == by_fchmod || works == by_fchown ||
            works == by_write_seal || works == by_future_write_seal ||
            works == by_reopening || works == by_own_user_namespace ||
            (sealed && (works == by_ftruncate || works == by_growing))) {
            if (worked(rw, TEST_ALICE, &ways[i]))
                FAIL("%s worked for the creator", ways[i].name);
        }
    }
    close(rw);
    raw_close(&creator);
    test_broker_stop(&broker);
}
END_TEST

static void expect_feature(const char *socket, uint32_t user, bool expected)
{
    struct raw raw;
    const char *name;
    bool found = false;
    raw_connect(&raw, socket);
    raw_close(&raw);
    test_act_as(user, 0);
    bool connected = raw_try_connect(&raw, socket);
    test_act_as_self();
    REQUIRE(connected);
    raw_ask(&raw, "{'id':0,'op':'hello','version':1}");
    for (unsigned i = 0; (name = message_reply_feature(&raw.reply, i)); i++)
        found |= strcmp(name, "enforced-ro") == 0;
    raw_close(&raw);
    REQUIRE_INT(found, expected);
}

START_TEST(hello_promises_it_only_where_it_holds)
{
    SKIP_UNLESS(test_is_root(), "needs root to act as other users");
    struct test_broker_options options = {.user = TEST_SERVICE};
    test_broker_start(&broker, &options);
    expect_feature(broker.socket, TEST_ALICE, true);
    expect_feature(broker.socket, TEST_SERVICE, false);
    expect_feature(broker.socket, 0, false);
    test_broker_stop(&broker);
}
END_TEST

static Suite *readonly_suite(void)
{
    Suite *suite = suite_create("readonly");
    TCase *tests = suite_case(suite, "readonly", 120);
    tcase_add_loop_test(tests, ways_work_on_an_unprotected_file, 0, WAYS);
    tcase_add_loop_test(tests, receiver_cannot_write_with_a_broker_of_root, 0,
                        2);
    tcase_add_loop_test(
        tests, receiver_cannot_write_with_a_broker_of_its_own_user, 0, 2);
    tcase_add_loop_test(
        tests, creator_cannot_write_through_its_read_only_handle, 0, 2);
    tcase_add_test(tests, creator_cannot_open_the_file_to_others);
    tcase_add_test(tests, hello_promises_it_only_where_it_holds);
    return suite;
}

int main(void)
{
    return suite_main(readonly_suite());
}
