/*
 * Several instances of the pipe wait for a client each. One that has got its
 * client becomes a peer, and another takes its place.
 */
#include "listener.h"

#include "broker.h"
#include "connection_windows.h"
#include "host.h"
#include "io_windows.h"
#include "log.h"
#include "pipe_windows.h"

#include <stdlib.h>

enum { INSTANCES = 8 };

struct instance {
    struct io_operation connect; /* first */
    struct listener *listener;
    HANDLE pipe; /* NULL: none waits here */
};

struct listener {
    struct broker *broker;
    wchar_t *path;
    bool paused;
    bool closing;
    struct instance instances[INSTANCES];
};

static void wait_for_client(struct instance *instance);

static void free_when_idle(struct listener *listener)
{
    for (int i = 0; i < INSTANCES; i++)
        if (listener->instances[i].connect.pending)
            return;
    io_unref();
    free(listener->path);
    free(listener);
}

static void pause_accept(struct listener *listener)
{
    if (listener->paused)
        return;
    log_warning("handles are running out (%u): new clients wait",
                host_descriptor_limit());
    listener->paused = true;
    broker_needs_tick(listener->broker);
}

static void on_greeted(void *data, struct connection *connection)
{
    peer_accept(data, connection);
}

/* A client has come. */
static void accept_client(struct instance *instance)
{
    connection_greet(instance->pipe, on_greeted, instance->listener->broker);
    instance->pipe = NULL;
    wait_for_client(instance);
}

static void on_connect(struct io_operation *operation)
{
    struct instance *instance = (struct instance *)operation;

    if (instance->listener->closing) {
        free_when_idle(instance->listener);
    } else if (operation->error == 0) {
        accept_client(instance);
    } else {
        CloseHandle(instance->pipe);
        instance->pipe = NULL;
        wait_for_client(instance);
    }
}

static void wait_for_client(struct instance *instance)
{
    DWORD error;
    struct listener *listener = instance->listener;

    if (host_descriptors_low(LISTENER_RESERVE)) {
        pause_accept(listener);
        return;
    }
    instance->pipe = pipe_create(listener->path, false);
    if (!instance->pipe || io_bind(instance->pipe) < 0) {
        if (instance->pipe)
            CloseHandle(instance->pipe);
        instance->pipe = NULL;
        pause_accept(listener);
        return;
    }
    io_begin(&instance->connect);
    if (io_began(&instance->connect,
                 ConnectNamedPipe(instance->pipe,
                                  &instance->connect.overlapped)) == 0)
        return;
    error = GetLastError();
    /* A client was faster, and may have gone again: it is told like one that
     * comes later. */
    io_begin(&instance->connect);
    if (error != ERROR_PIPE_CONNECTED && error != ERROR_NO_DATA) {
        CloseHandle(instance->pipe);
        instance->pipe = NULL;
        instance->connect.pending = false;
        pause_accept(listener);
        return;
    }
    io_post(&instance->connect);
}

struct listener *listener_start(struct broker *broker,
                                const struct listening *listening)
{
    struct listener *listener = calloc(1, sizeof(*listener));

    if (!listener)
        return NULL;
    listener->broker = broker;
    listener->path = pipe_path(listening->path);
    if (!listener->path || io_ref(&broker->loop) < 0) {
        free(listener->path);
        free(listener);
        return NULL;
    }
    for (int i = 0; i < INSTANCES; i++) {
        listener->instances[i].listener = listener;
        listener->instances[i].connect.done = on_connect;
        wait_for_client(&listener->instances[i]);
    }
    return listener;
}

struct listener *listener_close(struct listener *listener)
{
    if (!listener)
        return NULL;
    listener->closing = true;
    connection_drop_silent();
    for (int i = 0; i < INSTANCES; i++)
        if (listener->instances[i].pipe)
            CloseHandle(listener->instances[i].pipe);
    free_when_idle(listener);
    return NULL;
}

bool listener_is_paused(const struct listener *listener)
{
    return listener->paused;
}

void listener_descriptor_freed(struct listener *listener)
{
    if (!listener || !listener->paused ||
        host_descriptors_low(LISTENER_RESERVE))
        return;
    listener->paused = false;
    for (int i = 0; i < INSTANCES; i++)
        if (!listener->instances[i].pipe && !listener->paused)
            wait_for_client(&listener->instances[i]);
}
