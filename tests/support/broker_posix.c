#include "broker.h"

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
