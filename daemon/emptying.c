#include "emptying.h"

#include "request.h"

#include <stdlib.h>

struct emptying {
    uv_work_t work;
    struct broker *broker;
    struct entry *entry;
};

static void work(uv_work_t *handle)
{
    const struct emptying *job = handle->data;

    segment_empty(job->entry->memory);
}

static void after_work(uv_work_t *handle, int status)
{
    struct emptying *job = handle->data;
    struct broker *broker = job->broker;

    (void)status;
    registry_entry_emptied(&broker->registry, job->entry);
    free(job);
    broker_end_turn(broker);
    emptying_resume(broker);
}

bool emptying_start(void *data, struct entry *entry)
{
    struct broker *broker = data;
    struct emptying *job = malloc(sizeof(*job));

    if (!job)
        return false;
    job->broker = broker;
    job->entry = entry;
    job->work.data = job;
    /* This cannot fail: libuv only looks whether there is a function. */
    uv_queue_work(&broker->loop, &job->work, work, after_work);
    return true;
}

int emptying_wait(struct call *call)
{
    struct broker *broker = call->broker;

    if (!registry_is_collecting(&broker->registry))
        return 1;
    return request_wait(call, &broker->short_of);
}

void emptying_resume(struct broker *broker)
{
    if (registry_is_collecting(&broker->registry))
        return;
    while (broker->short_of)
        pending_move(broker->short_of, &broker->woken);
    request_resume_woken(broker);
}
