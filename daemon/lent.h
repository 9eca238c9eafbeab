/*
 * A handle that is lent out: to the segment that hands it out again and again,
 * and to every reply that is still on its way with it. So a handle takes one
 * place in the broker's descriptor table, however many replies wait to be read.
 */
#ifndef SEGBROKER_LENT_H
#define SEGBROKER_LENT_H

#include "frame.h"

struct lent {
    frame_handle handle;
    unsigned borrowers;
};

/* Adopts the handle, for one borrower. NULL when there is no memory; then the
 * handle is still the caller's. */
struct lent *lent_new(frame_handle handle);
struct lent *lent_ref(struct lent *lent);
/* The first borrower's: the handle stays open, and is the caller's again. NULL
 * is fine. */
void lent_abandon(struct lent *lent);
/* The last borrower closes the handle. NULL is fine. Returns NULL. */
struct lent *lent_unref(struct lent *lent);

#endif
