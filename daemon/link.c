#include "link.h"

#include "handle.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

_Static_assert((int)RECORD_HANDLES_MAX <= (int)CONNECTION_RECEIVE_MAX,
               "a record's handles come with one message");

/* Between reads. A socket takes what a few of it bring. */
enum { PACE_MS = 1 };
/* At a time: timers and signals have their turn too. */
enum { PACE_READS = 256 };

/* Posted lines wait until they are more than this. */
enum { POSTED_MAX = PROTOCOL_LINE_MAX };

static void forget_names(struct link *link)
{
    for (unsigned i = 0; i < RECORD_HANDLES_MAX; i++)
        link->names[i] = (struct message_handle){MESSAGE_HANDLE_INDEX, i};
}

struct link *link_new(struct connection *connection)
{
    struct link *link = connection ? calloc(1, sizeof(*link)) : NULL;

    if (!link) {
        connection_close(connection, NULL, NULL);
        return NULL;
    }
    link->connection = connection;
    forget_names(link);
    frame_reader_init(&link->reader, handle_close);
    buffer_init(&link->out, POSTED_MAX + 3 * PROTOCOL_LINE_MAX);
    return link;
}

/* Handles that were named by value are here already, and nobody's. */
static void drop_names(struct link *link)
{
    frame_handle handle;

    for (unsigned i = 0; i < RECORD_HANDLES_MAX; i++)
        if (link->names[i].form == MESSAGE_HANDLE_VALUE &&
            connection_claim(link->connection, &link->reader, &link->names[i],
                             &handle) == 0)
            handle_close(handle);
    forget_names(link);
}

/* ---- reading ---- */

void link_end(struct link *link)
{
    link->ended = true;
    if (link->pace)
        uv_timer_stop(link->pace);
    connection_watch(link->connection, 0);
}

static void take_line(struct link *link, const char *line, size_t size)
{
    struct record record;

    if (record_decode(line, size, &record) != 0) {
        /* Not what it says: that may be secret. */
        log_error("a record between keeper and broker, of %zu bytes, cannot "
                  "be read",
                  size);
        drop_names(link);
        return;
    }
    if (record.kind != RECORD_HANDLES)
        link->on_record(link, &record, line, size);
    drop_names(link);
    if (record.kind == RECORD_HANDLES)
        memcpy(link->names, record.names, sizeof(link->names));
    record_deinit(&record);
}

/* Reads once. 0, or a connection's outcome. */
static int receive(struct link *link)
{
    struct connection_handles handles = {.capacity = RECORD_HANDLES_MAX,
                                         .any = true};
    const char *line;
    size_t size;
    int r = connection_receive(link->connection, link->input,
                               sizeof(link->input), &size, &handles);

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
    if (link->ended || r < 0 || frame_reader_keep(&link->reader) < 0)
        return CONNECTION_E_GONE;
    return 0;
}

static void end_and_tell(struct link *link)
{
    link_end(link);
    link->on_end(link);
}

/* Reads what has come meanwhile, until nothing has. */
static void on_pace(uv_timer_t *timer)
{
    struct link *link = timer->data;
    int r = 0;

    for (int i = 0; i < PACE_READS && r == 0; i++)
        r = receive(link);
    if (r == CONNECTION_E_GONE)
        end_and_tell(link);
    else if (r == CONNECTION_E_AGAIN)
        connection_watch(link->connection, CONNECTION_READABLE);
    else
        uv_timer_start(timer, on_pace, PACE_MS, 0);
}

static void on_ready(void *data, unsigned events)
{
    struct link *link = data;

    if (events == 0 || receive(link) == CONNECTION_E_GONE) {
        end_and_tell(link);
    } else if (link->pace) {
        connection_watch(link->connection, 0);
        uv_timer_start(link->pace, on_pace, PACE_MS, 0);
    }
}

void link_pace(struct link *link, uv_timer_t *timer)
{
    link->pace = timer;
    timer->data = link;
}

int link_start(struct link *link, uv_loop_t *loop)
{
    if (connection_start(link->connection, loop, on_ready, link) < 0)
        return -1;
    connection_watch(link->connection, CONNECTION_READABLE);
    return 0;
}

int link_read_until(struct link *link, const bool *done)
{
    int r;

    while (!*done) {
        r = receive(link);
        if (r == CONNECTION_E_GONE) {
            link_end(link);
            return LINK_E_GONE;
        }
        if (r == CONNECTION_E_AGAIN)
            connection_wait(link->connection, false, LINK_PATIENCE_MS);
    }
    return 0;
}

bool link_drain(struct link *link)
{
    int r = 0;

    while (!link->ended && r == 0)
        r = receive(link);
    if (r == CONNECTION_E_GONE)
        link_end(link);
    return link->ended;
}

