#include "broker.h"

#include "suite.h"

#include <signal.h>

enum { END_MS = 20000 };

const char test_broker_suffix[] = "";
const char test_broker_option[] = "--socket";

void test_broker_address(struct test_broker *broker)
{
    test_path(broker->socket, "%s/broker.sock", broker->runtime);
}

void test_broker_tell_end(struct test_broker *broker)
{
    test_terminate(broker->pid);
}

void test_broker_kill(struct test_broker *broker)
{
    /* Neither may start the other again meanwhile. */
    test_signal(broker->pid, SIGSTOP);
    if (broker->serving)
        test_kill(broker->serving);
    test_kill(broker->pid);
    test_join(broker->pid);
    /* It is nobody's child here; until it is gone its socket listens. */
    REQUIRE(
        TEST_UNTIL(END_MS, broker->serving == 0 ||
                               test_process_descriptors(broker->serving) <= 0));
    broker->pid = broker->serving = 0;
}
