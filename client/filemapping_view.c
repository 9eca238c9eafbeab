/*
 * Views of the Win32 calls: views of the library, with Windows' rules.
 */
#include "filemapping_access.h"
#include "filemapping_error.h"
#include "filemapping_handle.h"
#include "view.h"

/* Windows places views so, whatever its pages are. */
enum { ALIGNMENT = 64 * 1024 };

/* What the access makes of a view, and what its handle must be good for. */
static DWORD parse_access(DWORD access, struct view_wish *wish, DWORD *needed)
{
    DWORD kinds;
    DWORD error = filemapping_access_parse(access, &kinds);

    if (error)
        return error;
    *needed = FILE_MAP_READ;
    wish->access = SEGB_RO;
    wish->execute = (kinds & FILE_MAP_EXECUTE) != 0;
    if (kinds & FILE_MAP_COPY) {
        wish->access = SEGB_COW;
    } else if (kinds & FILE_MAP_WRITE) {
        wish->access = SEGB_RW;
        *needed = FILE_MAP_WRITE;
    } else if (kinds == FILE_MAP_EXECUTE) {
        *needed = 0;
    }
    *needed |= kinds & FILE_MAP_EXECUTE;
    return ERROR_SUCCESS;
}

/* Whether a view of large pages can be so. */
static bool fits_pages(const segb_segment *segment, uint64_t offset,
                       size_t length)
{
    size_t page = view_huge_page(segment);

    return page > 0 && offset % page == 0 && length % page == 0;
}

/* Fits offset and length to the segment. */
static DWORD check_range(const segb_segment *segment, uint64_t offset,
                         size_t length, struct view_wish *wish)
{
    size_t size = segb_mapped_size(segment);

    if (offset >= size)
        return ERROR_INVALID_PARAMETER;
    if (wish->huge && !fits_pages(segment, offset, length))
        return ERROR_INVALID_PARAMETER;
    if (length > size - offset)
        return ERROR_ACCESS_DENIED;
    wish->offset = (size_t)offset;
    wish->length = length ? length : size - wish->offset;
    return ERROR_SUCCESS;
}

static DWORD error_of_view(int code)
{
    switch (code) {
    case 0:
        return ERROR_SUCCESS;
    case SEGB_E_ACCESS_DENIED:
        return ERROR_ACCESS_DENIED;
    case SEGB_E_BUSY:
        return ERROR_INVALID_ADDRESS;
    case SEGB_E_NO_MEMORY:
        return ERROR_COMMITMENT_LIMIT;
    default:
        return ERROR_NOT_ENOUGH_MEMORY;
    }
}

static DWORD map(HANDLE mapping, DWORD needed, uint64_t offset, size_t length,
                 struct view_wish *wish, void **address)
{
    DWORD rights;
    DWORD error;
    struct filemapping_object *object =
        filemapping_handle_get(mapping, &rights);

    if (!object)
        return ERROR_INVALID_HANDLE;
    if (!object->segment)
        error = ERROR_INVALID_HANDLE;
    else if ((rights & needed) != needed)
        error = ERROR_ACCESS_DENIED;
    else
        error = check_range(object->segment, offset, length, wish);
    if (!error)
        error = error_of_view(view_map(object->segment, wish, address));
    filemapping_object_unref(object);
    return error;
}

LPVOID SegMapViewOfFileEx(HANDLE mapping, DWORD access, DWORD offset_high,
                          DWORD offset_low, SIZE_T length, LPVOID base)
{
    struct view_wish wish = {.base = base,
                             .whole_pages = true,
                             .huge = (access & FILE_MAP_LARGE_PAGES) != 0};
    uint64_t offset = (uint64_t)offset_high << 32 | offset_low;
    DWORD needed;
    DWORD error =
        parse_access(access & ~(DWORD)FILE_MAP_LARGE_PAGES, &wish, &needed);
    void *address;

    if (!error && (offset % ALIGNMENT != 0 || (uintptr_t)base % ALIGNMENT != 0))
        error = ERROR_MAPPED_ALIGNMENT;
    if (!error)
        error = map(mapping, needed, offset, length, &wish, &address);
    return error ? filemapping_fail(error) : address;
}

LPVOID SegMapViewOfFile(HANDLE mapping, DWORD access, DWORD offset_high,
                        DWORD offset_low, SIZE_T length)
{
    return SegMapViewOfFileEx(mapping, access, offset_high, offset_low, length,
                              NULL);
}

BOOL SegUnmapViewOfFile(LPCVOID address)
{
    if (segb_unmap((void *)address) == 0)
        return TRUE;
    filemapping_fail(ERROR_INVALID_ADDRESS);
    return FALSE;
}

BOOL SegFlushViewOfFile(LPCVOID address, SIZE_T length)
{
    int r = segb_flush((void *)address, length);

    if (r == 0)
        return TRUE;
    filemapping_fail(filemapping_error_of(r));
    return FALSE;
}

/* ---- what is there ---- */

static DWORD protection_of(const struct view_facts *view)
{
    static const DWORD protections[][2] = {
        [SEGB_RO] = {PAGE_READONLY, PAGE_EXECUTE_READ},
        [SEGB_RW] = {PAGE_READWRITE, PAGE_EXECUTE_READWRITE},
        [SEGB_COW] = {PAGE_WRITECOPY, PAGE_EXECUTE_WRITECOPY},
    };

    return protections[view->access][view->execute];
}

SIZE_T SegVirtualQuery(LPCVOID address, MEMORY_BASIC_INFORMATION *region,
                       SIZE_T size)
{
    struct view_facts view;
    size_t before;

    if (!region || size < sizeof(*region)) {
        filemapping_fail(ERROR_BAD_LENGTH);
        return 0;
    }
    if (!view_find(address, &view)) {
        filemapping_fail(ERROR_NOT_SUPPORTED);
        return 0;
    }
    before = (uintptr_t)address - view.start;
    before -= before % view_page();
    *region = (MEMORY_BASIC_INFORMATION){
        .BaseAddress = (char *)address - ((uintptr_t)address % view_page()),
        .AllocationBase = (char *)address - ((uintptr_t)address - view.start),
        .AllocationProtect = protection_of(&view),
        .RegionSize = view.end - view.start - before,
        .State = MEM_COMMIT,
        .Protect = protection_of(&view),
        .Type = MEM_MAPPED};
    return sizeof(*region);
}
