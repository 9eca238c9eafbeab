/*
 * Getting a segment as the options say, and holding it: a name lives as long
 * as somebody does.
 */
#ifndef SEGCTL_HOLD_H
#define SEGCTL_HOLD_H

#include "options.h"

/* "ro", "rw" or "cow". */
const char *hold_access_name(int access);

/* How a segment is made, besides what the options say. */
struct hold_way {
    bool fail_if_exists;
    bool publish_later;
};

/* Creates with the options' name, access, sharing and so on. 0 or negative;
 * what went wrong has been said, `status` has the exit status. */
int hold_create(segb_client *client, const struct arguments *arguments,
                size_t size, struct hold_way way, segb_segment **segment,
                int *status);

/* Opens what the options name, with their access or else `access`. */
int hold_open(segb_client *client, const struct arguments *arguments,
              int access, segb_segment **segment, int *status);

/* Whether what is waited for has come. */
typedef bool (*hold_over_fn)(void *data);

/* Waits until interrupted, until it is over (`over` may be NULL; it is asked
 * behind all that comes, and several times a second), or until the broker has
 * gone. The exit status. */
int hold_until(segb_client *client, const struct arguments *arguments,
               hold_over_fn over, void *data);

/* Opens all that the options name, or none; `items` has room for them. */
int hold_open_many(segb_client *client, const struct arguments *arguments,
                   segb_item *items, int *status);

/*
 * Tells that the segment is ready, on stderr or as JSON on stdout. Unless it
 * `returns`, waits until interrupted (STATUS_DONE) or until the broker has
 * gone.
 */
int hold_announce(segb_client *client, const struct arguments *arguments,
                  segb_segment *segment, bool returns);
/* The same of several. */
int hold_announce_many(segb_client *client, const struct arguments *arguments,
                       const segb_item *items, size_t count, bool returns);

#endif
