#include "memory.h"

#include "suite.h"

#include <windows.h>

#include <string.h>
#include <winternl.h>

/* SECTION_BASIC_INFORMATION, class 0. */
struct section_information {
    void *base;
    ULONG attributes;
    LARGE_INTEGER size;
};

struct basic_information {
    ULONG attributes;
    ACCESS_MASK granted;
    ULONG rest[12];
};

NTSYSAPI NTSTATUS NTAPI NtQuerySection(HANDLE section, int class, void *found,
                                       SIZE_T size, SIZE_T *returned);
NTSYSAPI NTSTATUS NTAPI NtCompareObjects(HANDLE one, HANDLE other);

static HANDLE handle_of(int number)
{
    return (HANDLE)(intptr_t)number;
}

void *test_map(int handle, size_t size, enum test_access access)
{
    static const DWORD rights[] = {
        FILE_MAP_READ, FILE_MAP_READ | FILE_MAP_WRITE, FILE_MAP_COPY};
    return MapViewOfFile(handle_of(handle), rights[access], 0, 0, size);
}

void test_unmap(void *memory, size_t size)
{
    (void)size;
    REQUIRE(UnmapViewOfFile(memory));
}

void test_close(int handle)
{
    REQUIRE(CloseHandle(handle_of(handle)));
}

int test_copy(int handle)
{
    HANDLE copy;
    REQUIRE(DuplicateHandle(GetCurrentProcess(), handle_of(handle),
                            GetCurrentProcess(), &copy, 0, FALSE,
                            DUPLICATE_SAME_ACCESS));
    return (int)(intptr_t)copy;
}

int test_memory_new(size_t size)
{
    HANDLE handle =
        CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE,
                           (DWORD)((uint64_t)size >> 32), (DWORD)size, NULL);
    REQUIRE(handle != NULL);
    return (int)(intptr_t)handle;
}

struct test_view test_view_open(int handle, size_t size,
                                enum test_access access)
{
    struct test_view view = {test_map(handle, size, access), size, handle};
    REQUIRE(view.memory != NULL);
    return view;
}

void test_view_close(struct test_view *view)
{
    test_unmap(view->memory, view->size);
    test_close(view->hold);
}

void test_memory_put(int handle, const void *bytes, size_t size)
{
    void *memory = test_map(handle, size, TEST_RW);
    REQUIRE(memory != NULL);
    memcpy(memory, bytes, size);
    test_unmap(memory, size);
}

void test_memory_get(int handle, void *bytes, size_t size)
{
    void *memory = test_map(handle, size, TEST_RO);
    REQUIRE(memory != NULL);
    memcpy(bytes, memory, size);
    test_unmap(memory, size);
}

uint64_t test_memory_size(int handle)
{
    struct section_information found;
    REQUIRE(NtQuerySection(handle_of(handle), 0, &found, sizeof(found), NULL) >=
            0);
    return (uint64_t)found.size.QuadPart;
}

int64_t test_memory_allocated(int handle)
{
    (void)handle;
    return -1;
}

bool test_memory_same(int one, int other)
{
    return NtCompareObjects(handle_of(one), handle_of(other)) == 0;
}

bool test_is_writable(int handle)
{
    struct basic_information found;
    REQUIRE(NtQueryObject(handle_of(handle), ObjectBasicInformation, &found,
                          sizeof(found), NULL) >= 0);
    return (found.granted & SECTION_MAP_WRITE) != 0;
}

unsigned test_huge_pages(void)
{
    return 0;
}

bool test_await_readable(int fd, int ms)
{
    return WaitForSingleObject(handle_of(fd), (DWORD)ms) == WAIT_OBJECT_0;
}

int test_file_open(const char *path, enum test_access access)
{
    HANDLE file = CreateFileA(
        path, access == TEST_RW ? GENERIC_READ | GENERIC_WRITE : GENERIC_READ,
        FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
        OPEN_EXISTING, 0, NULL);
    REQUIRE(file != INVALID_HANDLE_VALUE);
    return (int)(intptr_t)file;
}

uint64_t test_file_size(const char *path)
{
    WIN32_FILE_ATTRIBUTE_DATA found;
    REQUIRE(GetFileAttributesExA(path, GetFileExInfoStandard, &found));
    return (uint64_t)found.nFileSizeHigh << 32 | found.nFileSizeLow;
}
