/*
 * A byte pipe with one read and one write under way at most.
 *
 * Handles do not travel with bytes: they are duplicated into the other process
 * when they are named. Clients have no rights on the broker's process, so the
 * handles that they show are fetched from theirs.
 *
 * A broker may die between putting a handle into the keeper and naming it. So
 * Windows writes such a handle's value into memory that both processes have,
 * with the very call that makes it, and who is left closes it. A handle put
 * into a client is noted there too until its line is written: the next broker
 * closes it when that client is back.
 */
#include "connection_windows.h"

#include "closer_windows.h"
#include "handle.h"
#include "io_windows.h"
#include "pipe_windows.h"
#include "section_windows.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum {
    INPUT_SIZE = 4096,
    NOTES_MAX = CONNECTION_RECEIVE_MAX, /* handles of one record */
    DEBTS_MAX = 256,
    NO_DEBT = -1,
    NEWS_MS = 1000 /* more than enough until an end is heard of */
};

/* A handle in a client that it was not told of yet. */
struct debt {
    DWORD client;   /* 0: none */
    FILETIME began; /* the client, since numbers are used again */
    HANDLE handle;
    BOOL is_left; /* by a broker that died */
};

/* What each of two processes has put into the other and not named yet. */
struct notes {
    HANDLE put[2][NOTES_MAX]; /* by the one that was started, by its starter */
    struct debt debts[DEBTS_MAX];
};

/* A handle in the other process whose line is not written yet. */
struct attached {
    HANDLE handle;
    int debt; /* in `debts`, which moves; NO_DEBT: it is not noted */
};

struct connection {
    HANDLE pipe;
    HANDLE process; /* at the other end */
    bool is_client;
    DWORD client; /* the client's process, and when it began: */
    FILETIME began;
    struct notes *notes;         /* NULL: a client's */
    bool is_starter;             /* of the other process */
    uint64_t claimed[NOTES_MAX]; /* the last that were */
    unsigned claims;
    bool started;
    bool failed;
    bool closing;
    bool finished; /* nothing more is read */
    unsigned watched;
    connection_ready ready;
    void *data;
    void (*closed)(void *data);
    struct io_operation read;
    struct io_operation write;
    struct io_operation kick; /* tells of what was there before */
    struct io_operation gone; /* the client's process has ended */
    HANDLE gone_wait;
    volatile LONG gone_posted;
    size_t have; /* bytes of input, from `taken` on */
    size_t taken;
    char *output;              /* being written */
    struct attached *attached; /* in the order of their lines */
    size_t attached_count;
    size_t writing_count; /* those of them that are being written */
    /* While it is silent: */
    void (*greeted)(void *data, struct connection *c);
    struct connection *next, *prev;
    char input[INPUT_SIZE];
};

static struct {
    struct connection *list; /* the one that is silent longest first */
    unsigned count;
} silent;

/* ---- debts ---- */

/* Those of the last link that was closed, for the next one's memory. */
static struct debt last_debts[DEBTS_MAX];
static struct debt *debts = last_debts;

/* From now on debts are in this memory, those of before among them. */
static void move_debts(struct notes *notes, bool is_starter)
{
    if (is_starter)
        memcpy(notes->debts, debts, sizeof(notes->debts));
    debts = notes->debts;
    for (int i = 0; !is_starter && i < DEBTS_MAX; i++)
        debts[i].is_left = TRUE;
}

static void leave_debts(const struct notes *notes)
{
    if (debts != notes->debts)
        return;
    memcpy(last_debts, debts, sizeof(last_debts));
    debts = last_debts;
}

/* A free one for the client, or NO_DEBT. */
static int new_debt(const struct connection *c)
{
    for (int i = 0; i < DEBTS_MAX; i++) {
        /* Clients that did not come back have most likely ended. */
        if (debts[i].client != 0 && (i < DEBTS_MAX / 2 || !debts[i].is_left))
            continue;
        debts[i] = (struct debt){.client = c->client, .began = c->began};
        return i;
    }
    return NO_DEBT;
}

/* ---- the end ---- */

static void free_when_idle(struct connection *c)
{
    if (c->read.pending || c->write.pending || c->kick.pending ||
        c->gone.pending)
        return;
    if (c->started)
        io_unref();
    if (c->closed)
        c->closed(c->data);
    free(c->attached);
    free(c);
}

