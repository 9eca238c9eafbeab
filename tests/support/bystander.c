#include "bystander.h"

#include "memory.h"
#include "suite.h"

#include <string.h>

enum { WARM_BYTES = 8 << 20, SERVED_US = 2000000, BACK_MS = 5000 };

static const char no_limits[] = "[total]\n"
                                "bytes = unlimited\n"
                                "[default]\n"
                                "bytes = unlimited\n"
                                "connections = unlimited\n";

struct test_broker bystander_broker;
struct raw bystander;

static test_pid first_pid;
static int first_descriptors;

void bystander_start(const struct test_broker_options *options)
{
    struct message_grant grant;
    struct test_broker_options with_config = *options;
    if (!with_config.config)
        with_config.config = no_limits;
    test_broker_start(&bystander_broker, &with_config);
    first_pid = bystander_broker.serving;
    raw_open(&bystander, bystander_broker.socket);
    /* What the broker opens once and keeps, it has after this. */
    test_close(
        raw_create(&bystander, &grant, "'name':'warm','size':%d", WARM_BYTES));
    raw_release(&bystander, grant.grant);
    REQUIRE(TEST_UNTIL(BACK_MS, bystander_all_is_back()));
    first_descriptors = test_broker_settle(&bystander_broker, &bystander);
}

void bystander_expect_served(void)
{
    static unsigned turn;
    struct message_grant grant;
    struct message_grant opened;
    int64_t began = test_clock_us();
    turn++;
    raw_ask(&bystander, "{'id':%u,'op':'ping'}", turn);
    REQUIRE_STR(raw_outcome(&bystander), "ok");
    REQUIRE_INT(bystander.reply.id, turn);
    int fd =
        raw_create(&bystander, &grant, "'name':'good/%u','size':4096", turn);
    unsigned *memory = test_map(fd, 4096, TEST_RW);
    REQUIRE(memory != NULL);
    *memory = turn;
    int again = raw_open_segment(&bystander, &opened, "'name':'good/%u'", turn);
    unsigned *view = test_map(again, 4096, TEST_RO);
    REQUIRE(view != NULL);
    REQUIRE_INT(*view, turn);
    test_unmap(view, 4096);
    test_unmap(memory, 4096);
    test_close(fd);
    test_close(again);
    raw_release(&bystander, grant.grant);
    raw_release(&bystander, opened.grant);
    REQUIRE(test_clock_us() - began < SERVED_US);
    REQUIRE_INT(test_child_of(bystander_broker.pid), first_pid);
}

bool bystander_all_is_back(void)
{
    return raw_used_by_all(&bystander, "bytes") == 0 &&
           raw_used_by_all(&bystander, "segments") == 0 &&
           raw_used_by_all(&bystander, "grants") == 0 &&
           raw_used(&bystander, "total", "connections") == 1;
}

void bystander_stop(void)
{
    bystander_expect_served();
    if (!TEST_UNTIL(BACK_MS, bystander_all_is_back() &&
                                 test_broker_descriptors(&bystander_broker) ==
                                     first_descriptors))
        FAIL("left: %ju bytes, %ju segments, %ju grants, %d descriptors of %d",
             (uintmax_t)raw_used_by_all(&bystander, "bytes"),
             (uintmax_t)raw_used_by_all(&bystander, "segments"),
             (uintmax_t)raw_used_by_all(&bystander, "grants"),
             test_broker_descriptors(&bystander_broker), first_descriptors);
    raw_close(&bystander);
    test_broker_stop(&bystander_broker);
}
