/*
 * The Win32 calls where Windows has no such thing: fork, threads that make
 * their first call at once, files as POSIX opens them, and code in a mapping.
 */
#include "tests/support/mapping.h"
#include "tests/support/memory.h"
#include "tests/support/suite.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static HANDLE create(DWORD protect, const char *name)
{
    return mapping_create(protect, MAPPING_PAGE, name);
}

/* ---- fork ---- */

/* The thread sanitizer knows no threads in the child of a process with some,
 * and the address sanitizer's memory may be locked there for ever. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { CHILD_MAY_HAVE_THREADS = 0 };
#else
enum { CHILD_MAY_HAVE_THREADS = 1 };
#endif

struct family {
    HANDLE parents;
    volatile unsigned char *view;
};

static void use_as_child(void *data)
{
    struct family *family = data;
    HANDLE own;

    REQUIRE(!SegCloseHandle(family->parents));
    REQUIRE_INT(SegGetLastError(), ERROR_INVALID_HANDLE);
    family->view[0] = 2;
    own = SegOpenFileMappingA(FILE_MAP_READ, FALSE, "family");
    REQUIRE(own != NULL);
    REQUIRE(SegCloseHandle(own));
    REQUIRE(SegUnmapViewOfFile((const void *)family->view));
}

START_TEST(child_has_views_and_makes_its_own_handles)
{
    SKIP_UNLESS(CHILD_MAY_HAVE_THREADS, "the sanitizer ends the child");
    struct family family = {.parents = create(PAGE_READWRITE, "family")};

    family.view = SegMapViewOfFile(family.parents, FILE_MAP_WRITE, 0, 0, 0);
    REQUIRE(family.view != NULL);
    REQUIRE_INT(test_join(test_fork(use_as_child, &family)), 0);
    REQUIRE_INT(family.view[0], 2);
    /* The parent's are as they were. */
    REQUIRE(SegUnmapViewOfFile((const void *)family.view));
    family.view = SegMapViewOfFile(family.parents, FILE_MAP_READ, 0, 0, 0);
    REQUIRE(family.view != NULL);
    REQUIRE(SegUnmapViewOfFile((const void *)family.view));
    REQUIRE(SegCloseHandle(family.parents));
}
END_TEST

static void stay(void *data)
{
    (void)data;
    test_signal(test_self(), 19); /* SIGSTOP */
}

/* A child that does nothing keeps neither the name nor the memory. */
START_TEST(child_does_not_hold_what_its_parent_gives_up)
{
    HANDLE made = create(PAGE_READWRITE, "given");
    HANDLE copy;
    test_pid child;

    REQUIRE(SegDuplicateHandle(SegGetCurrentProcess(), made,
                               SegGetCurrentProcess(), &copy, 0, FALSE,
                               DUPLICATE_SAME_ACCESS));
    child = test_fork(stay, NULL);
    REQUIRE(SegCloseHandle(made));
    REQUIRE(SegCloseHandle(copy));
    REQUIRE(TEST_UNTIL(5000, raw_count_segments(&mapping_admin) == 0));
    REQUIRE(TEST_UNTIL(5000,
                       raw_used(&mapping_admin, "total", "connections") == 1));
    test_kill(child);
    test_join(child);
}
END_TEST

/* ---- threads ---- */

enum { THREADS = 8, ROUNDS = 50 };

static void *open_and_close(void *data)
{
    const char *name = data;

    for (int i = 0; i < ROUNDS; i++) {
        HANDLE own = create(PAGE_READWRITE, NULL);
        HANDLE shared = create(PAGE_READWRITE, name);
        void *view = SegMapViewOfFile(own, FILE_MAP_WRITE, 0, 0, 0);

        REQUIRE(view != NULL);
        REQUIRE(SegCloseHandle(own));
        REQUIRE(SegUnmapViewOfFile(view));
        REQUIRE(SegCloseHandle(shared));
    }
    /* Each thread has its own. */
    SegSetLastError(ERROR_INVALID_DATA);
    return NULL;
}

START_TEST(threads_may_all_come_first)
{
    pthread_t threads[THREADS];
    char name[] = "shared";

    SegSetLastError(ERROR_BAD_LENGTH);
    for (int i = 0; i < THREADS; i++)
        REQUIRE_INT(pthread_create(&threads[i], NULL, open_and_close, name), 0);
    for (int i = 0; i < THREADS; i++)
        REQUIRE_INT(pthread_join(threads[i], NULL), 0);
    REQUIRE_INT(SegGetLastError(), ERROR_BAD_LENGTH);
    REQUIRE(TEST_UNTIL(5000,
                       raw_used(&mapping_admin, "total", "connections") == 1));
    /* Those that had a view when their handle was closed go a little later. */
    REQUIRE(TEST_UNTIL(5000, raw_count_segments(&mapping_admin) == 0));
}
END_TEST

