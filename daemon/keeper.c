#include "keeper.h"

#include "broker.h"
#include "estate.h"
#include "handle.h"
#include "host.h"
#include "link.h"
#include "log.h"
#include "loop.h"
#include "program.h"
#include "service.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static const int SIGNALS[] = {SIGTERM, SIGINT, SIGHUP};
enum { SIGNAL_COUNT = sizeof(SIGNALS) / sizeof(SIGNALS[0]) };

enum {
    WATCHDOG_MS = 30000, /* where no service manager says */
    PINGS = 4,           /* in that time; none is answered by who hangs */
    START_MS = 60000,    /* that a broker may take to serve */
    END_MS = 20000,      /* that it may take to end */
    /* A broker that served so long did not die of what killed the last. */
    LONG_LIFE_MS = 10000,
    FREE_DEATHS = 5, /* in a row without a pause */
    FIRST_PAUSE_MS = 20
};

/* What follows the broker's end. */
enum plan {
    PLAN_GO_ON,  /* the next broker */
    PLAN_END,    /* the end of the service */
    PLAN_REPLACE /* the program that is on disk now */
};

struct keeper {
    const struct keeper_options *options;
    uv_loop_t loop;
    struct estate estate;
    struct link *link;           /* NULL: no broker */
    struct program_child *child; /* the broker, when this keeper started it */
    bool serves;
    bool served_ever;
    bool is_stored;      /* the manager has a pack that was unpacked here */
    unsigned missed;     /* pings in a row that were not answered */
    uint64_t broker;     /* its process */
    uint64_t started_at; /* loop time, ms */
    uint64_t ending_at;  /* when it was told to, 0: it was not */
    unsigned deaths;     /* in a row */
    int64_t status;      /* of the last broker */
    int signal;
    enum plan plan;
    uint64_t watchdog_ms;
    uv_timer_t restart;
    uv_timer_t watch;
    uv_timer_t pace; /* of the link */
    uv_signal_t signals[SIGNAL_COUNT];
    struct program_child *trial; /* of the program on disk */
    bool done;
    int result;
};

static void start_broker(struct keeper *keeper);

/* ---- to the broker ---- */

static void tell_broker(struct keeper *keeper, enum record_kind kind)
{
    struct record record = {.kind = kind};

    if (keeper->link)
        link_send(keeper->link, &record, NULL);
}

static void kill_broker(struct keeper *keeper)
{
    if (keeper->broker != 0)
        uv_kill((int)keeper->broker, SIGKILL);
}

static void finish(struct keeper *keeper);

/* Lets the broker end; what follows is the plan's. */
static void stop_broker(struct keeper *keeper)
{
    uv_timer_stop(&keeper->restart);
    if (!keeper->link && !keeper->child) {
        finish(keeper);
    } else if (keeper->ending_at == 0) {
        keeper->ending_at = uv_now(&keeper->loop);
        tell_broker(keeper, RECORD_STOP);
    }
}

/* ---- the broker's end ---- */

static void log_death(const struct keeper *keeper)
{
    unsigned long long process = (unsigned long long)keeper->broker;

    if (keeper->signal != 0)
        log_error("the broker (process %llu) was killed by signal %d", process,
                  keeper->signal);
    else if (keeper->status >= 0)
        log_error("the broker (process %llu) ended with status %lld", process,
                  (long long)keeper->status);
    else
        log_error("the broker (process %llu) has died", process);
}

static uint64_t next_pause(struct keeper *keeper)
{
    uint64_t lived = uv_now(&keeper->loop) - keeper->started_at;
    uint64_t pause = FIRST_PAUSE_MS;

    if (lived > LONG_LIFE_MS)
        keeper->deaths = 0;
    if (++keeper->deaths <= FREE_DEATHS)
        return 0;
    for (unsigned i = FREE_DEATHS + 1;
         i < keeper->deaths && pause < keeper->options->pause_ms; i++)
        pause *= 2;
    return pause < keeper->options->pause_ms ? pause
                                             : keeper->options->pause_ms;
}

static void on_restart(uv_timer_t *timer)
{
    start_broker(timer->data);
}

