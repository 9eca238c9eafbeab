/*
 * A connection's life: connect, hello, the broker's facts, disconnect.
 */
#include "internal.h"

#include "arguments.h"
#include "error.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_TIMEOUT_MS = 30000, DEFAULT_PATIENCE_MS = 5000 };

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
    buffer_deinit(&client->out_later);
    watch_free(client->watch);
    channel_close(client->channel);
    thread_monitor_free(client->monitor);
    free_features(client->features);
    free(client->socket);
    free(client->name);
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

static segb_client *client_new(int timeout, int patience)
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
    client->patience = patience ? patience : DEFAULT_PATIENCE_MS;
    client->references = 1;
    frame_reader_init(&client->reader, channel_close_handle);
    buffer_init(&client->out, OUT_MAX);
    buffer_init(&client->out_later, OUT_MAX);
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

int client_say_hello(segb_client *client, struct call *call)
{
    struct message_request request = {
        .op = PROTOCOL_HELLO,
        .hello = {.version = PROTOCOL_VERSION, .client = client->name}};

    return call_run_locked(client, &request, call);
}

static int say_first_hello(segb_client *client)
{
    struct call call = {0};
    int r;

    client_lock(client);
    r = client_say_hello(client, &call);
    client_unlock(client);
    if (r == 0 && call.status < 0) {
        r = error_note(call.status, call.text);
        call_deinit(&call);
    }
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
    int patience;
    int r = arguments_given("client", (const void *)client);

    if (r == 0)
        r = arguments_options(&checked, sizeof(checked), options);
    if (r == 0)
        r = arguments_text("name", checked.name, PROTOCOL_CLIENT_MAX);
    if (r != 0)
        return r;
    made =
        client_new(checked.timeout_ms ? checked.timeout_ms : DEFAULT_TIMEOUT_MS,
                   checked.reconnect_ms);
    if (made)
        made->name =
            strdup(checked.name ? checked.name : "libsegbroker/" SEGB_VERSION);
    if (!made || !made->name) {
        if (made)
            client_free(made);
        return error_note(SEGB_E_SYSTEM, "out of memory");
    }
    /* What is not there at all is not waited for. */
    patience = made->patience;
    made->patience = -1;
    r = channel_connect(checked.socket, made->timeout, &made->channel,
                        &made->socket);
    if (r == 0)
        r = say_first_hello(made);
    made->patience = patience;
    made->is_lazy = checked.close_lazily != 0;
    if (r < 0)
        client_free(made);
    else
        *client = made;
    return r;
}

void segb_disconnect(segb_client *client)
{
    struct thread *guard;

    if (!client)
        return;
    client_lock(client);
    guard_dismiss(client);
    call_end_for_ever(client, "this program has disconnected");
    call_tell(client);
    guard = client->guard;
    client->guard = NULL;
    client_unlock(client);
    thread_join(guard);
    client_lock(client);
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

int segb_client_fd(segb_client *client)
{
    int fd = -1;

    if (!client)
        return -1;
    client_lock(client);
    if (!client->watch) {
        client->watch = watch_new();
        if (client->watch && client->state == CLIENT_UP)
            watch_channel(client->watch, client->channel);
        call_wake_loop(client);
        if (client->watch && client->state == CLIENT_DOWN)
            watch_wake(client->watch);
    }
    if (client->watch)
        fd = watch_descriptor(client->watch);
    client_unlock(client);
    return fd;
}

int segb_client_dispatch(segb_client *client)
{
    int r = arguments_given("client", client);

    if (r < 0)
        return r;
    client_lock(client);
    client->references++;
    /* An end that is for ever stays to be seen. */
    if (client->watch && client->state != CLIENT_DOWN)
        watch_calm(client->watch);
    call_take_in(client);
    call_tell(client);
    watching_tell(client);
    if (client->state == CLIENT_DOWN)
        r = error_note(SEGB_E_GONE, client->ending);
    client_unref(client);
    return r;
}
