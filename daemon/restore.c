#include "restore.h"

#include "bell.h"
#include "log.h"
#include "share.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)SEGMENT_PARTS_MAX + (int)BELL_PARTS_MAX <=
                   (int)RECORD_HANDLES_MAX,
               "a record has room for all that an entry has");

/* ---- entry to record ---- */

static void write_principal(const struct principal *principal, char *text,
                            size_t size)
{
    char id[IDENTITY_ID_MAX];

    if (principal->kind == PRINCIPAL_EVERYONE) {
        snprintf(text, size, "everyone");
        return;
    }
    identity_id_write(principal->id, id);
    snprintf(text, size, "%s:%s",
             principal->kind == PRINCIPAL_USER ? "user" : "group", id);
}

static void write_share(const struct access_share *share,
                        struct restore_record *made)
{
    struct message_share *written = &made->record.segment.share;
    unsigned used = 0;

    written->read_count = share->read_count;
    written->write_count = share->write_count;
    for (unsigned i = 0; i < share->read_count; i++) {
        write_principal(&share->read[i], made->texts[used],
                        sizeof(made->texts[0]));
        written->read[i] = made->texts[used++];
    }
    for (unsigned i = 0; i < share->write_count; i++) {
        write_principal(&share->write[i], made->texts[used],
                        sizeof(made->texts[0]));
        written->write[i] = made->texts[used++];
    }
}

static void write_tickets(const struct tickets *tickets,
                          struct restore_record *made)
{
    struct record_segment *segment = &made->record.segment;

    segment->ticket_count = 0;
    for (unsigned i = 0; i < tickets->count; i++) {
        char *text = made->tickets[segment->ticket_count];

        if (tickets->list[i].uses == 0)
            continue;
        ticket_record_write(&tickets->list[i], text);
        segment->tickets[segment->ticket_count++] = text;
    }
}

int restore_write(const struct entry *entry, struct restore_record *made)
{
    struct record_segment *segment = &made->record.segment;

    segment->owner = caller_text(entry->owner);
    if (!segment->owner)
        return -1;
    made->record.kind = RECORD_KEEP;
    made->record.handles = segment_parts(entry->memory, made->handles);
    if (entry->bell)
        segment->doorbell =
            bell_parts(entry->bell, made->handles + made->record.handles);
    else
        segment->doorbell = 0;
    made->record.handles += segment->doorbell;
    segment->segment = entry->id;
    segment->name = entry_name(entry);
    segment->found = entry->is_found;
    segment->size = entry->size;
    segment->mapped_size = entry->mapped_size;
    segment->created_at = entry->created_at;
    segment->commit = entry->commit;
    segment->persist = entry->persist;
    write_share(&entry->share, made);
    write_tickets(&entry->tickets, made);
    segment->of_file = entry->of_file;
    segment->freezable = entry->freezable;
    segment->pages = entry->pages;
    segment->numa = entry->numa;
    segment->frozen = entry->frozen;
    segment->revoked = entry->is_revoked;
    segment->unpublished = entry->is_unpublished;
    return 0;
}

/* ---- record to entry ---- */

/* A ticket that cannot be read is no loss of the segment. */
static void read_tickets(const struct record_segment *segment,
                         struct entry *entry)
{
    for (unsigned i = 0; i < segment->ticket_count; i++)
        if (tickets_restore(&entry->tickets, segment->tickets[i]) < 0)
            log_error("a ticket of segment %llu is lost",
                      (unsigned long long)entry->id);
}

static int find_owner(struct registry *registry, const struct record *record,
                      struct caller **owner)
{
    struct identity identity;

    if (identity_read(record->segment.owner, &identity) < 0)
        return -1;
    return callers_get(registry->callers, &identity, owner);
}

static void charge(const struct caller *owner, struct registry_new *new)
{
    uint64_t bell = new->bell ? bell_bytes() : 0;
    uint64_t bytes = new->mapped_size + bell;

    quota_charge_again(owner->scope, CONFIG_SEGMENTS, 1, &new->segments_charge);
    if (new->of_file)
        bytes = bell;
    if (bytes > 0)
        quota_charge_again(owner->scope, CONFIG_BYTES, bytes,
                           &new->bytes_charge);
}

/* What an item's handles are to. */
struct objects {
    struct segment *memory;
    struct bell *bell; /* NULL: it has none */
};

/* Adopts the handles; on failure all are closed. */
static int adopt(const struct record_segment *segment, struct estate_item *item,
                 struct objects *objects)
{
    unsigned bell = segment->doorbell < item->count ? segment->doorbell : 0;
    unsigned memory = item->count - bell;
    struct segment_plan plan = {.mapped_size = segment->mapped_size,
                                .of_file = segment->of_file,
                                .pages = segment->pages,
                                .numa = segment->numa};
    int r = segment_adopt(item->handles, memory, &plan, &objects->memory);

    item->count = 0;
    if (segment->doorbell == 0)
        return r;
    if (bell_adopt(item->handles + memory, bell, &objects->bell) == 0 && r == 0)
        return 0;
    if (r == 0)
        objects->memory = segment_free(objects->memory);
    objects->bell = bell_free(objects->bell);
    return -1;
}

static int add(struct registry *registry, const struct record *record,
               const struct objects *objects, struct caller *owner)
{
    const struct record_segment *segment = &record->segment;
    struct registry_new new = {.id = segment->segment,
                               .name = segment->name,
                               .removed = !segment->found,
                               .memory = objects->memory,
                               .bell = objects->bell,
                               .size = segment->size,
                               .mapped_size = segment->mapped_size,
                               .created_at = segment->created_at,
                               .commit = segment->commit,
                               .persist = segment->persist,
                               .of_file = segment->of_file,
                               .freezable = segment->freezable,
                               .unpublished = segment->unpublished,
                               .pages = segment->pages,
                               .numa = segment->numa,
                               .owner = owner};
    struct access_share share = {0};
    const char *culprit;
    struct entry *entry;

    if (share_resolve(&segment->share, &share_ids_only, &share, &culprit) != 0)
        return -1;
    charge(owner, &new);
    if (registry_add(registry, &new, &entry) == 0) {
        entry->share = share;
        entry->frozen = segment->frozen;
        entry->is_revoked = segment->revoked;
        read_tickets(segment, entry);
        registry_entry_restored(entry);
        /* Nobody can come back for it. */
        if (entry->is_revoked)
            registry_entry_revoke(registry, entry);
        return 0;
    }
    quota_undo(&new.segments_charge);
    quota_undo(&new.bytes_charge);
    share_deinit(&share);
    return -1;
}

static int restore(struct registry *registry, const struct record *record,
                   const struct objects *objects)
{
    struct caller *owner;
    int r;

    if (find_owner(registry, record, &owner) < 0)
        return -1;
    r = add(registry, record, objects, owner);
    callers_unref(registry->callers, owner);
    return r;
}

int restore_entry(struct registry *registry, struct estate_item *item)
{
    struct objects objects = {0};
    struct record record;
    int r = record_decode(item->line, item->size - 1, &record);

    if (r == 0) {
        r = adopt(&record.segment, item, &objects);
        if (r == 0)
            r = restore(registry, &record, &objects);
        if (r != 0) {
            segment_free(objects.memory);
            bell_free(objects.bell);
        }
        record_deinit(&record);
    }
    if (r != 0)
        log_error("segment %llu is lost: it cannot be made again from what "
                  "the keeper kept",
                  (unsigned long long)item->id);
    return r == 0 ? 0 : -1;
}
