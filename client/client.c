/*
 * A connection's life: connect, hello, the broker's facts, disconnect.
 */
#include "internal.h"

#include "arguments.h"
#include "error.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_TIMEOUT_MS = 30000 };

/* Lines that wait to be sent: one request, and grants to be given back. */
enum { OUT_MAX = 16 * PROTOCOL_LINE_MAX };

void client_lock(segb_client *client)
{
    thread_monitor_lock(client->monitor);
}

void client_unlock(segb_client *client)
{
    thread_monitor_unlock(client->monitor);
}

static void free_features(char **features)
{
    for (size_t i = 0; features && features[i]; i++)
        free(features[i]);
    free(features);
}

static void client_free(segb_client *client)
{
    frame_reader_deinit(&client->reader);
    buffer_deinit(&client->out);
    channel_close(client->channel);
    thread_monitor_free(client->monitor);
    free_features(client->features);
    free(client->socket);
    free(client->server);
    free(client->you);
    free(client);
}

void client_unref(segb_client *client)
{
    bool last = --client->references == 0;

    client_unlock(client);
    if (last)
        client_free(client);
}

static segb_client *client_new(int timeout)
{
    segb_client *client = calloc(1, sizeof(*client));

    if (!client)
        return NULL;
    client->monitor = thread_monitor_new();
    if (!client->monitor) {
        free(client);
        return NULL;
    }
    client->channel = CHANNEL_NONE;
    client->timeout = timeout;
    client->references = 1;
    frame_reader_init(&client->reader, channel_close_handle);
    buffer_init(&client->out, OUT_MAX);
    return client;
}

/* ---- hello ---- */

static char **copy_features(const struct message_reply *reply, unsigned count)
{
    char **features = calloc((size_t)count + 1, sizeof(features[0]));
    unsigned copied = 0;

    for (unsigned i = 0; features && i < count; i++) {
        const char *feature = message_reply_feature(reply, i);

        if (!feature)
            continue;
        features[copied] = strdup(feature);
        if (!features[copied++]) {
            free_features(features);
            return NULL;
        }
    }
    return features;
}

static int take_welcome(segb_client *client, const struct message_reply *reply)
{
    struct message_welcome welcome;

    if (message_reply_welcome(reply, &welcome) != 0 ||
        welcome.version != PROTOCOL_VERSION)
        return error_note(SEGB_E_PROTOCOL,
                          "the broker's reply to hello makes no sense");
    client->administrator = welcome.administrator;
    client->server = strdup(welcome.server);
    client->you = strdup(welcome.you);
    client->features = copy_features(reply, welcome.feature_count);
    if (!client->server || !client->you || !client->features)
        return error_note(SEGB_E_SYSTEM, "out of memory");
    return 0;
}

static int say_hello(segb_client *client, const char *name)
{
    struct message_request request = {
        .op = PROTOCOL_HELLO,
        .hello = {.version = PROTOCOL_VERSION,
                  .client = name ? name : "libsegbroker/" SEGB_VERSION}};
    struct call call = {0};
    int r = call_run(client, &request, &call);

    if (r < 0)
        return r;
    r = take_welcome(client, &call.reply);
    call_deinit(&call);
    return r;
}

/* ---- the public calls ---- */

int segb_connect(const segb_connect_options *options, segb_client **client)
{
    segb_connect_options checked;
    segb_client *made;
    int r = arguments_given("client", (const void *)client);

    if (r == 0)
        r = arguments_options(&checked, sizeof(checked), options);
    if (r == 0)
        r = arguments_text("name", checked.name, PROTOCOL_CLIENT_MAX);
    if (r != 0)
        return r;
    made = client_new(checked.timeout_ms ? checked.timeout_ms
                                         : DEFAULT_TIMEOUT_MS);
    if (!made)
        return error_note(SEGB_E_SYSTEM, "out of memory");
    r = channel_connect(checked.socket, made->timeout, &made->channel,
                        &made->socket);
    if (r == 0)
        r = say_hello(made, checked.name);
    if (r < 0)
        client_free(made);
    else
        *client = made;
    return r;
}

void segb_disconnect(segb_client *client)
{
    if (!client)
        return;
    client_lock(client);
    call_end_all(client, SEGB_E_GONE, "this program has disconnected");
    thread_monitor_wake_all(client->monitor);
    call_tell(client);
    /* Segments may keep the client a while; the connection need not wait. */
    if (!client->reading)
        client->channel = channel_close(client->channel);
    client_unref(client);
}

int segb_client_broker(segb_client *client, segb_broker *broker)
{
    int r = arguments_given("client", client);

    if (r == 0)
        r = arguments_given("broker", broker);
    if (r < 0)
        return r;
    broker->socket = client->socket;
    broker->server = client->server;
    broker->you = client->you;
    broker->administrator = client->administrator;
    broker->features = (const char *const *)client->features;
    return 0;
}

int segb_client_fd(const segb_client *client)
{
    return client ? channel_descriptor(client->channel) : -1;
}

int segb_client_dispatch(segb_client *client)
{
    int r = arguments_given("client", client);

    if (r < 0)
        return r;
    client_lock(client);
    client->references++;
    if (!client->ended)
        call_take_in(client);
    call_tell(client);
    if (client->ended)
        r = error_note(SEGB_E_GONE, client->ending);
    client_unref(client);
    return r;
}