static void close_theirs(const struct connection *c, HANDLE handle)
{
    DuplicateHandle(c->process, handle, NULL, NULL, 0, FALSE,
                    DUPLICATE_CLOSE_SOURCE);
}

static void forget_debt(int debt)
{
    if (debt != NO_DEBT)
        debts[debt] = (struct debt){0};
}

/* What the client was never told of would stay open in it. Lines that are being
 * written may be read already: to close what it was told of would be worse. */
static void take_back(struct connection *c)
{
    for (size_t i = 0; i < c->attached_count; i++) {
        /* First, since the client may use the number again once it is closed.
         */
        forget_debt(c->attached[i].debt);
        if (i >= c->writing_count)
            close_theirs(c, c->attached[i].handle);
    }
    c->attached_count = c->writing_count = 0;
}

/* The client knows of those that were written. */
static void forget_written(struct connection *c)
{
    c->attached_count -= c->writing_count;
    memmove(c->attached, c->attached + c->writing_count,
            c->attached_count * sizeof(*c->attached));
    c->writing_count = 0;
}

static void forget_notes(struct connection *c)
{
    if (c->notes)
        memset(c->notes->put[c->is_starter], 0,
               sizeof(c->notes->put[c->is_starter]));
}

static bool is_claimed(const struct connection *c, HANDLE handle)
{
    for (int i = 0; i < NOTES_MAX; i++)
        if (c->claimed[i] == (uint64_t)(uintptr_t)handle)
            return true;
    return false;
}

/* What the other process put here and never named is nobody's. */
static void close_noted(const struct connection *c)
{
    for (int i = 0; i < NOTES_MAX; i++) {
        HANDLE put = c->notes->put[!c->is_starter][i];

        if (put && !is_claimed(c, put))
            CloseHandle(put);
    }
}

static void kick(struct connection *c)
{
    if (c->kick.pending)
        return;
    io_begin(&c->kick);
    io_post(&c->kick);
}

static void stop_watching_process(struct connection *c)
{
    if (!c->gone_wait)
        return;
    /* Returns when no callback runs any more. */
    UnregisterWaitEx(c->gone_wait, INVALID_HANDLE_VALUE);
    c->gone_wait = NULL;
    /* None has run, so nothing will come. */
    if (c->gone.pending && !c->gone_posted)
        c->gone.pending = false;
}

struct connection *connection_close(struct connection *connection,
                                    void (*closed)(void *data), void *data)
{
    struct connection *c = connection;

    if (!c)
        return NULL;
    c->closed = closed;
    c->data = data;
    c->closing = true;
    c->watched = 0;
    take_back(c);
    stop_watching_process(c);
    CancelIoEx(c->pipe, NULL);
    CloseHandle(c->pipe);
    if (c->process)
        CloseHandle(c->process);
    if (c->notes) {
        close_noted(c);
        leave_debts(c->notes);
        UnmapViewOfFile(c->notes);
        c->notes = NULL;
    }
    /* Its last operation frees it. `closed` must not be called from within. */
    if (c->started)
        kick(c);
    else
        free_when_idle(c);
    return NULL;
}

/* ---- being told ---- */

static bool is_readable(const struct connection *c)
{
    return c->have > 0 || c->failed;
}

static bool is_writable(const struct connection *c)
{
    return !c->write.pending || c->failed;
}

static void notify(struct connection *c)
{
    if (c->watched == CONNECTION_READABLE && is_readable(c))
        c->ready(c->data, CONNECTION_READABLE);
    else if (c->watched == CONNECTION_WRITABLE && is_writable(c))
        c->ready(c->data, CONNECTION_WRITABLE);
}

static void begin_read(struct connection *c)
{
    if (c->read.pending || c->failed || c->finished || c->have > 0)
        return;
    io_begin(&c->read);
    if (io_began(&c->read, ReadFile(c->pipe, c->input, sizeof(c->input), NULL,
                                    &c->read.overlapped)) == 0)
        return;
    c->failed = true;
    /* Nothing comes to an end that would tell of it. */
    if (c->started)
        kick(c);
}

static void end_silence(struct connection *c)
{
    DL_DELETE(silent.list, c);
    silent.count--;
}

