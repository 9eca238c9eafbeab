/*
 * The service manager: what it gave this process, and what it is told.
 * Where there is none, nothing is given and nobody is told.
 */
#ifndef SEGBROKER_SERVICE_H
#define SEGBROKER_SERVICE_H

#include "estate.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct service_given {
    frame_handle socket; /* listens; HANDLE_NONE: none */
    frame_handle lock;   /* of it; HANDLE_NONE: none */
    bool has_pack;
    struct estate_pack pack;
};

/* Whether a service manager watches over this process. */
bool service_is_managed(void);

/* Whether it keeps a pack, so that nothing is lost while it starts the service
 * again. */
bool service_can_store(void);

/* Runs `body` as the manager wants the service run, and gives what it gives. */
int service_run(int (*body)(void *data), void *data);

/* What a manager says that sends no signals. */
enum service_word { SERVICE_WORD_STOP, SERVICE_WORD_RELOAD };
typedef void (*service_told)(void *data, enum service_word word);

/* Hears the manager, in the loop's thread, until service_unwatch. */
void service_watch(uv_loop_t *loop, service_told told, void *data);
void service_unwatch(void);

/* Takes what was given at the start, by the manager or by the program that
 * this one replaces. Once; children get none of it. */
void service_take(struct service_given *given);

/* Tells the manager, in its own words: "READY=1". */
void service_notify(const char *state);

/* Gives the manager a pack to keep until this service is started again, in
 * place of an older one. Returns when it has it: 0, or negative with the
 * reason in the log. */
int service_store(const struct estate_pack *pack);

/* The manager need not keep the pack that it gave any more. */
void service_clear_store(void);

/* Milliseconds in which the manager wants to hear of us; 0: it does not. */
uint64_t service_watchdog_ms(void);

/* Leaves everything to the program that this process is about to become: its
 * service_take finds it. 0, or negative with the reason in the log. */
int service_leave(const struct service_given *left);
/* It did not become that program. */
void service_unleave(const struct service_given *left);

#endif
