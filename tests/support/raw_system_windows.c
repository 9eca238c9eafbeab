/*
 * Over the library's own channel: it is what a pipe is to a client.
 */
#include "raw_system.h"

#include "client/channel.h"
#include "client/thread.h"
#include "memory.h"
#include "suite.h"

#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 4096, CONNECT_MS = 5000 };

/* By connection; 0: free. */
static channel channels[CHANNELS];

int raw_system_connect(const char *address)
{
    int free_one = 1;
    channel c;
    while (channels[free_one])
        REQUIRE(++free_one < CHANNELS);
    if (channel_connect_again(address, CONNECT_MS, &c) < 0)
        return -1;
    channels[free_one] = c;
    return free_one;
}

void raw_system_close(int connection)
{
    channel_close(channels[connection]);
    channels[connection] = 0;
}

bool raw_system_wait(int connection, bool writing, int ms)
{
    int ready = channel_wait(channels[connection], writing,
                             thread_clock() + (uint64_t)ms);
    return ready & (writing ? CHANNEL_WRITABLE : CHANNEL_READABLE);
}

long raw_system_send(int connection, const void *bytes, size_t size)
{
    size_t sent;
    int r = channel_send(channels[connection], bytes, size, &sent);
    if (r == 0)
        return (long)sent;
    return r == CHANNEL_AGAIN ? 0 : -1;
}

long raw_system_send_with(int connection, const void *bytes, size_t size,
                          const int *handles, unsigned count)
{
    /* The broker fetches them. */
    (void)handles;
    (void)count;
    return raw_system_send(connection, bytes, size);
}

void raw_system_receive(struct raw *raw)
{
    static struct channel_input input;
    int r = channel_receive(channels[raw->fd], &input);
    if (r == CHANNEL_E_GONE)
        raw->ended = true;
    if (r != 0)
        return;
    if (raw->capacity - raw->size < input.size) {
        raw->capacity = raw->size + input.size;
        raw->data = realloc(raw->data, raw->capacity);
        REQUIRE(raw->data != NULL);
    }
    memcpy(raw->data + raw->size, input.bytes, input.size);
    raw->size += input.size;
}

int raw_system_claim(struct raw *raw, const struct message_handle *named)
{
    REQUIRE_INT(named->form, MESSAGE_HANDLE_VALUE);
    for (unsigned i = 0; i < raw->unclaimed_count; i++)
        if (raw->unclaimed[i] == (int)named->number)
            raw->unclaimed[i] = 0;
    return (int)named->number;
}

static void note_handle(struct raw *raw, const struct message_handle *named)
{
    if (named->form == MESSAGE_HANDLE_VALUE)
        raw->unclaimed[raw->unclaimed_count++] = (int)named->number;
}

static void note_grant(struct raw *raw, const struct message_reply *reply)
{
    struct message_grant grant;
    if (!reply->ok || message_reply_grant(reply, &grant) != 0)
        return;
    note_handle(raw, &grant.memory);
    for (int i = 0; i < PROTOCOL_BELL_HANDLES; i++)
        note_handle(raw, &grant.bell[i]);
}

void raw_system_note(struct raw *raw, const struct message_reply *reply)
{
    struct message_reply item;
    while (raw->unclaimed_count > 0)
        if (raw->unclaimed[--raw->unclaimed_count])
            test_close(raw->unclaimed[raw->unclaimed_count]);
    if (!reply)
        return;
    note_grant(raw, reply);
    for (unsigned i = 0; message_reply_item(reply, i, &item) == 0; i++)
        note_grant(raw, &item);
}

struct message_handle raw_system_name(int handle)
{
    return (struct message_handle){MESSAGE_HANDLE_VALUE, (uint64_t)handle};
}
