/*
 * Who gets at whose segments: private names, and share lists between users.
 */
#include "tests/support/broker.h"
#include "tests/support/raw.h"
#include "tests/support/suite.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct test_broker broker;
static struct raw self;

static void setup(void)
{
    test_broker_start(&broker, NULL);
    raw_open(&self, broker.socket);
}

static void teardown(void)
{
    raw_close(&self);
    test_broker_stop(&broker);
}

static bool same_memory(int a, int b)
{
    struct stat one;
    struct stat other;
    REQUIRE(fstat(a, &one) == 0 && fstat(b, &other) == 0);
    return one.st_ino == other.st_ino && one.st_dev == other.st_dev;
}

START_TEST(private_names_are_per_user)
{
    SKIP_UNLESS(test_is_root(), "needs root to act as other users");
    struct raw alice;
    struct raw bob;
    struct message_grant first;
    struct message_grant second;
    raw_open_as(&alice, broker.socket, TEST_ALICE, 0);
    raw_open_as(&bob, broker.socket, TEST_BOB, 0);
    int fd_alice = raw_create(&alice, &first, "'name':'a','size':1");
    int fd_bob =
        raw_create(&bob, &second, "'name':'a','size':1,'if_exists':'fail'");
    REQUIRE(first.created && second.created);
    REQUIRE(first.segment != second.segment);
    REQUIRE(!same_memory(fd_alice, fd_bob));
    /* Neither sees the other's, by id nor in the list. */
    REQUIRE_INT(raw_count_segments(&alice), 1);
    REQUIRE_INT(raw_count_segments(&bob), 1);
    raw_ask(&bob, "{'id':1,'op':'open','segment':%ju}",
            (uintmax_t)first.segment);
    REQUIRE_STR(raw_outcome(&bob), "not-found");
    raw_ask(&bob, "{'id':1,'op':'stat','segment':%ju}",
            (uintmax_t)first.segment);
    REQUIRE_STR(raw_outcome(&bob), "not-found");
    raw_ask(&bob, "{'id':1,'op':'remove','segment':%ju}",
            (uintmax_t)first.segment);
    REQUIRE_STR(raw_outcome(&bob), "not-found");
    close(fd_alice);
    close(fd_bob);
    raw_close(&alice);
    raw_close(&bob);
}
END_TEST

struct share_case {
    const char *share; /* what Alice says */
    const char *read;  /* what Bob, of TEST_GROUP, gets */
    const char *write;
    const char *may;
};

static const struct share_case shares[] = {
    {"{}", "not-found", "not-found", NULL},
    {"{'read':[],'write':[]}", "not-found", "not-found", NULL},
    {"{'read':['user:12346']}", "ok", "access-denied", "ro"},
    {"{'write':['user:12346']}", "ok", "ok", "rw"},
    {"{'read':['group:12399']}", "ok", "access-denied", "ro"},
    {"{'write':['group:12399']}", "ok", "ok", "rw"},
    {"{'read':['everyone']}", "ok", "access-denied", "ro"},
    {"{'read':['everyone'],'write':['user:12346']}", "ok", "ok", "rw"},
    {"{'read':['user:12348'],'write':['group:12348']}", "not-found",
     "not-found", NULL},
};

START_TEST(share_lists_say_who_may_open)
{
    SKIP_UNLESS(test_is_root(), "needs root to act as other users");
    const struct share_case *c = &shares[_i];
    struct raw alice;
    struct raw bob;
    struct message_grant grant;
    raw_open_as(&alice, broker.socket, TEST_ALICE, 0);
    raw_open_as(&bob, broker.socket, TEST_BOB, TEST_GROUP);
    close(
        raw_create(&alice, &grant, "'name':'a','size':1,'share':%s", c->share));
    uintmax_t id = grant.segment;
    raw_ask(&bob, "{'id':1,'op':'open','segment':%ju}", id);
    REQUIRE_STR(raw_outcome(&bob), c->read);
    raw_ask(&bob, "{'id':1,'op':'open','segment':%ju,'access':'cow'}", id);
    REQUIRE_STR(raw_outcome(&bob), c->read);
    raw_ask(&bob, "{'id':1,'op':'open','segment':%ju,'access':'rw'}", id);
    REQUIRE_STR(raw_outcome(&bob), c->write);
    raw_ask(&bob, "{'id':1,'op':'stat','segment':%ju}", id);
    REQUIRE_STR(raw_outcome(&bob), c->may ? "ok" : "not-found");
    if (c->may) {
        struct message_segment record = raw_record(&bob);
        REQUIRE_INT(record.may_write, strcmp(c->may, "rw") == 0);
        REQUIRE_STR(record.owner, "user:12345");
    }
    REQUIRE_INT(raw_count_segments(&bob), c->may ? 1 : 0);
    raw_ask(&bob, "{'id':1,'op':'remove','segment':%ju}", id);
    REQUIRE_STR(raw_outcome(&bob), c->may ? "access-denied" : "not-found");
    raw_close(&alice);
    raw_close(&bob);
}
END_TEST

START_TEST(share_with_nobody_known_is_refused)
{
    const char *const bad[] = {"'nobody'",
                               "'user:'",
                               "'user:no such user'",
                               "'group:no such group'",
                               "''",
                               "'everybody'"};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        raw_ask(&self, "{'id':1,'op':'create','size':1,'share':{'read':[%s]}}",
                bad[i]);
        REQUIRE_STR(raw_outcome(&self), "invalid-argument");
        REQUIRE_PART(self.reply.text, "share");
    }
    REQUIRE_INT(raw_count_segments(&self), 0);
}
END_TEST

static Suite *sharing_suite(void)
{
    Suite *suite = suite_create("sharing");
    TCase *tests = suite_case(suite, "sharing", 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, private_names_are_per_user);
    tcase_add_loop_test(tests, share_lists_say_who_may_open, 0,
                        sizeof(shares) / sizeof(shares[0]));
    tcase_add_test(tests, share_with_nobody_known_is_refused);
    return suite;
}

int main(void)
{
    return suite_main(sharing_suite());
}
