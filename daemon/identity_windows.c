/*
 * Accounts are SIDs. Each that this process meets gets a number: for as long as
 * the process lives, or, when it is only in somebody's share list, as long as
 * that. What leaves the process is the SID as text.
 *
 * Who a client is says the token that it has connected with. Groups that are
 * disabled or only deny, as an administrator's are before he confirms, are
 * none; nor is the one of the logon session, which nobody can name.
 */
#include "identity.h"

#include "host_windows.h"
#include "table.h"
#include "wide_windows.h"

#include <windows.h>

#include <sddl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 256, NO_ID = -1 };

/* ---- SIDs and their numbers ---- */

/* One that has a number. */
struct known {
    uint32_t id;
    unsigned holds; /* share lists that name it */
    bool stays;     /* somebody has connected with it, or configured it */
    UT_hash_handle hh;
    unsigned char sid[];
};

/* SYSTEM is 0, who administers every host. */
static struct {
    SRWLOCK lock;
    struct known *by_sid;
    struct known **by_id; /* NULL: the number is free */
    uint32_t count;       /* of numbers that are or were given out */
    uint32_t capacity;
    uint32_t *free; /* numbers, as many as: */
    uint32_t free_count;
} table = {.lock = SRWLOCK_INIT};

static int grow_table(void)
{
    uint32_t capacity = table.capacity ? 2 * table.capacity : 64;
    struct known **by_id = realloc(table.by_id, capacity * sizeof(*by_id));
    uint32_t *numbers;

    if (!by_id)
        return -1;
    table.by_id = by_id;
    numbers = realloc(table.free, capacity * sizeof(*numbers));
    if (!numbers)
        return -1;
    table.free = numbers;
    table.capacity = capacity;
    return 0;
}

static struct known *add_sid(PSID sid)
{
    DWORD size = GetLengthSid(sid);
    struct known *known;

    if (table.free_count == 0 && table.count == table.capacity &&
        grow_table() < 0)
        return NULL;
    known = calloc(1, sizeof(*known) + size);
    if (!known)
        return NULL;
    CopySid(size, known->sid, sid);
    HASH_ADD(hh, table.by_sid, sid, size, known);
    if (!TABLE_HOLDS(hh, known)) {
        free(known);
        return NULL;
    }
    known->id =
        table.free_count > 0 ? table.free[--table.free_count] : table.count++;
    table.by_id[known->id] = known;
    return known;
}

static struct known *find_or_add(PSID sid)
{
    struct known *known;

    HASH_FIND(hh, table.by_sid, sid, GetLengthSid(sid), known);
    return known ? known : add_sid(sid);
}

static void add_system(void)
{
    char bytes[SECURITY_MAX_SID_SIZE];
    DWORD size = sizeof(bytes);
    struct known *system;

    if (table.count > 0 ||
        !CreateWellKnownSid(WinLocalSystemSid, NULL, bytes, &size))
        return;
    system = add_sid(bytes);
    if (system)
        system->stays = true;
}

/* The SID's number, or NO_ID when memory is short. Numbers that do not stay
 * are held once more: see identity_id_release. */
static int64_t number_of(PSID sid, bool stays)
{
    struct known *known;
    int64_t id = NO_ID;

    AcquireSRWLockExclusive(&table.lock);
    add_system();
    known = find_or_add(sid);
    if (known) {
        known->stays = known->stays || stays;
        known->holds += !stays;
        id = known->id;
    }
    ReleaseSRWLockExclusive(&table.lock);
    return id;
}

void identity_id_release(uint32_t id)
{
    struct known *known;

    AcquireSRWLockExclusive(&table.lock);
    known = id < table.count ? table.by_id[id] : NULL;
    if (known && known->holds > 0 && --known->holds == 0 && !known->stays) {
        HASH_DEL(table.by_sid, known);
        table.by_id[id] = NULL;
        table.free[table.free_count++] = id;
        free(known);
    }
    ReleaseSRWLockExclusive(&table.lock);
}

