/*
 * What both ways of making segments promise; what only some do is asked from
 * segment_promises.
 */
#include "segment.h"
#include "tests/support/runner.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct segment *segment;
static uint64_t page;

static void setup(void)
{
    segment_init();
    page = segment_mapped_size(1);
    ck_assert_int_eq(segment_new(&(struct segment_plan){.mapped_size = 2 * page,
                                                        .commit = true},
                                 &segment),
                     0);
}

static void teardown(void)
{
    segment = segment_free(segment);
}

static int handle_for(bool writable)
{
    struct lent *handle = NULL;

    ck_assert_int_eq(segment_handle(segment, writable, &handle), 0);
    return (int)handle->handle;
}

START_TEST(rounds_sizes_up_to_pages)
{
    ck_assert_uint_gt(page, 0);
    ck_assert_uint_eq(segment_mapped_size(page), page);
    ck_assert_uint_eq(segment_mapped_size(page + 1), 2 * page);
    ck_assert_uint_eq(segment_mapped_size(UINT64_MAX), 0);
    ck_assert_uint_eq(segment_mapped_size(INT64_MAX), 0);
}
END_TEST

START_TEST(is_zeroed_and_sparse_until_committed)
{
    int fd = handle_for(true);
    struct stat status;
    char byte = 1;

    ck_assert_int_eq(fstat(fd, &status), 0);
    ck_assert_uint_eq((uint64_t)status.st_size, 2 * page);
    ck_assert_int_eq(status.st_blocks, 0);
    ck_assert_int_eq(segment_commit(segment, 0, page), 0);
    ck_assert_int_eq(segment_commit(segment, page, page), 0);
    ck_assert_int_eq(fstat(fd, &status), 0);
    ck_assert_uint_eq((uint64_t)status.st_blocks * 512, 2 * page);
    ck_assert_int_eq(pread(fd, &byte, 1, 0), 1);
    ck_assert_int_eq(byte, 0);
}
END_TEST

START_TEST(only_the_broker_may_reopen_it)
{
    struct stat status;

    ck_assert_int_eq(fstat(handle_for(false), &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
    ck_assert_uint_eq(status.st_uid, geteuid());
}
END_TEST

START_TEST(a_read_only_handle_does_not_write)
{
    int fd = handle_for(false);

    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    ck_assert_int_eq(write(fd, "x", 1), -1);
    ck_assert_ptr_eq(mmap(NULL, page, PROT_WRITE, MAP_SHARED, fd, 0),
                     MAP_FAILED);
    ck_assert_int_eq(ftruncate(fd, 0), -1);
}
END_TEST

START_TEST(nobody_changes_a_sealed_size)
{
    int fd = handle_for(true);

    if (!segment_promises().sealed_size)
        return;
    ck_assert_int_eq(ftruncate(fd, 0), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(ftruncate(fd, (off_t)(3 * page)), -1);
    ck_assert_int_eq(fallocate(fd, 0, 0, (off_t)(3 * page)), -1);
}
END_TEST

START_TEST(both_handles_show_the_same_memory)
{
    char byte = 0;

    ck_assert_int_eq(pwrite(handle_for(true), "x", 1, 5), 1);
    ck_assert_int_eq(pread(handle_for(false), &byte, 1, 5), 1);
    ck_assert_int_eq(byte, 'x');
}
END_TEST

static enum segment_use use(void)
{
    segment_forget_handles(segment);
    return segment_use(segment, false);
}

START_TEST(knows_the_last_holder)
{
    int copy;
    void *view;

    if (!segment_promises().exact_lifetime) {
        ck_assert_int_eq(use(), SEGMENT_UNKNOWN);
        return;
    }
    ck_assert_int_eq(use(), SEGMENT_FREE);
    copy = dup(handle_for(false));
    ck_assert_int_eq(use(), SEGMENT_IN_USE);
    view = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE, copy, 0);
    ck_assert_ptr_ne(view, MAP_FAILED);
    close(copy);
    ck_assert_int_eq(use(), SEGMENT_IN_USE);
    munmap(view, page);
    ck_assert_int_eq(use(), SEGMENT_FREE);
}
END_TEST

START_TEST(sees_a_view_in_another_process)
{
    int fd = handle_for(true), go[2];
    pid_t child;
    char byte;

    if (!segment_promises().exact_lifetime)
        return;
    ck_assert_int_eq(pipe(go), 0);
    child = fork();
    if (child == 0) {
        void *view = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);

        close(fd);
        close(go[1]);
        _exit(view == MAP_FAILED || read(go[0], &byte, 1) != 0);
    }
    close(go[0]);
    ck_assert_int_eq(use(), SEGMENT_IN_USE);
    close(go[1]);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert_int_eq(use(), SEGMENT_FREE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("segment");
    TCase *tests = tcase_create("segment");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, rounds_sizes_up_to_pages);
    tcase_add_test(tests, is_zeroed_and_sparse_until_committed);
    tcase_add_test(tests, only_the_broker_may_reopen_it);
    tcase_add_test(tests, a_read_only_handle_does_not_write);
    tcase_add_test(tests, nobody_changes_a_sealed_size);
    tcase_add_test(tests, both_handles_show_the_same_memory);
    tcase_add_test(tests, knows_the_last_holder);
    tcase_add_test(tests, sees_a_view_in_another_process);
    suite_add_tcase(suite, tests);
    return suite_main(suite);
}
