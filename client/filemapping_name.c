/*
 * `Global\x` is the broker's `global/x`, `Local\x` and `x` are its `x`. So a
 * local name that begins with `global/` has nowhere to go, and is refused.
 */
#include "filemapping_name.h"

#include "message.h"
#include "utf8.h"

#include <string.h>

/* More than any name with its prefix: what is cut here is too long anyway. */
enum { BYTES_MAX = 512 };

static const char global_prefix[] = "Global\\";
static const char local_prefix[] = "Local\\";

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* What stands behind the prefix. */
static DWORD check_rest(const char *rest, size_t most, bool prefixed)
{
    size_t size = strlen(rest);

    if (strchr(rest, '\\'))
        return ERROR_PATH_NOT_FOUND;
    if (prefixed && size == 0)
        return ERROR_INVALID_NAME;
    if (utf8_has_control(rest, size))
        return ERROR_INVALID_NAME;
    return size > most ? ERROR_FILENAME_EXCED_RANGE : ERROR_SUCCESS;
}

static DWORD make_global(const char *rest, struct filemapping_name *made)
{
    size_t prefix = strlen(PROTOCOL_GLOBAL_PREFIX);
    DWORD error = check_rest(rest, PROTOCOL_NAME_MAX - prefix, true);

    if (error)
        return error;
    memcpy(made->text, PROTOCOL_GLOBAL_PREFIX, prefix);
    memcpy(made->text + prefix, rest, strlen(rest) + 1);
    return ERROR_SUCCESS;
}

static DWORD make_local(const char *rest, bool prefixed,
                        struct filemapping_name *made)
{
    DWORD error = check_rest(rest, PROTOCOL_NAME_MAX, prefixed);

    if (error)
        return error;
    if (begins(rest, PROTOCOL_GLOBAL_PREFIX))
        return ERROR_INVALID_NAME;
    memcpy(made->text, rest, strlen(rest) + 1);
    return ERROR_SUCCESS;
}

/* `name` is valid UTF-8 of at most BYTES_MAX bytes. */
static DWORD make(const char *name, struct filemapping_name *made)
{
    if (begins(name, global_prefix))
        return make_global(name + strlen(global_prefix), made);
    if (begins(name, local_prefix))
        return make_local(name + strlen(local_prefix), true, made);
    return make_local(name, false, made);
}

DWORD filemapping_name_ansi(LPCSTR name, struct filemapping_name *made)
{
    made->text[0] = '\0';
    if (!name)
        return ERROR_SUCCESS;
    if (!memchr(name, '\0', BYTES_MAX))
        return ERROR_FILENAME_EXCED_RANGE;
    if (!utf8_valid(name, strlen(name)))
        return ERROR_NO_UNICODE_TRANSLATION;
    return make(name, made);
}

/* ---- UTF-16 ---- */

static bool is_high(uint32_t unit)
{
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low(uint32_t unit)
{
    return unit >= 0xdc00 && unit < 0xe000;
}

/* Takes one character; 0: there is half a one. */
static uint32_t take(const WCHAR **at)
{
    uint32_t first = *(*at)++;

    if (is_low(first))
        return 0;
    if (!is_high(first))
        return first;
    if (!is_low(**at))
        return 0;
    return 0x10000 + ((first - 0xd800) << 10) + (*(*at)++ - 0xdc00U);
}

/* Writes one character as UTF-8; how many bytes. */
static size_t put(uint32_t character, char *bytes)
{
    static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t size = character < 0x80      ? 1
                  : character < 0x800   ? 2
                  : character < 0x10000 ? 3
                                        : 4;

    for (size_t at = size; at-- > 1; character >>= 6)
        bytes[at] = (char)(0x80 | (character & 0x3f));
    bytes[0] = (char)(first[size == 1 ? 0 : size] | character);
    return size;
}

DWORD filemapping_name_wide(LPCWSTR name, struct filemapping_name *made)
{
    char bytes[BYTES_MAX];
    size_t size = 0;

    made->text[0] = '\0';
    while (name && *name) {
        uint32_t character = take(&name);

        if (character == 0)
            return ERROR_NO_UNICODE_TRANSLATION;
        if (size + 5 > sizeof(bytes))
            return ERROR_FILENAME_EXCED_RANGE;
        size += put(character, bytes + size);
    }
    bytes[size] = '\0';
    return make(bytes, made);
}
