#include "filing.h"

#include "broker.h"
#include "log.h"
#include "request.h"

#include <stdlib.h>

struct filing {
    uv_thread_t thread;
    uv_async_t over;
    uv_timer_t late;
    struct broker *broker;
    struct caller *caller;
    struct file_plan plan;
    const struct file_problem *problem;
    filing_done done; /* NULL: the answer was given */
    void *data;
    unsigned open; /* libuv's handles that are not closed yet */
};

static void look(void *data)
{
    struct filing *f = data;

    f->problem = file_prepare(&f->plan);
    uv_async_send(&f->over);
}

static void on_closed(uv_handle_t *handle)
{
    struct filing *f = handle->data;

    if (--f->open == 0)
        free(f);
}

static void answer(struct filing *f, const struct file_problem *problem)
{
    filing_done done = f->done;

    f->done = NULL;
    done(f->data, &f->plan, problem);
}

static void on_late(uv_timer_t *timer)
{
    static const struct file_problem late = {
        PROTOCOL_TIMEOUT, "the file: whoever serves it does not answer"};
    struct filing *f = timer->data;

    log_warning("%s: a file does not answer", f->caller->label);
    answer(f, &late);
    /* Nothing may wait for this thread, not even the broker's end. */
    uv_unref((uv_handle_t *)&f->over);
}

static void on_over(uv_async_t *async)
{
    struct filing *f = async->data;
    struct broker *broker = f->broker;
    struct caller *caller = f->caller;

    uv_thread_join(&f->thread);
    caller->is_filing = false;
    if (f->done)
        answer(f, f->problem);
    else if (!f->problem)
        segment_free(f->plan.segment);
    uv_close((uv_handle_t *)&f->late, on_closed);
    uv_close((uv_handle_t *)&f->over, on_closed);
    request_resume_filers(broker, caller);
    callers_unref(&broker->callers, caller);
}

int filing_start(struct broker *broker, struct caller *caller,
                 const struct file_plan *plan, filing_done done, void *data)
{
    struct filing *f = calloc(1, sizeof(*f));

    if (!f)
        return -1;
    *f = (struct filing){.broker = broker,
                         .caller = caller_ref(caller),
                         .plan = *plan,
                         .done = done,
                         .data = data,
                         .open = 2};
    f->late.data = f->over.data = f;
    if (uv_async_init(&broker->loop, &f->over, on_over) < 0) {
        callers_unref(&broker->callers, caller);
        free(f);
        return -1;
    }
    uv_timer_init(&broker->loop, &f->late);
    if (uv_thread_create(&f->thread, look, f) < 0) {
        uv_close((uv_handle_t *)&f->late, on_closed);
        uv_close((uv_handle_t *)&f->over, on_closed);
        callers_unref(&broker->callers, caller);
        return -1;
    }
    uv_timer_start(&f->late, on_late, FILING_SECONDS * UINT64_C(1000), 0);
    caller->is_filing = true;
    return 0;
}
