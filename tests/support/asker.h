/*
 * A client that asks one thing at a time, of a broker that may die meanwhile.
 */
#ifndef SEGBROKER_TESTS_ASKER_H
#define SEGBROKER_TESTS_ASKER_H

#include "protocol/message.h"

#include <stdbool.h>
#include <stdint.h>

struct asker {
    int connection;  /* -1: none yet */
    unsigned number; /* for messages */
    uint64_t last_id;
    char line[PROTOCOL_LINE_MAX + 1];     /* of the reply */
    char received[2 * PROTOCOL_LINE_MAX]; /* behind it: */
    size_t size;
    struct message_reply reply;
    bool has_reply;
    int bell; /* that came with the last reply, and nobody took; -1 */
};

/* What was being asked when the connection ended is unknown. */
enum { ANSWERED = 0, LOST = -1 };

/* Connects, again where it was. */
void asker_connect(struct asker *asker, const char *path);

/* Asks and waits for the answer; one that does not come fails the test, and
 * events are passed over. `came` takes its descriptor, `with` goes along unless
 * it is -1. */
int asker_ask(struct asker *asker, int *came, int with, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
