/*
 * segbroker: shared-memory segments from the broker of this host.
 *
 * This is the only public header of libsegbroker. It is clean C89 and C++.
 *
 * Ten lines share memory between two processes:
 *
 *     segb_client *client;
 *     segb_segment *segment;
 *     void *memory;
 *
 *     segb_connect(NULL, &client);
 *     segb_create(client, "frames", 1 << 20, NULL, &segment);
 *     segb_map(segment, 0, 0, SEGB_RW, &memory);
 *     ... the other process: segb_open(client, "frames", NULL, &segment) ...
 *     segb_unmap(memory);
 *     segb_close(segment);
 *     segb_disconnect(client);
 *
 * Every call returns 0 or a negative SEGB_E_... code. segb_strerror gives a
 * sentence for a code, segb_last_detail the broker's own words about the call
 * that failed last in this thread. Outputs come last and are untouched when a
 * call fails. Sizes and offsets are bytes; names are UTF-8.
 *
 * Threads: one client, and the segments of it, may be used from several
 * threads at once. A segment must not be closed while another thread uses it.
 * After fork the child must not use its parent's client; views stay usable.
 *
 * When the broker dies or is replaced the client connects again by itself, in
 * a thread of its own, and reclaims the grants of all its segments. Handles
 * and views are good all the time. A call that was under way then is made
 * again when that is safe (open, stat, list, usage, ping, stats, peers, publish
 * by id, watch); any other returns SEGB_E_GONE, and may have been carried out
 * or not. Later calls wait for the new connection, at most reconnect_ms. A
 * segment that the broker does not know any more stays usable, and nobody finds
 * it by its name. On Linux one more thread notices the end of all clients'
 * connections. From the first segment or watch on it and a descriptor of it
 * stay with the process, so the library's file is not unloaded. The descriptor
 * must not be closed while a client is connected, nor in a program that will
 * connect again or has epoll descriptors of its own. A child by fork may close
 * all descriptors.
 */
#ifndef SEGBROKER_H
#define SEGBROKER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Exported, whatever the library is compiled with. */
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

#define SEGB_VERSION "0.1.0"

typedef struct segb_client segb_client;
typedef struct segb_segment segb_segment;
typedef struct segb_watcher segb_watcher;

/* Errors. Those from -1 to -20 are the broker's answers (PROTOCOL.md, in its
 * order), the others are the library's own. Numbers are never reused. */
#define SEGB_E_BAD_REQUEST (-1)
#define SEGB_E_UNSUPPORTED_VERSION (-2)
#define SEGB_E_UNKNOWN_OP (-3)
#define SEGB_E_INVALID_ARGUMENT (-4)
#define SEGB_E_INVALID_NAME (-5)
#define SEGB_E_NOT_FOUND (-6)
#define SEGB_E_EXISTS (-7)
#define SEGB_E_ACCESS_DENIED (-8)
#define SEGB_E_QUOTA_EXCEEDED (-9)
#define SEGB_E_NO_MEMORY (-10)
#define SEGB_E_FILE_EMPTY (-11)
#define SEGB_E_FILE_TOO_SMALL (-12)
#define SEGB_E_FILE_FULL (-13)
#define SEGB_E_TIMEOUT (-14)
#define SEGB_E_TOO_MANY_HANDLES (-15)
#define SEGB_E_RATE_LIMITED (-16)
#define SEGB_E_NOT_SUPPORTED (-17)
#define SEGB_E_BUSY (-18)
#define SEGB_E_SHUTTING_DOWN (-19)
#define SEGB_E_INTERNAL (-20)
#define SEGB_E_NO_BROKER (-64) /* nobody serves at that address */
#define SEGB_E_GONE (-65)      /* the connection ended before the answer */
#define SEGB_E_SYSTEM (-66)    /* a system call failed: see the detail */
#define SEGB_E_PROTOCOL (-67)  /* the broker's answer makes no sense */

/* Access, of a segment's handle and of a view. */
#define SEGB_RO 1  /* read */
#define SEGB_RW 2  /* read and write */
#define SEGB_COW 3 /* read; writes stay private to the view */

/* What became of a segment. */
#define SEGB_NAMED 0   /* can be opened by name */
#define SEGB_UNNAMED 1 /* never had a name */
#define SEGB_REMOVED 2 /* the name is gone, grants remain */
#define SEGB_HELD 3    /* no grant remains, some process still maps it */

