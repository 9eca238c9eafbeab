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

static const wchar_t ACCOUNT[] = L"NT SERVICE\\" SERVICE_NAME;
static const wchar_t EVENT_KEY[] = L"SYSTEM\\CurrentControlSet\\Services\\Event"
                                   L"Log\\Application\\" SERVICE_NAME;

static int fail(const char *what)
{
    fprintf(stderr, "segbrokerd: %s: %s\n", what, wide_error(GetLastError()));
    return VERB_FAILED;
}

/* Not every system has it; the service works without. */
static void warn(const char *what)
{
    fprintf(stderr, "segbrokerd: %s is not set: %s\n", what,
            wide_error(GetLastError()));
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

    if (!ChangeServiceConfig2W(service, SERVICE_CONFIG_DESCRIPTION,
                               &description))
        warn("the description");
    if (!ChangeServiceConfig2W(service, SERVICE_CONFIG_FAILURE_ACTIONS,
                               &actions))
        warn("the recovery");
    if (!ChangeServiceConfig2W(service, SERVICE_CONFIG_DELAYED_AUTO_START_INFO,
                               &delayed))
        warn("the delayed start");
}

/* Its own SID, and the privileges it needs: to learn who its clients are. */
static void restrict_rights(SC_HANDLE service)
{
    wchar_t names[] = L"SeChangeNotifyPrivilege\0SeImpersonatePrivilege\0";
    SERVICE_REQUIRED_PRIVILEGES_INFOW privileges = {names};
    SERVICE_SID_INFO sid = {SERVICE_SID_TYPE_UNRESTRICTED};

    if (!ChangeServiceConfig2W(service, SERVICE_CONFIG_SERVICE_SID_INFO, &sid))
        warn("the service's SID");
    if (!ChangeServiceConfig2W(service, SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO,
                               &privileges))
        warn("the list of privileges");
}

static bool set_value(HKEY key, const wchar_t *name, DWORD type,
                      const void *value, size_t size)
{
    return RegSetValueExW(key, name, 0, type, value, (DWORD)size) == 0;
}

static void add_event_source(const wchar_t *program)
{
    DWORD types =
        EVENTLOG_ERROR_TYPE | EVENTLOG_WARNING_TYPE | EVENTLOG_INFORMATION_TYPE;
    HKEY key;

    if (RegCreateKeyExW(HKEY_LOCAL_MACHINE, EVENT_KEY, 0, NULL, 0, KEY_WRITE,
                        NULL, &key, NULL) != 0) {
        warn("the source of events");
        return;
    }
    if (!set_value(key, L"EventMessageFile", REG_EXPAND_SZ, program,
                   (wcslen(program) + 1) * sizeof(*program)) ||
        !set_value(key, L"TypesSupported", REG_DWORD, &types, sizeof(types)))
        warn("the source of events");
    RegCloseKey(key);
}

/* The service's account as SDDL names it: any service, where it is not known
 * yet. For LocalFree. */
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
    text = LocalAlloc(LPTR, 3 * sizeof(*text));
    if (text)
        wcscpy(text, L"SU");
    return text;
}

/* Makes the folder, and gives administrators all rights to it, the service
 * those in `rights`, and nobody else any. */
static bool make_folder(const char *path, const wchar_t *rights)
{
    wchar_t *wide = wide_from(path), *account = account_sid();
    SECURITY_ATTRIBUTES attributes = {.nLength = sizeof(attributes)};
    wchar_t text[512];
    bool made = false;

    if (wide && account) {
        _snwprintf(text, 512,
                   L"D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;%ls;;;%ls)",
                   rights, account);
        made = ConvertStringSecurityDescriptorToSecurityDescriptorW(
                   text, SDDL_REVISION_1, &attributes.lpSecurityDescriptor,
                   NULL) &&
               (CreateDirectoryW(wide, &attributes) ||
                (GetLastError() == ERROR_ALREADY_EXISTS &&
                 SetFileSecurityW(wide, DACL_SECURITY_INFORMATION,
                                  attributes.lpSecurityDescriptor)));
    }
    LocalFree(attributes.lpSecurityDescriptor);
    LocalFree(account);
    free(wide);
    return made;
}

static void make_folders(void)
{
    char data[1024], part[1024 + 8];

    if (paths_data(data, sizeof(data)) != 0 || !make_folder(data, L"FRFX"))
        warn("the folder of the configuration");
    snprintf(part, sizeof(part), "%s\\conf.d", data);
    if (!make_folder(part, L"FRFX"))
        warn("the folder of drop-ins");
    snprintf(part, sizeof(part), "%s\\run", data);
    if (!make_folder(part, L"FA"))
        warn("the folder of the lock");
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
    if (!service && GetLastError() == ERROR_SERVICE_EXISTS)
        service = OpenServiceW(manager, SERVICE_NAME, SERVICE_ALL_ACCESS);
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
    make_folders();
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

static int uninstall(void)
{
    struct opened opened;
    int r = open_service(DELETE, &opened);

    if (r != 0)
        return r;
    stop();
    if (!DeleteService(opened.service))
        r = fail("uninstall");
    close_both(&opened);
    RegDeleteKeyW(HKEY_LOCAL_MACHINE, EVENT_KEY);
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