/* Closes what a broker that died had put into this client, and not told. */
static void pay_debts(struct connection *c)
{
    FILETIME ended, kernel, user;

    c->client = GetProcessId(c->process);
    if (!GetProcessTimes(c->process, &c->began, &ended, &kernel, &user))
        return;
    for (int i = 0; i < DEBTS_MAX; i++) {
        const struct debt *debt = &debts[i];

        if (debt->client != c->client || !debt->is_left ||
            CompareFileTime(&debt->began, &c->began) != 0)
            continue;
        if (debt->handle)
            close_theirs(c, debt->handle);
        forget_debt(i);
    }
}

/* It has said something, or has gone. */
static void greet(struct connection *c)
{
    void (*greeted)(void *data, struct connection *c) = c->greeted;

    end_silence(c);
    c->greeted = NULL;
    c->process = c->failed ? NULL : pipe_client_process(c->pipe);
    if (c->process)
        pay_debts(c);
    else
        c = connection_close(c, NULL, NULL);
    if (c)
        greeted(c->data, c);
}

static void on_read(struct io_operation *operation)
{
    struct connection *c =
        CONTAINING_RECORD(operation, struct connection, read);

    if (operation->error != 0 || operation->size == 0)
        c->failed = true;
    else
        c->have = operation->size;
    c->taken = 0;
    if (c->closing)
        free_when_idle(c);
    else if (c->greeted)
        greet(c);
    else
        notify(c);
}

static void on_written(struct io_operation *operation)
{
    struct connection *c =
        CONTAINING_RECORD(operation, struct connection, write);

    free(c->output);
    c->output = NULL;
    if (operation->error != 0)
        c->failed = true;
    else if (c->writing_count > 0)
        forget_written(c);
    if (!c->failed && !c->closing)
        forget_notes(c);
    if (c->closing)
        free_when_idle(c);
    else
        notify(c);
}

static void on_kick(struct io_operation *operation)
{
    struct connection *c =
        CONTAINING_RECORD(operation, struct connection, kick);

    if (c->closing)
        free_when_idle(c);
    else
        notify(c);
}

static void on_gone(struct io_operation *operation)
{
    struct connection *c =
        CONTAINING_RECORD(operation, struct connection, gone);

    c->failed = true;
    if (c->closing)
        free_when_idle(c);
    else
        notify(c);
}

static void CALLBACK on_process_end(void *data, BOOLEAN timed_out)
{
    struct connection *c = data;

    (void)timed_out;
    InterlockedExchange(&c->gone_posted, 1);
    io_post(&c->gone);
}

/* A pipe that the client's own children have inherited does not end with it. */
static void watch_process(struct connection *c)
{
    io_begin(&c->gone);
    if (!RegisterWaitForSingleObject(&c->gone_wait, c->process, on_process_end,
                                     c, INFINITE, WT_EXECUTEONLYONCE))
        c->gone.pending = false;
}

void connection_watch(struct connection *connection, unsigned event)
{
    struct connection *c = connection;

    c->watched = event;
    if (!c->started || event == 0)
        return;
    if (event == CONNECTION_READABLE)
        begin_read(c);
    if (event == CONNECTION_READABLE ? is_readable(c) : is_writable(c))
        kick(c);
}

int connection_start(struct connection *connection, uv_loop_t *loop,
                     connection_ready ready, void *data)
{
    if (io_ref(loop) < 0)
        return -1;
    connection->ready = ready;
    connection->data = data;
    connection->started = true;
    if (connection->is_client)
        watch_process(connection);
    return 0;
}

/* ---- the beginning ---- */

/* Adopts both; the pipe is bound already. NULL when memory is short. */
static struct connection *connection_new(HANDLE pipe, HANDLE process)
{
    struct connection *c = calloc(1, sizeof(*c));

    if (!c) {
        CloseHandle(pipe);
        if (process)
            CloseHandle(process);
        return NULL;
    }
    c->pipe = pipe;
    c->process = process;
    c->read.done = on_read;
    c->write.done = on_written;
    c->kick.done = on_kick;
    c->gone.done = on_gone;
    return c;
}

static void drop(struct connection *c)
{
    end_silence(c);
    c->greeted = NULL;
    connection_close(c, NULL, NULL);
}

