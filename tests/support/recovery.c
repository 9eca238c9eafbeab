#include "recovery.h"

#include "memory.h"
#include "suite.h"

const char recovery_config[] = "[broker]\n"
                               "grace = 60s\n"
                               "[default]\n"
                               "connections = unlimited\n"
                               "segments = unlimited\n"
                               "grants = unlimited\n"
                               "bytes = 1GiB\n";

struct test_broker recovery_broker;
struct raw recovery_client;

void recovery_start(const char *config)
{
    struct test_broker_options options = {.config = config};
    test_broker_start(&recovery_broker, &options);
    raw_open(&recovery_client, recovery_broker.socket);
}

void recovery_stop(void)
{
    raw_close(&recovery_client);
    test_broker_stop(&recovery_broker);
}

segb_client *recovery_connect(void)
{
    segb_connect_options options = {.struct_size = sizeof(options),
                                    .socket = recovery_broker.socket};
    segb_client *client;
    REQUIRE_INT(segb_connect(&options, &client), 0);
    return client;
}

void recovery_crash(void)
{
    test_broker_crash(&recovery_broker);
    raw_close(&recovery_client);
    raw_open(&recovery_client, recovery_broker.socket);
}

void recovery_fill(int handle, unsigned value)
{
    unsigned page[RECOVERY_PAGE / sizeof(unsigned)];
    for (size_t i = 0; i < sizeof(page) / sizeof(page[0]); i++)
        page[i] = value + (unsigned)i;
    test_memory_put(handle, page, sizeof(page));
}

void recovery_expect_filled(int handle, unsigned value)
{
    unsigned page[RECOVERY_PAGE / sizeof(unsigned)];
    test_memory_get(handle, page, sizeof(page));
    for (size_t i = 0; i < sizeof(page) / sizeof(page[0]); i++)
        REQUIRE_INT(page[i], value + (unsigned)i);
}

void recovery_expect_outcome(const char *expected)
{
    REQUIRE_STR(raw_outcome(&recovery_client), expected);
}

bool recovery_is_found(const char *name)
{
    raw_ask(&recovery_client, "{'id':1,'op':'stat','name':'%s'}", name);
    return recovery_client.reply.ok;
}

bool recovery_is_restored(test_pid before)
{
    test_pid child = test_child_of(recovery_broker.pid);
    return child != 0 && child != before && raw_answers(recovery_broker.socket);
}

bool recovery_has_new_keeper(void)
{
    return test_child_of(recovery_broker.serving) != 0 &&
           test_broker_logged(&recovery_broker, "a new keeper keeps");
}

void recovery_end_successor(void)
{
    /* It is not this process's child, so nobody can wait for it. */
    raw_ask(&recovery_client, "{'id':1,'op':'shutdown'}");
    recovery_expect_outcome("ok");
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS,
                       test_process_descriptors(recovery_broker.pid) < 0));
    REQUIRE_INT(test_folder_entries(recovery_broker.runtime), 0);
    raw_close(&recovery_client);
    test_broker_forget(&recovery_broker);
}
