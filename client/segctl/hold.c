#include "hold.h"

#include "file.h"
#include "json.h"
#include "output.h"
#include "report.h"
#include "terminal.h"

#include <errno.h>
#include <string.h>

enum { LOOK_MS = 200 };

const char *hold_access_name(int access)
{
    if (access == SEGB_COW)
        return "cow";
    return access == SEGB_RW ? "rw" : "ro";
}

/* A file is opened for whatever grants its segment may have. */
static int open_file(const struct arguments *arguments, segb_file *file,
                     int *status)
{
    bool writable = arguments->access == 0 || arguments->access == SEGB_RW;

    if (file_open(arguments->file, writable, file) == 0)
        return 0;
    *status =
        report_failure(arguments, "%s: %s", arguments->file, strerror(errno));
    return 1;
}

int hold_create(segb_client *client, const struct arguments *arguments,
                size_t size, struct hold_way way, segb_segment **segment,
                int *status)
{
    segb_file file;
    segb_create_options options = {
        .struct_size = sizeof(options),
        .access = arguments->access,
        .fail_if_exists = way.fail_if_exists,
        .reserve = arguments->reserve,
        .persist = arguments->persist,
        .freezable = arguments->freezable,
        .doorbell = arguments->doorbell,
        .publish_later = way.publish_later,
        .pages = arguments->pages,
        .numa = arguments->numa,
        .share_read = arguments->share_read,
        .share_read_count = arguments->share_read_count,
        .share_write = arguments->share_write,
        .share_write_count = arguments->share_write_count};
    int r;

    if (arguments->file && open_file(arguments, &file, status) != 0)
        return 1;
    options.file = arguments->file ? &file : NULL;
    r = segb_create(client, arguments->name, size, &options, segment);
    if (arguments->file)
        file_close(&file);
    if (r != 0)
        *status = report_code(arguments, r);
    return r;
}

static segb_open_options open_options(const struct arguments *arguments,
                                      int access)
{
    return (segb_open_options){.struct_size = sizeof(segb_open_options),
                               .access = arguments->access ? arguments->access
                                                           : access,
                               .id = arguments->id,
                               .wait_ms = arguments->wait_ms};
}

/* What was waited for in vain is not there. */
static int report_open(const struct arguments *arguments, int code)
{
    int status = report_code(arguments, code);

    return code == SEGB_E_TIMEOUT && arguments->wait_ms > 0 ? STATUS_NOT_FOUND
                                                            : status;
}

int hold_open(segb_client *client, const struct arguments *arguments,
              int access, segb_segment **segment, int *status)
{
    segb_open_options options = open_options(arguments, access);
    int r = segb_open(client, arguments->name, &options, segment);

    if (r != 0)
        *status = report_open(arguments, r);
    return r;
}

int hold_open_many(segb_client *client, const struct arguments *arguments,
                   segb_item *items, int *status)
{
    segb_open_options options = open_options(arguments, SEGB_RO);
    size_t count = 1 + arguments->more_count;
    int r;

    for (size_t i = 0; i < count; i++)
        items[i] = (segb_item){.name = i == 0 ? arguments->name
                                              : arguments->more[i - 1],
                               .open_options = &options};
    r = segb_open_many(client, items, count, 1);
    if (r != 0)
        *status = report_open(arguments, r);
    return r;
}

static void print_json(const char *name, const segb_segment *segment)
{
    struct json json = {0};

    json_object_begin(&json, NULL);
    json_number(&json, "segment", segb_id(segment));
    json_string(&json, "name", name);
    json_number(&json, "size", segb_size(segment));
    json_number(&json, "mapped_size", segb_mapped_size(segment));
    json_string(&json, "access", hold_access_name(segb_access(segment)));
    json_bool(&json, "created", segb_created(segment) != 0);
    json_object_end(&json);
    json_print(&json);
}

static void note_ready(const struct arguments *arguments, const char *name,
                       const segb_segment *segment, bool returns)
{
    struct text size = {0};

    text_add_size(&size, segb_size(segment));
    report_note(
        arguments, "segment %llu%s%s, %s, %s: ready, %s",
        (unsigned long long)segb_id(segment), name ? ", " : "",
        name ? name : "", size.bytes, hold_access_name(segb_access(segment)),
        returns ? "kept until it is removed" : "held until interrupted");
    text_deinit(&size);
}

/* Whether somebody takes connections, if only the keeper, who starts the next
 * broker as soon as it can. */
static bool is_service_there(const struct arguments *arguments)
{
    segb_connect_options options = {.struct_size = sizeof(options),
                                    .socket = arguments->socket,
                                    .timeout_ms = 100,
                                    .reconnect_ms = -1};
    segb_client *probe;
    int r = segb_connect(&options, &probe);

    if (r == 0)
        segb_disconnect(probe);
    return r != SEGB_E_NO_BROKER;
}

/* Takes in what came. The broker may have been lost: waits for the next one. */
static int keep_up(segb_client *client, const struct arguments *arguments)
{
    int r = segb_client_dispatch(client);

    while (r == 0 && (r = segb_ping(client)) == SEGB_E_GONE &&
           is_service_there(arguments))
        r = 0;
    return r;
}

int hold_until(segb_client *client, const struct arguments *arguments,
               hold_over_fn over, void *data)
{
    for (;;) {
        int r = terminal_hold(segb_client_fd(client), over ? LOOK_MS : -1);

        if (r == TERMINAL_E_INTERRUPTED)
            return STATUS_DONE;
        if (r < 0)
            return report_failure(arguments, "%s", strerror(errno));
        r = r == TERMINAL_LATE ? 0 : keep_up(client, arguments);
        if (r != 0)
            return report_code(arguments, r);
        if (over && over(data))
            return STATUS_DONE;
    }
}

int hold_announce(segb_client *client, const struct arguments *arguments,
                  segb_segment *segment, bool returns)
{
    segb_item item = {.name = arguments->name, .segment = segment};

    return hold_announce_many(client, arguments, &item, 1, returns);
}

int hold_announce_many(segb_client *client, const struct arguments *arguments,
                       const segb_item *items, size_t count, bool returns)
{
    /* First, so that whoever waits for the word may interrupt at once. */
    terminal_catch_interrupts();
    for (size_t i = 0; i < count; i++) {
        if (arguments->json)
            print_json(items[i].name, items[i].segment);
        else
            note_ready(arguments, items[i].name, items[i].segment, returns);
    }
    if (output_error())
        return report_stdout(arguments, output_error());
    return returns ? STATUS_DONE : hold_until(client, arguments, NULL, NULL);
}