/* ---- files ---- */

/* A handle to a file that is opened so, with ten bytes in it. */
static HANDLE open_file(int flags, char path[TEST_PATH_MAX])
{
    HANDLE handle;
    int fd;

    test_path(path, "%s/file", mapping_broker.folder);
    test_write(path, "ten bytes.");
    fd = open(path, flags | O_CLOEXEC);
    REQUIRE(fd >= 0);
    handle = SegFileHandle(fd);
    REQUIRE(handle != INVALID_HANDLE_VALUE);
    close(fd);
    return handle;
}

/* The broker may not make a file larger than 1 GiB. */
START_TEST(file_that_cannot_grow_is_a_full_disk)
{
    char path[TEST_PATH_MAX];
    HANDLE file = open_file(O_RDWR, path);

    REFUSES(ERROR_DISK_FULL, SegCreateFileMappingA(file, NULL, PAGE_READWRITE,
                                                   0, 0x80000000, "full"));
    REQUIRE_INT(test_file_size(path), 10);
    mapping_expect_none("full");
    mapping_close(file);
}
END_TEST

START_TEST(file_opened_otherwise_is_refused)
{
    char path[TEST_PATH_MAX];
    HANDLE file = open_file(O_WRONLY, path);

    REFUSES(ERROR_ACCESS_DENIED,
            SegCreateFileMappingA(file, NULL, PAGE_READONLY, 0, 0, NULL));
    REFUSES(ERROR_ACCESS_DENIED,
            SegCreateFileMappingA(file, NULL, PAGE_READWRITE, 0, 0, NULL));
    mapping_close(file);
    file = open_file(O_RDWR | O_APPEND, path);
    REFUSES(ERROR_INVALID_PARAMETER,
            SegCreateFileMappingA(file, NULL, PAGE_READWRITE, 0, 0, NULL));
    mapping_close(file);
}
END_TEST

/* ---- code ---- */

START_TEST(handle_for_executing_gives_such_views)
{
    static const struct {
        DWORD protect;
        DWORD access;
        DWORD is;
    } cases[] = {
        {PAGE_EXECUTE_READ, FILE_MAP_READ, PAGE_EXECUTE_READ},
        {PAGE_EXECUTE_READWRITE, FILE_MAP_WRITE, PAGE_EXECUTE_READWRITE},
        {PAGE_EXECUTE_WRITECOPY, FILE_MAP_COPY, PAGE_EXECUTE_WRITECOPY}};
    MEMORY_BASIC_INFORMATION region;

    for (size_t i = 0; i < 3; i++) {
        HANDLE made = create(cases[i].protect, NULL);
        void *view =
            SegMapViewOfFile(made, cases[i].access | FILE_MAP_EXECUTE, 0, 0, 0);

        /* Where /dev/shm is mounted noexec. */
        if (!view) {
            REQUIRE_INT(SegGetLastError(), ERROR_ACCESS_DENIED);
            REQUIRE(SegCloseHandle(made));
            SKIP_UNLESS(false, "the system maps no segment to execute");
        }
        SegVirtualQuery(view, &region, sizeof(region));
        REQUIRE_INT(region.Protect, cases[i].is);
        REQUIRE(SegUnmapViewOfFile(view));
        REQUIRE(SegCloseHandle(made));
    }
}
END_TEST

START_TEST(view_to_execute_needs_such_a_handle)
{
    HANDLE made = create(PAGE_READWRITE, NULL);

    REQUIRE(!SegMapViewOfFile(made, FILE_MAP_READ | FILE_MAP_EXECUTE, 0, 0, 0));
    REQUIRE_INT(SegGetLastError(), ERROR_ACCESS_DENIED);
    REQUIRE(SegCloseHandle(made));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("filemapping on POSIX");
    TCase *tests = mapping_case(suite, "processes");

    tcase_add_test(tests, child_has_views_and_makes_its_own_handles);
    tcase_add_test(tests, child_does_not_hold_what_its_parent_gives_up);
    tcase_add_test(tests, threads_may_all_come_first);
    tcase_add_test(tests, file_that_cannot_grow_is_a_full_disk);
    tcase_add_test(tests, file_opened_otherwise_is_refused);
    tcase_add_test(tests, handle_for_executing_gives_such_views);
    tcase_add_test(tests, view_to_execute_needs_such_a_handle);
    return suite_main(suite);
}
