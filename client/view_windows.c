#include "view.h"

#include "error.h"
#include "internal.h"

#include <windows.h>

/* Of Windows 10, 1703; before, large pages go without saying. */
#ifndef FILE_MAP_LARGE_PAGES
#define FILE_MAP_LARGE_PAGES 0x20000000
#endif

size_t view_page(void)
{
    SYSTEM_INFO info;

    GetSystemInfo(&info);
    return info.dwPageSize;
}

size_t view_granularity(void)
{
    SYSTEM_INFO info;

    GetSystemInfo(&info);
    return info.dwAllocationGranularity;
}

static DWORD rights_for(const struct view_wish *wish)
{
    DWORD rights = wish->huge ? FILE_MAP_LARGE_PAGES : 0;

    if (wish->access == SEGB_COW)
        return rights | FILE_MAP_COPY;
    if (wish->access == SEGB_RW)
        rights |= FILE_MAP_WRITE;
    return rights | FILE_MAP_READ;
}

/* The pages of a segment that was created to `reserve` must be committed
 * before they are touched. */
static int commit(void *memory, size_t length, int access)
{
    MEMORY_BASIC_INFORMATION region;
    DWORD protection = access == SEGB_RW    ? PAGE_READWRITE
                       : access == SEGB_COW ? PAGE_WRITECOPY
                                            : PAGE_READONLY;

    if (!VirtualQuery(memory, &region, sizeof(region)) ||
        (region.State == MEM_COMMIT && region.RegionSize >= length))
        return 0;
    if (VirtualAlloc(memory, length, MEM_COMMIT, protection))
        return 0;
    return error_set(SEGB_E_NO_MEMORY, "committing %zu bytes: error %lu",
                     length, GetLastError());
}

/* A copy-on-write view can commit nothing of its section, another one can. */
static int commit_for_copy(HANDLE section, uint64_t offset, size_t length)
{
    void *view = MapViewOfFile(section, FILE_MAP_READ, (DWORD)(offset >> 32),
                               (DWORD)offset, length);
    int r;

    if (!view)
        return 0; /* the view that is wanted fails too, and says why */
    r = commit(view, length, SEGB_RO);
    UnmapViewOfFile(view);
    return r;
}

/* The section's handles are what the broker counts. */
static int hold(HANDLE section, frame_handle *held)
{
    HANDLE copy;

    if (!DuplicateHandle(GetCurrentProcess(), section, GetCurrentProcess(),
                         &copy, 0, FALSE, DUPLICATE_SAME_ACCESS))
        return error_set(SEGB_E_SYSTEM, "DuplicateHandle: error %lu",
                         GetLastError());
    *held = (frame_handle)copy;
    return 0;
}

static int code_for(DWORD error)
{
    if (error == ERROR_INVALID_ADDRESS)
        return SEGB_E_BUSY;
    return error == ERROR_ACCESS_DENIED ? SEGB_E_ACCESS_DENIED : SEGB_E_SYSTEM;
}

int view_attach(frame_handle handle, const struct view_wish *wish,
                struct view_memory *memory)
{
    void *address;
    DWORD error;
    int r = 0;

    if (wish->access == SEGB_COW)
        r = commit_for_copy((HANDLE)handle, wish->offset, wish->length);
    if (r < 0)
        return r;
    address = MapViewOfFileEx((HANDLE)handle, rights_for(wish),
                              (DWORD)((uint64_t)wish->offset >> 32),
                              (DWORD)wish->offset, wish->length, wish->base);
    error = GetLastError();
    if (!address)
        return error_set(code_for(error),
                         "MapViewOfFile of %zu bytes: error %lu", wish->length,
                         error);
    r = commit(address, wish->length, wish->access);
    if (r == 0)
        r = hold((HANDLE)handle, &memory->hold);
    if (r < 0) {
        UnmapViewOfFile(address);
        return r;
    }
    memory->address = address;
    memory->length = wish->length;
    return 0;
}

void view_forget(const struct view_memory *memory)
{
    CloseHandle((HANDLE)memory->hold);
}

int view_flush(char *address, size_t length)
{
    if (FlushViewOfFile(address, length))
        return 0;
    return error_set(SEGB_E_SYSTEM, "FlushViewOfFile: error %lu",
                     GetLastError());
}

/* A read that fails is an error here, and no exception. Pages are shared, so
 * that what was read can be written. */
int view_populate(char *address, size_t length, int access, bool of_file)
{
    size_t page = view_page();
    size_t before = (uintptr_t)address & (page - 1);
    char byte;

    (void)access;
    (void)of_file;
    for (size_t at = 0; at < before + length; at += page)
        if (!ReadProcessMemory(GetCurrentProcess(), address - before + at,
                               &byte, 1, NULL))
            return error_set(SEGB_E_SYSTEM, "ReadProcessMemory: error %lu",
                             GetLastError());
    return 0;
}

int view_detach(const struct view_memory *memory)
{
    BOOL unmapped = UnmapViewOfFile(memory->address);

    CloseHandle((HANDLE)memory->hold);
    if (unmapped)
        return 0;
    return error_set(SEGB_E_SYSTEM, "UnmapViewOfFile: error %lu",
                     GetLastError());
}