/* Copies the SID of a number. */
static bool sid_of(uint32_t id, char sid[SECURITY_MAX_SID_SIZE])
{
    struct known *known;

    AcquireSRWLockExclusive(&table.lock);
    add_system();
    known = id < table.count ? table.by_id[id] : NULL;
    if (known)
        CopySid(SECURITY_MAX_SID_SIZE, sid, known->sid);
    ReleaseSRWLockExclusive(&table.lock);
    return known != NULL;
}

static int64_t well_known(WELL_KNOWN_SID_TYPE type)
{
    char bytes[SECURITY_MAX_SID_SIZE];
    DWORD size = sizeof(bytes);

    return CreateWellKnownSid(type, NULL, bytes, &size) ? number_of(bytes, true)
                                                        : NO_ID;
}

/* ---- texts ---- */

void identity_id_write(uint32_t id, char text[IDENTITY_ID_MAX])
{
    char sid[SECURITY_MAX_SID_SIZE];
    char *string;

    text[0] = '\0';
    if (!sid_of(id, sid) || !ConvertSidToStringSidA(sid, &string))
        return;
    snprintf(text, IDENTITY_ID_MAX, "%s", string);
    LocalFree(string);
}

static int read_id(const char *text, uint32_t *id)
{
    int64_t number;
    PSID sid;

    if (strncmp(text, "S-1-", 4) != 0 || !ConvertStringSidToSidA(text, &sid))
        return 1;
    number = number_of(sid, false);
    LocalFree(sid);
    if (number < 0)
        return 1;
    *id = (uint32_t)number;
    return 0;
}

/* ---- the account database ---- */

static int look_up(const char *name, uint32_t *id, bool (*fits)(SID_NAME_USE))
{
    char sid[SECURITY_MAX_SID_SIZE];
    wchar_t domain[NAME_SIZE], *wide = wide_from(name);
    DWORD size = sizeof(sid), domain_size = NAME_SIZE;
    SID_NAME_USE use;
    int64_t number = NO_ID;

    if (wide &&
        LookupAccountNameW(NULL, wide, sid, &size, domain, &domain_size,
                           &use) &&
        fits(use))
        number = number_of(sid, false);
    free(wide);
    if (number < 0)
        return 1;
    *id = (uint32_t)number;
    return 0;
}

/* SYSTEM and the services' accounts are well-known groups to Windows. */
static bool is_user(SID_NAME_USE use)
{
    return use == SidTypeUser || use == SidTypeComputer ||
           use == SidTypeWellKnownGroup;
}

static bool is_group(SID_NAME_USE use)
{
    return use == SidTypeGroup || use == SidTypeAlias ||
           use == SidTypeWellKnownGroup;
}

static int look_up_user(const char *name, uint32_t *id)
{
    return look_up(name, id, is_user);
}

static int look_up_group(const char *name, uint32_t *id)
{
    return look_up(name, id, is_group);
}

const struct principal_lookup identity_lookup = {
    .user = look_up_user, .group = look_up_group, .id = read_id};

size_t identity_administrators(struct principal administrators[2])
{
    int64_t group = well_known(WinBuiltinAdministratorsSid);

    administrators[0] = (struct principal){PRINCIPAL_USER, 0};
    if (group < 0)
        return 1;
    administrators[1] = (struct principal){PRINCIPAL_GROUP, (uint32_t)group};
    return 2;
}

/* `DOMAIN\name`, or `name` of an account of this computer. */
static char *account_name(PSID sid)
{
    wchar_t name[NAME_SIZE], domain[NAME_SIZE], computer[NAME_SIZE];
    wchar_t whole[2 * NAME_SIZE];
    DWORD size = NAME_SIZE, domain_size = NAME_SIZE, computer_size = NAME_SIZE;
    SID_NAME_USE use;

    if (!LookupAccountSidW(NULL, sid, name, &size, domain, &domain_size, &use))
        return NULL;
    if (!GetComputerNameW(computer, &computer_size))
        computer[0] = L'\0';
    if (domain[0] == L'\0' || _wcsicmp(domain, computer) == 0)
        return wide_to(name);
    _snwprintf(whole, 2 * NAME_SIZE, L"%ls\\%ls", domain, name);
    return wide_to(whole);
}