HANDLE connection_new_notes(void)
{
    SECURITY_ATTRIBUTES attributes = {.nLength = sizeof(attributes),
                                      .bInheritHandle = TRUE};

    return CreateFileMappingW(INVALID_HANDLE_VALUE, &attributes, PAGE_READWRITE,
                              0, sizeof(struct notes), NULL);
}

struct connection *connection_join(frame_handle handle,
                                   const struct connection_other *other)
{
    struct connection *c;
    HANDLE process;

    /* The lender's are closed when that process has ended. */
    if (io_bind((HANDLE)handle) < 0 ||
        !DuplicateHandle(GetCurrentProcess(), (HANDLE)other->process,
                         GetCurrentProcess(), &process, 0, FALSE,
                         DUPLICATE_SAME_ACCESS)) {
        CloseHandle((HANDLE)handle);
        return NULL;
    }
    c = connection_new((HANDLE)handle, process);
    if (!c)
        return NULL;
    c->is_starter = other->is_starter;
    c->notes =
        MapViewOfFile((HANDLE)other->notes, FILE_MAP_READ | FILE_MAP_WRITE, 0,
                      0, sizeof(*c->notes));
    if (!c->notes)
        return connection_close(c, NULL, NULL);
    move_debts(c->notes, c->is_starter);
    return c;
}

void connection_greet(HANDLE pipe,
                      void (*greeted)(void *data, struct connection *c),
                      void *data)
{
    struct connection *c = connection_new(pipe, NULL);

    if (!c)
        return;
    c->is_client = true;
    c->greeted = greeted;
    c->data = data;
    DL_APPEND(silent.list, c);
    if (++silent.count > CONNECTION_SILENT_MAX)
        drop(silent.list);
    begin_read(c);
    /* It has gone already: nothing will tell of it. */
    if (c->failed)
        drop(c);
}

void connection_drop_silent(void)
{
    while (silent.list)
        drop(silent.list);
}

frame_handle connection_handle(const struct connection *connection)
{
    return (frame_handle)connection->pipe;
}

/* ---- bytes ---- */

int connection_receive(struct connection *connection, char *bytes,
                       size_t capacity, size_t *size,
                       struct connection_handles *handles)
{
    struct connection *c = connection;
    size_t n = c->have < capacity ? c->have : capacity;

    handles->count = 0;
    handles->truncated = false;
    begin_read(c);
    if (n == 0 && c->failed)
        return CONNECTION_E_GONE;
    if (n == 0)
        return CONNECTION_E_AGAIN;
    memcpy(bytes, c->input + c->taken, n);
    c->taken += n;
    c->have -= n;
    *size = n;
    begin_read(c);
    return 0;
}

int connection_send(struct connection *connection, const char *bytes,
                    size_t size, const frame_handle *handles, unsigned count,
                    size_t *sent)
{
    struct connection *c = connection;

    (void)handles; /* they are there already */
    /* What it answered to may be heard of before its own end. */
    if (c->write.pending && HasOverlappedIoCompleted(&c->write.overlapped))
        connection_wait(c, true, NEWS_MS);
    if (c->failed)
        return CONNECTION_E_GONE;
    if (c->write.pending)
        return CONNECTION_E_AGAIN;
    c->output = malloc(size);
    if (!c->output)
        return CONNECTION_E_AGAIN;
    memcpy(c->output, bytes, size);
    /* First: to close what the client was told of would be worse. */
    for (unsigned i = 0; c->is_client && i < count; i++) {
        forget_debt(c->attached[i].debt);
        c->attached[i].debt = NO_DEBT;
    }
    io_begin(&c->write);
    if (io_began(&c->write, WriteFile(c->pipe, c->output, (DWORD)size, NULL,
                                      &c->write.overlapped)) < 0) {
        free(c->output);
        c->output = NULL;
        c->failed = true;
        return CONNECTION_E_GONE;
    }
    c->writing_count = c->is_client ? count : 0;
    *sent = size;
    return 0;
}

void connection_wait(struct connection *connection, bool writing,
                     int milliseconds)
{
    struct connection *c = connection;
    unsigned watched = c->watched;

    /* Who waits is not to be called back. */
    c->watched = 0;
    if (writing)
        io_wait(&c->write, (DWORD)milliseconds);
    else if (c->have == 0)
        io_wait(&c->read, (DWORD)milliseconds);
    connection_watch(c, watched);
}

