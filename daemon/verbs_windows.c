/*
 * The service in the service manager's list: put there, taken away, started,
 * stopped and told to reload.
 */
#include "verbs.h"

#include "paths_windows.h"
#include "service_windows.h"
#include "wide_windows.h"

#include <windows.h>

#include <aclapi.h>
#include <ntsecapi.h>
#include <sddl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERB_FAILED = 1, VERB_USAGE = 2, VERB_STOPPED = 3, WAIT_MS = 30000 };

const char verbs_help[] =
    "  install             make it a service that starts with the system\n"
    "  uninstall           take that away; the configuration stays\n"
    "  start|stop|reload|status   the service\n"
    "  run                 serve, as without a word\n";

const char verbs_reload_help[] =
    "`segctl reload` reloads the configuration, Ctrl-C ends both; of the "
    "service,\n"
    "segbrokerd reload and segbrokerd stop.\n";

static const wchar_t ACCOUNT[] = L"NT SERVICE\\" SERVICE_NAME;
/* The same, also where there is no such service any more: below 80 the SHA-1 of
 * its name in capitals. */
static const wchar_t ACCOUNT_SID[] =
    L"S-1-5-80-2760021725-251339736-708072406-3283758847-3007635285";
static const wchar_t EVENT_KEY[] = L"SYSTEM\\CurrentControlSet\\Services\\Event"
                                   L"Log\\Application\\" SERVICE_NAME;

static int fail(const char *what)
{
    fprintf(stderr, "segbrokerd: %s: %s\n", what, wide_error(GetLastError()));
    return VERB_FAILED;
}

/* Not every system has it; the service works without. */
static void warn_of(const char *what, DWORD error)
{
    fprintf(stderr, "segbrokerd: %s is not set: %s\n", what, wide_error(error));
}

static void warn(const char *what)
{
    warn_of(what, GetLastError());
}

/* ---- the manager ---- */

struct opened {
    SC_HANDLE manager;
    SC_HANDLE service;
};

static void close_both(struct opened *opened)
{
    if (opened->service)
        CloseServiceHandle(opened->service);
    if (opened->manager)
        CloseServiceHandle(opened->manager);
}

/* 0, or an exit status with the reason said. */
static int open_service(DWORD rights, struct opened *opened)
{
    opened->service = NULL;
    opened->manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
    if (!opened->manager)
        return fail("the service manager");
    opened->service = OpenServiceW(opened->manager, SERVICE_NAME, rights);
    if (opened->service)
        return 0;
    close_both(opened);
    return fail("the service segbroker");
}

static DWORD state_of(SC_HANDLE service)
{
    SERVICE_STATUS status;

    return QueryServiceStatus(service, &status) ? status.dwCurrentState : 0;
}

/* Waits until it is in that state, or has stopped. */
static bool await(SC_HANDLE service, DWORD state)
{
    ULONGLONG end = GetTickCount64() + WAIT_MS;
    DWORD now;

    while ((now = state_of(service)) != state && GetTickCount64() < end) {
        if (now == SERVICE_STOPPED && state == SERVICE_RUNNING)
            return false;
        Sleep(50);
    }
    return now == state;
}

/* ---- install ---- */

static void describe(SC_HANDLE service)
{
    wchar_t text[] = L"Owns the shared-memory segments of this host and hands "
                     L"them to the processes that may have them.";
    SERVICE_DESCRIPTIONW description = {text};
    SC_ACTION again[] = {{SC_ACTION_RESTART, 1000},
                         {SC_ACTION_RESTART, 1000},
                         {SC_ACTION_RESTART, 5000}};
    SERVICE_FAILURE_ACTIONSW actions = {
        .dwResetPeriod = 3600, .cActions = 3, .lpsaActions = again};
    SERVICE_DELAYED_AUTO_START_INFO delayed = {TRUE};
    SERVICE_PRESHUTDOWN_INFO patience = {WAIT_MS};

    if (!ChangeServiceConfig2W(service, SERVICE_CONFIG_DESCRIPTION,
                               &description))
        warn("the description");
    if (!ChangeServiceConfig2W(service, SERVICE_CONFIG_FAILURE_ACTIONS,
                               &actions))
        warn("the recovery");
    if (!ChangeServiceConfig2W(service, SERVICE_CONFIG_DELAYED_AUTO_START_INFO,
                               &delayed))
        warn("the delayed start");
    if (!ChangeServiceConfig2W(service, SERVICE_CONFIG_PRESHUTDOWN_INFO,
                               &patience))
        warn("the time to end");
}

