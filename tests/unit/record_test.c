/*
 * What keeper and broker tell each other.
 */
#include "identity.h"
#include "record.h"
#include "tests/support/runner.h"
#include "ticket.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct buffer line;
static struct record again;

static void setup(void)
{
    buffer_init(&line, PROTOCOL_LINE_MAX);
}

static void teardown(void)
{
    buffer_deinit(&line);
}

static void write_and_read(const struct record *record)
{
    buffer_truncate(&line, 0);
    ck_assert_int_eq(record_write(&line, record), 0);
    ck_assert_int_eq(line.data[line.size - 1], '\n');
    ck_assert_int_eq(record_decode(line.data, line.size - 1, &again), 0);
    ck_assert_int_eq(again.kind, record->kind);
    ck_assert_uint_eq(again.handles, record->handles);
}

static struct record full_record(void)
{
    struct record record = {.kind = RECORD_KEEP, .handles = 2};

    record.segment = (struct record_segment){.segment = PROTOCOL_INTEGER_MAX,
                                             .name = "global/a\"b \xc3\xa4",
                                             .found = true,
                                             .owner = "1000,0,7",
                                             .size = 5000,
                                             .mapped_size = 8192,
                                             .created_at = 1795448198,
                                             .commit = true,
                                             .persist = true};
    record.segment.share.read[0] = "everyone";
    record.segment.share.read[1] = "user:5";
    record.segment.share.read_count = 2;
    record.segment.share.write[0] = "group:4294967295";
    record.segment.share.write_count = 1;
    record.segment.tickets[0] = "1 2 ro 00";
    record.segment.tickets[1] = "1 2 rw 33";
    record.segment.ticket_count = 2;
    record.segment.freezable = true;
    record.segment.frozen = PROTOCOL_FROZEN_FUTURE;
    record.segment.revoked = true;
    record.segment.doorbell = 1;
    record.segment.unpublished = true;
    record.segment.pages = PROTOCOL_PAGES_1G;
    record.segment.numa = PROTOCOL_NODE_MAX + 1;
    return record;
}

START_TEST(segment_comes_through_whole)
{
    struct record record = full_record();
    const struct record_segment *s = &again.segment;

    write_and_read(&record);
    ck_assert_uint_eq(s->segment, PROTOCOL_INTEGER_MAX);
    ck_assert_str_eq(s->name, "global/a\"b \xc3\xa4");
    ck_assert(s->found && s->commit && s->persist);
    ck_assert_str_eq(s->owner, "1000,0,7");
    ck_assert_uint_eq(s->size, 5000);
    ck_assert_uint_eq(s->mapped_size, 8192);
    ck_assert_uint_eq(s->created_at, 1795448198);
    ck_assert_uint_eq(s->share.read_count, 2);
    ck_assert_str_eq(s->share.read[0], "everyone");
    ck_assert_str_eq(s->share.read[1], "user:5");
    ck_assert_uint_eq(s->share.write_count, 1);
    ck_assert_str_eq(s->share.write[0], "group:4294967295");
    ck_assert_uint_eq(s->ticket_count, 2);
    ck_assert_str_eq(s->tickets[1], "1 2 rw 33");
    ck_assert(s->freezable && s->revoked && s->unpublished);
    ck_assert_uint_eq(s->doorbell, 1);
    ck_assert_int_eq(s->pages, PROTOCOL_PAGES_1G);
    ck_assert_uint_eq(s->numa, PROTOCOL_NODE_MAX + 1);
    ck_assert_int_eq(s->frozen, PROTOCOL_FROZEN_FUTURE);
    record_deinit(&again);
}
END_TEST

START_TEST(unnamed_and_removed_ones_stay_so)
{
    struct record record = full_record();

    record.segment.name = NULL;
    record.segment.found = false;
    write_and_read(&record);
    ck_assert_ptr_null(again.segment.name);
    record_deinit(&again);
    record.segment.name = "a";
    write_and_read(&record);
    ck_assert_str_eq(again.segment.name, "a");
    ck_assert(!again.segment.found);
    record_deinit(&again);
}
END_TEST

START_TEST(every_kind_comes_through)
{
    for (int i = 0; i < RECORD_KINDS; i++) {
        struct record record = full_record();

        record.kind = (enum record_kind)i;
        record.handles = i == RECORD_LISTEN || i == RECORD_HANDLES ? 2 : 0;
        record.names[0] =
            (struct message_handle){MESSAGE_HANDLE_VALUE, UINT64_MAX};
        record.names[1] = (struct message_handle){MESSAGE_HANDLE_INDEX, 1};
        record.path = "/run/a.sock";
        record.next = 18;
        record.process = 12345;
        write_and_read(&record);
        if (i == RECORD_LISTEN)
            ck_assert_str_eq(again.path, "/run/a.sock");
        if (i == RECORD_READY) {
            ck_assert_uint_eq(again.next, 18);
            ck_assert_uint_eq(again.process, 12345);
        }
        if (i == RECORD_HANDLES) {
            ck_assert_int_eq(again.names[0].form, MESSAGE_HANDLE_VALUE);
            ck_assert_uint_eq(again.names[0].number, UINT64_MAX);
            ck_assert_int_eq(again.names[1].form, MESSAGE_HANDLE_INDEX);
            ck_assert_uint_eq(again.names[1].number, 1);
        }
        if (i == RECORD_FORGET)
            ck_assert_uint_eq(again.segment.segment, PROTOCOL_INTEGER_MAX);
        record_deinit(&again);
    }
}
END_TEST

