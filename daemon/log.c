#include "log.h"

#include "host.h"
#include "log_sink.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

enum { LINE_MAX_BYTES = 1200 };

static enum protocol_log_level threshold = PROTOCOL_LOG_INFO;
static bool under_journal;

void log_init(void)
{
    under_journal = host_stderr_is_journal();
}

void log_level_set(enum protocol_log_level level)
{
    threshold = level;
}

enum protocol_log_level log_level(void)
{
    return threshold;
}

static int write_prefix(char *line, size_t size, enum protocol_log_level level)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    static const int priorities[] = {3, 4, 6, 7};
    struct tm utc;
    unsigned milliseconds;
    char date[32];

    if (under_journal)
        return snprintf(line, size, "<%d>", priorities[level]);
    milliseconds = host_utc(&utc);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
    return snprintf(line, size, "%s.%03uZ %s: ", date, milliseconds,
                    names[level]);
}

static void write_line(enum protocol_log_level level, const char *format,
                       va_list arguments)
{
    char line[LINE_MAX_BYTES];
    int prefix, size;

    if (level > threshold)
        return;
    prefix = write_prefix(line, sizeof(line), level);
    size = vsnprintf(line + prefix, sizeof(line) - (size_t)prefix - 1, format,
                     arguments);
    size = size < 0 ? prefix : prefix + size;
    if (size > (int)sizeof(line) - 2)
        size = (int)sizeof(line) - 2;
    for (int i = prefix; i < size; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[size] = '\0';
    if (log_sink_write(level, line + prefix))
        return;
    line[size++] = '\n';
    host_write_stderr(line, (size_t)size);
}

#define DEFINE_LEVEL(name, level)                                              \
    void name(const char *format, ...)                                         \
    {                                                                          \
        va_list arguments;                                                     \
                                                                               \
        va_start(arguments, format);                                           \
        write_line(level, format, arguments);                                  \
        va_end(arguments);                                                     \
    }

DEFINE_LEVEL(log_error, PROTOCOL_LOG_ERROR)
DEFINE_LEVEL(log_warning, PROTOCOL_LOG_WARNING)
DEFINE_LEVEL(log_info, PROTOCOL_LOG_INFO)
DEFINE_LEVEL(log_debug, PROTOCOL_LOG_DEBUG)
