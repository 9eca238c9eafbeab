#include "utf8.h"

#include <stdio.h>
#include <string.h>

/* Bytes that follow a lead byte, -1 for what cannot lead. The second byte's
 * range depends on the lead (RFC 3629, section 4). */
static int follow(unsigned char lead, unsigned char *low, unsigned char *high)
{
    *low = 0x80;
    *high = 0xbf;
    if (lead < 0x80)
        return 0;
    if (lead < 0xc2 || lead > 0xf4)
        return -1;
    if (lead < 0xe0)
        return 1;
    if (lead == 0xe0)
        *low = 0xa0;
    if (lead == 0xed)
        *high = 0x9f;
    if (lead == 0xf0)
        *low = 0x90;
    if (lead == 0xf4)
        *high = 0x8f;
    return lead < 0xf0 ? 2 : 3;
}

bool utf8_valid(const char *bytes, size_t size)
{
    unsigned char low, high;

    for (size_t i = 0; i < size;) {
        int more = follow((unsigned char)bytes[i++], &low, &high);

        if (more < 0 || (size_t)more > size - i)
            return false;
        for (; more > 0; more--, i++) {
            unsigned char byte = (unsigned char)bytes[i];

            if (byte < low || byte > high)
                return false;
            low = 0x80;
            high = 0xbf;
        }
    }
    return true;
}

bool utf8_has_control(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)bytes[i];

        if (byte < 0x20 || byte == 0x7f)
            return true;
        /* U+0080 to U+009F are 0xc2 and one more. */
        if (byte == 0xc2 && i + 1 < size && (unsigned char)bytes[i + 1] < 0xa0)
            return true;
    }
    return false;
}

size_t utf8_cut(const char *bytes, size_t size, size_t most)
{
    if (size <= most)
        return size;
    while (most > 0 && ((unsigned char)bytes[most] & 0xc0) == 0x80)
        most--;
    return most;
}

const char *utf8_quote(const char *string, char *text, size_t size)
{
    size_t whole = strlen(string);
    size_t most = size - sizeof("\"\"");
    size_t shown = whole <= most ? whole : utf8_cut(string, whole, most - 3);

    snprintf(text, size, "\"%.*s%s\"", (int)shown, string,
             shown < whole ? "..." : "");
    for (size_t i = 1; i <= shown; i++) {
        bool starts_c1 =
            text[i] == '\xc2' && i < shown && utf8_has_control(text + i, 2);

        if (starts_c1)
            text[i++] = '?';
        if (starts_c1 || utf8_has_control(text + i, 1))
            text[i] = '?';
    }
    return text;
}