/* Who can still change a segment's bytes. */
#define SEGB_FROZEN_NO 0     /* who has a handle for writing, or gets one */
#define SEGB_FROZEN_FUTURE 1 /* who had a view before */
#define SEGB_FROZEN_YES 2    /* nobody */

/* What became of a segment, or of watching itself. */
#define SEGB_EVENT_CREATED 1   /* it is there */
#define SEGB_EVENT_PUBLISHED 2 /* of what was to be published later */
#define SEGB_EVENT_FROZEN 3    /* segb_freeze was called; `frozen` says how */
#define SEGB_EVENT_REMOVED 4   /* its name is gone */
#define SEGB_EVENT_GONE 5      /* its memory is free */
#define SEGB_EVENT_OVERFLOW 6  /* some events are lost: look at segb_list */
#define SEGB_EVENT_ENDED 7     /* the next broker refuses: no more will come */
/* The size of a segment's pages; 0: the system's own. */
#define SEGB_PAGES_2M 1
#define SEGB_PAGES_1G 2

/* A node of memory (NUMA), by its number from 0 to 1023; 0 in its place: any.
 */
#define SEGB_NODE(number) ((number) + 1)

/* No limit, in segb_budget.limit. */
#define SEGB_UNLIMITED ((uint64_t)-1)

/*
 * Options grow at their end in later versions, so each says its own size:
 * set `struct_size` to sizeof the struct and all other members to zero for
 * their defaults. NULL in place of options means all defaults. An option that
 * this library does not know yet, and that is not zero, is
 * SEGB_E_INVALID_ARGUMENT.
 *
 * All other structs, those that the library fills among them, have no such
 * size. They change only when the library's soname does (libsegbroker.so.0
 * becomes .1), so that a program and its library agree on them.
 */
typedef struct segb_connect_options {
    size_t struct_size;
    /* The broker's socket. NULL: $SEGBROKER_SOCKET where it is set; else
     * $XDG_RUNTIME_DIR/segbroker/broker.sock where a broker serves there;
     * else /run/segbroker/broker.sock. A set-user-id program ignores its
     * environment here. */
    const char *socket;
    /* What this program calls itself, at most 64 bytes: "camera/2.1".
     * NULL: the library's own name. */
    const char *name;
    /* Milliseconds that a call waits for the broker's answer before it gives
     * up with SEGB_E_TIMEOUT. 0: 30000. Negative: for ever. What an answer
     * that comes too late grants is given back by itself, when a later call
     * or segb_client_dispatch reads it. */
    int timeout_ms;
    /* Milliseconds that a call waits for a broker that was lost before it
     * gives up with SEGB_E_GONE. 0: 5000. Negative: the client does not
     * connect again, and a lost connection is the end. */
    int reconnect_ms;
    /* Not 0: the grant of a closed segment goes back with this client's next
     * call or segb_client_dispatch, not at once, and until then others find
     * name and memory still in use. For programs that open and close all the
     * time: it halves the messages. */
    int close_lazily;
} segb_connect_options;

/* A file that the program has opened, for a segment to be of it: descriptors on
 * POSIX, HANDLEs on Windows, -1 for none. They stay the program's, and must be
 * open until the call has ended. */
typedef struct segb_file {
    intptr_t write; /* open for reading and writing: for SEGB_RW */
    intptr_t read;  /* the same file, open for reading only: for SEGB_RO and
                       SEGB_COW. On Windows `write` does for these too. */
} segb_file;

typedef struct segb_create_options {
    size_t struct_size;
    int access;         /* of this handle; 0: SEGB_RW */
    int fail_if_exists; /* SEGB_E_EXISTS rather than opening the existing */
    int reserve;        /* not 0: memory comes at the first touch, not now */
    int persist; /* not 0: the name stays without holders, until removed */
    /* Who else may open it: "user:alice", "group:video", "everyone". */
    const char *const *share_read;
    size_t share_read_count;
    const char *const *share_write;
    size_t share_write_count;
    int freezable;         /* not 0: segb_freeze can be asked for it */
    const segb_file *file; /* NULL: of memory */
    int doorbell; /* not 0: whoever has the segment can ring for the others */
    int publish_later; /* not 0: nobody else can open it until segb_publish */
    int pages;         /* SEGB_PAGES_2M, ...; such pages are allocated now */
    int numa;          /* SEGB_NODE(0), ...: its memory comes from that node */
} segb_create_options;

