#include "progress.h"

#include "options.h"
#include "terminal.h"
#include "text.h"

#include <stdio.h>

enum { INTERVAL_NS = 100 * 1000 * 1000 };

/* Less is over before anybody could read it. */
#define LEAST (UINT64_C(16) << 20)

/* Goes to the line's begin and clears it. */
static const char CLEAR[] = "\r\033[K";

void progress_init(struct progress *progress, const struct arguments *arguments,
                   uint64_t total)
{
    *progress = (struct progress){.shown = !arguments->quiet &&
                                           (total == 0 || total > LEAST) &&
                                           terminal_is_stderr(),
                                  .total = total,
                                  .at = terminal_clock()};
}

void progress_update(struct progress *progress, uint64_t done)
{
    struct text line = {0};
    uint64_t now;

    if (!progress->shown || (progress->total == 0 && done <= LEAST))
        return;
    now = terminal_clock();
    if (now - progress->at < INTERVAL_NS)
        return;
    progress->at = now;
    text_adds(&line, CLEAR);
    text_add_size(&line, done);
    if (progress->total > 0) {
        text_adds(&line, " of ");
        text_add_size(&line, progress->total);
        text_addf(&line, ", %u %%",
                  (unsigned)((double)done * 100 / (double)progress->total));
    }
    fputs(line.bytes, stderr);
    fflush(stderr);
    text_deinit(&line);
}

void progress_deinit(struct progress *progress)
{
    if (progress->shown)
        fputs(CLEAR, stderr);
    progress->shown = false;
}
