#include "held.h"

#include "suite.h"

#include <string.h>

static const char config[] = "[default]\n"
                             "bytes = 256MiB\n"
                             "connections = unlimited\n";

struct test_broker held_broker;
struct raw held_admin;

void held_setup(void)
{
    struct test_broker_options options = {.config = config};
    test_broker_start(&held_broker, &options);
    raw_open(&held_admin, held_broker.socket);
}

void held_teardown(void)
{
    raw_close(&held_admin);
    test_broker_stop(&held_broker);
}

bool held_is_exact(void)
{
    return raw_knows_holders(held_broker.socket);
}

/* Fails unless the segment is listed as held, and charged in full. */
void held_expect(uint64_t segment)
{
    struct message_segment row;
    raw_ask(&held_admin, "{'id':1,'op':'stat','segment':%ju}",
            (uintmax_t)segment);
    struct message_segment record = raw_record(&held_admin);
    REQUIRE_INT(record.state, PROTOCOL_HELD);
    REQUIRE_INT(record.grants, 0);
    const struct message_reply *list =
        raw_ask(&held_admin, "{'id':1,'op':'list','after':%ju,'limit':1}",
                (uintmax_t)segment - 1);
    REQUIRE_INT(message_reply_segment(list, 0, &row), 0);
    REQUIRE_INT(row.segment, segment);
    REQUIRE_INT(row.state, PROTOCOL_HELD);
    REQUIRE_INT(raw_used_by_all(&held_admin, "bytes") >= HELD_SIZE, 1);
    raw_ask(&held_admin, "{'id':1,'op':'open','segment':%ju}",
            (uintmax_t)segment);
    REQUIRE(!held_admin.reply.ok);
}

bool held_is_state(uint64_t segment, enum protocol_state state)
{
    raw_ask(&held_admin, "{'id':1,'op':'stat','segment':%ju}",
            (uintmax_t)segment);
    return held_admin.reply.ok && raw_record(&held_admin).state == state;
}

static bool is_gone(uint64_t segment)
{
    raw_ask(&held_admin, "{'id':1,'op':'stat','segment':%ju}",
            (uintmax_t)segment);
    return strcmp(raw_outcome(&held_admin), "not-found") == 0;
}

/* Stays held for longer than the broker takes to notice an end. */
void held_expect_stays(uint64_t segment)
{
    REQUIRE(TEST_UNTIL(HELD_RELEASE_MS, held_is_state(segment, PROTOCOL_HELD)));
    REQUIRE(!TEST_UNTIL(HELD_RELEASE_MS + 500, is_gone(segment)));
    held_expect(segment);
}

void held_expect_released(uint64_t segment)
{
    REQUIRE(TEST_UNTIL(HELD_RELEASE_MS, is_gone(segment)));
    REQUIRE_INT(raw_used_by_all(&held_admin, "bytes"), 0);
    REQUIRE_INT(raw_used_by_all(&held_admin, "segments"), 0);
    REQUIRE_INT(raw_used_by_all(&held_admin, "grants"), 0);
    REQUIRE_INT(raw_count_segments(&held_admin), 0);
}
