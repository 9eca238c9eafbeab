#include "child.h"

#include "text_windows.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

int child_setenv(const char *name, const char *value)
{
    wchar_t *wide_name = text_widen(name), *wide_value = text_widen(value);
    BOOL set = wide_name && wide_value &&
               SetEnvironmentVariableW(wide_name, wide_value);

    free(wide_name);
    free(wide_value);
    errno = set ? 0 : EINVAL;
    return set ? 0 : CHILD_E_FAILED;
}

intptr_t child_number(intptr_t handle, int number)
{
    (void)number; /* values are the system's to give */
    return SetHandleInformation((HANDLE)handle, HANDLE_FLAG_INHERIT,
                                HANDLE_FLAG_INHERIT)
               ? handle
               : -1;
}

/* Room for an argument in quotes, each of its bytes escaped, and a space. */
static size_t room_for(char *const *argv)
{
    size_t size = 1;

    for (; *argv; argv++)
        size += 2 * strlen(*argv) + 3;
    return size;
}

/* As CommandLineToArgvW reads it: backslashes are themselves, but before a
 * quote. What needs no quotes gets none, since cmd takes them for a part of
 * its words. */
static char *write_argument(char *at, const char *argument)
{
    size_t slashes = 0;

    if (*argument != '\0' && argument[strcspn(argument, " \t\"")] == '\0') {
        memcpy(at, argument, strlen(argument));
        return at + strlen(argument);
    }
    *at++ = '"';
    for (; *argument; argument++) {
        if (*argument == '"')
            for (; slashes > 0; slashes--)
                *at++ = '\\';
        slashes = *argument == '\\' ? slashes + 1 : 0;
        if (*argument == '"')
            *at++ = '\\';
        *at++ = *argument;
    }
    for (; slashes > 0; slashes--)
        *at++ = '\\';
    *at++ = '"';
    return at;
}

static wchar_t *command_line(char *const *argv)
{
    char *line = malloc(room_for(argv)), *at = line;
    wchar_t *wide;

    if (!line)
        return NULL;
    for (; *argv; argv++) {
        if (at != line)
            *at++ = ' ';
        at = write_argument(at, *argv);
    }
    *at = '\0';
    wide = text_widen(line);
    free(line);
    return wide;
}

static BOOL WINAPI leave_to_child(DWORD event)
{
    /* The console sends its events to the command too. */
    return event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT;
}

int child_run(char *const *argv, intptr_t handle, int number)
{
    STARTUPINFOW start = {.cb = sizeof(start)};
    PROCESS_INFORMATION process;
    wchar_t *line = command_line(argv);
    DWORD status = 0;
    BOOL started;

    (void)handle;
    (void)number;
    if (!line) {
        errno = ENOMEM;
        return CHILD_E_FAILED;
    }
    SetConsoleCtrlHandler(leave_to_child, TRUE);
    started = CreateProcessW(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL,
                             &start, &process);
    free(line);
    if (!started) {
        bool absent = GetLastError() == ERROR_FILE_NOT_FOUND ||
                      GetLastError() == ERROR_PATH_NOT_FOUND;

        errno = absent ? ENOENT : EACCES;
        return absent ? CHILD_E_ABSENT : CHILD_E_FAILED;
    }
    WaitForSingleObject(process.hProcess, INFINITE);
    GetExitCodeProcess(process.hProcess, &status);
    CloseHandle(process.hProcess);
    CloseHandle(process.hThread);
    return (int)(status & 0x7fffffff);
}
