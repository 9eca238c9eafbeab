#include "memory.h"

#include "suite.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void *test_map(int handle, size_t size, enum test_access access)
{
    void *memory =
        mmap(NULL, size, access == TEST_RO ? PROT_READ : PROT_READ | PROT_WRITE,
             access == TEST_COW ? MAP_PRIVATE : MAP_SHARED, handle, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void test_unmap(void *memory, size_t size)
{
    REQUIRE_INT(munmap(memory, size), 0);
}

void test_close(int handle)
{
    REQUIRE_INT(close(handle), 0);
}

int test_copy(int handle)
{
    int copy = fcntl(handle, F_DUPFD_CLOEXEC, 0);
    REQUIRE(copy >= 0);
    return copy;
}

int test_memory_new(size_t size)
{
    int handle = memfd_create("test", MFD_CLOEXEC);
    REQUIRE(handle >= 0);
    REQUIRE_INT(ftruncate(handle, (off_t)size), 0);
    return handle;
}

struct test_view test_view_open(int handle, size_t size,
                                enum test_access access)
{
    struct test_view view = {test_map(handle, size, access), size, -1};
    REQUIRE(view.memory != NULL);
    test_close(handle);
    return view;
}

void test_view_close(struct test_view *view)
{
    test_unmap(view->memory, view->size);
}

void test_memory_put(int handle, const void *bytes, size_t size)
{
    REQUIRE_INT(pwrite(handle, bytes, size, 0), size);
}

void test_memory_get(int handle, void *bytes, size_t size)
{
    REQUIRE_INT(pread(handle, bytes, size, 0), size);
}

static struct stat facts_of(int handle)
{
    struct stat facts;
    REQUIRE(fstat(handle, &facts) == 0);
    return facts;
}

uint64_t test_memory_size(int handle)
{
    return (uint64_t)facts_of(handle).st_size;
}

int64_t test_memory_allocated(int handle)
{
    return facts_of(handle).st_blocks * 512;
}

bool test_memory_same(int one, int other)
{
    struct stat a = facts_of(one), b = facts_of(other);
    return a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

bool test_is_writable(int handle)
{
    return (fcntl(handle, F_GETFL) & O_ACCMODE) == O_RDWR;
}

/* A number that the kernel tells of its huge pages; 0 where it does not. */
static unsigned huge_pages(const char *what)
{
    char path[128], text[32] = "";
    snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-2048kB/%s",
             what);
    FILE *file = fopen(path, "re");
    if (file && !fgets(text, sizeof(text), file))
        text[0] = '\0';
    if (file)
        fclose(file);
    return (unsigned)strtoul(text, NULL, 10);
}

unsigned test_huge_pages(void)
{
    return huge_pages("nr_overcommit_hugepages") > 0
               ? 0
               : huge_pages("free_hugepages");
}

bool test_await_readable(int fd, int ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, ms) == 1;
}

int test_file_open(const char *path, enum test_access access)
{
    int fd = open(path, (access == TEST_RW ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    REQUIRE(fd >= 0);
    return fd;
}

uint64_t test_file_size(const char *path)
{
    struct stat status;
    REQUIRE_INT(stat(path, &status), 0);
    return (uint64_t)status.st_size;
}
