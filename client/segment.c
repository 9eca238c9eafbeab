/*
 * Segments: create, open, close, and what they are.
 */
#include "client.h"
#include "error.h"

#include <stdlib.h>

static int copy_principals(const char *const *from, size_t count,
                           const char **to, unsigned *to_count)
{
    if (count > PROTOCOL_SHARE_MAX)
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "a share list has at most %d principals",
                         PROTOCOL_SHARE_MAX);
    for (size_t i = 0; i < count; i++)
        to[i] = from[i];
    *to_count = (unsigned)count;
    return 0;
}

static int make_create(const char *name, size_t size,
                       const segb_create_options *options,
                       struct message_request *request)
{
    struct message_create *create = &request->create;
    segb_create_options ours;
    int r = options_copy(&ours, sizeof(ours), options);

    if (r < 0)
        return r;
    *request = (struct message_request){.op = PROTOCOL_CREATE};
    create->name = name;
    create->size = size;
    create->fail_if_exists = ours.fail_if_exists != 0;
    create->commit = ours.reserve == 0;
    create->persist = ours.persist != 0;
    r = access_to(ours.access, PROTOCOL_RW, &create->access);
    if (r == 0)
        r = copy_principals(ours.share_read, ours.share_read_count,
                            create->share.read, &create->share.read_count);
    if (r == 0)
        r = copy_principals(ours.share_write, ours.share_write_count,
                            create->share.write, &create->share.write_count);
    return r;
}

static int make_open(const char *name, const segb_open_options *options,
                     struct message_request *request)
{
    segb_open_options ours;
    int r = options_copy(&ours, sizeof(ours), options);

    if (r < 0)
        return r;
    *request = (struct message_request){.op = PROTOCOL_OPEN};
    request->open.target.name = name;
    request->open.target.segment = ours.id;
    return access_to(ours.access, PROTOCOL_RO, &request->open.access);
}

int segb_create(segb_client *client, const char *name, size_t size,
                const segb_create_options *options, segb_segment **segment)
{
    struct message_request request;
    int r = make_create(name, size, options, &request);

    return r < 0 ? r : call_for_segment(client, &request, segment);
}

int segb_open(segb_client *client, const char *name,
              const segb_open_options *options, segb_segment **segment)
{
    struct message_request request;
    int r = make_open(name, options, &request);

    return r < 0 ? r : call_for_segment(client, &request, segment);
}

int segb_create_async(segb_client *client, const char *name, size_t size,
                      const segb_create_options *options, segb_done_fn done,
                      void *data)
{
    struct message_request request;
    int r = make_create(name, size, options, &request);

    return r < 0 ? r : call_begin(client, &request, done, data);
}

int segb_open_async(segb_client *client, const char *name,
                    const segb_open_options *options, segb_done_fn done,
                    void *data)
{
    struct message_request request;
    int r = make_open(name, options, &request);

    return r < 0 ? r : call_begin(client, &request, done, data);
}

void segb_close(segb_segment *segment)
{
    if (!segment)
        return;
    /* First the handle: the broker asks who has one once the grant is gone. */
    wire_close_handle(segment->handle);
    call_release(segment->client, segment->grant);
    free(segment);
}

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