static void start_again(struct keeper *keeper)
{
    uint64_t pause = next_pause(keeper);

    if (pause > 0)
        log_warning("the broker died %u times in a row: it is started again "
                    "in %llu ms",
                    keeper->deaths, (unsigned long long)pause);
    uv_timer_start(&keeper->restart, on_restart, pause, 0);
}

/* Whether the service cannot start, and the broker has said why. Who keeps
 * something goes on trying, unless a service manager takes it. */
static bool is_first_failure(const struct keeper *keeper)
{
    return !keeper->served_ever && keeper->signal == 0 && keeper->status > 0 &&
           (estate_count(&keeper->estate) == 0 || service_is_managed());
}

static void after_broker(struct keeper *keeper)
{
    if (keeper->link || keeper->child)
        return; /* one half of the news is missing */
    keeper->ending_at = 0;
    if (keeper->estate.listening.socket == HANDLE_NONE) {
        log_error("this keeper was given nothing to keep: a broker starts "
                  "--role=keeper, nobody else");
        keeper->result = BROKER_FAILED;
        keeper->plan = PLAN_END;
    } else if (keeper->plan == PLAN_GO_ON && is_first_failure(keeper)) {
        keeper->result = (int)keeper->status;
        keeper->plan = PLAN_END;
    } else if (keeper->plan == PLAN_END) {
        keeper->result = keeper->status > 0 ? (int)keeper->status : BROKER_OK;
    }
    if (keeper->plan == PLAN_GO_ON) {
        log_death(keeper);
        start_again(keeper);
    } else {
        finish(keeper);
    }
    keeper->broker = 0;
}

static void on_link_end(struct link *link)
{
    struct keeper *keeper = link->data;

    keeper->link = link_close(link);
    keeper->serves = false;
    after_broker(keeper);
}

static void on_broker_end(void *data, int64_t status, int signal)
{
    struct keeper *keeper = data;

    keeper->child = NULL;
    keeper->status = status;
    keeper->signal = signal;
    /* All that it said is here, and nobody may ever tell of the end. */
    if (keeper->link && !connection_ends_with_process()) {
        link_drain(keeper->link);
        keeper->link = link_close(keeper->link);
        keeper->serves = false;
    }
    after_broker(keeper);
}

/* ---- from the broker ---- */

static void try_program(struct keeper *keeper);

static void on_ready(struct keeper *keeper, const struct record *record)
{
    char text[LISTENING_PATH_MAX + 32];

    /* Of its own child it knows, and need not take anybody's word. */
    if (!keeper->child)
        keeper->broker = record->process;
    keeper->serves = keeper->served_ever = true;
    keeper->missed = 0;
    /* Not before: who gives all that he has waits until it is read. */
    link_pace(keeper->link, &keeper->pace);
    if (keeper->is_stored)
        service_clear_store();
    keeper->is_stored = false;
    snprintf(text, sizeof(text), "READY=1\nSTATUS=serving %s",
             keeper->estate.listening.path);
    service_notify(text);
}

static void on_record(struct link *link, const struct record *record,
                      const char *line, size_t size)
{
    struct keeper *keeper = link->data;

    switch (record->kind) {
    case RECORD_LISTEN:
    case RECORD_KEEP:
    case RECORD_FORGET:
        /* The broker finds the end, and gives all to another keeper. */
        if (estate_take(&keeper->estate, link, record, line, size) < 0)
            link_end(link);
        break;
    case RECORD_READY:
        on_ready(keeper, record);
        break;
    case RECORD_PONG:
        keeper->missed = 0;
        break;
    case RECORD_END:
        keeper->plan = PLAN_END;
        break;
    case RECORD_RESTART:
        try_program(keeper);
        break;
    default:
        break;
    }
}

/* ---- the broker's beginning ---- */

static void watch_link(struct keeper *keeper, struct connection *connection)
{
    keeper->link = link_new(connection);
    if (!keeper->link)
        return;
    keeper->link->data = keeper;
    keeper->link->on_record = on_record;
    keeper->link->on_end = on_link_end;
}

