/*
 * A request's share list, from names to accounts.
 */
#ifndef SEGBROKER_SHARE_H
#define SEGBROKER_SHARE_H

#include "access.h"
#include "message.h"

enum {
    SHARE_NOBODY = 1,   /* some account does not exist */
    SHARE_BAD_FORM = 2, /* some entry is no principal */
    SHARE_E_NOMEM = -1
};

/*
 * Looks all principals up: 0 and a share for share_deinit; or an outcome
 * above, with the entry at fault in `culprit`.
 */
int share_resolve(const struct message_share *names,
                  const struct principal_lookup *lookup,
                  struct access_share *share, const char **culprit);
void share_deinit(struct access_share *share);

/* Knows no account: with it only ids and `everyone` resolve, at once. */
extern const struct principal_lookup share_ids_only;

#endif
