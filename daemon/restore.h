/*
 * From entries to records and back.
 */
#ifndef SEGBROKER_RESTORE_H
#define SEGBROKER_RESTORE_H

#include "estate.h"
#include "record.h"
#include "registry.h"

/* A record of an entry, with the texts that it points to. Its name, owner and
 * handles stay the entry's. */
struct restore_record {
    struct record record;
    frame_handle handles[RECORD_HANDLES_MAX];
    char tickets[PROTOCOL_TICKETS_MAX][TICKET_RECORD_MAX];
    char texts[2 * PROTOCOL_SHARE_MAX][sizeof("group:") + IDENTITY_ID_MAX];
};

/* 0, or negative when memory is short. */
int restore_write(const struct entry *entry, struct restore_record *made);

/* Makes the entry of a record again, and charges its owner whatever the limits
 * say. Adopts the item's handles. 0, or negative with the reason in the log. */
int restore_entry(struct registry *registry, struct estate_item *item);

#endif
