/*
 * What bytes a line may hold, before anything looks at their meaning.
 */
#ifndef SEGBROKER_LINE_H
#define SEGBROKER_LINE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether there are only ASCII characters, no control characters and no
 * escapes. */
bool line_is_plain(const char *line, size_t size);

/*
 * NULL when the line is valid UTF-8 without control characters other than
 * white space and without an escaped NUL (\u0000), else what is wrong with
 * it: "it is not valid UTF-8".
 */
const char *line_problem(const char *line, size_t size);

/* NULL, or what is wrong with a number, a string or what stands between them,
 * that a lenient reader would take. The rest is the reader's. */
const char *line_token_problem(const char *line, size_t size);

/* Its size without the white space at its end. */
size_t line_trim(const char *line, size_t size);

#endif
