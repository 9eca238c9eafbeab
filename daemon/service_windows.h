/*
 * What the verbs share with the service itself.
 */
#ifndef SEGBROKER_SERVICE_WINDOWS_H
#define SEGBROKER_SERVICE_WINDOWS_H

/* The service's name, also of its source in the event log. */
#define SERVICE_NAME L"segbroker"

/* This process was started by the service manager: its log is the event
 * log. */
void service_enter(void);

#endif
