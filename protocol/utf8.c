#include "utf8.h"

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
