/*
 * Nothing is left behind: descriptors and brokers are counted around every
 * test.
 */
#ifndef SEGBROKER_TESTS_LEAK_H
#define SEGBROKER_TESTS_LEAK_H

/* Descriptors that this process has open now. */
int leak_descriptors(void);

/* The fixture's two halves: remember, and compare. The second also ends
 * whatever broker a failed test left running. */
void leak_setup(void);
void leak_teardown(void);

#endif
