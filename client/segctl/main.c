/*
 * segctl: the broker's command line.
 *
 * Reads the command line, connects, runs one verb and says with its exit
 * status how that went.
 */
#include "options.h"
#include "output.h"
#include "report.h"
#include "terminal.h"

#include <stdio.h>

static int connect_broker(const struct arguments *arguments,
                          segb_client **client)
{
    char name[64];
    segb_connect_options options = {.struct_size = sizeof(options),
                                    .socket = arguments->socket,
                                    .name = name};

    snprintf(name, sizeof(name), "segctl %s", arguments->verb->name);
    /* Committing much memory takes as long as it takes; who waits for it can
     * interrupt. */
    if (arguments->verb->takes & TAKES_MAKE)
        options.timeout_ms = -1;
    return segb_connect(&options, client);
}

static int run(const struct arguments *arguments)
{
    segb_client *client;
    int status;
    int r = connect_broker(arguments, &client);

    if (r != 0)
        return report_code(arguments, r);
    status = arguments->verb->run(client, arguments);
    segb_disconnect(client);
    return status;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    int status, error;

    terminal_start(&argc, &argv);
    status = options_read(argc, argv, &arguments);
    if (status == OPTIONS_READ)
        status = run(&arguments);
    /* What was printed may have gone nowhere: a full disk, a closed stdout. */
    error = output_finish();
    if (error != 0 && status == STATUS_DONE)
        status = report_stdout(&arguments, error);
    options_deinit(&arguments);
    return status;
}