static void start_broker(struct keeper *keeper)
{
    struct connection_other other;
    frame_handle ends[2];

    uv_update_time(&keeper->loop);
    keeper->started_at = uv_now(&keeper->loop);
    keeper->status = -1;
    keeper->signal = 0;
    if (connection_pair(ends) < 0) {
        log_error("cannot start the broker: no descriptor is free");
        start_again(keeper);
        return;
    }
    keeper->child = program_start(&keeper->loop, PROGRAM_BROKER, ends[1],
                                  on_broker_end, keeper);
    handle_close(ends[1]);
    if (!keeper->child) {
        handle_close(ends[0]);
        start_again(keeper);
        return;
    }
    keeper->broker = program_process(keeper->child);
    other = program_other(keeper->child);
    watch_link(keeper, connection_join(ends[0], &other));
    if (!keeper->link ||
        estate_send(&keeper->estate, keeper->link) == LINK_E_LATE ||
        link_start(keeper->link, &keeper->loop) < 0)
        kill_broker(keeper);
}

/* ---- watching over it ---- */

/* Whether the broker has not moved for longer than it may. */
static bool is_hung(const struct keeper *keeper)
{
    uint64_t now = uv_now(&keeper->loop);

    if (keeper->ending_at != 0)
        return now - keeper->ending_at > END_MS;
    if (!keeper->serves)
        return now - keeper->started_at > START_MS;
    return keeper->missed == PINGS;
}

static void on_watch(uv_timer_t *timer)
{
    struct keeper *keeper = timer->data;

    service_notify("WATCHDOG=1");
    if (!keeper->link)
        return;
    if (is_hung(keeper)) {
        log_error("the broker (process %llu) does not move: it is killed",
                  (unsigned long long)keeper->broker);
        kill_broker(keeper);
        keeper->missed = 0; /* once is enough */
        return;
    }
    if (keeper->serves && keeper->ending_at == 0) {
        keeper->missed++;
        tell_broker(keeper, RECORD_PING);
    }
}

/* ---- another program in this one's place ---- */

static void on_trial(void *data, int64_t status, int signal)
{
    struct keeper *keeper = data;

    keeper->trial = NULL;
    if (status != 0 || signal != 0) {
        log_error("the program on disk does not run, or not with this "
                  "configuration (status %lld, signal %d): no restart",
                  (long long)status, signal);
        return;
    }
    if (keeper->plan != PLAN_GO_ON)
        return;
    log_info("restarting with the program on disk");
    keeper->plan = PLAN_REPLACE;
    stop_broker(keeper);
}

/* A program that cannot even start would take everything with it. */
static void try_program(struct keeper *keeper)
{
    if (!keeper->trial && keeper->plan == PLAN_GO_ON)
        keeper->trial = program_try(&keeper->loop, on_trial, keeper);
}

/* No broker runs. Returns when this goes on as it is. */
static void replace(struct keeper *keeper)
{
    struct service_given left = {.socket = keeper->estate.listening.socket,
                                 .lock = keeper->estate.listening.lock,
                                 .has_pack = true};

    /* Signals that came already are heeded, later ones by the next program. */
    host_hold_signals(true);
    uv_run(&keeper->loop, UV_RUN_NOWAIT);
    if (keeper->plan != PLAN_REPLACE)
        return;
    keeper->plan = PLAN_GO_ON;
    if (estate_pack(&keeper->estate, &left.pack) < 0)
        return;
    if (service_leave(&left) == 0)
        program_replace();
    service_unleave(&left);
    estate_pack_close(&left.pack);
}

/* ---- the end ---- */

/* Where a service manager starts us again, everything waits there. */
static void store(struct keeper *keeper)
{
    struct estate_pack pack;

    if (!service_can_store() ||
        (!keeper->served_ever && estate_count(&keeper->estate) == 0) ||
        estate_pack(&keeper->estate, &pack) < 0)
        return;
    if (service_store(&pack) == 0)
        log_info("%u segments are with the service manager",
                 estate_count(&keeper->estate));
    estate_pack_close(&pack);
}

static void finish(struct keeper *keeper)
{
    loop_stop(&keeper->loop);
    if (keeper->plan == PLAN_REPLACE)
        return;
    service_notify("STOPPING=1");
    store(keeper);
    keeper->done = true;
}

static void end_service(struct keeper *keeper)
{
    keeper->plan = PLAN_END;
    stop_broker(keeper);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct keeper *keeper = handle->data;

    if (number == SIGHUP) {
        tell_broker(keeper, RECORD_RELOAD);
        return;
    }
    if (keeper->plan != PLAN_END)
        log_info("ending on signal %d", number);
    end_service(keeper);
}

