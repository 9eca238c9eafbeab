/*
 * Preloaded into a broker whose instructions are counted.
 *
 * Time goes on by a microsecond whenever it is asked for. Stepped through, a
 * request takes thousands of times as long as by itself, and the broker, which
 * looks at the clock, would do other things than it does at full speed.
 *
 * And the broker stays one that its own user may trace: it forbids that, which
 * only root can pass by.
 */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { STEP_NS = 1000, BEGIN_S = 1000, SECOND_NS = 1000000000 };

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock,
                                                         struct timespec *now)
{
    static atomic_uint_fast64_t steps;
    uint64_t passed;

    if (clock != CLOCK_MONOTONIC && clock != CLOCK_MONOTONIC_COARSE)
        return (int)syscall(SYS_clock_gettime, clock, now);
    passed = atomic_fetch_add(&steps, 1) * STEP_NS;
    now->tv_sec = BEGIN_S + (time_t)(passed / SECOND_NS);
    now->tv_nsec = (long)(passed % SECOND_NS);
    return 0;
}

__attribute__((visibility("default"))) int prctl(int option, ...)
{
    unsigned long values[4];
    va_list arguments;

    if (option == PR_SET_DUMPABLE)
        return 0;
    va_start(arguments, option);
    for (int i = 0; i < 4; i++)
        values[i] = va_arg(arguments, unsigned long);
    va_end(arguments);
    return (int)syscall(SYS_prctl, option, values[0], values[1], values[2],
                        values[3]);
}
