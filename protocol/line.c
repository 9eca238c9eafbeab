#include "line.h"

#include "utf8.h"

#include <stdint.h>
#include <string.h>

/* Looked at eight at a time: most lines are, and need no closer look. */
bool line_is_plain(const char *line, size_t size)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const char *end = line + size;
    uint64_t word, bad = 0;

    for (; end - line >= 8; line += 8) {
        memcpy(&word, line, 8);
        /* A byte's top bit is set where the byte itself has it, where the
         * byte is 0x7f or below 0x20, and where it is a backslash. */
        bad |= word | (word + ones) | (word - ones * 0x20) |
               ((word ^ (ones * '\\')) - ones);
    }
    if (bad & (ones << 7))
        return false;
    for (; line < end; line++)
        if (*line < 0x20 || *line > 0x7e || *line == '\\')
            return false;
    return true;
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

static bool has_control(const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)line[i] < 0x20 && !is_space(line[i]))
            return true;
    return false;
}

static bool has_escaped_nul(const char *line, size_t size)
{
    const char *at = line, *end = line + size;

    while ((at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
        if (end - at >= 6 && memcmp(at, "\\u0000", 6) == 0)
            return true;
        at += end - at >= 2 ? 2 : 1;
    }
    return false;
}

/* ---- what JSON does not allow, and cJSON does ---- */

static size_t count_digits(const char *at, const char *end)
{
    const char *from = at;

    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return (size_t)(at - from);
}

/* The size of the number there; 0: it is none. */
static size_t number_size(const char *line, const char *end)
{
    const char *at = line;
    size_t digits;

    if (at < end && *at == '-')
        at++;
    digits = count_digits(at, end);
    if (digits == 0 || (digits > 1 && *at == '0'))
        return 0;
    at += digits;
    if (at < end && *at == '.') {
        digits = count_digits(++at, end);
        if (digits == 0)
            return 0;
        at += digits;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        digits = count_digits(at, end);
        if (digits == 0)
            return 0;
        at += digits;
    }
    return (size_t)(at - line);
}

/* The size of the string there, quotes included; 0: white space in it. */
static size_t string_size(const char *line, const char *end)
{
    const char *at;

    for (at = line + 1; at < end && *at != '"'; at++) {
        if ((unsigned char)*at < 0x20)
            return 0;
        if (*at == '\\')
            at++;
    }
    return (size_t)(at - line) + 1;
}

const char *line_token_problem(const char *line, size_t size)
{
    const char *end = line + size;
    const char *at = line;

    while (at < end) {
        size_t token = 1;

        if (*at == '"') {
            token = string_size(at, end);
            if (token == 0)
                return "a string holds white space that is not escaped";
        } else if (*at == '-' || (*at >= '0' && *at <= '9')) {
            token = number_size(at, end);
            if (token == 0 ||
                (at + token < end &&
                 (at[token] == '.' || count_digits(at + token, end))))
                return "a number is not written as JSON has it";
        } else if ((unsigned char)*at > 0x7e) {
            return "there is something between its values";
        }
        at += token;
    }
    return NULL;
}

const char *line_problem(const char *line, size_t size)
{
    if (line_is_plain(line, size))
        return NULL;
    if (!utf8_valid(line, size))
        return "it is not valid UTF-8";
    if (has_control(line, size) || has_escaped_nul(line, size))
        return "it holds control characters";
    return NULL;
}

size_t line_trim(const char *line, size_t size)
{
    while (size > 0 && is_space(line[size - 1]))
        size--;
    return size;
}