bool connection_is_sent(const struct connection *connection)
{
    return !connection->write.pending;
}

bool connection_has_room(const struct connection *connection)
{
    return !connection->write.pending;
}

bool connection_all_read(const struct connection *connection)
{
    /* What was written stays readable when the pipe is closed. That it was
     * need not have come to the loop yet. */
    return !connection->write.pending ||
           HasOverlappedIoCompleted(&connection->write.overlapped);
}

void connection_finish(struct connection *connection)
{
    connection->finished = true;
}

/* ---- handles ---- */

/* Memory alone: nobody else has a part in its end. */
static bool is_memory(HANDLE handle)
{
    struct section_information section;

    return section_query(handle, &section) &&
           !(section.attributes & (SEC_FILE | SEC_IMAGE));
}

void connection_dispose(frame_handle handle)
{
    if (handle == HANDLE_NONE || is_memory((HANDLE)handle))
        handle_close(handle);
    else
        closer_take((HANDLE)handle);
}

int connection_claim(struct connection *connection, struct frame_reader *reader,
                     const struct message_handle *named, frame_handle *handle)
{
    HANDLE copy;

    (void)reader;
    if (named->form != MESSAGE_HANDLE_VALUE)
        return FRAME_LOST;
    if (!connection->is_client) {
        connection->claimed[connection->claims++ % NOTES_MAX] = named->number;
        *handle = (frame_handle)named->number;
        return 0;
    }
    if (!DuplicateHandle(connection->process, (HANDLE)(uintptr_t)named->number,
                         GetCurrentProcess(), &copy, 0, FALSE,
                         DUPLICATE_SAME_ACCESS))
        return FRAME_LOST;
    *handle = (frame_handle)copy;
    return 0;
}

static int remember(struct connection *c, const struct attached *attached)
{
    struct attached *more =
        realloc(c->attached, (c->attached_count + 1) * sizeof(*more));

    if (!more)
        return -1;
    c->attached = more;
    c->attached[c->attached_count++] = *attached;
    return 0;
}

/* Windows writes the handle's value to `copy` as it makes it. */
static bool put(const struct connection *c, frame_handle handle, HANDLE *copy)
{
    return DuplicateHandle(GetCurrentProcess(), (HANDLE)handle, c->process,
                           copy, 0, FALSE, DUPLICATE_SAME_ACCESS);
}

static int attach_to_client(struct connection *c, frame_handle handle,
                            HANDLE *copy)
{
    struct attached attached = {.debt = new_debt(c)};
    HANDLE *noted = attached.debt != NO_DEBT ? &debts[attached.debt].handle
                                             : &attached.handle;

    if (!put(c, handle, noted)) {
        forget_debt(attached.debt);
        return -1;
    }
    attached.handle = *noted;
    *copy = attached.handle;
    if (remember(c, &attached) == 0)
        return 0;
    close_theirs(c, attached.handle);
    forget_debt(attached.debt);
    return -1;
}

int connection_attach(struct connection *connection, frame_handle handle,
                      unsigned index, struct message_handle *named)
{
    struct connection *c = connection;
    HANDLE copy;

    if (c->is_client) {
        if (attach_to_client(c, handle, &copy) < 0)
            return -1;
    } else {
        if (!put(c, handle, &c->notes->put[c->is_starter][index]))
            return -1;
        copy = c->notes->put[c->is_starter][index];
    }
    *named = (struct message_handle){MESSAGE_HANDLE_VALUE,
                                     (uint64_t)(uintptr_t)copy};
    return 0;
}

void connection_detach(struct connection *connection)
{
    struct attached *last;

    if (!connection->is_client)
        return; /* the other side closes what is noted and not named */
    last = &connection->attached[--connection->attached_count];
    close_theirs(connection, last->handle);
    forget_debt(last->debt);
}

bool connection_ends_with_process(void)
{
    return true; /* handles are inherited by name alone */
}

int connection_pair(frame_handle ends[2])
{
    HANDLE pipes[2];

    if (pipe_pair(pipes) < 0)
        return -1;
    ends[0] = (frame_handle)pipes[0];
    ends[1] = (frame_handle)pipes[1];
    return 0;
}
