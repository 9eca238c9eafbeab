#include "file.h"

#include "text_windows.h"

#include <errno.h>
#include <stdlib.h>
#include <windows.h>

int file_open(const char *path, bool writable, segb_file *file)
{
    wchar_t *wide = text_widen(path);
    HANDLE handle = INVALID_HANDLE_VALUE;

    if (wide)
        handle = CreateFileW(
            wide, writable ? GENERIC_READ | GENERIC_WRITE : GENERIC_READ,
            FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
            OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    free(wide);
    /* One handle does for both: the broker takes rights away from it. */
    file->write = writable ? (intptr_t)handle : -1;
    file->read = writable ? -1 : (intptr_t)handle;
    if (handle != INVALID_HANDLE_VALUE)
        return 0;
    errno = GetLastError() == ERROR_ACCESS_DENIED ? EACCES : ENOENT;
    return 1;
}

void file_close(const segb_file *file)
{
    CloseHandle((HANDLE)(file->write != -1 ? file->write : file->read));
}
