/*
 * The verbs' functions; see struct verb.
 */
#ifndef SEGCTL_VERBS_H
#define SEGCTL_VERBS_H

#include "options.h"

int verb_create(segb_client *client, const struct arguments *arguments);
int verb_open(segb_client *client, const struct arguments *arguments);
int verb_put(segb_client *client, const struct arguments *arguments);
int verb_cat(segb_client *client, const struct arguments *arguments);
int verb_list(segb_client *client, const struct arguments *arguments);
int verb_info(segb_client *client, const struct arguments *arguments);
int verb_usage(segb_client *client, const struct arguments *arguments);
int verb_remove(segb_client *client, const struct arguments *arguments);
int verb_freeze(segb_client *client, const struct arguments *arguments);
int verb_publish(segb_client *client, const struct arguments *arguments);
int verb_revoke(segb_client *client, const struct arguments *arguments);
int verb_signal(segb_client *client, const struct arguments *arguments);
int verb_watch(segb_client *client, const struct arguments *arguments);
int verb_wait(segb_client *client, const struct arguments *arguments);
int verb_ping(segb_client *client, const struct arguments *arguments);
int verb_share(segb_client *client, const struct arguments *arguments);
int verb_redeem(segb_client *client, const struct arguments *arguments);
int verb_exec(segb_client *client, const struct arguments *arguments);
int verb_clients(segb_client *client, const struct arguments *arguments);
int verb_stats(segb_client *client, const struct arguments *arguments);
int verb_reload(segb_client *client, const struct arguments *arguments);
int verb_log_level(segb_client *client, const struct arguments *arguments);
int verb_restart(segb_client *client, const struct arguments *arguments);
int verb_shutdown(segb_client *client, const struct arguments *arguments);

#endif
