#include "files.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include <aclapi.h>
#include <sddl.h>

static int fail(const char **why, const char *sentence)
{
    *why = sentence;
    return 1;
}

/* The few sentences that matter here. */
static const char *reason(DWORD error)
{
    switch (error) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
        return "No such file or directory";
    case ERROR_ACCESS_DENIED:
        return "Permission denied";
    case ERROR_SHARING_VIOLATION:
        return "another program has it open";
    default:
        return "it cannot be read";
    }
}

static wchar_t *widen(const char *text)
{
    int size =
        MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    wchar_t *wide = size > 0 ? malloc((size_t)size * sizeof(*wide)) : NULL;

    if (wide)
        MultiByteToWideChar(CP_UTF8, 0, text, -1, wide, size);
    return wide;
}

/* Whether a file's owner may say what the broker does: administrators, the
 * system, its installer, or the broker's own user. Anybody may have made a file
 * where the configuration is looked for, before there was any. */
static bool is_trusted_owner(PSID owner)
{
    static const wchar_t installer[] =
        L"S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464";
    union {
        TOKEN_USER user;
        char bytes[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
    } own;
    bool trusted = IsWellKnownSid(owner, WinLocalSystemSid) ||
                   IsWellKnownSid(owner, WinBuiltinAdministratorsSid);
    HANDLE token;
    DWORD size;
    PSID sid;

    if (!trusted && ConvertStringSidToSidW(installer, &sid)) {
        trusted = EqualSid(owner, sid);
        LocalFree(sid);
    }
    if (trusted || !OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
        return trusted;
    trusted = GetTokenInformation(token, TokenUser, &own, sizeof(own), &size) &&
              EqualSid(owner, own.user.User.Sid);
    CloseHandle(token);
    return trusted;
}

static int check_owner(HANDLE file, const char **why)
{
    PSECURITY_DESCRIPTOR descriptor;
    PSID owner;
    int r = 0;

    if (GetSecurityInfo(file, SE_FILE_OBJECT, OWNER_SECURITY_INFORMATION,
                        &owner, NULL, NULL, NULL, &descriptor) != 0)
        return fail(why, "it does not say whose it is");
    if (!owner || !is_trusted_owner(owner))
        r = fail(why, "it belongs neither to administrators nor to the "
                      "broker's own user");
    LocalFree(descriptor);
    return r;
}

static int check_kind(HANDLE file, const char **why)
{
    LARGE_INTEGER size;

    if (GetFileType(file) != FILE_TYPE_DISK)
        return fail(why, "it is not a regular file");
    if (!GetFileSizeEx(file, &size))
        return fail(why, reason(GetLastError()));
    if (size.QuadPart > FILES_SIZE_MAX)
        return fail(why, "it is larger than 1 MiB");
    return 0;
}

/* Reads to the end, or one byte more than is allowed. */
static int read_all(HANDLE file, char **text, size_t *size, const char **why)
{
    char *bytes = malloc(FILES_SIZE_MAX + 1);
    size_t have = 0;
    DWORD n = 1;
    BOOL good = TRUE;

    if (!bytes)
        return FILES_E_NOMEM;
    while (good && n > 0 && have <= FILES_SIZE_MAX) {
        good = ReadFile(file, bytes + have, (DWORD)(FILES_SIZE_MAX + 1 - have),
                        &n, NULL);
        have += good ? n : 0;
    }
    if (good && n == 0) {
        *text = bytes;
        *size = have;
        return 0;
    }
    free(bytes);
    return fail(why, good ? "it is larger than 1 MiB" : reason(GetLastError()));
}

int files_read(const char *path, char **text, size_t *size, const char **why)
{
    wchar_t *wide = widen(path);
    HANDLE file;
    int r;

    if (!wide)
        return fail(why, "its path is not UTF-8");
    file = CreateFileW(wide, GENERIC_READ | READ_CONTROL,
                       FILE_SHARE_READ | FILE_SHARE_DELETE, NULL, OPEN_EXISTING,
                       FILE_ATTRIBUTE_NORMAL, NULL);
    free(wide);
    if (file == INVALID_HANDLE_VALUE)
        return fail(why, reason(GetLastError()));
    r = check_owner(file, why);
    if (r == 0)
        r = check_kind(file, why);
    if (r == 0)
        r = read_all(file, text, size, why);
    CloseHandle(file);
    return r;
}

void files_list_free(char **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

/* The folder's path with its separator at the end. NULL when memory is
 * short. */
static char *drop_in_folder(const char *path)
{
    size_t size = strlen(path);
    char *folder;

    while (size > 0 && path[size - 1] != '\\' && path[size - 1] != '/')
        size--;
    folder = malloc(size + sizeof("conf.d\\"));
    if (folder)
        snprintf(folder, size + sizeof("conf.d\\"), "%.*sconf.d\\", (int)size,
                 path);
    return folder;
}

static char *join(const char *folder, const wchar_t *name)
{
    char narrow[MAX_PATH * 3];
    size_t size = strlen(folder);
    char *path;

    if (WideCharToMultiByte(CP_UTF8, 0, name, -1, narrow, sizeof(narrow), NULL,
                            NULL) == 0)
        return NULL;
    size += strlen(narrow) + 1;
    path = malloc(size);
    if (path)
        snprintf(path, size, "%s%s", folder, narrow);
    return path;
}

/* `*.conf` of Windows matches `*.config` too. */
static bool is_drop_in(const WIN32_FIND_DATAW *found)
{
    size_t size = wcslen(found->cFileName);

    return !(found->dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) &&
           found->cFileName[0] != L'.' && size > 5 &&
           wcscmp(found->cFileName + size - 5, L".conf") == 0;
}

struct list {
    char **paths;
    size_t count;
};

static int add(struct list *list, char *path)
{
    char **more = realloc(list->paths, (list->count + 1) * sizeof(*more));

    if (!more || !path) {
        free(path);
        if (more)
            list->paths = more;
        return FILES_E_NOMEM;
    }
    list->paths = more;
    list->paths[list->count++] = path;
    return 0;
}

static int gather(const char *folder, HANDLE search, WIN32_FIND_DATAW *found,
                  struct list *list)
{
    int r = 0;

    do {
        if (is_drop_in(found))
            r = add(list, join(folder, found->cFileName));
    } while (r == 0 && FindNextFileW(search, found));
    return r;
}

static int in_byte_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All in a folder, which there need not be. */
static int read_folder(const char *folder, struct list *list, const char **why)
{
    wchar_t *pattern = NULL, *wide = widen(folder);
    WIN32_FIND_DATAW found;
    HANDLE search;
    int r;

    if (wide)
        pattern = malloc((wcslen(wide) + 2) * sizeof(*pattern));
    if (!pattern) {
        free(wide);
        return FILES_E_NOMEM;
    }
    wcscpy(pattern, wide);
    wcscat(pattern, L"*");
    search = FindFirstFileW(pattern, &found);
    free(pattern);
    free(wide);
    if (search == INVALID_HANDLE_VALUE)
        return GetLastError() == ERROR_PATH_NOT_FOUND ||
                       GetLastError() == ERROR_FILE_NOT_FOUND
                   ? 0
                   : fail(why, reason(GetLastError()));
    r = gather(folder, search, &found, list);
    FindClose(search);
    return r;
}

int files_drop_ins(const char *path, char ***list, size_t *count,
                   const char **why)
{
    char *folder = drop_in_folder(path);
    struct list found = {0};
    int r;

    if (!folder)
        return FILES_E_NOMEM;
    r = read_folder(folder, &found, why);
    free(folder);
    if (r != 0) {
        files_list_free(found.paths, found.count);
        return r;
    }
    if (found.count > 0)
        qsort(found.paths, found.count, sizeof(found.paths[0]), in_byte_order);
    *list = found.paths;
    *count = found.count;
    return 0;
}
