/*
 * `socket` is one instance of the pipe that no client gets: the name is taken
 * as long as somebody has it, also while no broker serves. The lock is a file
 * that nobody else may open meanwhile.
 */
#include "listening.h"

#include "log.h"
#include "paths_windows.h"
#include "pipe_windows.h"
#include "wide_windows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *what, const char *path)
{
    log_error("%s %s: %s", what, path, wide_error(GetLastError()));
    return -1;
}

static int take_lock(struct listening *listening, const char *folder)
{
    wchar_t *path;
    HANDLE file;

    if (paths_lock(folder, listening->path, listening->lock_path,
                   sizeof(listening->lock_path)) != 0) {
        log_error("no place for the lock: give --runtime-dir");
        return -1;
    }
    path = wide_from(listening->lock_path);
    if (!path)
        return -1;
    file = CreateFileW(path, GENERIC_READ | GENERIC_WRITE | DELETE, 0, NULL,
                       OPEN_ALWAYS,
                       FILE_ATTRIBUTE_NORMAL | FILE_FLAG_DELETE_ON_CLOSE, NULL);
    free(path);
    if (file != INVALID_HANDLE_VALUE) {
        listening->lock = (frame_handle)file;
        return 0;
    }
    if (GetLastError() != ERROR_SHARING_VIOLATION)
        return fail("cannot open the lock", listening->lock_path);
    log_error("another broker serves here: it holds %s", listening->lock_path);
    return -1;
}

/* Connects the instance and ends that at once: so it is there, and no client
 * ever gets it. A client that was faster is sent away. */
static int occupy(HANDLE pipe, const wchar_t *path)
{
    HANDLE other = pipe_connect(path);

    if (other)
        CloseHandle(other);
    return DisconnectNamedPipe(pipe) ? 0 : -1;
}

static int make_pipe(struct listening *listening, const wchar_t *path)
{
    HANDLE pipe = pipe_create(path, true);

    if (!pipe)
        return fail("cannot make the pipe", listening->path);
    listening->socket = (frame_handle)pipe;
    return occupy(pipe, path) < 0
               ? fail("cannot occupy the pipe", listening->path)
               : 0;
}

int listening_open(struct listening *listening, const char *path,
                   const char *folder)
{
    wchar_t *wide = pipe_path(path);
    int r;

    listening->lock = listening->socket = HANDLE_NONE;
    if (!wide || strlen(path) >= sizeof(listening->path)) {
        free(wide);
        log_error("expected a pipe's name, \\\\.\\pipe\\NAME, not %s", path);
        return -1;
    }
    snprintf(listening->path, sizeof(listening->path), "%s", path);
    r = take_lock(listening, folder);
    if (r == 0)
        r = make_pipe(listening, wide);
    free(wide);
    if (r < 0)
        listening_remove(listening);
    return r;
}

int listening_adopt(struct listening *listening, frame_handle socket,
                    frame_handle lock, const char *path)
{
    if (!path || strlen(path) >= sizeof(listening->path))
        return -1;
    listening->socket = socket;
    listening->lock = lock;
    snprintf(listening->path, sizeof(listening->path), "%s", path);
    return 0;
}

void listening_close(struct listening *listening)
{
    handle_close(listening->socket);
    handle_close(listening->lock);
    listening->lock = listening->socket = HANDLE_NONE;
}

void listening_remove(struct listening *listening)
{
    /* Pipe and lock file go with their last handle. */
    listening_close(listening);
}
