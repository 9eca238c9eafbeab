/*
 * create and open.
 */
#include "hold.h"
#include "report.h"
#include "text.h"
#include "verbs.h"

#include <stdlib.h>

/* The broker opens an existing segment as it is: without holders, one that is
 * not persistent would be gone when this program ends. */
static int check_persistent(segb_client *client,
                            const struct arguments *arguments,
                            const segb_segment *segment)
{
    segb_info info;
    int r;

    if (!arguments->persist || segb_created(segment))
        return STATUS_DONE;
    r = segb_stat(client, NULL, segb_id(segment), &info);
    if (r != 0)
        return report_code(arguments, r);
    if (info.persist)
        return STATUS_DONE;
    report_failure(arguments, "exists: it is there, and is not persistent");
    return STATUS_REFUSED;
}

int verb_create(segb_client *client, const struct arguments *arguments)
{
    struct hold_way way = {.fail_if_exists = arguments->fail_if_exists,
                           .publish_later = arguments->publish_later};
    segb_segment *segment;
    int status;

    if (hold_create(client, arguments, arguments->size, way, &segment,
                    &status) != 0)
        return status;
    status = check_persistent(client, arguments, segment);
    if (status == STATUS_DONE)
        status = hold_announce(client, arguments, segment,
                               arguments->persist && !arguments->publish_later);
    segb_close(segment);
    return status;
}

static int open_many(segb_client *client, const struct arguments *arguments)
{
    size_t count = 1 + arguments->more_count;
    segb_item *items = text_allocate(count, sizeof(*items));
    int status;

    if (hold_open_many(client, arguments, items, &status) == 0) {
        status = hold_announce_many(client, arguments, items, count, false);
        segb_close_many(items, count);
    }
    free(items);
    return status;
}

int verb_open(segb_client *client, const struct arguments *arguments)
{
    segb_segment *segment;
    int status;

    if (arguments->more_count > 0)
        return open_many(client, arguments);
    if (hold_open(client, arguments, SEGB_RO, &segment, &status) != 0)
        return status;
    status = hold_announce(client, arguments, segment, false);
    segb_close(segment);
    return status;
}
