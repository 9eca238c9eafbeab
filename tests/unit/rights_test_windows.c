/*
 * What Windows is told about who may do what, read back from it: Wine keeps
 * it, though it does not enforce all of it.
 */
#include "bell.h"
#include "identity.h"
#include "pipe_windows.h"
#include "segment.h"
#include "tests/support/runner.h"

#include <check.h>
#include <stdio.h>
#include <windows.h>

#include <aclapi.h>

enum { MAKE_INSTANCE = 0x4, USE = 0x12019b };

static const wchar_t *name(void)
{
    static wchar_t text[64];

    _snwprintf(text, 64, L"\\\\.\\pipe\\segbroker-rights-%lu",
               GetCurrentProcessId());
    return text;
}

/* The access list of an object, for LocalFree of its descriptor. */
static PACL list_of(HANDLE object, PSECURITY_DESCRIPTOR *descriptor)
{
    PACL list = NULL;

    ck_assert_uint_eq(GetSecurityInfo(object, SE_KERNEL_OBJECT,
                                      DACL_SECURITY_INFORMATION, NULL, NULL,
                                      &list, NULL, descriptor),
                      ERROR_SUCCESS);
    ck_assert_ptr_nonnull(list);
    return list;
}

/* The entry about a well-known SID; NULL when there is none. */
static ACE_HEADER *entry_about(PACL list, WELL_KNOWN_SID_TYPE who)
{
    for (DWORD i = 0; i < list->AceCount; i++) {
        ACE_HEADER *entry;

        ck_assert(GetAce(list, i, (void **)&entry));
        if (IsWellKnownSid(&((ACCESS_ALLOWED_ACE *)entry)->SidStart, who))
            return entry;
    }
    return NULL;
}

START_TEST(pipe_lets_users_in_and_the_network_not)
{
    HANDLE pipe = pipe_create(name(), true);
    PSECURITY_DESCRIPTOR descriptor;
    ACE_HEADER *users, *network;
    PACL list;

    ck_assert_ptr_nonnull(pipe);
    list = list_of(pipe, &descriptor);
    network = entry_about(list, WinNetworkSid);
    ck_assert_ptr_nonnull(network);
    ck_assert_int_eq(network->AceType, ACCESS_DENIED_ACE_TYPE);
    users = entry_about(list, WinAuthenticatedUserSid);
    ck_assert_ptr_nonnull(users);
    ck_assert_int_eq(users->AceType, ACCESS_ALLOWED_ACE_TYPE);
    ck_assert_uint_eq(((ACCESS_ALLOWED_ACE *)users)->Mask, USE);
    ck_assert_uint_eq(USE & MAKE_INSTANCE, 0);
    ck_assert_ptr_null(entry_about(list, WinWorldSid));
    ck_assert_ptr_null(entry_about(list, WinAnonymousSid));
    LocalFree(descriptor);
    CloseHandle(pipe);
}
END_TEST

START_TEST(client_of_a_pipe_is_this_process_with_few_rights)
{
    HANDLE pipe = pipe_create(name(), true);
    HANDLE client, process, copy = NULL;
    DWORD size;
    char byte;

    ck_assert_ptr_nonnull(pipe);
    client = pipe_connect(name());
    ck_assert_ptr_nonnull(client);
    ck_assert(WriteFile(client, "x", 1, &size, NULL) ||
              GetLastError() == ERROR_IO_PENDING);
    ck_assert(ReadFile(pipe, &byte, 1, &size, NULL) ||
              GetLastError() == ERROR_IO_PENDING);
    process = pipe_client_process(pipe);
    ck_assert_ptr_nonnull(process);
    ck_assert_uint_eq(GetProcessId(process), GetCurrentProcessId());
    ck_assert(DuplicateHandle(GetCurrentProcess(), pipe, process, &copy, 0,
                              FALSE, DUPLICATE_SAME_ACCESS));
    CloseHandle(copy);
    ck_assert(!TerminateProcess(process, 1));
    CloseHandle(process);
    CloseHandle(client);
    CloseHandle(pipe);
}
END_TEST

static void expect_nobodys(frame_handle object)
{
    PSECURITY_DESCRIPTOR descriptor;
    PACL list = list_of((HANDLE)object, &descriptor);
    ACE_HEADER *owner;

    ck_assert_uint_eq(list->AceCount, 1);
    /* Its owner could write this list otherwise. */
    owner = entry_about(list, WinCreatorOwnerRightsSid);
    ck_assert_ptr_nonnull(owner);
    ck_assert_uint_eq(owner->AceType, ACCESS_ALLOWED_ACE_TYPE);
    ck_assert_uint_eq(((ACCESS_ALLOWED_ACE *)owner)->Mask, 0);
    LocalFree(descriptor);
}

