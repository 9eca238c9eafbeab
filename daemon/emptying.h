/*
 * Giving memory back that nobody has any more. That takes as long as it is
 * large, so a worker does it; its charges stay as long.
 *
 * What is still being freed is charged, though nobody has it. Who is refused
 * for its sake waits, and asks again when all of it is free.
 */
#ifndef SEGBROKER_EMPTYING_H
#define SEGBROKER_EMPTYING_H

#include <stdbool.h>

struct broker;
struct call;
struct entry;

/* As registry_emptier: the entry, nobody's, is freed when its memory is. False
 * when memory is short. */
bool emptying_start(void *data, struct entry *entry);

/* Lets a request wait for what is being freed, unless nothing is: then 1. The
 * answer is a verb's otherwise. */
int emptying_wait(struct call *call);

/* Asks again for those that waited, when nothing is being freed. Only where no
 * reply is being collected. */
void emptying_resume(struct broker *broker);

#endif