typedef struct segb_open_options {
    size_t struct_size;
    int access;  /* of this handle; 0: SEGB_RO */
    uint64_t id; /* opens by id when the name is NULL */
    /* Milliseconds to wait for a segment of that name that is not there, or
     * not published, yet, at most 86400000 (a day), besides what the client's
     * timeout_ms says; then SEGB_E_TIMEOUT. When the broker is lost meanwhile
     * segb_open waits on at the next one. 0: does not wait. */
    unsigned wait_ms;
} segb_open_options;

/* One of many. */
typedef struct segb_item {
    const char *name; /* as for segb_open and segb_create */
    size_t size;      /* segb_create_many: bytes */
    /* Of the call that is made; NULL: all defaults. */
    const segb_open_options *open_options;
    const segb_create_options *create_options;
    segb_segment *segment; /* comes back: NULL where there is none */
    int result;            /* comes back: 0 or SEGB_E_... */
} segb_item;

typedef struct segb_offer_options {
    size_t struct_size;
    int access;          /* that it gives; 0: SEGB_RO */
    unsigned uses;       /* how often it may be redeemed, to 1000; 0: once */
    unsigned expires_ms; /* from now, to 86400000 (a day); 0: 60000 */
} segb_offer_options;

/* Facts of a segment; strings are valid in the callback only, and for
 * segb_stat until the next segb_ call of this thread. */
typedef struct segb_info {
    uint64_t id;
    const char *name;     /* NULL when it never had one */
    const char *owner;    /* "user:alice" */
    uint64_t size;        /* as asked by its creator */
    uint64_t mapped_size; /* rounded up to pages */
    int state;            /* SEGB_NAMED, ... */
    int may_read;
    int may_write;
    int commit;
    int persist;
    uint64_t grants;
    uint64_t created_at; /* seconds since 1970 UTC */
    uint64_t tickets;    /* that can be redeemed still */
    int freezable;
    int frozen;  /* SEGB_FROZEN_NO, ... */
    int of_file; /* of a file, and not of memory */
    int doorbell;
    int published; /* 0: only who has it open can open it */
    int pages;     /* 0, SEGB_PAGES_2M, ... */
    int numa;      /* 0, or SEGB_NODE of the node that was asked for */
} segb_info;

typedef struct segb_budget {
    const char *section; /* "user alice" */
    const char *budget;  /* "bytes" */
    uint64_t used;
    uint64_t limit; /* SEGB_UNLIMITED: none */
} segb_budget;

typedef struct segb_peer {
    uint64_t id;
    uint64_t pid;     /* 0 when the system does not tell */
    const char *user; /* "user:alice" */
    const char *name; /* as it called itself; NULL before its hello */
    uint64_t grants;
    uint64_t requests;
    uint64_t connected_at; /* seconds since 1970 UTC */
} segb_peer;

/* Facts of the broker; strings live as long as the client. */
typedef struct segb_broker {
    const char *socket; /* where the client is connected */
    const char *server; /* "segbroker/0.1.0" */
    const char *you;    /* "user:alice" */
    int administrator;
    const char *const *features; /* ends with NULL */
} segb_broker;

/* Row callbacks: 0 goes on, anything else ends the listing and is returned. */
typedef int (*segb_info_fn)(const segb_info *info, void *data);
typedef int (*segb_budget_fn)(const segb_budget *budget, void *data);
typedef int (*segb_peer_fn)(const segb_peer *peer, void *data);
typedef int (*segb_counter_fn)(const char *name, uint64_t value, void *data);

/* ---- the connection ---- */

/* Connects and says hello. SEGB_E_NO_BROKER, SEGB_E_ACCESS_DENIED,
 * SEGB_E_QUOTA_EXCEEDED (connections), SEGB_E_TIMEOUT, SEGB_E_SYSTEM. */
int segb_connect(const segb_connect_options *options, segb_client **client);

/* Ends the connection: all grants of it go, views stay mapped and handles
 * open. Segments of it still are the program's to close, now or later. No
 * other thread may be in a call of this client. A callback may call it. NULL
 * is fine. */