/* The longest name, of escapes, both lists full of the longest ids, the longest
 * owner. */
START_TEST(largest_record_is_one_line)
{
    static char name[PROTOCOL_NAME_MAX + 1];
    static char principal[sizeof("group:") + IDENTITY_ID_MAX];
    static char owner[IDENTITY_TEXT_MAX];
    static char ticket[TICKET_RECORD_MAX];
    struct record record = full_record();
    struct record_segment *s = &record.segment;

    memset(name, '"', PROTOCOL_NAME_MAX);
    memset(principal, '1', sizeof(principal) - 1);
    memset(owner, '1', sizeof(owner) - 1);
    memset(ticket, '1', sizeof(ticket) - 1);
    for (int i = 0; i < PROTOCOL_SHARE_MAX; i++)
        s->share.read[i] = s->share.write[i] = principal;
    s->share.read_count = s->share.write_count = PROTOCOL_SHARE_MAX;
    for (int i = 0; i < PROTOCOL_TICKETS_MAX; i++)
        s->tickets[i] = ticket;
    s->ticket_count = PROTOCOL_TICKETS_MAX;
    s->name = name;
    s->owner = owner;
    write_and_read(&record);
    ck_assert_str_eq(again.segment.owner, owner);
    record_deinit(&again);
}
END_TEST

#define KEEP                                                                   \
    "{\"record\":\"keep\",\"handles\":2,\"segment\":1,\"found\":false,"        \
    "\"owner\":\"1\",\"size\":1,\"mapped_size\":4096,\"created_at\":1,"        \
    "\"commit\":true,\"persist\":false,\"read\":[],\"write\":[],"

/* More handles of it than there are kinds. */
static const char bad_doorbell[] = KEEP "\"doorbell\":4}";
static const char bad_pages[] = KEEP "\"pages\":\"4K\"}";
static const char bad_node[] = KEEP "\"numa\":1024}";

START_TEST(what_is_no_record_is_refused)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "{\"record\":\"keep\"}",
        "{\"record\":5,\"handles\":0}",
        "{\"record\":\"nonsense\",\"handles\":0}",
        "{\"record\":\"ping\"}",
        "{\"record\":\"ping\",\"handles\":6}",
        "{\"record\":\"forget\",\"handles\":0}",
        "{\"record\":\"listen\",\"handles\":1}",
        "{\"record\":\"ready\",\"handles\":0,\"next\":1}",
        "{\"record\":\"keep\",\"handles\":1,\"segment\":1}",
        bad_doorbell,
        bad_pages,
        bad_node,
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(record_decode(bad[i], strlen(bad[i]), &again) ==
                          MESSAGE_MALFORMED,
                      "%s", bad[i]);
}
END_TEST

/* Whether the colon stands behind a key that may be missing. */
static bool is_optional(const char *text, const char *colon)
{
    static const char *const keys[] = {
        "\"name\"",     "\"tickets\"", "\"frozen\"", "\"revoked\"",
        "\"doorbell\"", "\"pages\"",   "\"numa\"",   "\"unpublished\""};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        size_t size = strlen(keys[i]);

        if ((size_t)(colon - text) >= size &&
            memcmp(colon - size, keys[i], size) == 0)
            return true;
    }
    return false;
}

/* Spoils one member's key after the other; only the name and what says
 * something rare may be missing. */
START_TEST(segment_without_a_member_is_refused)
{
    struct record record = full_record();
    size_t size;
    char *text;

    write_and_read(&record);
    record_deinit(&again);
    size = line.size - 1;
    text = line.data;
    for (char *at = text; (at = memchr(at, ':', size - (size_t)(at - text)));
         at++) {
        if (at[-1] != '"' || is_optional(text, at))
            continue;
        at[-2]++;
        ck_assert_msg(record_decode(text, size, &again) == MESSAGE_MALFORMED,
                      "%.*s", (int)size, text);
        at[-2]--;
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("record");
    TCase *tests = tcase_create("record");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, segment_comes_through_whole);
    tcase_add_test(tests, unnamed_and_removed_ones_stay_so);
    tcase_add_test(tests, every_kind_comes_through);
    tcase_add_test(tests, largest_record_is_one_line);
    tcase_add_test(tests, what_is_no_record_is_refused);
    tcase_add_test(tests, segment_without_a_member_is_refused);
    suite_add_tcase(suite, tests);
    return suite_main(suite);
}
