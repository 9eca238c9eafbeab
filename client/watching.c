/*
 * Watching: what becomes of segments, told from segb_client_dispatch.
 *
 * Whoever reads the connection queues the events that come; a queue that nobody
 * takes from has a bound, like the broker's. Its end, and that of a connection,
 * is an overflow event, which stands in its watcher so that it finds room
 * always.
 */
#include "internal.h"

#include "arguments.h"
#include "error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { QUEUE_MAX = 1024 };

/* One that is to be told. */
struct event {
    struct event *prev;
    struct event *next;
    segb_watcher *watcher;
    segb_event facts; /* its strings lie behind it all */
};

/* One that is told now, on its thread's stack. */
struct telling {
    struct telling *prev;
    struct telling *next;
    segb_watcher *watcher; /* NULL: its callback has ended the watching */
    uintptr_t thread;
};

struct segb_watcher {
    segb_client *client; /* holds a reference */
    struct segb_watcher *prev;
    struct segb_watcher *next;
    uint64_t number; /* the broker's, 0: none any more, for: */
    unsigned connection;
    bool is_listed;    /* in the client's list */
    bool is_restoring; /* the guard asks for it */
    segb_event_fn tell;
    void *data;
    struct event last; /* an overflow, or the end; in the queue if: */
    bool has_last;
    char prefix[PROTOCOL_NAME_MAX + 1];
};

/* ---- the queue ---- */

static void queue_last(segb_client *client, segb_watcher *watcher, int event)
{
    watcher->last.facts.event = event;
    if (watcher->has_last)
        return;
    watcher->has_last = true;
    DL_APPEND(client->events, &watcher->last);
}

static void queue_overflow(segb_client *client)
{
    segb_watcher *watcher;

    DL_FOREACH (client->watchers, watcher)
        queue_last(client, watcher, SEGB_EVENT_OVERFLOW);
}

static int event_number(enum protocol_event event)
{
    static const int numbers[PROTOCOL_EVENTS] = {
        [PROTOCOL_CREATED] = SEGB_EVENT_CREATED,
        [PROTOCOL_PUBLISHED] = SEGB_EVENT_PUBLISHED,
        [PROTOCOL_FROZEN] = SEGB_EVENT_FROZEN,
        [PROTOCOL_NAME_REMOVED] = SEGB_EVENT_REMOVED,
        [PROTOCOL_GONE] = SEGB_EVENT_GONE,
        [PROTOCOL_OVERFLOW] = SEGB_EVENT_OVERFLOW,
    };

    return numbers[event];
}

static struct event *event_new(segb_watcher *watcher,
                               const struct message_event *came)
{
    size_t name = came->name ? strlen(came->name) + 1 : 0;
    size_t owner = strlen(came->owner) + 1;
    struct event *event = malloc(sizeof(*event) + name + owner);
    char *strings;

    if (!event)
        return NULL;
    strings = (char *)(event + 1);
    event->watcher = watcher;
    event->facts = (segb_event){.event = event_number(came->event),
                                .id = came->segment,
                                .size = came->size,
                                .published = !came->unpublished,
                                .frozen = reply_frozen(came->frozen)};
    if (came->name)
        event->facts.name = memcpy(strings, came->name, name);
    event->facts.owner = memcpy(strings + name, came->owner, owner);
    return event;
}

static segb_watcher *find(const segb_client *client, uint64_t number)
{
    segb_watcher *watcher;

    DL_FOREACH (client->watchers, watcher)
        if (watcher->number == number &&
            watcher->connection == client->connection)
            return watcher;
    return NULL;
}

/* NULL, or what is to be freed when nobody needs the event any more. */
static struct event *take_out(segb_client *client, struct event *event)
{
    DL_DELETE(client->events, event);
    if (event == &event->watcher->last) {
        event->watcher->has_last = false;
        return NULL;
    }
    client->event_count--;
    return event;
}

void watching_take(segb_client *client, const struct message_event *came)
{
    struct event *event = NULL;
    segb_watcher *watcher;

    if (came->event == PROTOCOL_OVERFLOW) {
        queue_overflow(client);
        return;
    }
    /* That watch may have ended while the event was under way. */
    watcher = find(client, came->watch);
    if (!watcher)
        return;
    if (client->event_count < QUEUE_MAX)
        event = event_new(watcher, came);
    if (!event) {
        queue_last(client, watcher, SEGB_EVENT_OVERFLOW);
        return;
    }
    DL_APPEND(client->events, event);
    client->event_count++;
}