void segb_disconnect(segb_client *client);

/* What the broker said of itself. */
int segb_client_broker(segb_client *client, segb_broker *broker);

/* ---- segments ---- */

/* Creates `size` bytes, zeroed; or opens the existing segment of that name
 * with *its* size (segb_created tells). `name` NULL makes an unnamed one.
 *
 * With options->file it is of that file: of its first `size` bytes, 0 for all
 * that it has. Only SEGB_RW makes a file larger: SEGB_E_FILE_FULL when that
 * cannot be, SEGB_E_FILE_TOO_SMALL otherwise, SEGB_E_FILE_EMPTY. A file is
 * regular, on a file system of this host, and the caller's own. Who truncates
 * it later makes views of it fatal to touch (SIGBUS; Windows lets nobody):
 * segb_read and segb_write do not mind.
 *
 * Huge pages come from a pool that the host's administrator fills:
 * SEGB_E_NO_MEMORY when too few are free, now and not at a touch;
 * SEGB_E_NOT_SUPPORTED when the host has none of that size. A SEGB_COW view of
 * them takes as many again, and is not for processes that fork. */
int segb_create(segb_client *client, const char *name, size_t size,
                const segb_create_options *options, segb_segment **segment);

int segb_open(segb_client *client, const char *name,
              const segb_open_options *options, segb_segment **segment);

#define SEGB_ITEMS_MAX 64

/* Up to SEGB_ITEMS_MAX segments with one request to the broker. `atomic` 0:
 * each item on its own. Else all or none: after the first that is refused
 * nothing is opened, and what was created is gone again, whoever opened it
 * meanwhile keeps it without its name. 0 when all are there; else the first
 * failure, which segb_last_detail tells of. A segment of a file is created by
 * itself. */
int segb_open_many(segb_client *client, segb_item *items, size_t count,
                   int atomic);
int segb_create_many(segb_client *client, segb_item *items, size_t count,
                     int atomic);

/* Gives the grant back and closes the handle, without waiting for an answer.
 * Views of it stay mapped. NULL is fine. */
void segb_close(segb_segment *segment);
/* The same for the segments of the items, however many; those without are left
 * out. What neighbours of one client give back goes together. They are NULL
 * afterwards. */
void segb_close_many(segb_item *items, size_t count);

uint64_t segb_id(const segb_segment *segment);
/* As asked by the creator. */
size_t segb_size(const segb_segment *segment);
/* Rounded up to its pages, but not that of a file: what a view may cover. */
size_t segb_mapped_size(const segb_segment *segment);
int segb_access(const segb_segment *segment);
/* Not 0 when this call made it, 0 when it was there. */
int segb_created(const segb_segment *segment);
/* The native handle: a descriptor on POSIX, a HANDLE on Windows. It belongs
 * to the segment. A descriptor's file offset is shared with other clients:
 * use pread and pwrite. */
intptr_t segb_handle(const segb_segment *segment);

/* ---- tickets ---- */

/* Bytes that a ticket takes, its NUL included. */
#define SEGB_TICKET_MAX 96

/* Makes a ticket: a secret that gives a grant to the segment to whoever
 * redeems it, whatever user he is. `size` is that of `ticket`, at least
 * SEGB_TICKET_MAX. It holds nothing: keep the segment open until it was
 * redeemed. SEGB_E_ACCESS_DENIED when the segment's own access is less,
 * SEGB_E_BUSY when it has 64 tickets. */
int segb_offer(segb_segment *segment, const segb_offer_options *options,
               char *ticket, size_t size);

/* Opens the segment of a ticket, with the access that it gives.
 * SEGB_E_NOT_FOUND: it is wrong, spent or expired. SEGB_E_RATE_LIMITED: this
 * user has tried too many wrong ones. After SEGB_E_GONE the ticket may be
 * spent. */
int segb_redeem(segb_client *client, const char *ticket,
                segb_segment **segment);

/* ---- views ---- */

/* Maps `length` bytes from `offset`, 0 for all up to the segment's end. Any
 * offset is fine. Checked against the segment: SEGB_E_INVALID_ARGUMENT, never
 * SIGBUS. SEGB_E_ACCESS_DENIED when the handle's access is less. */
