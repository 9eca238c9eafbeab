/*
 * Segments: create, open, close, and what a holder knows of one.
 */
#include "internal.h"

#include "arguments.h"
#include "error.h"

#include <stdlib.h>
#include <utlist.h>

static int access_of(enum protocol_access access)
{
    if (access == PROTOCOL_RW)
        return SEGB_RW;
    return access == PROTOCOL_COW ? SEGB_COW : SEGB_RO;
}

segb_segment *segment_new(segb_client *client,
                          const struct message_grant *grant,
                          frame_handle handle, struct bell *bell)
{
    segb_segment *segment = malloc(sizeof(*segment));

    if (!segment)
        return NULL;
    client->references++;
    guard_expect(client);
    *segment = (segb_segment){.client = client,
                              .connection = client->connection,
                              .grant = grant->grant,
                              .id = grant->segment,
                              .size = (size_t)grant->size,
                              .mapped_size = (size_t)grant->mapped_size,
                              .access = access_of(grant->access),
                              .created = grant->created,
                              .of_file = grant->of_file,
                              .page = (size_t)message_pages_bytes(grant->pages),
                              .handle = handle,
                              .bell = bell};
    DL_APPEND(client->segments, segment);
    return segment;
}

/* `more`: another one of this client follows. */
static void close_segment(segb_segment *segment, bool more)
{
    segb_client *client = segment->client;

    segment->bell = bell_close(segment->bell);
    client_lock(client);
    while (segment->reclaiming)
        thread_monitor_wait(client->monitor, THREAD_NEVER);
    DL_DELETE(client->segments, segment);
    /* Before the grant: the broker then finds nobody holding the memory, and
     * frees it at once. */
    channel_close_handle(segment->handle);
    call_release(client, segment, more || client->is_lazy);
    client_unref(client);
    free(segment);
}

void segb_close(segb_segment *segment)
{
    if (segment)
        close_segment(segment, false);
}

void segb_close_many(segb_item *items, size_t count)
{
    segb_segment *last = NULL;

    for (size_t i = 0; i < count; i++) {
        segb_segment *segment = items[i].segment;

        if (!segment)
            continue;
        if (last)
            close_segment(last, last->client == segment->client);
        items[i].segment = NULL;
        last = segment;
    }
    segb_close(last);
}

/* ---- requests ---- */

static void add_file(struct message_request *request, struct call *call,
                     int kind, intptr_t handle)
{
    if (handle == -1)
        return;
    request->handles[kind] = channel_name(handle, call->handle_count);
    call->handles[call->handle_count++] = handle;
}

static int prepare_file(const segb_file *file, struct message_request *request,
                        struct call *call)
{
    if (!file)
        return 0;
    request->create.of_file = true;
    add_file(request, call, MESSAGE_FILE, file->write);
    add_file(request, call, MESSAGE_FILE_READ, file->read);
    if (call->handle_count > 0)
        return 0;
    return error_note(SEGB_E_INVALID_ARGUMENT,
                      "file: neither write nor read is an open file");
}

static int prepare_pages(const segb_create_options *options,
                         struct message_create *create)
{
    static const enum protocol_pages kinds[] = {
        [0] = PROTOCOL_PAGES_DEFAULT,
        [SEGB_PAGES_2M] = PROTOCOL_PAGES_2M,
        [SEGB_PAGES_1G] = PROTOCOL_PAGES_1G,
    };

    if (options->pages < 0 ||
        (size_t)options->pages >= sizeof(kinds) / sizeof(kinds[0]))
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "pages: expected SEGB_PAGES_2M, SEGB_PAGES_1G or 0, "
                         "not %d",
                         options->pages);
    if (options->numa < 0 || options->numa > SEGB_NODE(PROTOCOL_NODE_MAX))
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "numa: expected SEGB_NODE of 0 to %d, or 0, not %d",
                         PROTOCOL_NODE_MAX, options->numa);
    create->pages = kinds[options->pages];
    create->numa = (unsigned)options->numa;
    return 0;
}

int segment_prepare_create(const char *name, size_t size,
                           const segb_create_options *options,
                           struct message_request *request, struct call *call)
{
    struct message_create *create = &request->create;
    segb_create_options checked;
    int r = arguments_options(&checked, sizeof(checked), options);

    if (r == 0)
        r = arguments_name(name, true);
    if (r == 0)
        r = arguments_access(checked.access, SEGB_RW, &call->granted.access,
                             &create->access);
    if (r == 0)
        r = arguments_principals("share_read", checked.share_read,
                                 checked.share_read_count, create->share.read,
                                 &create->share.read_count);
    if (r == 0)
        r = arguments_principals("share_write", checked.share_write,
                                 checked.share_write_count, create->share.write,
                                 &create->share.write_count);
    if (r == 0 && ((size == 0 && !checked.file) || size > PROTOCOL_INTEGER_MAX))
        r = error_set(SEGB_E_INVALID_ARGUMENT,
                      "size: expected 1 to 2^53-1 bytes, not %zu", size);
    if (r == 0 && checked.persist && !name)
        r = error_note(SEGB_E_INVALID_ARGUMENT,
                       "persist: only a segment with a name can persist");
    if (r == 0)
        r = prepare_pages(&checked, create);
    if (r == 0)
        r = prepare_file(checked.file, request, call);
    create->name = name;
    create->size = size;
    create->fail_if_exists = checked.fail_if_exists != 0;
    create->commit = checked.reserve == 0;
    create->persist = checked.persist != 0;
    create->freezable = checked.freezable != 0;
    create->doorbell = checked.doorbell != 0;
    create->publish_later = checked.publish_later != 0;
    return r;
}

