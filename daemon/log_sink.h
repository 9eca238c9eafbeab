/*
 * Where log lines go when it is not stderr: the event log of Windows, once the
 * process is a service.
 */
#ifndef SEGBROKER_LOG_SINK_H
#define SEGBROKER_LOG_SINK_H

#include "protocol.h"

#include <stdbool.h>

/* From now on lines go there. */
void log_sink_open(void);

/* Writes a line without its time and newline. False where stderr is to have
 * it. */
bool log_sink_write(enum protocol_log_level level, const char *text);

#endif
