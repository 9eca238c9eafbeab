/*
 * Between UTF-8 and UTF-16.
 */
#ifndef SEGCTL_TEXT_WINDOWS_H
#define SEGCTL_TEXT_WINDOWS_H

#include <wchar.h>

/* For free(); NULL when memory is short or the text is not UTF-8. */
wchar_t *text_widen(const char *text);
/* The same back. */
char *text_narrow(const wchar_t *wide);

#endif