static void tell(segb_client *client, struct event *event)
{
    struct telling telling = {.watcher = event->watcher,
                              .thread = thread_self()};
    segb_event_fn callback = event->watcher->tell;
    void *data = event->watcher->data;
    segb_event facts = event->facts;

    /* The callback may end its own watching: nothing of the watcher is touched
     * after it. */
    event = take_out(client, event);
    DL_APPEND(client->tellings, &telling);
    client_unlock(client);
    callback(client, &facts, data);
    client_lock(client);
    DL_DELETE(client->tellings, &telling);
    thread_monitor_wake_all(client->monitor);
    free(event);
}

void watching_tell(segb_client *client)
{
    while (client->events)
        tell(client, client->events);
}

/* Whether another thread is in a callback of it. This one may be too, and does
 * not wait for itself. */
static bool is_told_elsewhere(const segb_client *client,
                              const segb_watcher *watcher)
{
    struct telling *telling;

    DL_FOREACH (client->tellings, telling)
        if (telling->watcher == watcher && telling->thread != thread_self())
            return true;
    return false;
}

/* The next watcher may have the same address. */
static void forget_tellings(segb_client *client, const segb_watcher *watcher)
{
    struct telling *telling;

    DL_FOREACH (client->tellings, telling)
        if (telling->watcher == watcher)
            telling->watcher = NULL;
}

/* ---- at the broker ---- */

void watching_begun(segb_client *client, segb_watcher *watcher, uint64_t number)
{
    if (!watcher->is_listed) {
        watcher->is_listed = true;
        client->references++;
        DL_APPEND(client->watchers, watcher);
        guard_expect(client);
    }
    watcher->number = number;
    watcher->connection = client->connection;
}

static void write_watch(const segb_watcher *watcher,
                        struct message_request *request)
{
    *request = (struct message_request){.op = PROTOCOL_WATCH};
    request->watch = watcher->prefix;
}

segb_watcher *watching_next(const segb_client *client)
{
    segb_watcher *watcher;

    DL_FOREACH (client->watchers, watcher)
        if (watcher->connection != client->connection)
            return watcher;
    return NULL;
}

int watching_again(segb_client *client, segb_watcher *watcher, int *status)
{
    struct message_request request;
    struct call call = {.of_guard = true, .watcher = watcher};
    int r;

    write_watch(watcher, &request);
    watcher->is_restoring = true;
    r = call_run_locked(client, &request, &call);
    watcher->is_restoring = false;
    thread_monitor_wake_all(client->monitor);
    *status = call.status;
    call_deinit(&call);
    return r;
}

void watching_restored(segb_client *client, segb_watcher *watcher, int status)
{
    if (status < 0) {
        watcher->number = 0;
        watcher->connection = client->connection;
    }
    queue_last(client, watcher,
               status < 0 ? SEGB_EVENT_ENDED : SEGB_EVENT_OVERFLOW);
}

/* ---- the public calls ---- */

int segb_watch(segb_client *client, const char *prefix, segb_event_fn event,
               void *data, segb_watcher **watcher)
{
    struct message_request request;
    struct call call = {0};
    segb_watcher *made;
    int r = arguments_given("client", client);

    if (r == 0 && !event)
        r = arguments_given("event", NULL);
    if (r == 0)
        r = arguments_given("watcher", (const void *)watcher);
    if (r == 0)
        r = arguments_text("prefix", prefix, PROTOCOL_NAME_MAX);
    if (r < 0)
        return r;
    made = calloc(1, sizeof(*made));
    if (!made)
        return error_note(SEGB_E_SYSTEM, "out of memory");
    made->client = client;
    made->tell = event;
    made->data = data;
    made->last.watcher = made;
    made->last.facts.owner = "";
    snprintf(made->prefix, sizeof(made->prefix), "%s", prefix ? prefix : "");
    write_watch(made, &request);
    call.watcher = made;
    r = call_run(client, &request, &call);
    if (r < 0) {
        free(made);
        return r;
    }
    call_deinit(&call);
    *watcher = made;
    return 0;
}

void segb_unwatch(segb_watcher *watcher)
{
    struct message_request request = {.op = PROTOCOL_UNWATCH};
    struct event *event, *next;
    segb_client *client;

    if (!watcher)
        return;
    client = watcher->client;
    client_lock(client);
    while (watcher->is_restoring)
        thread_monitor_wait(client->monitor, THREAD_NEVER);
    DL_FOREACH_SAFE(client->events, event, next)
    {
        if (event->watcher == watcher)
            free(take_out(client, event));
    }
    DL_DELETE(client->watchers, watcher);
    request.unwatch = watcher->number;
    if (watcher->number > 0)
        call_send_quiet(client, watcher->connection, &request);
    /* No more of it will be queued, so that this has an end. */
    while (is_told_elsewhere(client, watcher))
        thread_monitor_wait(client->monitor, THREAD_NEVER);
    forget_tellings(client, watcher);
    client_unref(client);
    free(watcher);
}
