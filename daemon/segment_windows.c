/*
 * Segments as unnamed sections backed by the paging file.
 *
 * A section's list of rights (DACL) gives nobody any beyond those of the handle
 * that was duplicated: a client cannot turn reading into writing. The last
 * holder is found by the count of handles, so a holder should keep its handle
 * as long as it has a view: views alone are not counted.
 */
#include "segment.h"

#include "handle.h"
#include "message.h"
#include "rights_windows.h"
#include "section_windows.h"

#include <stdlib.h>
#include <string.h>
#include <windows.h>
#include <winternl.h>

enum {
    READ_RIGHTS = SECTION_QUERY | SECTION_MAP_READ,
    /* That are mapped at a time to be zeroed. */
    WIPE_BYTES = 16 * 1024 * 1024
};

struct segment {
    HANDLE own;
    struct lent *readable; /* NULL while not open */
    struct lent *writable; /* NULL while not open */
};

/* PUBLIC_OBJECT_BASIC_INFORMATION of <winternl.h>, with its fields' names. */
struct basic_information {
    ULONG attributes;
    ACCESS_MASK granted;
    ULONG handles;
    ULONG pointers;
    ULONG reserved[10];
};

/* What CompareObjectHandles is; that has no import library of its own. */
NTSYSAPI NTSTATUS NTAPI NtCompareObjects(HANDLE one, HANDLE other);

static int outcome(DWORD error)
{
    switch (error) {
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_COMMITMENT_LIMIT:
    case ERROR_DISK_FULL:
    case ERROR_INVALID_PARAMETER: /* past the largest section */
        return SEGMENT_E_NO_MEMORY;
    case ERROR_ACCESS_DENIED:
        return SEGMENT_E_ACCESS;
    case ERROR_NO_SYSTEM_RESOURCES:
    case ERROR_TOO_MANY_OPEN_FILES:
        return SEGMENT_E_DESCRIPTORS;
    default:
        return SEGMENT_E_SYSTEM;
    }
}

static struct segment_promises promises;

/* Whether this process may have large pages now. */
static bool take_privilege(void)
{
    TOKEN_PRIVILEGES wanted = {
        .PrivilegeCount = 1,
        .Privileges = {{.Attributes = SE_PRIVILEGE_ENABLED}}};
    bool taken = false;
    HANDLE token;

    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES, &token))
        return false;
    /* It also succeeds where nothing was given. */
    if (LookupPrivilegeValueW(NULL, L"SeLockMemoryPrivilege",
                              &wanted.Privileges[0].Luid) &&
        AdjustTokenPrivileges(token, FALSE, &wanted, 0, NULL, NULL))
        taken = GetLastError() == ERROR_SUCCESS;
    CloseHandle(token);
    return taken;
}

void segment_init(void)
{
    bool may = take_privilege();

    promises = (struct segment_promises){
        .sealed_size = true,
        .handle_lifetime = true,
        .numa = true,
        .pages = {[PROTOCOL_PAGES_DEFAULT] = true,
                  [PROTOCOL_PAGES_2M] =
                      may && GetLargePageMinimum() ==
                                 message_pages_bytes(PROTOCOL_PAGES_2M)}};
}

struct segment_promises segment_promises(void)
{
    return promises;
}

const char *segment_pages_need(enum protocol_pages pages)
{
    if (pages == PROTOCOL_PAGES_1G)
        return "Windows has large pages of 2M alone";
    return "they need the privilege SeLockMemoryPrivilege for the broker's "
           "account, and free memory in one piece";
}

uint64_t segment_mapped_size(uint64_t size)
{
    SYSTEM_INFO info;
    uint64_t rounded;

    GetSystemInfo(&info);
    rounded = (size + info.dwPageSize - 1) / info.dwPageSize * info.dwPageSize;
    return rounded < size || rounded > INT64_MAX ? 0 : rounded;
}

/* Of the memory of a node, as far as it goes; `numa` 0: of any. */
static HANDLE make_section(HANDLE file, DWORD protection, uint64_t size,
                           unsigned numa)
{
    struct rights_nobody nobody;
    SECURITY_ATTRIBUTES *rights = rights_nobody(&nobody);

    if (!rights)
        return NULL;
    return CreateFileMappingNumaW(file, rights, protection, (DWORD)(size >> 32),
                                  (DWORD)size, NULL,
                                  numa ? numa - 1 : NUMA_NO_PREFERRED_NODE);
}

static int own(HANDLE section, struct segment **segment)
{
    struct segment *s = malloc(sizeof(*s));

    if (!s) {
        CloseHandle(section);
        return SEGMENT_E_NO_MEMORY;
    }
    *s = (struct segment){.own = section};
    *segment = s;
    return 0;
}

int segment_new(const struct segment_plan *plan, struct segment **segment)
{
    bool huge = plan->pages != PROTOCOL_PAGES_DEFAULT;
    DWORD how = plan->commit || huge ? SEC_COMMIT : SEC_RESERVE;
    HANDLE section =
        make_section(INVALID_HANDLE_VALUE,
                     PAGE_READWRITE | how | (huge ? SEC_LARGE_PAGES : 0),
                     plan->mapped_size, plan->numa);
    DWORD error = GetLastError();

    if (section)
        return own(section, segment);
    /* Memory may be free, but in too small pieces. */
    return huge && error == ERROR_NO_SYSTEM_RESOURCES ? SEGMENT_E_NO_PAGES
                                                      : outcome(error);
}

