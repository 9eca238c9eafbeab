/*
 * What a program hands in, checked before the broker is bothered: a line that
 * it could not read would end the connection.
 *
 * All return 0 or SEGB_E_INVALID_ARGUMENT (for names SEGB_E_INVALID_NAME) with
 * a sentence.
 */
#ifndef SEGBROKER_ARGUMENTS_H
#define SEGBROKER_ARGUMENTS_H

#include "message.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Copies options of any version's size into a struct of `size` bytes. Members
 * that the caller's version lacks are zero; those that this one lacks must be.
 * `options` NULL: all zero.
 */
int arguments_options(void *into, size_t size, const void *options);

/* A name, or NULL where `optional`. */
int arguments_name(const char *name, bool optional);

/* One segment: a name, or the id where it is NULL. */
int arguments_target(const char *name, uint64_t id,
                     struct message_target *target);

/* UTF-8 of at most `most` bytes, or NULL; `what` names it. */
int arguments_text(const char *what, const char *text, size_t most);

/* SEGB_RO, SEGB_RW, SEGB_COW; 0 for `otherwise`. */
int arguments_access(int access, int otherwise, int *checked,
                     enum protocol_access *wire);

/* Principals of a share list. */
int arguments_principals(const char *what, const char *const *principals,
                         size_t count, const char **list, unsigned *list_count);

/* What may be a ticket, by its form; the sentence does not show it. */
int arguments_ticket(const char *ticket);

/* Nothing of these may be NULL. */
int arguments_given(const char *what, const void *pointer);

#endif
