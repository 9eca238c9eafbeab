#include "reload.h"

#include "broker.h"
#include "host.h"
#include "identity.h"
#include "log.h"
#include "request.h"

#include <stdlib.h>
#include <string.h>

struct reload {
    uv_work_t work;
    struct broker *broker;
    struct pending *askers; /* answered when it ends */
    struct pending *later;  /* came while the files were read already */
    bool again;             /* a signal came meanwhile */
    struct config *config;
    struct config_problems problems;
    int outcome;
};

struct config_host reload_host(void)
{
    struct config_host host = {.lookup = identity_lookup,
                               .memory = host_memory_total()};

    host.administrator_count = identity_administrators(host.administrators);
    return host;
}

static void work(uv_work_t *handle)
{
    struct reload *reload = handle->data;
    struct config_host host = reload_host();

    reload->outcome = config_load(reload->broker->config_path, &host,
                                  &reload->config, &reload->problems);
}

void reload_log_problems(const struct config_problems *problems)
{
    const char *line = problems->text, *end;

    for (; line && *line; line = *end ? end + 1 : end) {
        end = line + strcspn(line, "\n");
        log_error("%.*s", (int)(end - line), line);
    }
}

static void install(struct reload *reload)
{
    struct broker *broker = reload->broker;
    struct config *old = broker->config;

    broker->config = reload->config;
    quota_configure(broker->quota, broker->config);
    if (callers_configure(&broker->callers) < 0)
        log_error("out of memory: some clients keep their old accounts");
    log_level_set((enum protocol_log_level)broker->config->log_level);
    broker->counters.reloads++;
    waits_wake_all(&broker->waits);
    config_free(old);
    log_info("configuration reloaded");
}

static int answer(struct reload *reload, struct call *call)
{
    const struct config_problems *problems = &reload->problems;

    if (reload->outcome == 0)
        return message_ok_write(peer_reply(call->peer), call->request->id);
    if (!problems->text)
        return request_refuse(call, PROTOCOL_INTERNAL, "out of memory");
    if (problems->count == 1)
        return request_refuse(call, PROTOCOL_INVALID_ARGUMENT, "%.*s",
                              (int)strcspn(problems->text, "\n"),
                              problems->text);
    return request_refuse(call, PROTOCOL_INVALID_ARGUMENT,
                          "%zu problems; the first: %.*s", problems->count,
                          (int)strcspn(problems->text, "\n"), problems->text);
}

static void answer_askers(struct reload *reload)
{
    while (reload->askers) {
        struct pending *asker = reload->askers;
        struct peer *peer = asker->peer;
        struct call call = {
            .broker = reload->broker, .peer = peer, .request = &asker->request};
        int r = answer(reload, &call);

        pending_free(asker);
        if (r < 0)
            peer_close(peer);
        else
            peer_flush(peer);
    }
}

static void after_work(uv_work_t *handle, int status);

static void reload_free(struct reload *reload)
{
    reload->broker->reload = NULL;
    free(reload);
}

static void queue(struct reload *reload)
{
    /* This cannot fail: libuv only looks whether there is a function. */
    reload->work.data = reload;
    reload->again = false;
    uv_queue_work(&reload->broker->loop, &reload->work, work, after_work);
}

static void after_work(uv_work_t *handle, int status)
{
    struct reload *reload = handle->data;

    (void)status;
    if (reload->outcome == 0) {
        install(reload);
    } else {
        reload_log_problems(&reload->problems);
        log_error("configuration not reloaded: the old one stays in force");
    }
    answer_askers(reload);
    config_problems_deinit(&reload->problems);
    while (reload->later)
        pending_move(reload->later, &reload->askers);
    if (reload->askers || reload->again)
        queue(reload);
    else
        reload_free(reload);
}

/* The reload that runs, or a new one; NULL when memory is short. */
static struct reload *join(struct broker *broker)
{
    struct reload *reload = broker->reload;

    if (reload)
        return reload;
    reload = calloc(1, sizeof(*reload));
    if (!reload)
        return NULL;
    reload->broker = broker;
    broker->reload = reload;
    queue(reload);
    return reload;
}

int reload_request(struct call *call)
{
    bool runs = call->broker->reload != NULL;
    struct reload *reload = join(call->broker);

    if (!reload)
        return -1;
    /* Files that are being read may have been read before they changed. */
    return request_wait(call, runs ? &reload->later : &reload->askers);
}

void reload_start(struct broker *broker)
{
    if (broker->reload)
        broker->reload->again = true;
    else if (!join(broker))
        log_error("out of memory: not reloaded");
}
