/*
 * What goes to stdout besides a segment's bytes. A failure is remembered, so
 * that no caller has to look and none is lost.
 */
#ifndef SEGCTL_OUTPUT_H
#define SEGCTL_OUTPUT_H

#include "text.h"

/* Writes the text and empties it. */
void output_text(struct text *text);
void output_string(const char *string);

/* The first failure's errno, or 0. */
int output_error(void);

/* Closes stdout, since some failures show only then. output_error's answer. */
int output_finish(void);

#endif
