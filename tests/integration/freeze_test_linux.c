/*
 * What is frozen nobody can change: not its creator, nor root, nor a process
 * of the same user, in any way that the system has.
 */
#include "tests/support/memory.h"
#include "tests/support/recovery.h"
#include "tests/support/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static bool freezes;
static struct message_grant made;
static int fd; /* the creator's, for writing */

static void setup(void)
{
    recovery_start(recovery_config);
    freezes = raw_has_feature(recovery_broker.socket, "freeze");
    fd = raw_create(&recovery_client, &made,
                    "'name':'a','size':4096,'freezable':true");
    recovery_fill(fd, 5);
}

static void teardown(void)
{
    test_close(fd);
    recovery_stop();
}

#define NEEDS_FREEZE SKIP_UNLESS(freezes, "this system cannot freeze")

static const char *freeze(const char *mode)
{
    raw_ask(&recovery_client, "{'id':1,'op':'freeze','name':'a','mode':'%s'}",
            mode);
    return raw_outcome(&recovery_client);
}

/* Nor can it be made writable behind a read-only view's back. */
static void expect_unwritable_views(int handle)
{
    void *view = mmap(NULL, RECOVERY_PAGE, PROT_READ, MAP_SHARED, handle, 0);
    REQUIRE(mmap(NULL, RECOVERY_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
                 handle, 0) == MAP_FAILED);
    if (view == MAP_FAILED)
        return;
    REQUIRE(mprotect(view, RECOVERY_PAGE, PROT_READ | PROT_WRITE) < 0);
    REQUIRE(madvise(view, RECOVERY_PAGE, MADV_REMOVE) < 0);
    munmap(view, RECOVERY_PAGE);
}

static void expect_unchangeable(int handle)
{
    REQUIRE(pwrite(handle, "x", 1, 0) < 0);
    REQUIRE(ftruncate(handle, 0) < 0);
    REQUIRE(ftruncate(handle, 2L * RECOVERY_PAGE) < 0);
    REQUIRE(fallocate(handle, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                      RECOVERY_PAGE) < 0);
    REQUIRE(fallocate(handle, FALLOC_FL_ZERO_RANGE, 0, RECOVERY_PAGE) < 0);
    expect_unwritable_views(handle);
    recovery_expect_filled(handle, 5);
}

static int reopen(int handle)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", handle);
    return open(path, O_RDWR | O_CLOEXEC);
}

START_TEST(what_is_frozen_cannot_be_changed)
{
    struct message_grant opened;
    NEEDS_FREEZE;
    REQUIRE_STR(freeze("now"), "ok");
    /* Its creator's handle, a new one, and ones made of them by /proc, as far
     * as they can be made. */
    expect_unchangeable(fd);
    raw_ask(&recovery_client, "{'id':1,'op':'open','name':'a','access':'rw'}");
    recovery_expect_outcome("access-denied");
    int readable = raw_open_segment(&recovery_client, &opened, "'name':'a'");
    expect_unchangeable(readable);
    int handles[] = {reopen(fd), reopen(readable)};
    for (int i = 0; i < 2; i++) {
        if (handles[i] < 0)
            continue;
        expect_unchangeable(handles[i]);
        close(handles[i]);
    }
    test_close(readable);
    recovery_crash();
    expect_unchangeable(fd);
}
END_TEST

START_TEST(views_that_can_write_make_it_busy)
{
    NEEDS_FREEZE;
    void *view =
        mmap(NULL, RECOVERY_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    REQUIRE(view != MAP_FAILED);
    REQUIRE_STR(freeze("now"), "busy");
    recovery_fill(fd, 5);
    REQUIRE_STR(freeze("future"), "ok");
    expect_unwritable_views(fd);
    REQUIRE(pwrite(fd, "x", 1, 0) < 0);
    memcpy(view, "hello", 5);
    REQUIRE_STR(freeze("now"), "busy");
    munmap(view, RECOVERY_PAGE);
    REQUIRE_STR(freeze("now"), "ok");
    REQUIRE_STR(freeze("now"), "ok");
    /* What is more is not undone by less. */
    REQUIRE_STR(freeze("future"), "ok");
    raw_ask(&recovery_client, "{'id':1,'op':'stat','name':'a'}");
    REQUIRE_INT(raw_record(&recovery_client).frozen, PROTOCOL_FROZEN_YES);
}
END_TEST

START_TEST(read_only_and_private_views_do_not_matter)
{
    struct message_grant opened;
    NEEDS_FREEZE;
    int readable = raw_open_segment(&recovery_client, &opened, "'name':'a'");
    const char *view =
        mmap(NULL, RECOVERY_PAGE, PROT_READ, MAP_SHARED, readable, 0);
    char *private = mmap(NULL, RECOVERY_PAGE, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE, readable, 0);
    REQUIRE(view != MAP_FAILED && private != MAP_FAILED);
    REQUIRE_STR(freeze("now"), "ok");
    private[0] = 'x';
    REQUIRE(view[0] != 'x');
    munmap((void *)(intptr_t)view, RECOVERY_PAGE);
    munmap(private, RECOVERY_PAGE);
    test_close(readable);
}
END_TEST

/* As PROTOCOL.md says, a holder can do it without asking; the broker knows. */
START_TEST(what_a_holder_sealed_is_told)
{
    NEEDS_FREEZE;
    REQUIRE(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
    raw_ask(&recovery_client, "{'id':1,'op':'stat','name':'a'}");
    REQUIRE_INT(raw_record(&recovery_client).frozen, PROTOCOL_FROZEN_YES);
    REQUIRE_STR(freeze("now"), "ok");
    raw_ask(&recovery_client, "{'id':1,'op':'open','name':'a','access':'rw'}");
    recovery_expect_outcome("access-denied");
}
END_TEST

START_TEST(who_closes_the_seals_keeps_others_from_freezing)
{
    NEEDS_FREEZE;
    REQUIRE(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) == 0);
    REQUIRE_STR(freeze("now"), "not-supported");
    REQUIRE_STR(freeze("future"), "not-supported");
    raw_ask(&recovery_client, "{'id':1,'op':'stat','name':'a'}");
    REQUIRE_INT(raw_record(&recovery_client).frozen, PROTOCOL_FROZEN_NO);
}
END_TEST

START_TEST(others_keep_all_their_seals)
{
    struct message_grant other;
    NEEDS_FREEZE;
    int plain = raw_create(&recovery_client, &other, "'size':4096");
    REQUIRE(fcntl(plain, F_ADD_SEALS, F_SEAL_WRITE) < 0);
    test_close(plain);
}
END_TEST

static Suite *freeze_suite(void)
{
    Suite *suite = suite_create("freeze_linux");
    TCase *tests = suite_case(suite, "freeze_linux", 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, what_is_frozen_cannot_be_changed);
    tcase_add_test(tests, views_that_can_write_make_it_busy);
    tcase_add_test(tests, read_only_and_private_views_do_not_matter);
    tcase_add_test(tests, what_a_holder_sealed_is_told);
    tcase_add_test(tests, who_closes_the_seals_keeps_others_from_freezing);
    tcase_add_test(tests, others_keep_all_their_seals);
    return suite;
}

int main(void)
{
    return suite_main(freeze_suite());
}
