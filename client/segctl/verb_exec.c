/*
 * exec: a command that finds the segment as an open descriptor.
 */
#include "child.h"
#include "hold.h"
#include "report.h"
#include "verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { FD_DEFAULT = 3 };

static int set_number(const char *variable, uint64_t number)
{
    char string[24];

    snprintf(string, sizeof(string), "%llu", (unsigned long long)number);
    return child_setenv(variable, string);
}

/* Says to the command what it got. The name is empty for an unnamed one or
 * one that was opened by its id. */
static int set_environment(const struct arguments *arguments,
                           const segb_segment *segment, int fd)
{
    if (set_number("SEGBROKER_FD",
                   (uint64_t)child_number(segb_handle(segment), fd)) ||
        set_number("SEGBROKER_SIZE", segb_size(segment)) ||
        child_setenv("SEGBROKER_NAME", arguments->name ? arguments->name : ""))
        return report_failure(arguments, "environment: %s", strerror(errno));
    return STATUS_DONE;
}

static int run(const struct arguments *arguments, const segb_segment *segment)
{
    int fd = arguments->fd < 0 ? FD_DEFAULT : arguments->fd;
    int status = set_environment(arguments, segment, fd);

    if (status != STATUS_DONE)
        return status;
    status = child_run(arguments->command, segb_handle(segment), fd);
    if (status >= 0)
        return status;
    report_failure(arguments, "%s: %s", arguments->command[0], strerror(errno));
    return status == CHILD_E_ABSENT ? STATUS_NO_COMMAND : STATUS_CANNOT_RUN;
}

int verb_exec(segb_client *client, const struct arguments *arguments)
{
    segb_segment *segment;
    int status;

    if (hold_open(client, arguments, SEGB_RO, &segment, &status) != 0)
        return status;
    status = run(arguments, segment);
    segb_close(segment);
    return status;
}