/* Gives the service's account the privilege to make large pages, or takes it
 * away. 0 or an error of Windows'. */
static DWORD allow_large_pages(bool allowed)
{
    LSA_OBJECT_ATTRIBUTES attributes = {.Length = sizeof(attributes)};
    wchar_t name[] = L"SeLockMemoryPrivilege";
    LSA_UNICODE_STRING right = {.Length = sizeof(name) - sizeof(name[0]),
                                .MaximumLength = sizeof(name),
                                .Buffer = name};
    LSA_HANDLE policy;
    NTSTATUS status;
    PSID account;

    if (!ConvertStringSidToSidW(ACCOUNT_SID, &account))
        return GetLastError();
    status =
        LsaOpenPolicy(NULL, &attributes,
                      POLICY_LOOKUP_NAMES | POLICY_CREATE_ACCOUNT, &policy);
    if (status >= 0) {
        status =
            allowed ? LsaAddAccountRights(policy, account, &right, 1)
                    : LsaRemoveAccountRights(policy, account, FALSE, &right, 1);
        LsaClose(policy);
    }
    LocalFree(account);
    return LsaNtStatusToWinError(status);
}

/* Its own SID, and the privileges it needs: to learn who its clients are, and
 * for large pages. A service does not start without those it is said to need.
 */
static void restrict_rights(SC_HANDLE service)
{
    wchar_t names[] = L"SeChangeNotifyPrivilege\0SeImpersonatePrivilege\0"
                      L"SeLockMemoryPrivilege\0";
    wchar_t fewer[] = L"SeChangeNotifyPrivilege\0SeImpersonatePrivilege\0";
    DWORD error = allow_large_pages(true);
    SERVICE_REQUIRED_PRIVILEGES_INFOW privileges = {error ? fewer : names};
    SERVICE_SID_INFO sid = {SERVICE_SID_TYPE_UNRESTRICTED};

    if (error)
        warn_of("the privilege for large pages", error);

    if (!ChangeServiceConfig2W(service, SERVICE_CONFIG_SERVICE_SID_INFO, &sid))
        warn("the service's SID");
    if (!ChangeServiceConfig2W(service, SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO,
                               &privileges))
        warn("the list of privileges");
}

static void add_event_source(const wchar_t *program)
{
    DWORD types =
        EVENTLOG_ERROR_TYPE | EVENTLOG_WARNING_TYPE | EVENTLOG_INFORMATION_TYPE;
    DWORD size = (DWORD)((wcslen(program) + 1) * sizeof(*program));
    LSTATUS error;
    HKEY key;

    error = RegCreateKeyExW(HKEY_LOCAL_MACHINE, EVENT_KEY, 0, NULL, 0,
                            KEY_WRITE, NULL, &key, NULL);
    if (error == 0) {
        error = RegSetValueExW(key, L"EventMessageFile", 0, REG_EXPAND_SZ,
                               (const BYTE *)program, size);
        if (error == 0)
            error = RegSetValueExW(key, L"TypesSupported", 0, REG_DWORD,
                                   (const BYTE *)&types, sizeof(types));
        RegCloseKey(key);
    }
    if (error != 0)
        warn_of("the source of events", (DWORD)error);
}

/* The SID of the service's account as text, for LocalFree. NULL where the
 * system makes no such accounts, as Wine does not. */
static wchar_t *account_sid(void)
{
    char sid[SECURITY_MAX_SID_SIZE];
    wchar_t domain[256], *text;
    DWORD size = sizeof(sid), domain_size = 256;
    SID_NAME_USE use;

    if (LookupAccountNameW(NULL, ACCOUNT, sid, &size, domain, &domain_size,
                           &use) &&
        ConvertSidToStringSidW(sid, &text))
        return text;
    return NULL;
}

/* To take a folder from whoever made it before there was a service. */
static void take_privileges(void)
{
    static const wchar_t *const names[] = {L"SeTakeOwnershipPrivilege",
                                           L"SeRestorePrivilege"};
    TOKEN_PRIVILEGES wanted = {.PrivilegeCount = 1};
    HANDLE token;

    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES, &token))
        return;
    wanted.Privileges[0].Attributes = SE_PRIVILEGE_ENABLED;
    for (int i = 0; i < 2; i++)
        if (LookupPrivilegeValueW(NULL, names[i], &wanted.Privileges[0].Luid))
            AdjustTokenPrivileges(token, FALSE, &wanted, 0, NULL, NULL);
    CloseHandle(token);
}

