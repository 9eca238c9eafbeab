/*
 * Mappings and handles of the Win32 calls: arguments as Windows takes them, in
 * its order, for the calls of segbroker.h.
 */
#include "channel.h"
#include "filemapping_access.h"
#include "filemapping_error.h"
#include "filemapping_handle.h"
#include "filemapping_name.h"
#include "filemapping_system.h"

/* ---- protections ---- */

/* Of mappings that are no image; one of them goes without saying. */
enum { HOW_COMMITTED = SEC_COMMIT | SEC_RESERVE };

struct protection {
    DWORD page;
    int access;   /* of the segment */
    DWORD rights; /* of the handle */
};

static const struct protection *find_protection(DWORD page)
{
    static const struct protection protections[] = {
        {PAGE_READONLY, SEGB_RO, FILE_MAP_READ},
        {PAGE_READWRITE, SEGB_RW, FILE_MAP_READ | FILE_MAP_WRITE},
        {PAGE_WRITECOPY, SEGB_COW, FILE_MAP_READ},
        {PAGE_EXECUTE_READ, SEGB_RO, FILE_MAP_READ | FILE_MAP_EXECUTE},
        {PAGE_EXECUTE_READWRITE, SEGB_RW,
         FILE_MAP_READ | FILE_MAP_WRITE | FILE_MAP_EXECUTE},
        {PAGE_EXECUTE_WRITECOPY, SEGB_COW, FILE_MAP_READ | FILE_MAP_EXECUTE},
    };

    for (size_t i = 0; i < sizeof(protections) / sizeof(protections[0]); i++)
        if (protections[i].page == page)
            return &protections[i];
    return NULL;
}

/* What stands beside the protection: first what makes no sense, then what
 * cannot be honoured. */
static DWORD check_attributes(DWORD attributes)
{
    DWORD known = HOW_COMMITTED | SEC_IMAGE | SEC_NOCACHE | SEC_WRITECOMBINE |
                  SEC_LARGE_PAGES;
    DWORD rest = attributes & ~(DWORD)HOW_COMMITTED;

    if (attributes & ~known)
        return ERROR_INVALID_PARAMETER;
    if ((attributes & HOW_COMMITTED) == HOW_COMMITTED)
        return ERROR_INVALID_PARAMETER;
    if (attributes & SEC_IMAGE)
        return ERROR_NOT_SUPPORTED;
    if (rest && !(attributes & HOW_COMMITTED))
        return ERROR_INVALID_PARAMETER;
    if ((rest & SEC_LARGE_PAGES) && !(attributes & SEC_COMMIT))
        return ERROR_INVALID_PARAMETER;
    return rest & ~(DWORD)SEC_LARGE_PAGES ? ERROR_NOT_SUPPORTED : ERROR_SUCCESS;
}

static DWORD parse_protection(DWORD protect,
                              const struct protection **protection)
{
    DWORD pages = 0xffff;
    DWORD error;

    *protection = find_protection(protect & pages);
    if (!*protection)
        return ERROR_INVALID_PARAMETER;
    error = check_attributes(protect & ~pages);
    if (!error && ((*protection)->rights & FILE_MAP_EXECUTE) &&
        !filemapping_can_execute())
        error = ERROR_NOT_SUPPORTED;
    return error;
}

/* NULL is memory too, as Windows has it. */
static bool is_memory(HANDLE file)
{
    return file == INVALID_HANDLE_VALUE || !file;
}

/* Large pages are of memory, and whole. */
static DWORD check_size(HANDLE file, DWORD protect, uint64_t size)
{
    if (is_memory(file) && size == 0)
        return ERROR_INVALID_PARAMETER;
    if ((protect & SEC_LARGE_PAGES) &&
        (!is_memory(file) || size % SegGetLargePageMinimum() != 0))
        return ERROR_INVALID_PARAMETER;
    return ERROR_SUCCESS;
}

static DWORD check_security(const SECURITY_ATTRIBUTES *attributes)
{
    if (!attributes)
        return ERROR_SUCCESS;
    if (attributes->nLength < sizeof(*attributes))
        return ERROR_INVALID_PARAMETER;
    if (attributes->lpSecurityDescriptor || attributes->bInheritHandle)
        return ERROR_NOT_SUPPORTED;
    return ERROR_SUCCESS;
}

/* ---- mappings ---- */

