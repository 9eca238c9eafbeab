#include "terminal.h"

#include "text_windows.h"

#include <windows.h>

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <shellapi.h>
#include <stdlib.h>

static HANDLE interrupted; /* event: the user asked to end */

/* In UTF-8, and as they were written: the C runtime's are in the user's
 * character set, wildcards expanded. */
static void take_arguments(int *argc, char ***argv)
{
    int count;
    wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), &count);
    char **taken = wide ? calloc((size_t)count + 1, sizeof(*taken)) : NULL;

    for (int i = 0; taken && i < count; i++) {
        taken[i] = text_narrow(wide[i]);
        if (!taken[i])
            exit(1);
    }
    LocalFree(wide);
    if (!taken)
        exit(1);
    *argc = count;
    *argv = taken;
}

void terminal_start(int *argc, char ***argv)
{
    take_arguments(argc, argv);
    for (int fd = 0; fd < 3; fd++)
        _setmode(fd, _O_BINARY);
    SetConsoleOutputCP(CP_UTF8);
}

bool terminal_is_stderr(void)
{
    return _isatty(2);
}

unsigned terminal_width(void)
{
    CONSOLE_SCREEN_BUFFER_INFO info;

    if (!_isatty(1))
        return 0;
    if (!GetConsoleScreenBufferInfo(GetStdHandle(STD_OUTPUT_HANDLE), &info))
        return 80;
    return (unsigned)(info.srWindow.Right - info.srWindow.Left + 1);
}

unsigned terminal_character_width(uint32_t point)
{
    /* Consoles give the ideographs two columns, as wcwidth does. */
    bool wide = (point >= 0x1100 && point <= 0x115f) ||
                (point >= 0x2e80 && point <= 0xa4cf) ||
                (point >= 0xac00 && point <= 0xd7a3) ||
                (point >= 0xf900 && point <= 0xfaff) ||
                (point >= 0xfe30 && point <= 0xfe6f) ||
                (point >= 0xff00 && point <= 0xff60) ||
                (point >= 0x1f300 && point <= 0x1faff) ||
                (point >= 0x20000 && point <= 0x3fffd);
    bool combining = point >= 0x300 && point <= 0x36f;

    if (combining)
        return 0;
    return wide ? 2 : 1;
}

uint64_t terminal_clock(void)
{
    LARGE_INTEGER count, frequency;

    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&frequency);
    return (uint64_t)((double)count.QuadPart * 1e9 /
                      (double)frequency.QuadPart);
}

/* ---- data ---- */

uint64_t terminal_stdin_size(void)
{
    HANDLE input = GetStdHandle(STD_INPUT_HANDLE);
    LARGE_INTEGER size, none = {0}, at;

    if (GetFileType(input) != FILE_TYPE_DISK || !GetFileSizeEx(input, &size) ||
        !SetFilePointerEx(input, none, &at, FILE_CURRENT) ||
        at.QuadPart >= size.QuadPart)
        return 0;
    return (uint64_t)(size.QuadPart - at.QuadPart);
}

static unsigned part(size_t size)
{
    return size > 1024 * 1024 ? 1024 * 1024 : (unsigned)size;
}

ptrdiff_t terminal_read(void *bytes, size_t size)
{
    int got = _read(0, bytes, part(size));

    if (interrupted && WaitForSingleObject(interrupted, 0) == WAIT_OBJECT_0)
        return TERMINAL_E_INTERRUPTED;
    return got < 0 ? TERMINAL_E_FAILED : got;
}

ptrdiff_t terminal_write(const void *bytes, size_t size)
{
    int written = _write(1, bytes, part(size));

    if (written > 0)
        return written;
    if (written == 0)
        errno = EIO;
    return TERMINAL_E_FAILED;
}

int terminal_close_stdout(void)
{
    return _close(1) == 0 ? 0 : TERMINAL_E_FAILED;
}

/* ---- ending by the user's wish ---- */

static BOOL WINAPI note_interrupt(DWORD event)
{
    (void)event;
    SetEvent(interrupted);
    return TRUE;
}

void terminal_catch_interrupts(void)
{
    if (interrupted)
        return;
    interrupted = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (interrupted)
        SetConsoleCtrlHandler(note_interrupt, TRUE);
}

int terminal_hold(int fd, int milliseconds)
{
    HANDLE events[] = {(HANDLE)(intptr_t)fd, interrupted};
    DWORD r = WaitForMultipleObjects(interrupted ? 2 : 1, events, FALSE,
                                     milliseconds < 0 ? INFINITE
                                                      : (DWORD)milliseconds);

    if (r == WAIT_OBJECT_0)
        return 0;
    if (r == WAIT_TIMEOUT)
        return TERMINAL_LATE;
    errno = EINVAL;
    return r == WAIT_OBJECT_0 + 1 ? TERMINAL_E_INTERRUPTED : TERMINAL_E_FAILED;
}

bool terminal_wait(int fd, int milliseconds)
{
    return WaitForSingleObject((HANDLE)(intptr_t)fd, (DWORD)milliseconds) ==
           WAIT_OBJECT_0;
}
