#include "memory.h"

#include "suite.h"

#include <fcntl.h>
#include <poll.h>
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

bool test_await_readable(int fd, int ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, ms) == 1;
}
