/*
 * Log lines on stderr: one an event, with a level.
 *
 * Under journald each line carries its syslog priority (sd-daemon(3)) and no
 * time, since journald adds its own. Control bytes are written as `?`, so no
 * client can forge a line.
 */
#ifndef SEGBROKER_LOG_H
#define SEGBROKER_LOG_H

#include "protocol.h"

/* Finds out where stderr goes; the level starts at info. */
void log_init(void);

void log_level_set(enum protocol_log_level level);
enum protocol_log_level log_level(void);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
