/*
 * remove, publish and ping, signal and wait, and what administrators tell the
 * broker to do.
 */
#include "hold.h"
#include "json.h"
#include "output.h"
#include "report.h"
#include "terminal.h"
#include "verbs.h"

#include <stdio.h>

/* What a program may take to say its version, and a service to pack up. */
enum { RESTART_MS = 10000 };

/* The end of a verb that has nothing to tell but its success. */
static int done(const struct arguments *arguments, int r, const char *note)
{
    struct json json = {0};

    if (r != 0)
        return report_code(arguments, r);
    if (!arguments->json) {
        report_note(arguments, "%s", note);
        return STATUS_DONE;
    }
    json_object_begin(&json, NULL);
    json_bool(&json, "ok", true);
    json_object_end(&json);
    json_print(&json);
    return STATUS_DONE;
}

int verb_remove(segb_client *client, const struct arguments *arguments)
{
    int r = segb_remove(client, arguments->name, arguments->id);

    return done(arguments, r, "removed; who holds it keeps the memory");
}

int verb_publish(segb_client *client, const struct arguments *arguments)
{
    int r = segb_publish(client, arguments->name, arguments->id);

    return done(arguments, r, "published");
}

int verb_freeze(segb_client *client, const struct arguments *arguments)
{
    int frozen = arguments->future ? SEGB_FROZEN_FUTURE : SEGB_FROZEN_YES;
    int r = segb_freeze(client, arguments->name, arguments->id, frozen);

    return done(arguments, r,
                arguments->future ? "frozen, but for views that can write"
                                  : "frozen");
}

int verb_revoke(segb_client *client, const struct arguments *arguments)
{
    int emptied = 0;
    int r = segb_revoke(client, arguments->name, arguments->id, &emptied);
    struct json json = {0};

    if (r != 0 || !arguments->json)
        return done(arguments, r,
                    emptied ? "revoked, and emptied"
                            : "revoked; who has it keeps its bytes");
    json_object_begin(&json, NULL);
    json_bool(&json, "ok", true);
    json_bool(&json, "emptied", emptied != 0);
    json_object_end(&json);
    json_print(&json);
    return STATUS_DONE;
}

/* ---- doorbells ---- */

int verb_signal(segb_client *client, const struct arguments *arguments)
{
    segb_segment *segment;
    int r, status;

    if (hold_open(client, arguments, SEGB_RO, &segment, &status) != 0)
        return status;
    r = arguments->all ? segb_signal_all(segment) : segb_signal(segment);
    status = done(arguments, r, "rung");
    segb_close(segment);
    return status;
}

int verb_wait(segb_client *client, const struct arguments *arguments)
{
    int timeout = arguments->timeout_ms > 0 ? (int)arguments->timeout_ms : -1;
    segb_segment *segment;
    int r, status;

    if (hold_open(client, arguments, SEGB_RO, &segment, &status) != 0)
        return status;
    r = segb_wait(segment, timeout);
    if (r == SEGB_E_TIMEOUT)
        status = report_failure(arguments, "timeout: nobody rang");
    else
        status = done(arguments, r, "rung");
    segb_close(segment);
    return status;
}

/* ---- administrators ---- */

int verb_reload(segb_client *client, const struct arguments *arguments)
{
    int status = done(arguments, segb_reload(client), "configuration reloaded");

    /* The command line was right; it is the broker's files that are not. */
    return status == STATUS_USAGE ? STATUS_FAILED : status;
}

int verb_log_level(segb_client *client, const struct arguments *arguments)
{
    return done(arguments, segb_log_level(client, arguments->level),
                "log level set");
}

/* What serves now, on a connection of its own. */
static int note_server(const struct arguments *arguments)
{
    segb_connect_options options = {.struct_size = sizeof(options),
                                    .socket = arguments->socket};
    segb_client *client;
    segb_broker broker;
    char note[160];
    int r = segb_connect(&options, &client);

    if (r != 0)
        return report_code(arguments, r);
    segb_client_broker(client, &broker);
    snprintf(note, sizeof(note), "restarted: %s", broker.server);
    segb_disconnect(client);
    return done(arguments, 0, note);
}

int verb_restart(segb_client *client, const struct arguments *arguments)
{
    int fd = segb_client_fd(client);
    int r = segb_restart(client);

    if (r != 0)
        return report_code(arguments, r);
    /* The connection ends with the broker that was asked. */
    if (!terminal_wait(fd, RESTART_MS))
        return report_failure(arguments,
                              "the broker goes on as it is: the installed "
                              "program does not run, or not with this "
                              "configuration; see the service's log");
    r = segb_ping(client);
    return r == 0 ? note_server(arguments) : report_code(arguments, r);
}

int verb_shutdown(segb_client *client, const struct arguments *arguments)
{
    return done(arguments, segb_shutdown(client), "the broker ends");
}

/* ---- ping ---- */

struct times {
    unsigned count;
    uint64_t least, most, sum; /* nanoseconds */
};

static void add_time(struct times *times, uint64_t time)
{
    if (times->count == 0 || time < times->least)
        times->least = time;
    if (time > times->most)
        times->most = time;
    times->sum += time;
    times->count++;
}

static uint64_t average(const struct times *times)
{
    return times->count ? times->sum / times->count : 0;
}

static double milliseconds(uint64_t nanoseconds)
{
    return (double)nanoseconds / 1e6;
}

static void print_time(const segb_broker *broker, uint64_t time)
{
    struct text line = {0};

    text_add_safe(&line, broker->server);
    text_adds(&line, " at ");
    text_add_safe(&line, broker->socket);
    text_addf(&line, ": time=%.3f ms\n", milliseconds(time));
    output_text(&line);
}

static void print_times(const struct times *times)
{
    struct text line = {0};

    if (times->count < 2)
        return;
    text_addf(&line, "%u answers: min/avg/max %.3f/%.3f/%.3f ms\n",
              times->count, milliseconds(times->least),
              milliseconds(average(times)), milliseconds(times->most));
    output_text(&line);
}

static void print_times_json(const struct times *times,
                             const segb_broker *broker)
{
    struct json json = {0};

    json_object_begin(&json, NULL);
    json_string(&json, "server", broker->server);
    json_string(&json, "socket", broker->socket);
    json_number(&json, "count", times->count);
    json_number(&json, "min_ns", times->least);
    json_number(&json, "avg_ns", average(times));
    json_number(&json, "max_ns", times->most);
    json_object_end(&json);
    json_print(&json);
}

int verb_ping(segb_client *client, const struct arguments *arguments)
{
    unsigned count = arguments->count ? arguments->count : 1;
    struct times times = {0};
    segb_broker broker;
    int r = segb_client_broker(client, &broker);

    if (r != 0)
        return report_code(arguments, r);
    do {
        uint64_t start = terminal_clock();
        uint64_t time;

        r = segb_ping(client);
        if (r != 0)
            return report_code(arguments, r);
        time = terminal_clock() - start;
        add_time(&times, time);
        if (!arguments->json)
            print_time(&broker, time);
    } while (times.count < count && output_error() == 0);
    if (arguments->json)
        print_times_json(&times, &broker);
    else
        print_times(&times);
    return STATUS_DONE;
}
