/*
 * The service manager runs the keeper: it tells when to end and to reload, and
 * is told when the service serves.
 */
#include "service.h"

#include "handle.h"
#include "log.h"
#include "log_sink.h"
#include "service_windows.h"

#include <windows.h>

#include <string.h>

enum { PATIENCE_MS = 20000 };

static struct {
    bool entered;
    SERVICE_STATUS_HANDLE handle; /* NULL: the manager is not told */
    SERVICE_STATUS status;
    int (*body)(void *data);
    void *data;
    service_told told;
    void *told_data;
    uv_async_t wake;
    bool is_watched;
    volatile LONG stop; /* told and not yet heeded */
    volatile LONG reload;
} service;

void service_enter(void)
{
    service.entered = true;
    log_sink_open();
}

bool service_is_managed(void)
{
    return service.entered;
}

bool service_can_store(void)
{
    return false;
}

/* ---- from the manager ---- */

static void on_wake(uv_async_t *wake)
{
    (void)wake;
    if (InterlockedExchange(&service.reload, 0))
        service.told(service.told_data, SERVICE_WORD_RELOAD);
    if (InterlockedExchange(&service.stop, 0))
        service.told(service.told_data, SERVICE_WORD_STOP);
}

void service_watch(uv_loop_t *loop, service_told told, void *data)
{
    if (!service.entered || uv_async_init(loop, &service.wake, on_wake) < 0)
        return;
    service.told = told;
    service.told_data = data;
    service.is_watched = true;
}

void service_unwatch(void)
{
    if (service.is_watched)
        uv_close((uv_handle_t *)&service.wake, NULL);
    service.is_watched = false;
}

/* From the control's thread and from the keeper's. */
static void report(DWORD state, DWORD error)
{
    static SRWLOCK lock = SRWLOCK_INIT;
    SERVICE_STATUS *s = &service.status;

    AcquireSRWLockExclusive(&lock);
    s->dwServiceType = SERVICE_WIN32_OWN_PROCESS;
    s->dwCurrentState = state;
    s->dwWin32ExitCode = error ? ERROR_SERVICE_SPECIFIC_ERROR : NO_ERROR;
    s->dwServiceSpecificExitCode = error;
    s->dwControlsAccepted = state == SERVICE_RUNNING
                                ? SERVICE_ACCEPT_STOP |
                                      SERVICE_ACCEPT_PRESHUTDOWN |
                                      SERVICE_ACCEPT_PARAMCHANGE
                                : 0;
    s->dwCheckPoint = state == SERVICE_RUNNING || state == SERVICE_STOPPED
                          ? 0
                          : s->dwCheckPoint + 1;
    s->dwWaitHint =
        state == SERVICE_RUNNING || state == SERVICE_STOPPED ? 0 : PATIENCE_MS;
    if (service.handle)
        SetServiceStatus(service.handle, s);
    ReleaseSRWLockExclusive(&lock);
}

static DWORD WINAPI on_control(DWORD control, DWORD type, void *event,
                               void *context)
{
    (void)type;
    (void)event;
    (void)context;
    switch (control) {
    case SERVICE_CONTROL_STOP:
    case SERVICE_CONTROL_PRESHUTDOWN:
        report(SERVICE_STOP_PENDING, 0);
        InterlockedExchange(&service.stop, 1);
        break;
    case SERVICE_CONTROL_PARAMCHANGE:
        InterlockedExchange(&service.reload, 1);
        break;
    case SERVICE_CONTROL_INTERROGATE:
        return NO_ERROR;
    default:
        return ERROR_CALL_NOT_IMPLEMENTED;
    }
    if (service.is_watched)
        uv_async_send(&service.wake);
    return NO_ERROR;
}

static void WINAPI service_main(DWORD argc, wchar_t **argv)
{
    (void)argc;
    (void)argv;
    service.handle =
        RegisterServiceCtrlHandlerExW(SERVICE_NAME, on_control, NULL);
    report(SERVICE_START_PENDING, 0);
    report(SERVICE_STOPPED, (DWORD)service.body(service.data));
}

int service_run(int (*body)(void *data), void *data)
{
    SERVICE_TABLE_ENTRYW table[] = {{(wchar_t *)SERVICE_NAME, service_main},
                                    {NULL, NULL}};

    if (!service.entered)
        return body(data);
    service.body = body;
    service.data = data;
    if (StartServiceCtrlDispatcherW(table))
        return (int)service.status.dwServiceSpecificExitCode;
    log_error("the service manager has not started this process: error %lu",
              GetLastError());
    return 1;
}

/* ---- to the manager ---- */

void service_notify(const char *state)
{
    if (strncmp(state, "READY=1", 7) == 0 &&
        service.status.dwCurrentState == SERVICE_START_PENDING)
        report(SERVICE_RUNNING, 0);
    else if (strncmp(state, "STOPPING=1", 10) == 0)
        report(SERVICE_STOP_PENDING, 0);
}

void service_take(struct service_given *given)
{
    *given = (struct service_given){
        .socket = HANDLE_NONE,
        .lock = HANDLE_NONE,
        .pack = {HANDLE_NONE, {HANDLE_NONE, HANDLE_NONE}}};
}

int service_store(const struct estate_pack *pack)
{
    (void)pack;
    log_error("the service manager keeps nothing on this system");
    return -1;
}

void service_clear_store(void)
{
}

uint64_t service_watchdog_ms(void)
{
    return 0;
}

int service_leave(const struct service_given *left)
{
    (void)left;
    log_error("a process cannot become another program on this system");
    return -1;
}

void service_unleave(const struct service_given *left)
{
    (void)left;
}
