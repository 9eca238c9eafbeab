#include "leak.h"

#include "broker.h"
#include "process.h"
#include "suite.h"

static int descriptors_before;

int leak_descriptors(void)
{
    return test_process_descriptors(test_self());
}

void leak_setup(void)
{
    descriptors_before = leak_descriptors();
}

void leak_teardown(void)
{
    test_act_as_self();
    REQUIRE_INT(test_broker_abandon_all(), 0);
    REQUIRE_INT(leak_descriptors(), descriptors_before);
}