/* The segment becomes a handle's, with the use of the client; or is closed. */
static HANDLE handle_of_segment(segb_segment *segment, DWORD rights)
{
    struct filemapping_object *object =
        filemapping_object_new(segment, -1, rights);
    HANDLE handle;

    if (!object) {
        segb_close(segment);
        filemapping_client_give_back();
        return filemapping_fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    handle = filemapping_handle_add(object, rights);
    if (handle)
        return handle;
    filemapping_object_unref(object);
    return filemapping_fail(ERROR_NOT_ENOUGH_MEMORY);
}

/* A size above what the broker counts to is too much for every host: it says
 * so, or opens what is there. */
static size_t fit_size(uint64_t size)
{
    if (size > PROTOCOL_INTEGER_MAX)
        size = PROTOCOL_INTEGER_MAX;
    return size > SIZE_MAX ? SIZE_MAX : (size_t)size;
}

static HANDLE create_segment(const char *name, uint64_t size,
                             const segb_create_options *options, DWORD rights)
{
    segb_client *client;
    segb_segment *segment;
    bool created;
    HANDLE handle;
    int r = filemapping_client_take(&client);

    if (r < 0)
        return filemapping_fail(filemapping_error_of(r));
    r = segb_create(client, *name ? name : NULL, fit_size(size), options,
                    &segment);
    if (r < 0) {
        filemapping_client_give_back();
        return filemapping_fail(r == SEGB_E_NO_MEMORY && options->pages
                                    ? ERROR_NO_SYSTEM_RESOURCES
                                    : filemapping_error_of(r));
    }
    created = segb_created(segment) != 0;
    handle = handle_of_segment(segment, rights);
    if (handle)
        SegSetLastError(created ? ERROR_SUCCESS : ERROR_ALREADY_EXISTS);
    return handle;
}

/* A mapping of a file; the options are complete but for that. */
static HANDLE create_of_file(struct filemapping_object *file, const char *name,
                             uint64_t size, const segb_create_options *options,
                             DWORD rights)
{
    segb_create_options whole = *options;
    segb_file parts;
    HANDLE handle;
    DWORD error = ERROR_INVALID_HANDLE;

    if (!file->segment)
        error = filemapping_file_parts(file->file,
                                       (rights & FILE_MAP_WRITE) != 0, &parts);
    if (error)
        return filemapping_fail(error);
    whole.file = &parts;
    handle = create_segment(name, size, &whole, rights);
    error = SegGetLastError();
    if (parts.read != -1)
        channel_close_handle(parts.read);
    SegSetLastError(error);
    return handle;
}

static HANDLE create_in_file(HANDLE file, const char *name, uint64_t size,
                             const segb_create_options *options, DWORD rights)
{
    DWORD unused;
    HANDLE handle;
    struct filemapping_object *object = filemapping_handle_get(file, &unused);

    if (!object)
        return filemapping_fail(ERROR_INVALID_HANDLE);
    handle = create_of_file(object, name, size, options, rights);
    filemapping_object_unref(object);
    return handle;
}

static HANDLE create(HANDLE file, const SECURITY_ATTRIBUTES *attributes,
                     DWORD protect, uint64_t size, DWORD name_error,
                     const struct filemapping_name *name)
{
    segb_create_options options = {.struct_size = sizeof(options)};
    const struct protection *protection;
    DWORD error = parse_protection(protect, &protection);

    if (!error)
        error = check_security(attributes);
    if (!error)
        error = check_size(file, protect, size);
    if (!error)
        error = name_error;
    if (error)
        return filemapping_fail(error);
    options.access = protection->access;
    if (!is_memory(file))
        return create_in_file(file, name->text, size, &options,
                              protection->rights);
    options.reserve = (protect & SEC_RESERVE) != 0;
    options.pages = protect & SEC_LARGE_PAGES ? SEGB_PAGES_2M : 0;
    return create_segment(name->text, size, &options, protection->rights);
}

HANDLE SegCreateFileMappingA(HANDLE file, SECURITY_ATTRIBUTES *attributes,
                             DWORD protect, DWORD size_high, DWORD size_low,
                             LPCSTR name)
{
    struct filemapping_name made;
    DWORD error = filemapping_name_ansi(name, &made);

    return create(file, attributes, protect,
                  (uint64_t)size_high << 32 | size_low, error, &made);
}

HANDLE SegCreateFileMappingW(HANDLE file, SECURITY_ATTRIBUTES *attributes,
                             DWORD protect, DWORD size_high, DWORD size_low,
                             LPCWSTR name)
{
    struct filemapping_name made;
    DWORD error = filemapping_name_wide(name, &made);

    return create(file, attributes, protect,
                  (uint64_t)size_high << 32 | size_low, error, &made);
}

static HANDLE open_segment(const char *name, DWORD rights)
{
    segb_open_options options = {.struct_size = sizeof(options)};
    segb_client *client;
    segb_segment *segment;
    int r = filemapping_client_take(&client);

    if (r < 0)
        return filemapping_fail(filemapping_error_of(r));
    options.access = rights & FILE_MAP_WRITE ? SEGB_RW : SEGB_RO;
    r = segb_open(client, name, &options, &segment);
    if (r == 0)
        return handle_of_segment(segment, rights);
    filemapping_client_give_back();
    return filemapping_fail(filemapping_error_of(r));
}

static HANDLE open_named(DWORD access, BOOL inherit, DWORD name_error,
                         const struct filemapping_name *name)
{
    DWORD rights;
    DWORD error = filemapping_access_rights(access, &rights);

    if (!error && inherit)
        error = ERROR_NOT_SUPPORTED;
    if (!error)
        error = name_error;
    if (!error && !*name->text)
        error = ERROR_INVALID_HANDLE;
    return error ? filemapping_fail(error) : open_segment(name->text, rights);
}

HANDLE SegOpenFileMappingA(DWORD access, BOOL inherit, LPCSTR name)
{
    struct filemapping_name made;
    DWORD error =
        name ? filemapping_name_ansi(name, &made) : ERROR_INVALID_PARAMETER;

    return open_named(access, inherit, error, &made);
}

HANDLE SegOpenFileMappingW(DWORD access, BOOL inherit, LPCWSTR name)
{
    struct filemapping_name made;
    DWORD error =
        name ? filemapping_name_wide(name, &made) : ERROR_INVALID_PARAMETER;

    return open_named(access, inherit, error, &made);
}

/* ---- handles ---- */

SIZE_T SegGetLargePageMinimum(void)
{
    return 2 * 1024 * 1024;
}

HANDLE SegGetCurrentProcess(void)
{
    return INVALID_HANDLE_VALUE;
}

HANDLE SegFileHandle(intptr_t file)
{
    struct filemapping_object *object;
    HANDLE handle = NULL;
    intptr_t copy = filemapping_copy_file(file);

    if (copy == -1) {
        filemapping_fail(ERROR_INVALID_HANDLE);
        return INVALID_HANDLE_VALUE;
    }
    object = filemapping_object_new(NULL, copy, 0);
    if (object)
        handle = filemapping_handle_add(object, 0);
    if (handle)
        return handle;
    if (object)
        filemapping_object_unref(object);
    else
        channel_close_handle(copy);
    filemapping_fail(ERROR_NOT_ENOUGH_MEMORY);
    return INVALID_HANDLE_VALUE;
}

BOOL SegCloseHandle(HANDLE handle)
{
    /* As Windows has it: the process itself needs no closing. */
    if (handle == SegGetCurrentProcess() || filemapping_handle_remove(handle))
        return TRUE;
    filemapping_fail(ERROR_INVALID_HANDLE);
    return FALSE;
}

/* What a duplicate of a handle may. */
static DWORD parse_duplicate(const struct filemapping_object *object,
                             DWORD access, DWORD options, DWORD *rights)
{
    DWORD error;

    if (options & DUPLICATE_SAME_ACCESS)
        return ERROR_SUCCESS;
    if (!object->segment)
        return ERROR_NOT_SUPPORTED;
    error = filemapping_access_rights(access, rights);
    if (!error && (*rights & ~object->rights))
        error = ERROR_ACCESS_DENIED;
    return error;
}

/* The reference becomes the new handle's, or is given up. */
static DWORD duplicate(struct filemapping_object *object, DWORD rights,
                       HANDLE *target)
{
    HANDLE made = filemapping_handle_add(object, rights);

    if (!made) {
        filemapping_object_unref(object);
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    *target = made;
    return ERROR_SUCCESS;
}

static DWORD check_duplicate(HANDLE source_process, HANDLE source,
                             HANDLE target_process, BOOL inherit, DWORD options)
{
    DWORD known = DUPLICATE_CLOSE_SOURCE | DUPLICATE_SAME_ACCESS;

    if (options & ~known)
        return ERROR_INVALID_PARAMETER;
    if (source_process != SegGetCurrentProcess() ||
        target_process != SegGetCurrentProcess() ||
        source == SegGetCurrentProcess() || inherit)
        return ERROR_NOT_SUPPORTED;
    return ERROR_SUCCESS;
}

static DWORD duplicate_handle(HANDLE source, HANDLE *target, DWORD access,
                              DWORD options)
{
    DWORD rights;
    DWORD error;
    struct filemapping_object *object = filemapping_handle_get(source, &rights);

    if (!object)
        return ERROR_INVALID_HANDLE;
    error = parse_duplicate(object, access, options, &rights);
    if (!error && target)
        error = duplicate(object, rights, target);
    else
        filemapping_object_unref(object);
    /* Also where it fails, as Windows has it. */
    if (options & DUPLICATE_CLOSE_SOURCE)
        filemapping_handle_remove(source);
    return error;
}

BOOL SegDuplicateHandle(HANDLE source_process, HANDLE source,
                        HANDLE target_process, HANDLE *target, DWORD access,
                        BOOL inherit, DWORD options)
{
    DWORD error = check_duplicate(source_process, source, target_process,
                                  inherit, options);

    if (!error)
        error = duplicate_handle(source, target, access, options);
    if (!error)
        return TRUE;
    filemapping_fail(error);
    return FALSE;
}
