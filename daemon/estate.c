#include "estate.h"

#include "handle.h"
#include "host.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

void estate_init(struct estate *estate)
{
    *estate = (struct estate){
        .listening = {.socket = HANDLE_NONE, .lock = HANDLE_NONE}, .next = 1};
}

static void close_all(const frame_handle *handles, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        handle_close(handles[i]);
}

static void item_free(struct estate *estate, struct estate_item *item)
{
    HASH_DEL(estate->items, item); /* NOLINT: uthash */
    if (!estate->is_lent)
        close_all(item->handles, item->count);
    free(item->line);
    free(item);
}

void estate_deinit(struct estate *estate)
{
    struct estate_item *item, *next;

    HASH_ITER (hh, estate->items, item, next)
        item_free(estate, item);
    listening_close(&estate->listening);
}

unsigned estate_count(const struct estate *estate)
{
    return HASH_COUNT(estate->items);
}

static struct estate_item *find(const struct estate *estate, uint64_t id)
{
    struct estate_item *item;

    HASH_FIND(hh, estate->items, &id, sizeof(id), item);
    return item;
}

static struct estate_item *add(struct estate *estate, uint64_t id)
{
    struct estate_item *item = calloc(1, sizeof(*item));

    if (!item)
        return NULL;
    item->id = id;
    HASH_ADD(hh, estate->items, id, sizeof(item->id), item);
    if (TABLE_HOLDS(hh, item))
        return item;
    free(item);
    return NULL;
}

static void take_handles(struct estate_item *item, const struct estate_new *new)
{
    close_all(item->handles, item->count);
    item->count = new->count;
    for (unsigned i = 0; i < new->count; i++)
        item->handles[i] = new->handles[i];
}

int estate_keep(struct estate *estate, const struct estate_new *new)
{
    struct estate_item *item = find(estate, new->id);
    char *line = malloc(new->size + 1);

    if (!item && line)
        item = add(estate, new->id);
    if (!item || !line) {
        free(line);
        close_all(new->handles, new->count);
        return ESTATE_E_NOMEM;
    }
    memcpy(line, new->line, new->size);
    line[new->size] = '\n';
    free(item->line);
    item->line = line;
    item->size = new->size + 1;
    if (new->count > 0)
        take_handles(item, new);
    if (new->id >= estate->next)
        estate->next = new->id + 1;
    return 0;
}

void estate_forget(struct estate *estate, uint64_t id)
{
    struct estate_item *item = find(estate, id);

    if (item)
        item_free(estate, item);
}

/* ---- over a link ---- */

static int take_segment(struct estate *estate, struct link *link,
                        const struct record *record, const char *line,
                        size_t size)
{
    struct estate_new new = {.id = record->segment.segment,
                             .line = line,
                             .size = size,
                             .count = record->handles};

    /* Of one that is known its handles are here. */
    if (find(estate, new.id))
        new.count = 0;
    if ((new.count == 0 || link_claim(link, record, new.handles) == 0) &&
        estate_keep(estate, &new) == 0)
        return 0;
    log_error("segment %llu cannot be kept: memory or descriptors are short",
              (unsigned long long)new.id);
    return -1;
}

static int take_listening(struct estate *estate, struct link *link,
                          const struct record *record)
{
    frame_handle handles[RECORD_HANDLES_MAX] = {HANDLE_NONE, HANDLE_NONE};

    if (link_claim(link, record, handles) < 0)
        return -1;
    listening_close(&estate->listening);
    if (listening_adopt(&estate->listening, handles[0], handles[1],
                        record->path) == 0)
        return 0;
    close_all(handles, record->handles);
    return -1;
}

int estate_take(struct estate *estate, struct link *link,
                const struct record *record, const char *line, size_t size)
{
    switch (record->kind) {
    case RECORD_LISTEN:
        return take_listening(estate, link, record);
    case RECORD_KEEP:
        return take_segment(estate, link, record, line, size);
    case RECORD_FORGET:
        estate_forget(estate, record->segment.segment);
        return 0;
    default:
        return 0;
    }
}

static int send_listening(const struct estate *estate, struct link *link)
{
    const struct listening *listening = &estate->listening;
    struct record record = {.kind = RECORD_LISTEN,
                            .handles = listening->lock != HANDLE_NONE ? 2 : 1,
                            .path = listening->path};
    frame_handle handles[] = {listening->socket, listening->lock};

    return link_send(link, &record, handles);
}

int estate_send(const struct estate *estate, struct link *link)
{
    struct record ready = {
        .kind = RECORD_READY, .next = estate->next, .process = host_process()};
    struct estate_item *item, *next;
    int r = send_listening(estate, link);

    HASH_ITER (hh, estate->items, item, next) {
        if (r == 0)
            r = link_send_line(link, item->line, item->size, item->handles,
                               item->count);
    }
    return r == 0 ? link_send(link, &ready, NULL) : r;
}