/* Makes the folder the administrators', whoever made it: they and the system
 * have all rights to it, the service those in `rights`, and nobody else any.
 * 0 or an error of Windows'. */
static DWORD secure(wchar_t *folder, PSECURITY_DESCRIPTOR descriptor)
{
    BOOL given, defaulted;
    PSID owner;
    ACL *list;

    if (!CreateDirectoryW(folder, NULL) &&
        GetLastError() != ERROR_ALREADY_EXISTS)
        return GetLastError();
    if (!GetSecurityDescriptorOwner(descriptor, &owner, &defaulted) ||
        !GetSecurityDescriptorDacl(descriptor, &given, &list, &defaulted))
        return GetLastError();
    /* First the owner, who could otherwise take the list back. */
    if (SetNamedSecurityInfoW(folder, SE_FILE_OBJECT,
                              OWNER_SECURITY_INFORMATION, owner, NULL, NULL,
                              NULL) != 0)
        return ERROR_INVALID_OWNER;
    return SetNamedSecurityInfoW(folder, SE_FILE_OBJECT,
                                 DACL_SECURITY_INFORMATION |
                                     PROTECTED_DACL_SECURITY_INFORMATION,
                                 NULL, NULL, list, NULL);
}

static int make_folder(const char *path, const wchar_t *rights)
{
    wchar_t *wide = wide_from(path), *account = account_sid();
    PSECURITY_DESCRIPTOR descriptor = NULL;
    wchar_t text[512], service[256] = L"";
    DWORD error = ERROR_NOT_ENOUGH_MEMORY;

    if (account)
        _snwprintf(service, 256, L"(A;OICI;%ls;;;%ls)", rights, account);
    else
        warn("the right of the service's account");
    _snwprintf(text, 512, L"O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)%ls",
               service);
    if (wide && ConvertStringSecurityDescriptorToSecurityDescriptorW(
                    text, SDDL_REVISION_1, &descriptor, NULL))
        error = secure(wide, descriptor);
    LocalFree(descriptor);
    LocalFree(account);
    free(wide);
    if (error == 0)
        return 0;
    fprintf(stderr, "segbrokerd: %s cannot be made the administrators': %s\n",
            path, wide_error(error));
    return VERB_FAILED;
}

static int make_folders(void)
{
    char data[1024], part[1024 + 8];
    int r;

    if (paths_data(data, sizeof(data)) != 0) {
        fputs("segbrokerd: there is no folder of all users' data\n", stderr);
        return VERB_FAILED;
    }
    take_privileges();
    r = make_folder(data, L"FRFX");
    snprintf(part, sizeof(part), "%s\\conf.d", data);
    if (r == 0)
        r = make_folder(part, L"FRFX");
    snprintf(part, sizeof(part), "%s\\run", data);
    if (r == 0)
        r = make_folder(part, L"FA");
    return r;
}

/* What only the service needed; the configuration stays. */
static void remove_run_folder(void)
{
    char data[1024], part[1024 + 8];
    wchar_t *wide;

    if (paths_data(data, sizeof(data)) != 0)
        return;
    snprintf(part, sizeof(part), "%s\\run\\segbroker.lock", data);
    wide = wide_from(part);
    if (wide)
        DeleteFileW(wide);
    free(wide);
    snprintf(part, sizeof(part), "%s\\run", data);
    wide = wide_from(part);
    if (wide)
        RemoveDirectoryW(wide);
    free(wide);
}

/* The service, made or, where the installer has made it, opened. */
static SC_HANDLE make_service(SC_HANDLE manager, const wchar_t *program)
{
    wchar_t command[MAX_PATH + 32];
    SC_HANDLE service;

    _snwprintf(command, MAX_PATH + 32, L"\"%ls\" run --service", program);
    service = CreateServiceW(
        manager, SERVICE_NAME, L"segbroker shared-memory broker",
        SERVICE_ALL_ACCESS, SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START,
        SERVICE_ERROR_NORMAL, command, NULL, NULL, NULL, ACCOUNT, NULL);
    if (service || GetLastError() != ERROR_SERVICE_EXISTS)
        return service;
    service = OpenServiceW(manager, SERVICE_NAME, SERVICE_ALL_ACCESS);
    if (service &&
        !ChangeServiceConfigW(service, SERVICE_NO_CHANGE, SERVICE_AUTO_START,
                              SERVICE_NO_CHANGE, command, NULL, NULL, NULL,
                              NULL, NULL, NULL))
        warn("the service's program");
    return service;
}

