/*
 * Filing: looks at files in threads, which may never come to an end when
 * whoever serves a file does not want them to. So each caller has one such
 * thread at most, whose answer is waited for FILING_SECONDS.
 */
#ifndef SEGBROKER_FILING_H
#define SEGBROKER_FILING_H

#include "file.h"

struct broker;
struct caller;

enum { FILING_SECONDS = 5 };

/* Called once, from the loop; the segment is the callee's where there is no
 * problem. */
typedef void (*filing_done)(void *data, const struct file_plan *plan,
                            const struct file_problem *problem);

/* 0, and the plan's handles are taken; or negative when no thread can be had.
 * The caller has none yet; then caller->is_filing is set until the thread has
 * ended. */
int filing_start(struct broker *broker, struct caller *caller,
                 const struct file_plan *plan, filing_done done, void *data);

#endif
