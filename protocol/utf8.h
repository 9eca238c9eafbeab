/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above
 * U+10FFFF.
 */
#ifndef SEGBROKER_UTF8_H
#define SEGBROKER_UTF8_H

#include <stdbool.h>
#include <stddef.h>

bool utf8_valid(const char *bytes, size_t size);

/* Whether valid UTF-8 holds a control character: U+0000 to U+001F, U+007F to
 * U+009F. */
bool utf8_has_control(const char *bytes, size_t size);

/* How much of valid UTF-8 fits in `most` bytes without cutting a character. */
size_t utf8_cut(const char *bytes, size_t size, size_t most);

/*
 * Writes a valid string into `text` for people to read, and gives `text`: in
 * quotes, cut with "..." where `size` (at least 8) is short, and with a '?'
 * for each byte of a control character, which would spoil a log or a terminal.
 */
const char *utf8_quote(const char *string, char *text, size_t size);

#endif
