#include "broker.h"

#include "emptying.h"
#include "host.h"
#include "log.h"
#include "loop.h"
#include "reload.h"

#include <signal.h>
#include <stdlib.h>

enum { TICK_MS = 500 };

/* SIGINT is caught to be ignored: children would inherit more than that. */
static const int SIGNALS[] = {SIGTERM, SIGINT, SIGHUP};
enum { SIGNAL_COUNT = sizeof(SIGNALS) / sizeof(SIGNALS[0]) };

static void on_collecting(uv_idle_t *collecting);

static void on_tick(uv_timer_t *timer)
{
    struct broker *broker = timer->data;
    bool again = peers_tick(broker);

    registry_ask_held(&broker->registry);
    if (uv_is_active((uv_handle_t *)&broker->keeping.grace))
        again = registry_ask_awaited(&broker->registry) || again;
    listener_descriptor_freed(broker->listener);
    broker_end_turn(broker);
    if (!again && !broker->registry.held &&
        !listener_is_paused(broker->listener))
        uv_timer_stop(timer);
}

void broker_needs_tick(struct broker *broker)
{
    if (!uv_is_active((uv_handle_t *)&broker->tick))
        uv_timer_start(&broker->tick, on_tick, TICK_MS, TICK_MS);
}

/* What one turn leaves may be more than others should wait for. */
static void collect(struct broker *broker)
{
    bool more = registry_collect(&broker->registry);

    keeping_end_turn(&broker->keeping);
    /* Those that wait for the end of it are resumed from there. */
    more = more || (broker->short_of && !broker->registry.emptying);
    /* At the end all go at once. */
    if (more && !uv_is_closing((uv_handle_t *)&broker->collecting))
        uv_idle_start(&broker->collecting, on_collecting);
    else
        uv_idle_stop(&broker->collecting);
    if (broker->registry.held)
        broker_needs_tick(broker);
}

static void on_collecting(uv_idle_t *collecting)
{
    collect(collecting->data);
    emptying_resume(collecting->data);
}

void broker_end_turn(struct broker *broker)
{
    if (uv_is_active((uv_handle_t *)&broker->collecting))
        keeping_end_turn(&broker->keeping);
    else
        collect(broker);
}

void broker_stop(struct broker *broker)
{
    loop_stop(&broker->loop);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct broker *broker = handle->data;

    /* The keeper ends the service, and hears the terminal's signal itself. */
    if (number == SIGINT)
        return;
    if (number == SIGHUP) {
        reload_start(broker);
        return;
    }
    log_info("ending on signal %d", number);
    keeping_rescue(&broker->keeping);
    broker_stop(broker);
}

static void watch_signals(struct broker *broker)
{
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        uv_signal_init(&broker->loop, &broker->signals[i]);
        broker->signals[i].data = broker;
        uv_signal_start(&broker->signals[i], on_signal, SIGNALS[i]);
    }
}

/* What has become of a segment. */
static void on_event(void *data, const struct entry *entry,
                     enum protocol_event event)
{
    struct broker *broker = data;

    if ((event == PROTOCOL_CREATED && !entry->is_unpublished) ||
        event == PROTOCOL_PUBLISHED)
        waits_wake(&broker->waits, entry);
    watches_tell(&broker->watches, entry, event);
}

/* ---- begin and end ---- */

static int start(struct broker *broker)
{
    struct segment_promises promises = segment_promises();

    if (quota_new(broker->config, &broker->quota) < 0) {
        log_error("out of memory");
        return -1;
    }
    callers_init(&broker->callers, broker->quota);
    registry_init(&broker->registry, &broker->callers);
    uv_timer_init(&broker->loop, &broker->tick);
    uv_idle_init(&broker->loop, &broker->collecting);
    broker->tick.data = broker->collecting.data = broker;
    peers_init(broker);
    waits_init(&broker->waits, broker);
    watches_init(&broker->watches, broker);
    broker->registry.listener = (struct registry_listener){on_event, broker};
    broker->registry.emptier =
        (struct registry_emptier){emptying_start, broker};
    keeping_restore(&broker->keeping);
    watch_signals(broker);
    host_hold_signals(false);
    broker->listener = listener_start(broker, &broker->keeping.given.listening);
    if (!broker->listener) {
        log_error("cannot listen");
        return -1;
    }
    uv_update_time(&broker->loop);
    broker->started_at = uv_now(&broker->loop);
    if (!promises.exact_lifetime && !promises.handle_lifetime)
        log_warning("this system does not tell who still maps a segment: "
                    "charges end with the grants");
    log_info("serving %s", broker->keeping.given.listening.path);
    keeping_start(&broker->keeping);
    return 0;
}

/* Closes every handle and lets slow work come to its end. */
static void drain(struct broker *broker)
{
    /* First: that clients lose their connections must not end a name. */
    keeping_close(&broker->keeping);
    broker->listener = listener_close(broker->listener);
    peers_close(broker);
    broker->registry.listener = (struct registry_listener){0};
    waits_close(&broker->waits);
    watches_close(&broker->watches);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        uv_close((uv_handle_t *)&broker->signals[i], NULL);
    /* libuv puts the deadly defaults back; a second SIGTERM is common. */
    host_ignore_signals();
    uv_close((uv_handle_t *)&broker->tick, NULL);
    uv_close((uv_handle_t *)&broker->collecting, NULL);
    loop_drain(&broker->loop);
}

static int check_charges(const struct broker *broker)
{
    int result = BROKER_OK;

    for (int i = 0; i < CONFIG_BUDGETS; i++) {
        enum config_budget budget = (enum config_budget)i;
        uint64_t used = quota_used(broker->quota, budget);

        if (used == 0)
            continue;
        log_error("at the end %llu of %s are still charged: a defect",
                  (unsigned long long)used, config_budget_name(budget));
        result = BROKER_CHARGES_LEFT;
    }
    return result;
}

static int stop(struct broker *broker)
{
    int result;

    drain(broker);
    registry_deinit(&broker->registry);
    result = check_charges(broker);
    callers_deinit(&broker->callers);
    peers_deinit(broker);
    broker->quota = quota_free(broker->quota);
    return result;
}

/* The configuration in force; NULL, with the reasons in the log. */
static struct config *load(const char *path)
{
    struct config_host host = reload_host();
    struct config_problems problems;
    struct config *config = NULL;

    if (config_load(path, &host, &config, &problems) != 0)
        reload_log_problems(&problems);
    config_problems_deinit(&problems);
    return config;
}

static int serve(struct broker *broker)
{
    int result;

    if (start(broker) < 0)
        return BROKER_FAILED;
    loop_run(&broker->loop);
    result = stop(broker);
    if (result == BROKER_OK)
        log_info("ended");
    return result;
}

int broker_run(const struct broker_options *options)
{
    /* One input buffer is part of it: too large for the stack. */
    struct broker *broker = calloc(1, sizeof(*broker));
    int result = BROKER_FAILED;

    if (!broker || loop_init(&broker->loop) < 0) {
        log_error("cannot make an event loop");
        free(broker);
        return BROKER_FAILED;
    }
    /* One that comes while the keeper dies must not take all with it. */
    host_hold_signals(true);
    if (keeping_init(&broker->keeping, broker, options->keeper) < 0)
        goto undo_loop;
    broker->config_path = options->config_path;
    broker->config = load(options->config_path);
    if (broker->config) {
        log_level_set((enum protocol_log_level)broker->config->log_level);
        result = serve(broker);
    }
    config_free(broker->config);
    keeping_deinit(&broker->keeping);
undo_loop:
    loop_deinit(&broker->loop);
    free(broker);
    return result;
}