int segb_map(segb_segment *segment, size_t offset, size_t length, int access,
             void **address);

/* Unmaps the view that `address` lies in: any address inside it will do. */
int segb_unmap(void *address);

/* Writes what views have changed of a segment's file to the disk (0 bytes: to
 * the view's end). Of memory there is nothing to write. */
int segb_flush(void *address, size_t length);

/* Brings `length` bytes of a view (0: to its end) into memory, for writing too
 * where it is SEGB_RW: touching them waits for nothing then. What touching
 * would die of is an error: SEGB_E_NO_MEMORY, SEGB_E_FILE_TOO_SMALL (somebody
 * has truncated the file). SEGB_E_NOT_SUPPORTED: the system cannot. */
int segb_prefault(void *address, size_t length);

/* Copy bytes out of a segment and into one, without a view: what is gone, since
 * somebody has truncated the segment's file, is SEGB_E_FILE_TOO_SMALL and not
 * SIGBUS. What SEGB_COW views have changed is not seen. SEGB_E_ACCESS_DENIED,
 * SEGB_E_INVALID_ARGUMENT (the range is not within the segment). */
int segb_read(segb_segment *segment, size_t offset, void *buffer,
              size_t length);
int segb_write(segb_segment *segment, size_t offset, const void *buffer,
               size_t length);

/* ---- doorbells ---- */

/* Of a segment that was created with one; of another they are
 * SEGB_E_NOT_SUPPORTED. All who have the segment may signal and wait, those who
 * only read it too. The broker has no part in it, and may be dead. Who rings is
 * not told: write into the segment what there is to say, then signal. */

/* Rings for one: one waiter wakes, or the next one to come does not sleep. Each
 * signal ends one wait, of whichever process, and is kept until then.
 * SEGB_E_BUSY when more than two thousand million are kept. */
int segb_signal(segb_segment *segment);

/* Rings for all: ends every wait that is under way. Of those who have the
 * segment open, and are not waiting now, the next wait ends at once; that of
 * one thread, where a handle's threads are several. Many such rings are one to
 * who did not wait meanwhile. */
int segb_signal_all(segb_segment *segment);

/* Waits until it is rung. Milliseconds, 0 only takes what is there, negative
 * for ever. SEGB_E_TIMEOUT. It may return early: others who have the segment
 * are not to be trusted; so look whether there is something to do. */
int segb_wait(segb_segment *segment, int timeout_ms);

/* A descriptor to poll for reading, on Windows an event's HANDLE to wait for,
 * while there is something to take: then segb_wait with 0, until
 * SEGB_E_TIMEOUT. It may be set for nothing, when another process was quicker.
 * It is the segment's, and costs a thread of the library until segb_close. -1
 * when the segment has no doorbell, or the system no more of either. */
intptr_t segb_event_fd(segb_segment *segment);

/* ---- the commons ---- */

/* Takes the name away at once; holders keep the memory. By id when name is
 * NULL. */
int segb_remove(segb_client *client, const char *name, uint64_t id);

/* Lets others open a segment that was created with publish_later: what its
 * creator has written until now they see. Until then they are SEGB_E_BUSY, and
 * a segment that its creator leaves goes, also one that is to persist.
 * Publishing once more changes nothing. For the owner and administrators. By id
 * when name is NULL; then it is made again when the broker was lost. */
int segb_publish(segb_client *client, const char *name, uint64_t id);

/* Freezes a segment that was made freezable: SEGB_FROZEN_YES, and nobody can
 * change its bytes any more, SEGB_E_BUSY while somebody has a view of a handle
 * for writing; or SEGB_FROZEN_FUTURE, and no more such views can be made.
 * SEGB_E_NOT_SUPPORTED when it is not freezable, or when the system cannot (no
 * feature "freeze"; then SEGB_FROZEN_FUTURE only ends the giving of handles for
 * writing). For the owner and administrators. By id when name is NULL. */
int segb_freeze(segb_client *client, const char *name, uint64_t id, int frozen);

/* Facts of one segment, by id when name is NULL. */
int segb_stat(segb_client *client, const char *name, uint64_t id,
              segb_info *info);

/* Every segment that the caller may see whose name begins with `prefix`
 * (NULL: all, unnamed ones too), in the order of creation. */
int segb_list(segb_client *client, const char *prefix, segb_info_fn row,
              void *data);