void identity_user_name(uint32_t user, char *name, size_t size)
{
    char id[IDENTITY_ID_MAX];
    char sid[SECURITY_MAX_SID_SIZE];
    char *found = sid_of(user, sid) ? account_name(sid) : NULL;

    identity_id_write(user, id);
    snprintf(name, size, "%s", found ? found : id);
    free(found);
}

/* ---- tokens ---- */

/* What a token says of `class`, for free(); NULL when it cannot be asked. */
static void *ask_token(HANDLE token, TOKEN_INFORMATION_CLASS class)
{
    DWORD size = 0;
    void *found;

    GetTokenInformation(token, class, NULL, 0, &size);
    found = size > 0 ? malloc(size) : NULL;
    if (found && GetTokenInformation(token, class, found, size, &size))
        return found;
    free(found);
    return NULL;
}

static bool counts(DWORD attributes)
{
    return (attributes & SE_GROUP_ENABLED) &&
           !(attributes & SE_GROUP_USE_FOR_DENY_ONLY) &&
           (attributes & SE_GROUP_LOGON_ID) != SE_GROUP_LOGON_ID;
}

static int take_groups(const TOKEN_GROUPS *groups, struct identity *identity)
{
    identity->groups = malloc((groups->GroupCount + 1) * sizeof(uint32_t));
    if (!identity->groups)
        return IDENTITY_E_SYSTEM;
    for (DWORD i = 0; i < groups->GroupCount; i++) {
        int64_t id = counts(groups->Groups[i].Attributes)
                         ? number_of(groups->Groups[i].Sid, true)
                         : NO_ID;

        if (id >= 0)
            identity->groups[identity->group_count++] = (uint32_t)id;
    }
    identity_sort(identity);
    return 0;
}

static int identity_of_token(HANDLE token, struct identity *identity)
{
    TOKEN_USER *user = ask_token(token, TokenUser);
    TOKEN_GROUPS *groups = ask_token(token, TokenGroups);
    struct identity found = {0};
    int64_t id = user ? number_of(user->User.Sid, true) : NO_ID;
    int r = IDENTITY_E_SYSTEM;

    if (id >= 0 && groups)
        r = take_groups(groups, &found);
    found.user = (uint32_t)id;
    free(user);
    free(groups);
    if (r == 0)
        *identity = found;
    return r;
}

/* The token that the client has connected with. */
static HANDLE token_of_pipe(HANDLE pipe)
{
    HANDLE token = NULL;

    if (!ImpersonateNamedPipeClient(pipe))
        return NULL;
    if (!OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &token))
        token = NULL;
    /* As somebody else nothing may go on. */
    if (!RevertToSelf())
        abort();
    return token;
}

/* Wine gives the server's own token in its place. The process may have ended
 * and its number be another's by now, so this is for Wine alone. */
static HANDLE token_of_process(DWORD id)
{
    HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, id);
    HANDLE token = NULL;

    if (process && !OpenProcessToken(process, TOKEN_QUERY, &token))
        token = NULL;
    if (process)
        CloseHandle(process);
    return token;
}

int identity_of_peer(const struct connection *connection,
                     struct identity *identity, uint64_t *process)
{
    HANDLE pipe = (HANDLE)connection_handle(connection);
    HANDLE token;
    ULONG id;
    int r;

    if (!GetNamedPipeClientProcessId(pipe, &id))
        return IDENTITY_E_SYSTEM;
    token = host_is_wine() ? token_of_process(id) : token_of_pipe(pipe);
    if (!token)
        return IDENTITY_E_SYSTEM;
    r = identity_of_token(token, identity);
    CloseHandle(token);
    *process = id;
    return r;
}

uint32_t identity_self(void)
{
    static int64_t self = NO_ID;
    TOKEN_USER *user;
    HANDLE token;

    if (self >= 0 ||
        !OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
        return self < 0 ? UINT32_MAX : (uint32_t)self;
    user = ask_token(token, TokenUser);
    CloseHandle(token);
    if (user)
        self = number_of(user->User.Sid, true);
    free(user);
    return self < 0 ? UINT32_MAX : (uint32_t)self;
}