int segment_prepare_open(const char *name, const segb_open_options *options,
                         struct message_request *request, struct call *call)
{
    segb_open_options checked;
    int r = arguments_options(&checked, sizeof(checked), options);

    if (r == 0)
        r = arguments_target(name, checked.id, &request->open.target);
    if (r == 0)
        r = arguments_access(checked.access, SEGB_RO, &call->granted.access,
                             &request->open.access);
    if (r == 0 && checked.wait_ms > PROTOCOL_WAIT_MAX)
        r = error_set(SEGB_E_INVALID_ARGUMENT,
                      "wait_ms: expected 0 to %d, not %u", PROTOCOL_WAIT_MAX,
                      checked.wait_ms);
    if (r == 0 && checked.wait_ms > 0 && !name)
        r = error_note(SEGB_E_INVALID_ARGUMENT,
                       "wait_ms: only a name can be waited for");
    request->open.wait_ms = call->wait_ms = checked.wait_ms;
    return r;
}

/* ---- waiting for the grant ---- */

static int run(segb_client *client, struct message_request *request,
               struct call *call, segb_segment **segment)
{
    int r = call_run(client, request, call);

    if (r < 0)
        return r;
    *segment = call->granted.segment;
    call_deinit(call);
    return 0;
}

int segb_create(segb_client *client, const char *name, size_t size,
                const segb_create_options *options, segb_segment **segment)
{
    struct message_request request = {.op = PROTOCOL_CREATE};
    struct call call = {.grants = true};
    int r = arguments_given("client", client);

    if (r == 0)
        r = arguments_given("segment", (const void *)segment);
    if (r == 0)
        r = segment_prepare_create(name, size, options, &request, &call);
    return r < 0 ? r : run(client, &request, &call, segment);
}

int segb_open(segb_client *client, const char *name,
              const segb_open_options *options, segb_segment **segment)
{
    struct message_request request = {.op = PROTOCOL_OPEN};
    struct call call = {.grants = true};
    int r = arguments_given("client", client);

    if (r == 0)
        r = arguments_given("segment", (const void *)segment);
    if (r == 0)
        r = segment_prepare_open(name, options, &request, &call);
    return r < 0 ? r : run(client, &request, &call, segment);
}

int segb_redeem(segb_client *client, const char *ticket, segb_segment **segment)
{
    struct message_request request = {.op = PROTOCOL_REDEEM, .redeem = ticket};
    struct call call = {.grants = true};
    int r = arguments_given("client", client);

    if (r == 0)
        r = arguments_given("segment", (const void *)segment);
    if (r == 0)
        r = arguments_ticket(ticket);
    return r < 0 ? r : run(client, &request, &call, segment);
}

/* ---- being told of the grant ---- */

/* `prepared` has what the request asked for. */
static int begin(segb_client *client, struct message_request *request,
                 const struct call *prepared)
{
    struct call *call = malloc(sizeof(*call));
    int r;

    if (!call)
        return error_note(SEGB_E_SYSTEM, "out of memory");
    *call = *prepared;
    r = call_begin(client, request, call);
    if (r < 0)
        free(call);
    return r;
}

static int check_callback(segb_client *client, segb_done_fn done)
{
    int r = arguments_given("client", client);

    if (r == 0 && !done)
        r = arguments_given("done", NULL);
    return r;
}

int segb_create_async(segb_client *client, const char *name, size_t size,
                      const segb_create_options *options, segb_done_fn done,
                      void *data)
{
    struct message_request request = {.op = PROTOCOL_CREATE};
    struct call call = {.grants = true, .when_done = done, .data = data};
    int r = check_callback(client, done);

    if (r == 0)
        r = segment_prepare_create(name, size, options, &request, &call);
    return r < 0 ? r : begin(client, &request, &call);
}

int segb_open_async(segb_client *client, const char *name,
                    const segb_open_options *options, segb_done_fn done,
                    void *data)
{
    struct message_request request = {.op = PROTOCOL_OPEN};
    struct call call = {.grants = true, .when_done = done, .data = data};
    int r = check_callback(client, done);

    if (r == 0)
        r = segment_prepare_open(name, options, &request, &call);
    return r < 0 ? r : begin(client, &request, &call);
}

int segb_redeem_async(segb_client *client, const char *ticket,
                      segb_done_fn done, void *data)
{
    struct message_request request = {.op = PROTOCOL_REDEEM, .redeem = ticket};
    struct call call = {.grants = true, .when_done = done, .data = data};
    int r = check_callback(client, done);

    if (r == 0)
        r = arguments_ticket(ticket);
    return r < 0 ? r : begin(client, &request, &call);
}

/* ---- facts ---- */

uint64_t segb_id(const segb_segment *segment)
{
    return segment->id;
}

size_t segb_size(const segb_segment *segment)
{
    return segment->size;
}

size_t segb_mapped_size(const segb_segment *segment)
{
    return segment->mapped_size;
}

int segb_access(const segb_segment *segment)
{
    return segment->access;
}

int segb_created(const segb_segment *segment)
{
    return segment->created;
}

intptr_t segb_handle(const segb_segment *segment)
{
    return segment->handle;
}