START_TEST(section_is_nobodys)
{
    frame_handle parts[SEGMENT_PARTS_MAX];
    struct segment *segment;

    ck_assert_int_eq(segment_new(&(struct segment_plan){.mapped_size = 65536,
                                                        .commit = true},
                                 &segment),
                     0);
    ck_assert_uint_eq(segment_parts(segment, parts), 1);
    expect_nobodys(parts[0]);
    segment_free(segment);
}
END_TEST

START_TEST(accounts_of_share_lists_are_forgotten)
{
    char text[64];
    uint32_t first, id;

    ck_assert_int_eq(identity_lookup.id("S-1-5-21-1-2-3-1", &first), 0);
    ck_assert_int_eq(identity_lookup.id("S-1-5-21-1-2-3-1", &id), 0);
    ck_assert_uint_eq(id, first);
    identity_id_release(id);
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(text, sizeof(text), "S-1-5-21-9-9-9-%u", i);
        ck_assert_int_eq(identity_lookup.id(text, &id), 0);
        ck_assert_uint_eq(id, first + 1);
        identity_id_release(id);
    }
    /* One that is held still is not. */
    ck_assert_int_eq(identity_lookup.id("S-1-5-21-1-2-3-1", &id), 0);
    ck_assert_uint_eq(id, first);
}
END_TEST

START_TEST(handles_have_the_rights_of_their_access)
{
    frame_handle parts[SEGMENT_PARTS_MAX];
    struct lent *readable, *writable;
    struct segment *segment;
    HANDLE copy;

    ck_assert_int_eq(segment_new(&(struct segment_plan){.mapped_size = 65536,
                                                        .commit = true},
                                 &segment),
                     0);
    segment_parts(segment, parts);
    ck_assert_int_eq(segment_handle(segment, false, &readable), 0);
    ck_assert_int_eq(segment_handle(segment, true, &writable), 0);
    ck_assert(!DuplicateHandle(GetCurrentProcess(), (HANDLE)readable->handle,
                               GetCurrentProcess(), &copy, SECTION_MAP_WRITE,
                               FALSE, 0));
    ck_assert(!DuplicateHandle(GetCurrentProcess(), (HANDLE)writable->handle,
                               GetCurrentProcess(), &copy, SECTION_EXTEND_SIZE,
                               FALSE, 0));
    ck_assert(segment_is(segment, writable->handle, true));
    ck_assert(!segment_is(segment, readable->handle, true));
    ck_assert(segment_is(segment, readable->handle, false));
    segment_free(segment);
}
END_TEST

START_TEST(doorbell_gives_no_more_than_to_ring_and_wait)
{
    frame_handle parts[BELL_PARTS_MAX];
    struct lent *handles[PROTOCOL_BELL_HANDLES];
    struct bell *bell;
    HANDLE copy;

    ck_assert_int_eq(bell_new(&bell), 0);
    ck_assert_uint_eq(bell_parts(bell, parts), BELL_PARTS_MAX);
    for (int i = 0; i < BELL_PARTS_MAX; i++)
        expect_nobodys(parts[i]);
    ck_assert_int_eq(bell_handles(bell, handles), PROTOCOL_BELL_HANDLES);
    for (int i = 1; i < PROTOCOL_BELL_HANDLES; i++) {
        HANDLE handle = (HANDLE)handles[i]->handle;

        ck_assert(!DuplicateHandle(GetCurrentProcess(), handle,
                                   GetCurrentProcess(), &copy,
                                   SEMAPHORE_ALL_ACCESS, FALSE, 0));
        ck_assert(ReleaseSemaphore(handle, 1024, NULL));
        ck_assert(!ReleaseSemaphore(handle, 1, NULL));
        ck_assert_uint_eq(WaitForSingleObject(handle, 0), WAIT_OBJECT_0);
    }
    bell_free(bell);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rights");
    TCase *tests = tcase_create("rights");

    segment_init();
    tcase_add_test(tests, pipe_lets_users_in_and_the_network_not);
    tcase_add_test(tests, client_of_a_pipe_is_this_process_with_few_rights);
    tcase_add_test(tests, section_is_nobodys);
    tcase_add_test(tests, accounts_of_share_lists_are_forgotten);
    tcase_add_test(tests, handles_have_the_rights_of_their_access);
    tcase_add_test(tests, doorbell_gives_no_more_than_to_ring_and_wait);
    suite_add_tcase(suite, tests);
    return suite_main(suite);
}
