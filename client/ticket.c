/*
 * Offering a segment to whoever is told a ticket of it. segment.c redeems.
 */
#include "internal.h"

#include "arguments.h"
#include "error.h"

#include <stdio.h>
#include <string.h>

_Static_assert(SEGB_TICKET_MAX > PROTOCOL_TICKET_MAX,
               "a ticket and its NUL fit");

static int prepare(const segb_offer_options *options,
                   struct message_offer *offer)
{
    segb_offer_options checked;
    int access;
    int r = arguments_options(&checked, sizeof(checked), options);

    if (r == 0)
        r = arguments_access(checked.access, SEGB_RO, &access, &offer->access);
    offer->uses = checked.uses ? checked.uses : 1;
    offer->expires =
        checked.expires_ms ? checked.expires_ms : PROTOCOL_EXPIRES_DEFAULT;
    if (r == 0 && offer->uses > PROTOCOL_USES_MAX)
        r = error_set(SEGB_E_INVALID_ARGUMENT, "uses: expected 1 to %d, not %u",
                      PROTOCOL_USES_MAX, checked.uses);
    if (r == 0 && offer->expires > PROTOCOL_EXPIRES_MAX)
        r = error_set(SEGB_E_INVALID_ARGUMENT,
                      "expires_ms: expected 1 to %d, not %u",
                      PROTOCOL_EXPIRES_MAX, checked.expires_ms);
    return r;
}

static int take_ticket(const struct message_reply *reply, char *ticket,
                       size_t size)
{
    struct message_ticket came;

    if (message_reply_ticket(reply, &came) != 0 || strlen(came.ticket) >= size)
        return error_note(SEGB_E_PROTOCOL, "the broker's ticket makes no "
                                           "sense");
    snprintf(ticket, size, "%s", came.ticket);
    return 0;
}

int segb_offer(segb_segment *segment, const segb_offer_options *options,
               char *ticket, size_t size)
{
    struct message_request request = {.op = PROTOCOL_OFFER};
    struct call call = {.of = segment};
    int r = arguments_given("segment", segment);

    if (r == 0)
        r = arguments_given("ticket", ticket);
    if (r == 0 && size < SEGB_TICKET_MAX)
        r = error_set(SEGB_E_INVALID_ARGUMENT,
                      "size: expected at least %d bytes, not %zu",
                      SEGB_TICKET_MAX, size);
    if (r == 0)
        r = prepare(options, &request.offer);
    if (r == 0)
        r = call_run(segment->client, &request, &call);
    if (r < 0)
        return r;
    r = take_ticket(&call.reply, ticket, size);
    call_deinit(&call);
    return r;
}
