/*
 * A well-behaved client beside a hostile one, on the same broker: it must be
 * served before, meanwhile and afterwards, by the same process, and nothing
 * may be left of the other.
 */
#ifndef SEGBROKER_TESTS_BYSTANDER_H
#define SEGBROKER_TESTS_BYSTANDER_H

#include "broker.h"
#include "raw.h"

extern struct test_broker bystander_broker;
/* Its connection, as an administrator. */
extern struct raw bystander;

/* Starts the broker and connects. `options` without a config get one without
 * limits. */
void bystander_start(const struct test_broker_options *options);

/* Gets all that it asks for, in good time. */
void bystander_expect_served(void);

/* True when nobody holds or owes anything. */
bool bystander_all_is_back(void);

/* All is back, descriptors too; ends the broker. */
void bystander_stop(void);

#endif
