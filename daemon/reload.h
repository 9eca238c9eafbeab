/*
 * Reloading the configuration: all or nothing, read by a worker thread,
 * because names are looked up in account databases that may be slow.
 */
#ifndef SEGBROKER_RELOAD_H
#define SEGBROKER_RELOAD_H

#include "config.h"

struct broker;
struct call;

/* What the configuration needs to know of this host. */
struct config_host reload_host(void);

/* Each problem in a line of the log. */
void reload_log_problems(const struct config_problems *problems);

/* Serves `reload`: answered when the files were read; a verb's answer. */
int reload_request(struct call *call);

/* Reloads on a signal. The outcome is in the log. */
void reload_start(struct broker *broker);

#endif
