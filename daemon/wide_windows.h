/*
 * Between UTF-8, which is ours, and UTF-16, which is Windows'.
 */
#ifndef SEGBROKER_WIDE_WINDOWS_H
#define SEGBROKER_WIDE_WINDOWS_H

#include <stddef.h>
#include <wchar.h>

/* For free(); NULL when memory is short or the text is not UTF-8. */
wchar_t *wide_from(const char *text);
/* The same back. */
char *wide_to(const wchar_t *wide);

/* The sentence for a Windows error, in a buffer of this thread. */
const char *wide_error(unsigned long error);

#endif
