/*
 * The doorbell of a segment: segb_signal, segb_wait and the like.
 */
#include "internal.h"

#include "arguments.h"
#include "error.h"

static int check(const segb_segment *segment)
{
    int r = arguments_given("segment", segment);

    if (r == 0 && !segment->bell)
        r = error_note(SEGB_E_NOT_SUPPORTED,
                       "the segment was created without a doorbell");
    return r;
}

int segb_signal(segb_segment *segment)
{
    int r = check(segment);

    if (r == 0 && bell_signal(segment->bell) < 0)
        r = error_note(SEGB_E_BUSY, "as many signals wait as can be counted");
    return r;
}

int segb_signal_all(segb_segment *segment)
{
    int r = check(segment);

    if (r == 0)
        bell_signal_all(segment->bell);
    return r;
}

int segb_wait(segb_segment *segment, int timeout_ms)
{
    int r = check(segment);

    if (r == 0 && bell_wait(segment->bell, timeout_ms) < 0)
        r = error_set(SEGB_E_TIMEOUT, "no signal came within %d ms",
                      timeout_ms);
    return r;
}

intptr_t segb_event_fd(segb_segment *segment)
{
    intptr_t event;

    if (check(segment) < 0)
        return -1;
    client_lock(segment->client);
    event = bell_event(segment->bell);
    client_unlock(segment->client);
    if (event == -1)
        error_note(SEGB_E_SYSTEM, "no descriptor, or no thread, is left");
    return event;
}
