#include "link.h"

#include "handoff.h"
#include "log.h"

#include <stdlib.h>

struct link *link_new(int connection)
{
    struct link *link = calloc(1, sizeof(*link));

    if (!link)
        return NULL;
    link->connection = connection;
    frame_reader_init(&link->reader, handoff_close);
    buffer_init(&link->out, PROTOCOL_LINE_MAX);
    return link;
}

/* ---- reading ---- */

static void end(struct link *link)
{
    link->ended = true;
    if (link->started)
        uv_poll_stop(&link->poll);
}

static void take_line(struct link *link, const char *line, size_t size)
{
    struct record record;

    if (record_decode(line, size, &record) != 0) {
        log_error("a record between keeper and broker cannot be read: %.*s",
                  (int)(size < 200 ? size : 200), line);
        return;
    }
    link->on_record(link, &record, line, size);
    record_deinit(&record);
}

/* Reads once. 0, or a handoff outcome. */
static int receive(struct link *link)
{
    struct handoff_handles handles = {.capacity = RECORD_HANDLES_MAX,
                                      .any = true};
    const char *line;
    size_t size;
    int r = handoff_receive(link->connection, link->input, sizeof(link->input),
                            &size, &handles);

    if (r < 0)
        return r;
    if (handles.truncated)
        log_error("handles between keeper and broker were lost: no descriptor "
                  "is free");
    if (frame_reader_feed_handles(&link->reader, handles.handles, handles.count,
                                  handles.truncated) < 0)
        log_error("handles between keeper and broker were lost");
    frame_reader_feed(&link->reader, link->input, size);
    while (!link->ended &&
           (r = frame_reader_next(&link->reader, &line, &size)) == FRAME_LINE)
        take_line(link, line, size);
    if (!link->ended && (r < 0 || frame_reader_keep(&link->reader) < 0))
        return HANDOFF_E_GONE;
    return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct link *link = poll->data;

    (void)events;
    if (status == 0 && receive(link) != HANDOFF_E_GONE)
        return;
    end(link);
    link->on_end(link);
}

int link_start(struct link *link, uv_loop_t *loop)
{
    if (uv_poll_init(loop, &link->poll, link->connection) < 0)
        return -1;
    link->poll.data = link;
    link->started = true;
    return uv_poll_start(&link->poll, UV_READABLE, on_poll);
}

int link_read_until(struct link *link, const bool *done)
{
    int r;

    while (!*done) {
        r = receive(link);
        if (r == HANDOFF_E_GONE) {
            end(link);
            return LINK_E_GONE;
        }
        if (r == HANDOFF_E_AGAIN)
            handoff_wait(link->connection, false, LINK_PATIENCE_MS);
    }
    return 0;
}

bool link_drain(struct link *link)
{
    int r = 0;

    while (!link->ended && r == 0)
        r = receive(link);
    if (r == HANDOFF_E_GONE)
        end(link);
    return link->ended;
}

int link_claim(struct link *link, const struct record *record,
               frame_handle handles[RECORD_HANDLES_MAX])
{
    for (unsigned i = 0; i < record->handles; i++) {
        if (frame_reader_claim(&link->reader, i, &handles[i]) == 0)
            continue;
        while (i > 0)
            handoff_close(handles[--i]);
        return -1;
    }
    return 0;
}

/* ---- writing ---- */

static int send_some(struct link *link, const char *bytes, size_t size,
                     const frame_handle *handles, unsigned count, size_t *sent)
{
    uint64_t began = uv_hrtime();
    int r;

    while ((r = handoff_send(link->connection, bytes, size, handles, count,
                             sent)) < 0) {
        if (r == HANDOFF_E_GONE)
            return LINK_E_GONE;
        if (uv_hrtime() - began > LINK_PATIENCE_MS * UINT64_C(1000000))
            return LINK_E_LATE;
        /* Of handles that are under way nobody tells when they are read. */
        if (r == HANDOFF_E_REFS)
            uv_sleep(1);
        else
            handoff_wait(link->connection, true, LINK_PATIENCE_MS);
    }
    return 0;
}

int link_send_line(struct link *link, const char *line, size_t size,
                   const frame_handle *handles, unsigned count)
{
    size_t sent;
    int r;

    if (link->ended)
        return LINK_E_GONE;
    for (; size > 0; line += sent, size -= sent) {
        r = send_some(link, line, size, handles, count, &sent);
        if (r < 0)
            return r;
        count = 0; /* they went with the first byte */
    }
    return 0;
}

int link_send(struct link *link, const struct record *record,
              const frame_handle *handles)
{
    int r;

    buffer_truncate(&link->out, 0);
    if (record_write(&link->out, record) < 0) {
        log_error("out of memory: a record is not kept");
        return LINK_E_LATE;
    }
    r = link_send_line(link, link->out.data, link->out.size, handles,
                       record->handles);
    return r;
}

/* ---- the end ---- */

static void on_closed(uv_handle_t *handle)
{
    struct link *link = handle->data;

    handoff_close(link->connection);
    free(link);
}

struct link *link_close(struct link *link)
{
    if (!link)
        return NULL;
    end(link);
    frame_reader_deinit(&link->reader);
    buffer_deinit(&link->out);
    if (link->started) {
        uv_close((uv_handle_t *)&link->poll, on_closed);
    } else {
        handoff_close(link->connection);
        free(link);
    }
    return NULL;
}
