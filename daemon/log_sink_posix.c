#include "log_sink.h"

void log_sink_open(void)
{
}

bool log_sink_write(enum protocol_log_level level, const char *text)
{
    /* Who wants lines elsewhere reads stderr. */
    (void)level;
    (void)text;
    return false;
}