/* The budgets that apply to the caller; `all` (administrators): of all. */
int segb_usage(segb_client *client, int all, segb_budget_fn row, void *data);

int segb_ping(segb_client *client);

/* ---- for administrators ---- */

int segb_stats(segb_client *client, segb_counter_fn row, void *data);
int segb_peers(segb_client *client, segb_peer_fn row, void *data);
/* Takes a segment's name and all grants to it away, for good, and makes its
 * memory zeros; handles and views stay. `emptied` (may be NULL): whether it is
 * zeros now, which what is frozen cannot be. By id when name is NULL. */
int segb_revoke(segb_client *client, const char *name, uint64_t id,
                int *emptied);
int segb_reload(segb_client *client);
/* "error", "warning", "info" or "debug". */
int segb_log_level(segb_client *client, const char *level);
/* Replaces the whole service by the program that is installed now; it keeps
 * every segment. Returns when that has begun. */
int segb_restart(segb_client *client);
int segb_shutdown(segb_client *client);

/* ---- event loops ---- */

/* The call's end: `status` as the blocking call would return it; the segment
 * is the callee's to close, NULL unless status is 0. */
typedef void (*segb_done_fn)(segb_client *client, int status,
                             segb_segment *segment, void *data);

/* Begin a call and return; `done` is called once, from segb_client_dispatch
 * or segb_disconnect, never from inside these, and not at all when they fail.
 * They wait only while more requests are under way than the system's buffers
 * hold, at most the client's timeout. */
int segb_create_async(segb_client *client, const char *name, size_t size,
                      const segb_create_options *options, segb_done_fn done,
                      void *data);
int segb_open_async(segb_client *client, const char *name,
                    const segb_open_options *options, segb_done_fn done,
                    void *data);
int segb_redeem_async(segb_client *client, const char *ticket,
                      segb_done_fn done, void *data);

/* What happened, of `event` SEGB_EVENT_OVERFLOW and SEGB_EVENT_ENDED nothing
 * else. Strings are valid in the callback only. */
typedef struct segb_event {
    int event; /* SEGB_EVENT_CREATED, ... */
    uint64_t id;
    const char *name;  /* NULL when it never had one */
    const char *owner; /* "user:alice" */
    uint64_t size;
    int published; /* 0: only who has it open can open it */
    int frozen;    /* SEGB_FROZEN_NO, ... */
} segb_event;

/* It may make calls of its own, and end its own watching. */
typedef void (*segb_event_fn)(segb_client *client, const segb_event *event,
                              void *data);

/* Tells what becomes, from now on, of every segment that the caller may see
 * whose name begins with `prefix` (NULL: of all), from segb_client_dispatch.
 * Call it, then segb_list, and nothing is missed. Who does not dispatch loses
 * events, and is told so by SEGB_EVENT_OVERFLOW, which also comes when the
 * broker was lost and there is another one. SEGB_E_BUSY: 16 of one client, or
 * too many of one user, are watched already. */
int segb_watch(segb_client *client, const char *prefix, segb_event_fn event,
               void *data, segb_watcher **watcher);

/* No callback of it begins or runs any more, but the one that calls this: it
 * waits for one that another thread is in, so hold nothing that such a callback
 * waits for. To be called for each watcher, also after segb_disconnect. NULL is
 * fine. */
void segb_unwatch(segb_watcher *watcher);

/* The descriptor to poll for reading, on Windows an event's HANDLE to wait for:
 * call segb_client_dispatch when it is readable, or set. It becomes so also for
 * a call whose answer, or an event that, another call has read meanwhile. It
 * belongs to the client and stays the same when the connection changes. -1 when
 * the system has no more. */
int segb_client_fd(segb_client *client);

/* Reads what has come, without waiting, and makes the due callbacks, which
 * may make calls of their own. SEGB_E_GONE once the connection has ended for
 * ever: while it is made anew calls may begin, and are sent then. */
int segb_client_dispatch(segb_client *client);

/* ---- errors ---- */

/* A static sentence for a code. */
const char *segb_strerror(int code);

/* The broker's own sentence, or the failing system call's, of the last call
 * that failed in this thread; "" when there is none. Valid until the next
 * segb_ call of this thread. */
const char *segb_last_detail(void);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
