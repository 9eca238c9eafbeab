/*
 * watch: what becomes of segments, a line each.
 */
#include "hold.h"
#include "json.h"
#include "output.h"
#include "report.h"
#include "terminal.h"
#include "text.h"
#include "verbs.h"

static const char *const names[] = {
    [SEGB_EVENT_CREATED] = "created", [SEGB_EVENT_PUBLISHED] = "published",
    [SEGB_EVENT_FROZEN] = "frozen",   [SEGB_EVENT_REMOVED] = "removed",
    [SEGB_EVENT_GONE] = "gone",       [SEGB_EVENT_OVERFLOW] = "overflow",
    [SEGB_EVENT_ENDED] = "ended",
};

static bool is_of_segment(const segb_event *event)
{
    return event->event != SEGB_EVENT_OVERFLOW &&
           event->event != SEGB_EVENT_ENDED;
}

static const char *frozen_name(int frozen)
{
    if (frozen == SEGB_FROZEN_FUTURE)
        return "future";
    return frozen == SEGB_FROZEN_YES ? "yes" : "no";
}

static void print_json(const segb_event *event)
{
    struct json json = {0};

    json_object_begin(&json, NULL);
    json_string(&json, "event", names[event->event]);
    if (is_of_segment(event)) {
        json_number(&json, "segment", event->id);
        json_string(&json, "name", event->name);
        json_string(&json, "owner", event->owner);
        json_number(&json, "size", event->size);
        json_bool(&json, "published", event->published != 0);
        json_string(&json, "frozen", frozen_name(event->frozen));
    }
    json_object_end(&json);
    json_print(&json);
}

static void print_line(const segb_event *event)
{
    struct text line = {0};

    text_adds(&line, names[event->event]);
    if (is_of_segment(event)) {
        text_addf(&line, " %llu ", (unsigned long long)event->id);
        text_add_safe(&line, event->name ? event->name : "-");
        text_adds(&line, ", ");
        text_add_size(&line, event->size);
        text_adds(&line, ", ");
        text_add_safe(&line, event->owner);
        if (!event->published)
            text_adds(&line, ", not published yet");
    }
    text_adds(&line, "\n");
    output_text(&line);
}

struct show {
    const struct arguments *arguments;
    bool has_ended;
};

static void show(segb_client *client, const segb_event *event, void *data)
{
    struct show *shown = data;

    (void)client;
    if (event->event == SEGB_EVENT_ENDED)
        shown->has_ended = true;
    if (shown->arguments->json)
        print_json(event);
    else
        print_line(event);
}

/* Nobody reads, or nothing more will come. */
static bool is_over(void *data)
{
    const struct show *shown = data;

    return shown->has_ended || output_error() != 0;
}

int verb_watch(segb_client *client, const struct arguments *arguments)
{
    struct show shown = {.arguments = arguments};
    segb_watcher *watcher;
    int status;
    int r = segb_watch(client, arguments->prefix, show, &shown, &watcher);

    if (r != 0)
        return report_code(arguments, r);
    terminal_catch_interrupts();
    report_note(arguments, "watching until interrupted");
    status = hold_until(client, arguments, is_over, &shown);
    segb_unwatch(watcher);
    if (shown.has_ended)
        return report_failure(arguments, "the broker that is there now refuses "
                                         "to go on");
    return status;
}
