/*
 * Many segments with one request.
 */
#include "internal.h"

#include "arguments.h"
#include "error.h"

#include <stdio.h>
#include <stdlib.h>

enum { DETAIL_MAX = 512 };

_Static_assert((int)SEGB_ITEMS_MAX == (int)PROTOCOL_ITEMS_MAX,
               "a request has as many items as a program may give");

/* What is asked for, and what came. */
struct many {
    segb_item *items;
    unsigned count;
    struct message_request *requests;
    struct granted *granted;
};

static int check(segb_client *client, const segb_item *items, size_t count)
{
    int r = arguments_given("client", client);

    if (r == 0)
        r = arguments_given("items", items);
    if (r == 0 && (count == 0 || count > SEGB_ITEMS_MAX))
        r = error_set(SEGB_E_INVALID_ARGUMENT,
                      "count: expected 1 to %d items, not %zu", SEGB_ITEMS_MAX,
                      count);
    return r;
}

static int many_init(struct many *many, segb_item *items, size_t count)
{
    *many = (struct many){
        .items = items,
        .count = (unsigned)count,
        .requests = calloc(count, sizeof(many->requests[0])),
        .granted = calloc(count, sizeof(many->granted[0])),
    };
    return many->requests && many->granted
               ? 0
               : error_note(SEGB_E_SYSTEM, "out of memory");
}

static void many_deinit(struct many *many)
{
    free(many->requests);
    free(many->granted);
}

/* Notes which item it is that failed. */
static int note_item(int code, unsigned index, const char *text)
{
    char why[DETAIL_MAX];

    /* It may be the sentence that is noted already. */
    snprintf(why, sizeof(why), "%s", text);
    return error_set(code, "items[%u]: %s", index, why);
}

/* ---- what is asked for ---- */

static int prepare(const segb_item *item, enum protocol_op op,
                   struct message_request *request, struct granted *granted,
                   uint64_t *wait_ms)
{
    struct call call = {0};
    int r;

    request->op = op;
    if (op == PROTOCOL_OPEN)
        r = segment_prepare_open(item->name, item->open_options, request,
                                 &call);
    else
        r = segment_prepare_create(item->name, item->size, item->create_options,
                                   request, &call);
    if (r == 0 && call.handle_count > 0)
        r = error_note(SEGB_E_INVALID_ARGUMENT,
                       "file: a segment of a file is created by itself");
    granted->access = call.granted.access;
    if (call.wait_ms > *wait_ms)
        *wait_ms = call.wait_ms;
    return r;
}

/* `wait_ms`: the longest that one may wait. */
static int prepare_all(const struct many *many, enum protocol_op op,
                       uint64_t *wait_ms)
{
    int r = 0;

    for (unsigned i = 0; i < many->count && r == 0; i++) {
        r = prepare(&many->items[i], op, &many->requests[i], &many->granted[i],
                    wait_ms);
        if (r < 0)
            r = note_item(r, i, segb_last_detail());
    }
    return r;
}

/* ---- what came ---- */

/* The first failure is the whole's. */
static int hand_over(const struct many *many)
{
    int r = 0;

    for (unsigned i = 0; i < many->count; i++) {
        const struct granted *granted = &many->granted[i];

        many->items[i].segment = granted->segment;
        many->items[i].result = granted->status;
        if (r == 0 && granted->status < 0)
            r = note_item(granted->status, i, granted->text);
    }
    return r;
}

/* Of all or none, none came; or the broker went in the middle. */
static int give_up(const struct many *many, int r)
{
    for (unsigned i = 0; i < many->count; i++) {
        segb_close(many->granted[i].segment);
        many->items[i].segment = NULL;
        many->items[i].result = r;
    }
    return r;
}

static int run(segb_client *client, const struct many *many,
               enum protocol_op op, bool atomic)
{
    struct message_request request = {.op = op,
                                      .item_count = many->count,
                                      .atomic = atomic,
                                      .items = many->requests};
    struct call call = {
        .grants = true, .items = many->granted, .item_count = many->count};
    int r = prepare_all(many, op, &call.wait_ms);

    if (r == 0)
        r = call_run(client, &request, &call);
    if (r < 0 && call.refused > 0)
        note_item(r, call.refused - 1, segb_last_detail());
    if (r < 0)
        return give_up(many, r);
    r = hand_over(many);
    call_deinit(&call);
    /* Handles may get lost on the way here. */
    return atomic && r < 0 ? give_up(many, r) : r;
}

static int get_many(segb_client *client, segb_item *items, size_t count,
                    enum protocol_op op, bool atomic)
{
    struct many many;
    int r = check(client, items, count);

    if (r < 0)
        return r;
    r = many_init(&many, items, count);
    if (r == 0)
        r = run(client, &many, op, atomic);
    many_deinit(&many);
    return r;
}

int segb_open_many(segb_client *client, segb_item *items, size_t count,
                   int atomic)
{
    return get_many(client, items, count, PROTOCOL_OPEN, atomic != 0);
}

int segb_create_many(segb_client *client, segb_item *items, size_t count,
                     int atomic)
{
    return get_many(client, items, count, PROTOCOL_CREATE, atomic != 0);
}
