#include "filemapping_handle.h"

#include "error.h"
#include "filemapping_system.h"
#include "internal.h"

#include <stdlib.h>

/* Windows' handles are multiples of 4, and it has no more of them. */
enum { STEP_BITS = 2, PLACE_BITS = 24, PLACES_MAX = (1 << PLACE_BITS) - 1 };

struct place {
    struct filemapping_object *object; /* NULL: free */
    DWORD rights;
    uintptr_t given; /* how often it was given away */
    size_t next;     /* of the free ones, or `count` */
};

/* All guarded by the process's lock. */
static struct {
    struct place *places;
    size_t count;
    size_t capacity;
    size_t free; /* the first one, or `count` */
} table;

static struct {
    segb_client *client;
    unsigned users;
    bool watches_forks;
} connection;

/* ---- the connection ---- */

/*
 * The child of a fork has copies of the descriptors: they would keep the
 * parent's names and memory. Its threads are gone, so the client can only be
 * left alone.
 */
static void leave_connection(segb_client *client)
{
    channel_close(client->channel);
    connection.client = NULL;
    connection.users = 0;
}

static void leave_object(struct filemapping_object *object)
{
    if (object->segment)
        channel_close_handle(object->segment->handle);
    if (object->file != -1)
        channel_close_handle(object->file);
    /* It may have more handles. */
    object->segment = NULL;
    object->file = -1;
}

static void free_place(size_t at)
{
    table.places[at].object = NULL;
    table.places[at].given++;
    table.places[at].next = table.free;
    table.free = at;
}

/* No lock is held by a thread that the child will not have. */
static void before_fork(void)
{
    thread_process_lock();
    if (connection.client)
        client_lock(connection.client);
}

static void in_parent(void)
{
    if (connection.client)
        client_unlock(connection.client);
    thread_process_unlock();
}

static void in_child(void)
{
    for (size_t at = 0; at < table.count; at++) {
        if (!table.places[at].object)
            continue;
        leave_object(table.places[at].object);
        free_place(at);
    }
    if (connection.client)
        leave_connection(connection.client);
    thread_process_unlock();
}

/* With the lock held; the client that is there, or NULL. */
static segb_client *use(void)
{
    if (connection.client)
        connection.users++;
    return connection.client;
}

/* Makes it the process's, unless another thread was faster. */
static int install(segb_client *made, segb_client **client)
{
    bool watches = true;

    thread_process_lock();
    *client = use();
    if (!*client && !connection.watches_forks)
        watches = connection.watches_forks =
            filemapping_at_fork(before_fork, in_parent, in_child);
    if (!*client && watches) {
        connection.client = made;
        connection.users = 1;
        *client = made;
    }
    thread_process_unlock();
    if (*client != made)
        segb_disconnect(made);
    return *client ? 0 : error_note(SEGB_E_SYSTEM, "out of memory");
}

int filemapping_client_take(segb_client **client)
{
    segb_client *made;
    int r;

    thread_process_lock();
    *client = use();
    thread_process_unlock();
    if (*client)
        return 0;
    r = segb_connect(NULL, &made);
    return r < 0 ? r : install(made, client);
}

void filemapping_client_give_back(void)
{
    segb_client *unused = NULL;

    thread_process_lock();
    if (--connection.users == 0) {
        unused = connection.client;
        connection.client = NULL;
    }
    thread_process_unlock();
    segb_disconnect(unused);
}

/* ---- objects ---- */

struct filemapping_object *filemapping_object_new(segb_segment *segment,
                                                  intptr_t file, DWORD rights)
{
    struct filemapping_object *object = malloc(sizeof(*object));

    if (object)
        *object = (struct filemapping_object){.references = 1,
                                              .segment = segment,
                                              .file = file,
                                              .rights = rights};
    return object;
}

static bool is_connected(segb_client *client)
{
    bool connected;

    client_lock(client);
    connected = client->state == CLIENT_UP;
    client_unlock(client);
    return connected;
}

/*
 * Where a handle was closed the name is gone, as programs for Windows expect,
 * also for who asks on another connection. So the broker is asked for an answer
 * behind it; one that is away takes the grant back by itself.
 */
static void close_segment(segb_segment *segment)
{
    segb_client *client = segment->client;

    segb_close(segment);
    if (is_connected(client))
        segb_ping(client);
    filemapping_client_give_back();
}

void filemapping_object_unref(struct filemapping_object *object)
{
    bool last;

    thread_process_lock();
    last = --object->references == 0;
    thread_process_unlock();
    if (!last)
        return;
    if (object->segment)
        close_segment(object->segment);
    else
        channel_close_handle(object->file);
    free(object);
}

/* ---- handles ---- */

/* With the lock held, as the following. */
static bool grow(void)
{
    size_t capacity = table.capacity ? 2 * table.capacity : 16;
    struct place *places;

    if (table.count == PLACES_MAX)
        return false;
    if (table.count < table.capacity)
        return true;
    places = realloc(table.places, capacity * sizeof(places[0]));
    if (!places)
        return false;
    table.places = places;
    table.capacity = capacity;
    return true;
}

/* A free place. PLACES_MAX: there is none. */
static size_t take_place(void)
{
    size_t at = table.free;

    if (at < table.count) {
        table.free = table.places[at].next;
        return at;
    }
    if (!grow())
        return PLACES_MAX;
    table.places[at].given = 0;
    table.free = ++table.count;
    return at;
}

static HANDLE name_place(size_t at)
{
    uintptr_t number = (table.places[at].given << PLACE_BITS) | (at + 1);

    return (HANDLE)(number << STEP_BITS); // NOLINT(performance-no-int-to-ptr)
}

static struct place *find_place(HANDLE handle)
{
    size_t at = ((uintptr_t)handle >> STEP_BITS) & PLACES_MAX;

    if (at == 0 || at > table.count || !table.places[at - 1].object ||
        name_place(at - 1) != handle)
        return NULL;
    return &table.places[at - 1];
}

HANDLE filemapping_handle_add(struct filemapping_object *object, DWORD rights)
{
    HANDLE handle = NULL;
    size_t at;

    thread_process_lock();
    at = take_place();
    if (at < PLACES_MAX) {
        table.places[at].object = object;
        table.places[at].rights = rights;
        handle = name_place(at);
    }
    thread_process_unlock();
    return handle;
}

struct filemapping_object *filemapping_handle_get(HANDLE handle, DWORD *rights)
{
    struct filemapping_object *object = NULL;
    struct place *place;

    thread_process_lock();
    place = find_place(handle);
    if (place) {
        object = place->object;
        object->references++;
        *rights = place->rights;
    }
    thread_process_unlock();
    return object;
}

bool filemapping_handle_remove(HANDLE handle)
{
    struct filemapping_object *object = NULL;
    struct place *place;

    thread_process_lock();
    place = find_place(handle);
    if (place) {
        object = place->object;
        free_place((size_t)(place - table.places));
    }
    thread_process_unlock();
    if (object)
        filemapping_object_unref(object);
    return object != NULL;
}
