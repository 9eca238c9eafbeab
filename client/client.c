/*
 * A client: connecting, saying hello, and the end.
 */
#include "client.h"

#include "error.h"

#include <stdlib.h>
#include <string.h>

#define LIBRARY_NAME "libsegbroker/" SEGB_VERSION

enum { DEFAULT_TIMEOUT_MS = 30000 };

/* ---- options and words ---- */

int options_copy(void *ours, size_t size, const void *theirs)
{
    size_t given;

    memset(ours, 0, size);
    if (!theirs)
        return 0;
    memcpy(&given, theirs, sizeof(given));
    if (given < sizeof(given))
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "struct_size must be set to the struct's size");
    for (size_t i = size; i < given; i++)
        if (((const char *)theirs)[i] != 0)
            return error_set(SEGB_E_NOT_SUPPORTED,
                             "an option is set that this version of the "
                             "library does not have");
    memcpy(ours, theirs, given < size ? given : size);
    return 0;
}

int access_from(enum protocol_access access)
{
    static const int ours[PROTOCOL_ACCESSES] = {[PROTOCOL_RO] = SEGB_RO,
                                                [PROTOCOL_RW] = SEGB_RW,
                                                [PROTOCOL_COW] = SEGB_COW};

    return ours[access];
}

int access_to(int access, enum protocol_access otherwise,
              enum protocol_access *result)
{
    switch (access) {
    case 0:
        *result = otherwise;
        return 0;
    case SEGB_RO:
        *result = PROTOCOL_RO;
        return 0;
    case SEGB_RW:
        *result = PROTOCOL_RW;
        return 0;
    case SEGB_COW:
        *result = PROTOCOL_COW;
        return 0;
    default:
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "access is SEGB_RO, SEGB_RW or SEGB_COW");
    }
}

/* ---- making and freeing ---- */

static void client_free(segb_client *client)
{
    frame_reader_deinit(&client->reader);
    buffer_deinit(&client->outgoing);
    for (size_t i = 0; client->features && client->features[i]; i++)
        free(client->features[i]);
    free(client->features);
    free(client->server);
    free(client->you);
    free(client->input);
    if (client->lock)
        wire_lock_free(client->lock);
    free(client);
}

static segb_client *client_new(int timeout_ms)
{
    segb_client *client = calloc(1, sizeof(*client));

    if (!client)
        return NULL;
    frame_reader_init(&client->reader, wire_close_handle);
    buffer_init(&client->outgoing, OUTGOING_MAX);
    client->next_id = 1;
    client->timeout_ms = timeout_ms ? timeout_ms : DEFAULT_TIMEOUT_MS;
    client->input = malloc(PROTOCOL_LINE_MAX);
    client->lock = wire_lock_new();
    if (client->input && client->lock)
        return client;
    client_free(client);
    return NULL;
}

/* ---- hello ---- */

static char **copy_features(const struct message_reply *reply, unsigned count)
{
    char **features = calloc(count + 1, sizeof(*features));

    for (unsigned i = 0; features && i < count; i++) {
        const char *feature = message_reply_feature(reply, i);

        features[i] = strdup(feature ? feature : "");
        if (!features[i])
            break;
    }
    return features;
}

static int keep_welcome(segb_client *client, const struct message_reply *reply)
{
    struct message_welcome welcome;

    if (message_reply_welcome(reply, &welcome) != 0)
        return error_set(SEGB_E_PROTOCOL, "%s", segb_strerror(SEGB_E_PROTOCOL));
    client->server = strdup(welcome.server);
    client->you = strdup(welcome.you);
    client->administrator = welcome.administrator;
    client->features = copy_features(reply, welcome.feature_count);
    if (!client->server || !client->you || !client->features)
        return error_set(SEGB_E_SYSTEM, "out of memory");
    return 0;
}

static int say_hello(segb_client *client, const char *name)
{
    struct message_request request = {
        .op = PROTOCOL_HELLO,
        .hello = {.version = PROTOCOL_VERSION,
                  .client = name ? name : LIBRARY_NAME}};
    struct message_reply reply;
    int r = call_run(client, &request, &reply);

    if (r < 0)
        return r;
    r = keep_welcome(client, &reply);
    message_reply_deinit(&reply);
    return r;
}

int segb_connect(const segb_connect_options *options, segb_client **client)
{
    segb_connect_options ours;
    segb_client *c;
    int r = options_copy(&ours, sizeof(ours), options);

    if (r < 0)
        return r;
    c = client_new(ours.timeout_ms);
    if (!c)
        return error_set(SEGB_E_SYSTEM, "out of memory");
    r = wire_address(ours.socket, c->address, sizeof(c->address));
    if (r == 0)
        r = wire_connect(c->address, c->timeout_ms, &c->connection);
    if (r < 0) {
        client_free(c);
        return r;
    }
    r = say_hello(c, ours.name);
    if (r < 0) {
        wire_close(c->connection);
        client_free(c);
        return r;
    }
    *client = c;
    return 0;
}

void segb_disconnect(segb_client *client)
{
    if (!client)
        return;
    wire_lock_take(client->lock);
    call_end_all(client, SEGB_E_GONE, "the client disconnected");
    wire_lock_give(client->lock);
    call_callbacks(client);
    wire_close(client->connection);
    client_free(client);
}

int segb_client_broker(segb_client *client, segb_broker *broker)
{
    *broker = (segb_broker){.socket = client->address,
                            .server = client->server,
                            .you = client->you,
                            .administrator = client->administrator,
                            .features = (const char *const *)client->features};
    return 0;
}

/* ---- event loops ---- */

int segb_client_fd(const segb_client *client)
{
    return (int)client->connection;
}

int segb_client_dispatch(segb_client *client)
{
    int ended;

    wire_lock_take(client->lock);
    /* A thread that polls the connection would miss what is taken here. */
    if (!client->has_reader)
        call_receive(client);
    ended = client->ended;
    if (ended != 0)
        error_set(ended, "%s", client->ended_detail);
    wire_lock_give(client->lock);
    call_callbacks(client);
    return ended;
}
