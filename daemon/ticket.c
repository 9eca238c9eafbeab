#include "ticket.h"

#include "message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { GUESSES_MAX = 10, GUESS_MS = 1000, HEX_SIZE = 2 * TICKET_SECRET_SIZE };

static const char HEX[] = "0123456789abcdef";

uint64_t ticket_clock(void)
{
    uv_timeval64_t now;

    if (uv_gettimeofday(&now) < 0)
        return 0;
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_usec / 1000;
}

/* ---- those of a segment ---- */

static int append(struct tickets *tickets, const struct ticket *ticket)
{
    struct ticket *list;

    if (tickets->count >= PROTOCOL_TICKETS_MAX)
        return TICKETS_FULL;
    list = realloc(tickets->list, (tickets->count + 1) * sizeof(*list));
    if (!list)
        return TICKETS_E_SYSTEM;
    list[tickets->count++] = *ticket;
    tickets->list = list;
    return 0;
}

int tickets_add(struct tickets *tickets, struct ticket *ticket, uint64_t now)
{
    tickets_bury(tickets, now);
    if (uv_random(NULL, NULL, ticket->secret, sizeof(ticket->secret), 0, NULL) <
        0)
        return TICKETS_E_SYSTEM;
    return append(tickets, ticket);
}

void tickets_undo(struct tickets *tickets)
{
    tickets->count--;
}

static bool is_good(const struct ticket *ticket, uint64_t now)
{
    return ticket->uses > 0 && ticket->expires_at > now;
}

void tickets_bury(struct tickets *tickets, uint64_t now)
{
    unsigned left = 0;

    for (unsigned i = 0; i < tickets->count; i++)
        if (is_good(&tickets->list[i], now))
            tickets->list[left++] = tickets->list[i];
    tickets->count = left;
    if (left == 0)
        tickets_clear(tickets);
}

void tickets_clear(struct tickets *tickets)
{
    free(tickets->list);
    *tickets = (struct tickets){0};
}

unsigned tickets_count(const struct tickets *tickets, uint64_t now)
{
    unsigned count = 0;

    for (unsigned i = 0; i < tickets->count; i++)
        count += is_good(&tickets->list[i], now);
    return count;
}

/* Looks at every byte, wherever the first difference is. */
static bool is_same(const unsigned char *one, const unsigned char *other)
{
    volatile unsigned char difference = 0;

    for (unsigned i = 0; i < TICKET_SECRET_SIZE; i++)
        difference = (unsigned char)(difference | (one[i] ^ other[i]));
    return difference == 0;
}

struct ticket *tickets_find(const struct tickets *tickets,
                            const unsigned char secret[TICKET_SECRET_SIZE],
                            uint64_t now)
{
    static const struct ticket nothing;
    unsigned count = tickets ? tickets->count : 0;
    struct ticket *found = NULL;

    for (unsigned i = 0; i < PROTOCOL_TICKETS_MAX; i++) {
        bool same = is_same(
            i < count ? tickets->list[i].secret : nothing.secret, secret);

        if (same && i < count)
            found = &tickets->list[i];
    }
    return found && is_good(found, now) ? found : NULL;
}

/* ---- as texts ---- */

static void write_secret(const unsigned char *secret, char text[HEX_SIZE + 1])
{
    for (unsigned i = 0; i < TICKET_SECRET_SIZE; i++) {
        text[2 * i] = HEX[secret[i] >> 4];
        text[2 * i + 1] = HEX[secret[i] & 15];
    }
    text[HEX_SIZE] = '\0';
}

static int digit(char character)
{
    const char *at = character ? strchr(HEX, character) : NULL;

    return at ? (int)(at - HEX) : -1;
}

/* All that is left of a text. */
static int read_secret(const char *text, unsigned char *secret)
{
    if (strlen(text) != HEX_SIZE)
        return -1;
    for (unsigned i = 0; i < TICKET_SECRET_SIZE; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return -1;
        secret[i] = (unsigned char)(high << 4 | low);
    }
    return 0;
}

/* A number and the character behind it. NULL where it is none. */
static const char *read_number(const char *text, char end, uint64_t *number)
{
    uint64_t value = 0;

    if (*text < '0' || *text > '9')
        return NULL;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (value > PROTOCOL_INTEGER_MAX / 10)
            return NULL;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *number = value;
    return *text == end ? text + 1 : NULL;
}

void ticket_write(const struct ticket *ticket, uint64_t segment,
                  char text[PROTOCOL_TICKET_MAX + 1])
{
    char secret[HEX_SIZE + 1];

    write_secret(ticket->secret, secret);
    snprintf(text, PROTOCOL_TICKET_MAX + 1, "%" PRIu64 "-%s", segment, secret);
}

int ticket_read(const char *text, uint64_t *segment,
                unsigned char secret[TICKET_SECRET_SIZE])
{
    const char *rest = read_number(text, '-', segment);

    return rest ? read_secret(rest, secret) : -1;
}

void ticket_record_write(const struct ticket *ticket,
                         char text[TICKET_RECORD_MAX])
{
    char secret[HEX_SIZE + 1];

    write_secret(ticket->secret, secret);
    snprintf(text, TICKET_RECORD_MAX, "%" PRIu64 " %" PRIu64 " %s %s",
             ticket->uses, ticket->expires_at,
             message_access_name(ticket->access), secret);
}

static int read_access(const char *text, size_t size,
                       enum protocol_access *access)
{
    char word[8];

    if (size >= sizeof(word))
        return -1;
    snprintf(word, sizeof(word), "%.*s", (int)size, text);
    return message_access_parse(word, access);
}

int tickets_restore(struct tickets *tickets, const char *text)
{
    struct ticket ticket = {0};
    const char *end;

    text = read_number(text, ' ', &ticket.uses);
    if (text)
        text = read_number(text, ' ', &ticket.expires_at);
    end = text ? strchr(text, ' ') : NULL;
    if (!end || read_access(text, (size_t)(end - text), &ticket.access) < 0 ||
        read_secret(end + 1, ticket.secret) < 0)
        return -1;
    return append(tickets, &ticket) == 0 ? 0 : -1;
}

/* ---- guessing ---- */

/* What is owed for guesses falls by itself, and each adds its share. */
bool ticket_guess_allowed(const struct ticket_guesses *guesses, uint64_t now)
{
    return guesses->empty_at <= now + (GUESSES_MAX - 1) * GUESS_MS;
}

void ticket_guess_failed(struct ticket_guesses *guesses, uint64_t now)
{
    if (guesses->empty_at < now)
        guesses->empty_at = now;
    guesses->empty_at += GUESS_MS;
}
