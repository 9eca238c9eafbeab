#include "fake.h"
#include "fake_system.h"

#include "suite.h"

#include <windows.h>

#include <sddl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_SIZE = 65536, LINE_ROOM = 64 };

static struct {
    HANDLE pipe;
    HANDLE memory;
    HANDLE moved; /* event of the operation under way */
} fake;

static void make_memory(size_t size)
{
    fake.memory = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE,
                                     0, (DWORD)size, NULL);
    REQUIRE(fake.memory != NULL);
}

void fake_listen(char address[TEST_PATH_MAX])
{
    static unsigned turn;
    SECURITY_ATTRIBUTES attributes = {.nLength = sizeof(attributes)};

    /* With one Wine says whose it is. */
    REQUIRE(ConvertStringSecurityDescriptorToSecurityDescriptorA(
        "D:(A;;GA;;;WD)", SDDL_REVISION_1, &attributes.lpSecurityDescriptor,
        NULL));
    test_path(address, "\\\\.\\pipe\\segbroker-fake-%ld-%u", test_self(),
              ++turn);
    fake.pipe =
        CreateNamedPipeA(address, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED,
                         PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT, 1,
                         BUFFER_SIZE, BUFFER_SIZE, 0, &attributes);
    LocalFree(attributes.lpSecurityDescriptor);
    REQUIRE(fake.pipe != INVALID_HANDLE_VALUE);
    fake.moved = CreateEventW(NULL, TRUE, FALSE, NULL);
    REQUIRE(fake.moved != NULL);
    make_memory(1);
}

/* Waits for the end of an operation; the bytes moved, 0 when it failed. */
static DWORD finish(OVERLAPPED *operation, BOOL begun)
{
    DWORD size = 0;

    if (!begun && GetLastError() != ERROR_IO_PENDING)
        return 0;
    return GetOverlappedResult(fake.pipe, operation, &size, TRUE) ? size : 0;
}

static void accept_one(void)
{
    OVERLAPPED operation = {.hEvent = fake.moved};

    if (!ConnectNamedPipe(fake.pipe, &operation) &&
        GetLastError() == ERROR_PIPE_CONNECTED)
        return;
    finish(&operation, FALSE);
}

/* The library first only looks whose pipe it is. */
bool fake_accept(void)
{
    OVERLAPPED operation = {.hEvent = fake.moved};
    char byte;

    accept_one();
    finish(&operation, ReadFile(fake.pipe, &byte, 1, NULL, &operation));
    DisconnectNamedPipe(fake.pipe);
    accept_one();
    return true;
}

int fake_receive(char *byte)
{
    OVERLAPPED operation = {.hEvent = fake.moved};

    return finish(&operation, ReadFile(fake.pipe, byte, 1, NULL, &operation)) ==
           1;
}

bool fake_send(const char *bytes, size_t size, bool give)
{
    OVERLAPPED operation = {.hEvent = fake.moved};

    (void)give; /* it is in the client's process, which is this one */
    return finish(&operation, WriteFile(fake.pipe, bytes, (DWORD)size, NULL,
                                        &operation)) == size;
}

/* The client closes what it was given. */
static HANDLE give_memory(size_t size)
{
    HANDLE given;

    CloseHandle(fake.memory);
    make_memory(size);
    REQUIRE(DuplicateHandle(GetCurrentProcess(), fake.memory,
                            GetCurrentProcess(), &given, 0, FALSE,
                            DUPLICATE_SAME_ACCESS));
    return given;
}

char *fake_name_memory(char *line, size_t size)
{
    static const char index[] = "\"memory\":0";
    char *at = strstr(line, index);
    char *named = malloc(strlen(line) + LINE_ROOM);

    REQUIRE(named != NULL && at != NULL);
    snprintf(named, strlen(line) + LINE_ROOM, "%.*s\"memory\":\"0x%llx\"%s",
             (int)(at - line), line,
             (unsigned long long)(uintptr_t)give_memory(size),
             at + strlen(index));
    free(line);
    return named;
}

void fake_hang_up(void)
{
    CloseHandle(fake.pipe);
    fake.pipe = NULL;
}

void fake_forget(void)
{
    if (fake.pipe)
        CloseHandle(fake.pipe);
    CloseHandle(fake.memory);
    CloseHandle(fake.moved);
}