int link_claim(struct link *link, const struct record *record,
               frame_handle handles[RECORD_HANDLES_MAX])
{
    for (unsigned i = 0; i < record->handles; i++) {
        if (connection_claim(link->connection, &link->reader, &link->names[i],
                             &handles[i]) == 0)
            continue;
        while (i > 0)
            handle_close(handles[--i]);
        forget_names(link);
        return -1;
    }
    forget_names(link);
    return 0;
}

/* ---- writing ---- */

/* What is still to be sent. */
struct sending {
    const char *bytes;
    size_t size;
    const frame_handle *handles;
    unsigned count;
};

static bool is_late(uint64_t began)
{
    return uv_hrtime() - began > LINK_PATIENCE_MS * UINT64_C(1000000);
}

static int send_some(struct link *link, const struct sending *s, size_t *sent)
{
    uint64_t began = uv_hrtime();
    int r;

    while ((r = connection_send(link->connection, s->bytes, s->size, s->handles,
                                s->count, sent)) < 0) {
        if (r == CONNECTION_E_GONE)
            return LINK_E_GONE;
        if (is_late(began))
            return LINK_E_LATE;
        /* Of handles that are under way nobody tells when they are read. */
        if (r == CONNECTION_E_REFS)
            uv_sleep(1);
        else
            connection_wait(link->connection, true, LINK_PATIENCE_MS);
    }
    return 0;
}

static int send_all(struct link *link, struct sending *s)
{
    uint64_t began = uv_hrtime();
    size_t sent;
    int r;

    for (; s->size > 0; s->bytes += sent, s->size -= sent) {
        r = send_some(link, s, &sent);
        if (r < 0)
            return r;
        s->count = 0; /* they went with the first byte */
    }
    while (!connection_is_sent(link->connection)) {
        if (is_late(began))
            return LINK_E_LATE;
        connection_wait(link->connection, true, LINK_PATIENCE_MS);
    }
    return 0;
}

static int write_out(struct link *link, const struct record *record)
{
    if (record_write(&link->out, record) == 0)
        return 0;
    log_error("out of memory: a record is not kept");
    return LINK_E_LATE;
}

/* Where handles are named by value, a record of their names goes before. */
static int write_names(struct link *link, const frame_handle *handles,
                       unsigned count)
{
    struct record record = {.kind = RECORD_HANDLES, .handles = count};

    for (unsigned i = 0; i < count; i++)
        if (connection_attach(link->connection, handles[i], i,
                              &record.names[i]) < 0)
            return LINK_E_GONE;
    if (count == 0 || record.names[0].form == MESSAGE_HANDLE_INDEX)
        return 0;
    return write_out(link, &record);
}

static int send_out(struct link *link, const frame_handle *handles,
                    unsigned count)
{
    struct sending sending = {link->out.data, link->out.size, handles, count};
    int r = link->ended ? LINK_E_GONE : send_all(link, &sending);

    buffer_truncate(&link->out, 0);
    return r;
}

int link_flush(struct link *link)
{
    return link->out.size > 0 ? send_out(link, NULL, 0) : 0;
}

/* For one more line, and its handles' names. */
static int make_room(struct link *link)
{
    return link->out.size > POSTED_MAX ? link_flush(link) : 0;
}

int link_post(struct link *link, const struct record *record)
{
    int r = make_room(link);

    return r < 0 ? r : write_out(link, record);
}

bool link_has_posted(const struct link *link)
{
    return link->out.size > 0;
}

/* What is written behind `posted` goes out with it, or not at all. */
static int send_written(struct link *link, size_t posted, int r,
                        const frame_handle *handles, unsigned count)
{
    if (r == 0)
        return send_out(link, handles, count);
    buffer_truncate(&link->out, posted);
    return r;
}

int link_send(struct link *link, const struct record *record,
              const frame_handle *handles)
{
    unsigned count = handles ? record->handles : 0;
    int r = make_room(link);
    size_t posted = link->out.size;

    if (r == 0)
        r = write_names(link, handles, count);
    if (r == 0)
        r = write_out(link, record);
    return send_written(link, posted, r, handles, count);
}

int link_send_line(struct link *link, const char *line, size_t size,
                   const frame_handle *handles, unsigned count)
{
    int r = make_room(link);
    size_t posted = link->out.size;

    if (r == 0)
        r = write_names(link, handles, count);
    if (r == 0 && buffer_add(&link->out, line, size) < 0)
        r = LINK_E_LATE;
    return send_written(link, posted, r, handles, count);
}

/* ---- the end ---- */

struct link *link_close(struct link *link)
{
    if (!link)
        return NULL;
    link_end(link);
    drop_names(link);
    frame_reader_deinit(&link->reader);
    buffer_deinit(&link->out);
    connection_close(link->connection, free, link);
    return NULL;
}
