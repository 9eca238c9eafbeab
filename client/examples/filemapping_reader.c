/*
 * filemapping_reader [NAME]: the second half; prints what filemapping_writer
 * has put there.
 */
#include <filemapping.h>

#include <stdio.h>

enum { TEXT_SIZE = 256 };

static int fail(const char *what)
{
    fprintf(stderr, "%s: error %u\n", what, (unsigned)GetLastError());
    return 1;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "Local\\MyFileMappingObject";
    HANDLE mapping = OpenFileMappingA(FILE_MAP_READ, FALSE, name);
    const char *view;

    if (!mapping)
        return fail("OpenFileMapping");
    view = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, TEXT_SIZE);
    if (!view)
        return fail("MapViewOfFile");
    /* Another process writes here: do not trust it to end the text. */
    printf("%.*s\n", TEXT_SIZE, view);
    UnmapViewOfFile(view);
    CloseHandle(mapping);
    return 0;
}
