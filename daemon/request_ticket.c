/*
 * offer and redeem. What a ticket says must not leave by any other way than
 * the reply to its offer and the keeper's record: no log line and no message
 * has it.
 */
#include "request.h"
#include "ticket.h"

static int refuse_rw(struct call *call, const struct grant *grant)
{
    return request_refuse(call, PROTOCOL_ACCESS_DENIED,
                          "rw: grant %llu is %s, and its tickets give no more",
                          (unsigned long long)grant->id,
                          message_access_name(grant->access));
}

static int write_ticket(struct call *call, const struct entry *entry,
                        const struct ticket *ticket)
{
    char text[PROTOCOL_TICKET_MAX + 1];
    struct message_ticket reply = {
        .ticket = text, .expires_at = (ticket->expires_at + 999) / 1000};

    ticket_write(ticket, entry->id, text);
    return message_ticket_write(peer_reply(call->peer), call->request->id,
                                &reply);
}

/* Makes the ticket; the keeper knows it before the client does. */
static int offer(struct call *call, struct entry *entry)
{
    const struct message_offer *offered = &call->request->offer;
    uint64_t now = ticket_clock();
    struct ticket ticket = {.access = offered->access,
                            .uses = offered->uses,
                            .expires_at = now + offered->expires};
    int r = tickets_add(&entry->tickets, &ticket, now);

    if (r == TICKETS_FULL)
        return request_refuse(
            call, PROTOCOL_BUSY, "segment %llu has %d tickets already",
            (unsigned long long)entry->id, PROTOCOL_TICKETS_MAX);
    if (r < 0)
        return request_refuse(call, PROTOCOL_INTERNAL,
                              "the ticket cannot be made");
    if (registry_entry_changed(&call->broker->registry, entry) < 0) {
        tickets_undo(&entry->tickets);
        return request_refuse(call, PROTOCOL_INTERNAL, "out of memory");
    }
    return write_ticket(call, entry, &ticket);
}

int request_offer(struct call *call)
{
    const struct message_offer *offered = &call->request->offer;
    const struct grant *grant = registry_find_grant(
        &call->broker->registry, &call->peer->holder, offered->grant);

    if (!grant)
        return request_refuse(call, PROTOCOL_NOT_FOUND,
                              "this connection has no grant %llu",
                              (unsigned long long)offered->grant);
    if (offered->access == PROTOCOL_RW && grant->access != PROTOCOL_RW)
        return refuse_rw(call, grant);
    if (grant->entry->is_unpublished)
        return request_refuse_unpublished(call, grant->entry);
    if (request_is_frozen(grant->entry, offered->access))
        return request_refuse_frozen(call, grant->entry);
    return offer(call, grant->entry);
}

/* ---- redeem ---- */

/* The ticket that is meant, and its segment; NULL where there is none. */
static struct ticket *find(const struct call *call, struct entry **found)
{
    unsigned char secret[TICKET_SECRET_SIZE] = {0};
    struct entry *entry = NULL;
    uint64_t segment = 0;

    if (ticket_read(call->request->redeem, &segment, secret) == 0)
        entry = registry_find_id(&call->broker->registry, segment);
    if (entry && entry->stage != ENTRY_LIVE)
        entry = NULL;
    *found = entry;
    return tickets_find(entry ? &entry->tickets : NULL, secret, ticket_clock());
}

/* Gives the grant. The use is spent, and the keeper knows it, before anybody
 * is told: no death of the broker lets it be used once more. */
static int spend(struct call *call, struct ticket *ticket,
                 const struct request_handout *handout)
{
    struct registry *registry = &call->broker->registry;
    struct entry *entry = handout->entry;
    int r;

    ticket->uses--;
    if (registry_entry_changed(registry, entry) < 0) {
        ticket->uses++;
        quota_undo(handout->charge);
        return request_refuse(call, PROTOCOL_INTERNAL, "out of memory");
    }
    r = request_hand_out(call, handout);
    if (r == 0) {
        call->broker->counters.redeemed++;
    } else if (r > 0 && entry->stage == ENTRY_LIVE) {
        /* Else it has lost its tickets with the grant. */
        ticket->uses++;
        registry_entry_changed(registry, entry);
    }
    tickets_bury(&entry->tickets, ticket_clock());
    return r < 0 ? r : 0;
}

static int redeem(struct call *call, struct ticket *ticket, struct entry *entry)
{
    struct quota_refusal refusal;
    struct quota_charge charge;
    struct request_handout handout = {
        .entry = entry, .access = ticket->access, .charge = &charge};

    if (request_is_frozen(entry, ticket->access))
        return request_refuse_frozen(call, entry);
    if (quota_charge(call->peer->caller->scope, CONFIG_GRANTS, 1, &charge,
                     &refusal) != 0)
        return request_refuse_quota(call, &refusal);
    return spend(call, ticket, &handout);
}

int request_redeem(struct call *call)
{
    struct ticket_guesses *guesses = &call->peer->caller->guesses;
    uint64_t now = uv_now(&call->broker->loop);
    struct ticket *ticket;
    struct entry *entry;

    if (!ticket_guess_allowed(guesses, now))
        return request_refuse(call, PROTOCOL_RATE_LIMITED,
                              "too many tickets were wrong: wait a second");
    ticket = find(call, &entry);
    if (ticket && entry)
        return redeem(call, ticket, entry);
    ticket_guess_failed(guesses, now);
    return request_refuse(call, PROTOCOL_NOT_FOUND,
                          "there is no such ticket, or it is spent or expired");
}
