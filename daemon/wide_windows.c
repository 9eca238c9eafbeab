#include "wide_windows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

wchar_t *wide_from(const char *text)
{
    int size =
        MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    wchar_t *wide = size > 0 ? malloc((size_t)size * sizeof(*wide)) : NULL;

    if (wide)
        MultiByteToWideChar(CP_UTF8, 0, text, -1, wide, size);
    return wide;
}

char *wide_to(const wchar_t *wide)
{
    int size = WideCharToMultiByte(CP_UTF8, 0, wide, -1, NULL, 0, NULL, NULL);
    char *text = size > 0 ? malloc((size_t)size) : NULL;

    if (text)
        WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, size, NULL, NULL);
    return text;
}

const char *wide_error(unsigned long error)
{
    static _Thread_local char text[300];
    wchar_t wide[256];
    DWORD size = FormatMessageW(
        FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, error,
        0, wide, sizeof(wide) / sizeof(wide[0]), NULL);

    while (size > 0 && (wide[size - 1] <= L' ' || wide[size - 1] == L'.'))
        size--;
    wide[size < 256 ? size : 255] = L'\0';
    if (size == 0 || WideCharToMultiByte(CP_UTF8, 0, wide, -1, text,
                                         sizeof(text), NULL, NULL) == 0)
        snprintf(text, sizeof(text), "error %lu", error);
    return text;
}
