/*
 * share and redeem: a segment for whoever is told a secret.
 */
#include "hold.h"
#include "json.h"
#include "output.h"
#include "report.h"
#include "terminal.h"
#include "text.h"
#include "verbs.h"

#include <stdio.h>
#include <string.h>

enum { EXPIRES_DEFAULT_MS = 60000 };

/* ---- share ---- */

static void print_ticket(const struct arguments *arguments,
                         const segb_segment *segment, const char *ticket)
{
    struct json json = {0};
    struct text line = {0};

    if (!arguments->json) {
        text_addf(&line, "%s\n", ticket);
        output_text(&line);
        return;
    }
    json_object_begin(&json, NULL);
    json_string(&json, "ticket", ticket);
    json_number(&json, "segment", segb_id(segment));
    json_object_end(&json);
    json_print(&json);
}

/* What share waits for. */
struct offer {
    segb_client *client;
    uint64_t segment;
    uint64_t end; /* by terminal_clock */
};

static bool is_over(void *data)
{
    const struct offer *offer = data;
    segb_info info;
    int r;

    if (terminal_clock() >= offer->end)
        return true;
    r = segb_stat(offer->client, NULL, offer->segment, &info);
    return r == SEGB_E_NOT_FOUND || (r == 0 && info.tickets == 0);
}

/* The segment is held meanwhile: a ticket holds nothing. */
static int share(segb_client *client, const struct arguments *arguments,
                 segb_segment *segment)
{
    unsigned expires =
        arguments->expires_ms ? arguments->expires_ms : EXPIRES_DEFAULT_MS;
    segb_offer_options options = {.struct_size = sizeof(options),
                                  .access = segb_access(segment),
                                  .uses = arguments->uses,
                                  .expires_ms = expires};
    struct offer offer = {.client = client,
                          .segment = segb_id(segment),
                          .end =
                              terminal_clock() + expires * UINT64_C(1000000)};
    char ticket[SEGB_TICKET_MAX];
    int r = segb_offer(segment, &options, ticket, sizeof(ticket));

    if (r != 0)
        return report_code(arguments, r);
    terminal_catch_interrupts();
    print_ticket(arguments, segment, ticket);
    if (output_error())
        return report_stdout(arguments, output_error());
    return hold_until(client, arguments, is_over, &offer);
}

int verb_share(segb_client *client, const struct arguments *arguments)
{
    segb_segment *segment;
    int status;

    if (hold_open(client, arguments, SEGB_RO, &segment, &status) != 0)
        return status;
    status = share(client, arguments, segment);
    segb_close(segment);
    return status;
}

/* ---- redeem ---- */

/* The first line of stdin. False when it is none, or is too long. */
static bool read_ticket(char *ticket, size_t size)
{
    size_t used = 0;
    ptrdiff_t got = 1;

    while (used < size && !memchr(ticket, '\n', used) && got > 0) {
        got = terminal_read(ticket + used, size - used);
        if (got > 0)
            used += (size_t)got;
    }
    if (used == size || got < 0)
        return false;
    ticket[used] = '\0';
    ticket[strcspn(ticket, "\r\n")] = '\0';
    return ticket[0] != '\0';
}

int verb_redeem(segb_client *client, const struct arguments *arguments)
{
    bool is_given = arguments->ticket && strcmp(arguments->ticket, "-") != 0;
    char line[SEGB_TICKET_MAX + 2];
    segb_segment *segment;
    int r, status;

    if (!is_given && !read_ticket(line, sizeof(line))) {
        report_failure(arguments, "standard input has no ticket");
        return STATUS_USAGE;
    }
    r = segb_redeem(client, is_given ? arguments->ticket : line, &segment);
    if (r != 0)
        return report_code(arguments, r);
    status = hold_announce(client, arguments, segment, false);
    segb_close(segment);
    return status;
}
