/*
 * filemapping_writer [NAME [TEXT]]: the first half of the classic pair for
 * CreateFileMapping. Puts a text into named memory, for filemapping_reader,
 * until Enter is pressed.
 *
 * The same source is for Windows, where the calls are the system's own, and for
 * all others, with -DSEGB_WIN32_NAMES.
 */
#include <filemapping.h>

#include <stdio.h>
#include <string.h>

enum { TEXT_SIZE = 256 };

static int fail(const char *what)
{
    fprintf(stderr, "%s: error %u\n", what, (unsigned)GetLastError());
    return 1;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "Local\\MyFileMappingObject";
    const char *text = argc > 2 ? argv[2] : "a message from the first process";
    HANDLE mapping;
    char *view;

    if (strlen(text) >= TEXT_SIZE) {
        fprintf(stderr, "the text is too long\n");
        return 1;
    }
    mapping = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0,
                                 TEXT_SIZE, name);
    if (!mapping)
        return fail("CreateFileMapping");
    /* Else the size, and the text in it, are somebody's. */
    if (GetLastError() == ERROR_ALREADY_EXISTS) {
        CloseHandle(mapping);
        fprintf(stderr, "%s is there already\n", name);
        return 1;
    }
    view = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, TEXT_SIZE);
    if (!view)
        return fail("MapViewOfFile");
    CopyMemory(view, text, strlen(text) + 1);
    printf("%s has the text; Enter ends it\n", name);
    fflush(stdout);
    getchar();
    UnmapViewOfFile(view);
    CloseHandle(mapping);
    return 0;
}
