#include "broker.h"

#include "raw.h"
#include "suite.h"

#include <string.h>

enum { END_MS = 20000 };

const char test_broker_suffix[] = ".exe";
const char test_broker_option[] = "--pipe";

void test_broker_address(struct test_broker *broker)
{
    const char *name = strrchr(broker->folder, '\\');
    test_path(broker->socket, "\\\\.\\pipe\\segbroker-%s",
              name ? name + 1 : broker->folder);
}

static bool is_accepted(struct raw *raw, const char *request)
{
    raw_ask(raw, "%s", request);
    return raw->reply.ok;
}

/* There is no signal that would; what the service manager says is tried
 * where there is one. A limit on requests may delay it. */
void test_broker_tell_end(struct test_broker *broker)
{
    struct raw raw;
    raw_connect(&raw, broker->socket);
    REQUIRE(TEST_UNTIL(END_MS,
                       is_accepted(&raw, "{'id':0,'op':'hello','version':1}")));
    REQUIRE(TEST_UNTIL(END_MS, is_accepted(&raw, "{'id':1,'op':'shutdown'}")));
    REQUIRE(raw_ends(&raw, END_MS));
    raw_close(&raw);
}
