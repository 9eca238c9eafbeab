/*
 * The connection between keeper and broker, either end: records both ways,
 * handles along with them.
 */
#ifndef SEGBROKER_LINK_H
#define SEGBROKER_LINK_H

#include "connection.h"
#include "frame.h"
#include "protocol.h"
#include "record.h"

#include <stdbool.h>
enum {
    LINK_E_GONE = -1, /* the other side has died, or ended it */
    LINK_E_LATE = -2  /* it did not move for LINK_PATIENCE_MS */
};

/* How long the other side, which has nothing else to do, may take to read. */
enum { LINK_PATIENCE_MS = 5000 };

struct link {
    struct connection *connection;
    struct frame_reader reader;
    struct message_handle names[RECORD_HANDLES_MAX]; /* of the next record */
    struct buffer out; /* lines that were posted, or the one being sent */
    /* Called for each record; the line is what it was read from. */
    void (*on_record)(struct link *link, const struct record *record,
                      const char *line, size_t size);
    /* Called once, when the other side is gone and all it sent was read. */
    void (*on_end)(struct link *link);
    void *data;
    uv_timer_t *pace; /* NULL: it reads whenever something comes */
    bool ended;
    char input[PROTOCOL_LINE_MAX];
};

/* A link over a connection (NULL: none), which becomes its own. It does nothing
 * by itself before link_start. NULL when memory is short. */
struct link *link_new(struct connection *connection);

/* Serves it from the loop. 0, or negative when it is no connection. */
int link_start(struct link *link, uv_loop_t *loop);

/* After a read it looks again only when a short while is over, by a timer of
 * the caller's: so a series of records wakes this process a few times, not once
 * a record. The end of the other side is seen as late. */
void link_pace(struct link *link, uv_timer_t *timer);

/* Serves no more, from within on_record: on_end follows. */
void link_end(struct link *link);

/* Reads and serves, without the loop, until `done` or the end. 0 or an
 * outcome above. */
int link_read_until(struct link *link, const bool *done);

/* Reads what the other side left. Whether it has ended; on_end is not
 * called. */
bool link_drain(struct link *link);

/* Collects one record without handles. It goes before all that is sent later,
 * with link_flush at the latest. 0 or an outcome above. */
int link_post(struct link *link, const struct record *record);

bool link_has_posted(const struct link *link);

/* Sends what was posted, and waits as link_send does. 0 or an outcome above. */
int link_flush(struct link *link);

/* Sends one record behind what was posted, its handles along unless that is
 * NULL, and waits until it is in the kernel's hands: from then on it survives
 * this process. 0 or an outcome above. */
int link_send(struct link *link, const struct record *record,
              const frame_handle *handles);

/* The same for a line that is there already. */
int link_send_line(struct link *link, const char *line, size_t size,
                   const frame_handle *handles, unsigned count);

/* Takes the handles of the record being served, which become the caller's. 0,
 * or negative when some are missing (then none is taken). */
int link_claim(struct link *link, const struct record *record,
               frame_handle handles[RECORD_HANDLES_MAX]);

/* Closes and frees it; with the loop's help where it was started. NULL is
 * fine. Returns NULL. */
struct link *link_close(struct link *link);

#endif