int segment_of_file(frame_handle write, frame_handle read, uint64_t size,
                    struct segment **segment)
{
    HANDLE section = write != HANDLE_NONE
                         ? make_section((HANDLE)write, PAGE_READWRITE, size, 0)
                         : make_section((HANDLE)read, PAGE_READONLY, size, 0);

    return section ? own(section, segment) : outcome(GetLastError());
}

void segment_empty(struct segment *segment)
{
    /* Nothing takes pages from who has a view. */
    (void)segment;
}

uint64_t segment_filled(const struct segment *segment)
{
    (void)segment;
    return 0;
}

int segment_freeze(struct segment *segment, enum protocol_frozen frozen)
{
    /* Nothing takes writing from who has a handle. */
    (void)segment;
    (void)frozen;
    return 0;
}

enum protocol_frozen segment_frozen(const struct segment *segment)
{
    (void)segment;
    return PROTOCOL_FROZEN_NO;
}

/* Zeroes what a view has of pages; those of a reserved section that nobody has
 * touched are none. */
static void wipe_view(char *view, size_t size)
{
    MEMORY_BASIC_INFORMATION part;

    for (size_t at = 0; at < size; at += part.RegionSize) {
        size_t length = size - at;

        if (VirtualQuery(view + at, &part, sizeof(part)) == 0 ||
            part.RegionSize == 0)
            return;
        if (part.RegionSize < length)
            length = part.RegionSize;
        if (part.State == MEM_COMMIT)
            memset(view + at, 0, length);
    }
}

int segment_wipe(struct segment *segment, uint64_t mapped_size)
{
    for (uint64_t at = 0; at < mapped_size; at += WIPE_BYTES) {
        uint64_t left = mapped_size - at;
        size_t size = left < WIPE_BYTES ? (size_t)left : WIPE_BYTES;
        char *view = MapViewOfFile(segment->own, FILE_MAP_WRITE,
                                   (DWORD)(at >> 32), (DWORD)at, size);

        if (!view)
            return SEGMENT_E_SYSTEM;
        wipe_view(view, size);
        UnmapViewOfFile(view);
    }
    return 0;
}

struct segment *segment_free(struct segment *segment)
{
    if (!segment)
        return NULL;
    segment_forget_handles(segment);
    CloseHandle(segment->own);
    free(segment);
    return NULL;
}

unsigned segment_parts(const struct segment *segment,
                       frame_handle parts[SEGMENT_PARTS_MAX])
{
    parts[0] = (frame_handle)segment->own;
    return 1;
}

static bool ask(HANDLE handle, struct basic_information *found)
{
    return NtQueryObject(handle, ObjectBasicInformation, found, sizeof(*found),
                         NULL) >= 0;
}

/* Whether a handle is to a section of that size, for reading and, unless it may
 * be of a file that was not given for it, writing. */
static bool is_section(HANDLE handle, const struct segment_plan *plan)
{
    ACCESS_MASK wanted = plan->of_file ? SECTION_MAP_READ : SECTION_MAP_WRITE;
    struct section_information section;
    struct basic_information found;

    return ask(handle, &found) && (found.granted & wanted) &&
           section_query(handle, &section) &&
           (uint64_t)section.size.QuadPart >= plan->mapped_size;
}

int segment_adopt(const frame_handle *parts, unsigned count,
                  const struct segment_plan *plan, struct segment **segment)
{
    if (count == 1 && is_section((HANDLE)parts[0], plan))
        return own((HANDLE)parts[0], segment);
    for (unsigned i = 0; i < count; i++)
        handle_close(parts[i]);
    return SEGMENT_E_SYSTEM;
}

bool segment_is(const struct segment *segment, frame_handle handle,
                bool writable)
{
    ACCESS_MASK wanted =
        writable ? READ_RIGHTS | SECTION_MAP_WRITE : READ_RIGHTS;
    struct basic_information found;

    return ask((HANDLE)handle, &found) && (found.granted & wanted) == wanted &&
           NtCompareObjects(segment->own, (HANDLE)handle) == 0;
}

int segment_commit(struct segment *segment, uint64_t offset, uint64_t length)
{
    /* SEC_COMMIT did that for the whole: no page of it can fail. */
    (void)segment;
    (void)offset;
    (void)length;
    return 0;
}

static int lend(const struct segment *segment, ACCESS_MASK rights,
                struct lent **lent)
{
    HANDLE copy;

    if (!DuplicateHandle(GetCurrentProcess(), segment->own, GetCurrentProcess(),
                         &copy, rights, FALSE, 0))
        return outcome(GetLastError());
    *lent = lent_new((frame_handle)copy);
    if (*lent)
        return 0;
    CloseHandle(copy);
    return SEGMENT_E_NO_MEMORY;
}

int segment_handle(struct segment *segment, bool writable, struct lent **handle)
{
    struct lent **kept = writable ? &segment->writable : &segment->readable;
    int r = 0;

    if (!*kept)
        r = lend(segment,
                 writable ? READ_RIGHTS | SECTION_MAP_WRITE : READ_RIGHTS,
                 kept);
    *handle = *kept;
    return r;
}

void segment_forget_handles(struct segment *segment)
{
    segment->readable = lent_unref(segment->readable);
    segment->writable = lent_unref(segment->writable);
}

enum segment_use segment_use(struct segment *segment, bool kept)
{
    struct basic_information found;

    if (!ask(segment->own, &found))
        return SEGMENT_UNKNOWN;
    return found.handles > (kept ? 2U : 1U) ? SEGMENT_IN_USE : SEGMENT_FREE;
}