static int install(void)
{
    wchar_t program[MAX_PATH];
    SC_HANDLE manager, service;

    if (GetModuleFileNameW(NULL, program, MAX_PATH) == 0)
        return fail("this program's path");
    manager = OpenSCManagerW(NULL, NULL,
                             SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE);
    if (!manager)
        return fail("the service manager");
    service = make_service(manager, program);
    CloseServiceHandle(manager);
    if (!service)
        return fail("install");
    describe(service);
    restrict_rights(service);
    CloseServiceHandle(service);
    add_event_source(program);
    if (make_folders() != 0)
        return VERB_FAILED;
    puts("the service segbroker is installed; segbrokerd start starts it");
    return 0;
}

/* ---- the others ---- */

static int start(void)
{
    struct opened opened;
    int r = open_service(SERVICE_START | SERVICE_QUERY_STATUS, &opened);

    if (r != 0)
        return r;
    if (!StartServiceW(opened.service, 0, NULL) &&
        GetLastError() != ERROR_SERVICE_ALREADY_RUNNING)
        r = fail("start");
    else if (!await(opened.service, SERVICE_RUNNING)) {
        fputs("segbrokerd: start: it does not serve; the event log says why\n",
              stderr);
        r = VERB_FAILED;
    }
    close_both(&opened);
    return r;
}

static int stop(void)
{
    struct opened opened;
    SERVICE_STATUS status;
    int r = open_service(SERVICE_STOP | SERVICE_QUERY_STATUS, &opened);

    if (r != 0)
        return r;
    if (!ControlService(opened.service, SERVICE_CONTROL_STOP, &status) &&
        GetLastError() != ERROR_SERVICE_NOT_ACTIVE)
        r = fail("stop");
    else if (!await(opened.service, SERVICE_STOPPED)) {
        fputs("segbrokerd: stop: it has not ended yet\n", stderr);
        r = VERB_FAILED;
    }
    close_both(&opened);
    return r;
}

static int reload(void)
{
    struct opened opened;
    SERVICE_STATUS status;
    int r = open_service(SERVICE_PAUSE_CONTINUE, &opened);

    if (r != 0)
        return r;
    if (!ControlService(opened.service, SERVICE_CONTROL_PARAMCHANGE, &status))
        r = fail("reload");
    close_both(&opened);
    return r;
}

static int status(void)
{
    static const char *const names[] = {"unknown",  "stopped", "starting",
                                        "stopping", "running", "going on",
                                        "pausing",  "paused"};
    struct opened opened;
    DWORD state;
    int r = open_service(SERVICE_QUERY_STATUS, &opened);

    if (r != 0)
        return r;
    state = state_of(opened.service);
    close_both(&opened);
    printf("segbroker: %s\n", state < 8 ? names[state] : names[0]);
    return state == SERVICE_RUNNING ? 0 : VERB_STOPPED;
}

/* The installer may have taken the service away already. */
static int uninstall(void)
{
    struct opened opened;
    int r = open_service(DELETE, &opened);

    if (r == 0) {
        stop();
        if (!DeleteService(opened.service))
            r = fail("uninstall");
        close_both(&opened);
    }
    RegDeleteKeyW(HKEY_LOCAL_MACHINE, EVENT_KEY);
    allow_large_pages(false);
    remove_run_folder();
    if (r == 0)
        puts("the service segbroker is gone; its configuration stays");
    return r;
}

static const struct {
    const char *word;
    int (*run)(void);
} VERBS[] = {{"install", install}, {"uninstall", uninstall},
             {"start", start},     {"stop", stop},
             {"reload", reload},   {"status", status}};

static void take_out(int *argc, char **argv)
{
    memmove(&argv[1], &argv[2], (size_t)(*argc - 1) * sizeof(argv[0]));
    --*argc;
}

int verbs_run(int *argc, char **argv)
{
    const char *word = *argc > 1 ? argv[1] : "-";

    if (word[0] == '-')
        return -1;
    if (strcmp(word, "run") == 0) {
        take_out(argc, argv);
        if (*argc > 1 && strcmp(argv[1], "--service") == 0) {
            take_out(argc, argv);
            service_enter();
        }
        return -1;
    }
    for (unsigned i = 0; *argc == 2 && i < sizeof(VERBS) / sizeof(VERBS[0]);
         i++)
        if (strcmp(word, VERBS[i].word) == 0)
            return VERBS[i].run();
    fprintf(stderr,
            "segbrokerd: unexpected argument '%s'\n"
            "try 'segbrokerd --help'\n",
            argv[*argc > 2 ? 2 : 1]);
    return VERB_USAGE;
}