static void on_word(void *data, enum service_word word)
{
    struct keeper *keeper = data;

    if (word == SERVICE_WORD_RELOAD) {
        tell_broker(keeper, RECORD_RELOAD);
        return;
    }
    log_info("ending, as the service manager says");
    end_service(keeper);
}

/* ---- the whole ---- */

static void start_loop(struct keeper *keeper)
{
    uint64_t watchdog = service_watchdog_ms();

    keeper->watchdog_ms = watchdog ? watchdog : WATCHDOG_MS;
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        uv_signal_init(&keeper->loop, &keeper->signals[i]);
        keeper->signals[i].data = keeper;
        uv_signal_start(&keeper->signals[i], on_signal, SIGNALS[i]);
    }
    service_watch(&keeper->loop, on_word, keeper);
    uv_timer_init(&keeper->loop, &keeper->restart);
    uv_timer_init(&keeper->loop, &keeper->watch);
    uv_timer_init(&keeper->loop, &keeper->pace);
    keeper->restart.data = keeper->watch.data = keeper;
    uv_timer_start(&keeper->watch, on_watch, keeper->watchdog_ms / PINGS,
                   keeper->watchdog_ms / PINGS);
}

static void serve(struct keeper *keeper)
{
    while (!keeper->done) {
        loop_run(&keeper->loop);
        if (keeper->plan == PLAN_REPLACE)
            replace(keeper);
        host_hold_signals(false);
        if (keeper->plan == PLAN_GO_ON && !keeper->link && !keeper->done)
            start_broker(keeper);
    }
}

static int run(struct keeper *keeper)
{
    serve(keeper);
    /* libuv puts the deadly defaults back; a second SIGTERM is common. */
    keeper->link = link_close(keeper->link);
    keeper->trial = program_leave(keeper->trial);
    keeper->child = program_leave(keeper->child);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        uv_close((uv_handle_t *)&keeper->signals[i], NULL);
    service_unwatch();
    uv_close((uv_handle_t *)&keeper->restart, NULL);
    uv_close((uv_handle_t *)&keeper->watch, NULL);
    uv_close((uv_handle_t *)&keeper->pace, NULL);
    host_ignore_signals();
    loop_drain(&keeper->loop);
    loop_deinit(&keeper->loop);
    listening_remove(&keeper->estate.listening);
    estate_deinit(&keeper->estate);
    return keeper->result;
}

static int take_over(struct keeper *keeper)
{
    struct listening *listening = &keeper->estate.listening;
    struct service_given given;

    service_take(&given);
    if (given.has_pack) {
        estate_unpack(&keeper->estate, &given.pack);
        keeper->is_stored = true;
        log_info("%u segments are back", estate_count(&keeper->estate));
    }
    if (given.socket == HANDLE_NONE)
        return listening_open(listening, keeper->options->socket_path,
                              keeper->options->folder);
    if (listening_adopt(listening, given.socket, given.lock, NULL) == 0)
        return 0;
    log_error("the socket that was given does not listen");
    return -1;
}

int keeper_run(const struct keeper_options *options)
{
    struct keeper keeper = {.options = options};

    host_hold_signals(true);
    estate_init(&keeper.estate);
    if (loop_init(&keeper.loop) < 0) {
        log_error("cannot make an event loop");
        return BROKER_FAILED;
    }
    if (take_over(&keeper) < 0) {
        loop_deinit(&keeper.loop);
        estate_deinit(&keeper.estate);
        return BROKER_FAILED;
    }
    start_loop(&keeper);
    host_hold_signals(false);
    start_broker(&keeper);
    return run(&keeper);
}

int keeper_succeed(const struct keeper_options *options,
                   struct connection *connection)
{
    struct keeper keeper = {.options = options};

    estate_init(&keeper.estate);
    if (loop_init(&keeper.loop) < 0) {
        log_error("cannot make an event loop");
        return BROKER_FAILED;
    }
    start_loop(&keeper);
    keeper.status = -1;
    keeper.started_at = uv_now(&keeper.loop);
    watch_link(&keeper, connection);
    if (keeper.link && link_start(keeper.link, &keeper.loop) < 0) {
        keeper.link = link_close(keeper.link);
        after_broker(&keeper);
    }
    return run(&keeper);
}
