/*
 * A fake broker: a thread that plays a script to one client, so that a test
 * can let a broker say what no good broker says, or when none would.
 */
#ifndef SEGBROKER_TESTS_FAKE_H
#define SEGBROKER_TESTS_FAKE_H

#include "client/segbroker.h"

#include <stddef.h>

enum fake_act {
    FAKE_END = 0, /* closes the connection; the end of every script */
    FAKE_EXPECT,  /* reads a line, which must have `text` in it */
    FAKE_SAY,     /* sends `text` and a newline */
    FAKE_GIVE,    /* the same, with a handle to `number` bytes of memory */
    FAKE_CRAWL,   /* the same as FAKE_GIVE, each byte by itself */
    FAKE_PART,    /* sends `text` as it is, `number` times */
    FAKE_ANSWER,  /* `number` times: reads a line, sends its id with `text`;
                   * 0: until the client has gone */
    FAKE_WAIT,    /* for the test's fake_go */
    FAKE_LET_GO,  /* from now on the client may go, which ends the script */
    FAKE_PAUSE,   /* `number` milliseconds */
    FAKE_HANG_UP  /* waits until the client has gone */
};

/* In texts, ' stands for ". */
struct fake_step {
    enum fake_act act;
    const char *text;
    size_t number;
};

/* What every script begins with that lets the client connect. */
#define FAKE_HELLO                                                             \
    {FAKE_EXPECT, "'op':'hello'", 0},                                          \
    {                                                                          \
        FAKE_SAY,                                                              \
            "{'id':1,'ok':true,'version':1,'server':'fake/1','you':"           \
            "'user:alice','administrator':false,'features':['sealed-size',"    \
            "'enforced-ro']}",                                                 \
            0                                                                  \
    }

/* Begins to serve one client; there is one fake at a time. */
void fake_start(const struct fake_step *script);

/* Its socket. */
const char *fake_socket(void);

/* Connects to it as a client of the name `fake_connect`, which does not
 * connect again. */
int fake_connect(int timeout_ms, segb_client **client);

/* Lets it go on after its next FAKE_WAIT. */
void fake_go(void);

/* Waits for its end, and fails the test if anything went not by the script. */
void fake_stop(void);

#endif
