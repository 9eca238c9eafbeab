/*
 * One event a line; its text is all that the message has (events.mc).
 */
#include "log_sink.h"

#include "service_windows.h"
#include "wide_windows.h"

#include <windows.h>

#include <stdlib.h>

static HANDLE events;

void log_sink_open(void)
{
    events = RegisterEventSourceW(NULL, SERVICE_NAME);
}

bool log_sink_write(enum protocol_log_level level, const char *text)
{
    static const struct {
        WORD type;
        DWORD id; /* of events.mc, severity included */
    } kinds[] = {{EVENTLOG_ERROR_TYPE, 0xc0000001},
                 {EVENTLOG_WARNING_TYPE, 0x80000002},
                 {EVENTLOG_INFORMATION_TYPE, 0x40000003},
                 {EVENTLOG_INFORMATION_TYPE, 0x40000003}};
    const wchar_t *strings[1];
    wchar_t *wide;
    bool written;

    if (!events)
        return false;
    wide = wide_from(text);
    strings[0] = wide ? wide : L"(a line that cannot be shown)";
    written = ReportEventW(events, kinds[level].type, 0, kinds[level].id, NULL,
                           1, 0, strings, NULL);
    free(wide);
    return written;
}
