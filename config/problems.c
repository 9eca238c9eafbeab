#include "problems.h"

#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for so many more bytes and a NUL; where they go. */
static char *reserve(struct problems *problems, size_t more)
{
    char *larger = realloc(problems->text, problems->size + more + 1);

    if (!larger) {
        problems->out_of_memory = true;
        return NULL;
    }
    problems->text = larger;
    return larger + problems->size;
}

/* Bytes of the character that the text begins with; 0 when it is none, or a
 * control character. */
static size_t character_size(const char *text, size_t left)
{
    for (size_t size = 1; size <= 4 && size <= left; size++)
        if (utf8_valid(text, size))
            return utf8_has_control(text, size) ? 0 : size;
    return 0;
}

static char *put_shown(char *to, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        size_t size = character_size(text, left);

        memcpy(to, size > 0 ? text : "?", size > 0 ? size : 1);
        size = size > 0 ? size : 1;
        to += size;
        text += size;
        left -= size;
    }
    return to;
}

void problems_add(struct problems *problems, const char *const *parts,
                  size_t count)
{
    size_t room = strlen("\n");
    char *to;

    if (++problems->count > CONFIG_PROBLEMS_MAX)
        return;
    for (size_t i = 0; i < count; i++)
        room += strlen(parts[i]);
    to = reserve(problems, room);
    if (!to)
        return;
    for (size_t i = 0; i < count; i++)
        to = put_shown(to, parts[i]);
    memcpy(to, "\n", sizeof("\n"));
    problems->size += room;
}

void problems_take(struct problems *problems, struct config_problems *taken)
{
    enum { ROOM = 48 };
    char *to;

    if (problems->count > CONFIG_PROBLEMS_MAX) {
        to = reserve(problems, ROOM);
        if (to)
            snprintf(to, ROOM, "and %zu more\n",
                     problems->count - CONFIG_PROBLEMS_MAX);
    }
    *taken = (struct config_problems){problems->text, problems->count};
    *problems = (struct problems){0};
}
