/*
 * Numbers and sizes as an administrator writes them.
 */
#include "config.h"

#include <string.h>

static const uint64_t LARGEST = (UINT64_C(1) << 53) - 1;
static const uint64_t LONGEST = 60 * 60 * 1000; /* ms */

/* Reads the digits that the text begins with; NULL when there are none or
 * they make too large a number. */
static const char *read_digits(const char *text, uint64_t *value)
{
    const char *at = text;

    for (*value = 0; *at >= '0' && *at <= '9'; at++) {
        *value = *value * 10 + (uint64_t)(*at - '0');
        if (*value > LARGEST)
            return NULL;
    }
    return at > text ? at : NULL;
}

static int scale(uint64_t *value, unsigned shift)
{
    if (*value > LARGEST >> shift)
        return 1;
    *value <<= shift;
    return 0;
}

static int apply_unit(const char *unit, uint64_t whole, uint64_t *value)
{
    static const char letters[] = "KMGT";
    const char *letter;

    if (*unit == '\0')
        return 0;
    if (strcmp(unit, "%") == 0) {
        if (*value > 100)
            return 1;
        /* In this order nothing overflows. */
        *value = whole / 100 * *value + whole % 100 * *value / 100;
        return *value > LARGEST ? 1 : 0;
    }
    letter = strchr(letters, *unit);
    if (!letter || (unit[1] != '\0' && strcmp(unit + 1, "iB") != 0))
        return 1;
    return scale(value, 10 * (unsigned)(letter - letters + 1));
}

int config_size_parse(const char *text, uint64_t whole, uint64_t *size)
{
    const char *unit;
    uint64_t value;

    if (strcmp(text, "unlimited") == 0) {
        *size = CONFIG_UNLIMITED;
        return 0;
    }
    unit = read_digits(text, &value);
    if (!unit || apply_unit(unit, whole, &value) != 0)
        return 1;
    *size = value;
    return 0;
}

int config_count_parse(const char *text, uint64_t *count)
{
    const char *end;
    uint64_t value;

    if (strcmp(text, "unlimited") == 0) {
        *count = CONFIG_UNLIMITED;
        return 0;
    }
    end = read_digits(text, &value);
    if (!end || *end != '\0')
        return 1;
    *count = value;
    return 0;
}

int config_duration_parse(const char *text, uint64_t *milliseconds)
{
    static const struct {
        const char *name;
        uint64_t milliseconds;
    } units[] = {{"ms", 1}, {"s", 1000}, {"min", 60 * 1000}};
    uint64_t value;
    const char *unit = read_digits(text, &value);

    for (size_t i = 0; unit && i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(unit, units[i].name) != 0)
            continue;
        if (value > LONGEST / units[i].milliseconds)
            return 1;
        *milliseconds = value * units[i].milliseconds;
        return 0;
    }
    return 1;
}
