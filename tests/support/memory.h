/*
 * Handles and memory, as tests need them of the operating system: a handle is
 * a descriptor on POSIX, a HANDLE on Windows.
 */
#ifndef SEGBROKER_TESTS_MEMORY_H
#define SEGBROKER_TESTS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum test_access { TEST_RO, TEST_RW, TEST_COW };

/* Maps from the beginning; NULL when the system refuses. */
void *test_map(int handle, size_t size, enum test_access access);
void test_unmap(void *memory, size_t size);

void test_close(int handle);
int test_copy(int handle);

/* Memory that no broker knows of. */
int test_memory_new(size_t size);

/*
 * A view as clients of a broker have it, from the handle, which is taken: on
 * Windows, where views are not counted, it keeps the handle as long.
 */
struct test_view {
    void *memory;
    size_t size;
    int hold; /* -1: it needs none */
};

struct test_view test_view_open(int handle, size_t size,
                                enum test_access access);
void test_view_close(struct test_view *view);

/* Writes to the beginning of a handle's memory, and reads it. */
void test_memory_put(int handle, const void *bytes, size_t size);
void test_memory_get(int handle, void *bytes, size_t size);

/* Bytes of memory that the handle leads to. */
uint64_t test_memory_size(int handle);
/* Of them, those that have pages; -1 when the system does not tell. */
int64_t test_memory_allocated(int handle);
/* Whether both lead to the same memory. */
bool test_memory_same(int one, int other);
/* Whether it is for reading and writing, not for reading alone. */
bool test_is_writable(int handle);

/* Huge pages of 2 MiB that are free here; 0 where nobody can tell, since there
 * may be more when they are asked for. */
unsigned test_huge_pages(void);

/* Opens a file that is there, for reading only or for both. */
int test_file_open(const char *path, enum test_access access);
uint64_t test_file_size(const char *path);

/* Whether what segb_client_fd gave becomes readable within `ms`. */
bool test_await_readable(int fd, int ms);

#endif
