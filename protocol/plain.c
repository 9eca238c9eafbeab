/*
 * One pass over a copy of the line, whose strings are cut in place. Whatever
 * is not expected ends it: only what is surely good is taken.
 */
#include "plain.h"

#include "line.h"
#include "protocol.h"

#include <stdlib.h>
#include <string.h>

/* A line has a value in so many bytes, or fewer values. More digits than a
 * double holds exactly are cJSON's to round. */
enum { NODES_MIN = 8, BYTES_OF_NODE = 8, DIGITS_MAX = 15 };

struct reader {
    cJSON *next; /* free node */
    cJSON *end;
    char *at;
};

static bool read_value(struct reader *r, cJSON *node, int depth);

static char skip_space(struct reader *r)
{
    while (*r->at == ' ')
        r->at++;
    return *r->at;
}

static bool read_word(struct reader *r, const char *word, size_t size)
{
    /* The text ends in a NUL, which is in no word. */
    if (strncmp(r->at, word, size) != 0)
        return false;
    r->at += size;
    return true;
}

/* Behind the text is a quote: every string ends. None begins there, since the
 * text ends in a brace. */
static char *read_string(struct reader *r)
{
    char *string = ++r->at;

    while (*r->at != '"')
        r->at++;
    *r->at++ = '\0';
    return string;
}

static bool read_number(struct reader *r, cJSON *node)
{
    const char *first = r->at;
    uint64_t value = 0;

    for (; *r->at >= '0' && *r->at <= '9'; r->at++) {
        if (r->at - first == DIGITS_MAX)
            return false;
        value = value * 10 + (uint64_t)(*r->at - '0');
    }
    if (r->at == first || (*first == '0' && r->at - first > 1))
        return false;
    node->type = cJSON_Number;
    node->valuedouble = (double)value;
    node->valueint = value < INT32_MAX ? (int)value : INT32_MAX;
    return true;
}

/* One more child. As with cJSON, the first one's `prev` is the last. */
static cJSON *add_child(struct reader *r, cJSON *container)
{
    cJSON *child = r->next, *first = container->child;

    if (child == r->end)
        return NULL;
    r->next++;
    *child = (cJSON){0};
    if (!first) {
        container->child = child->prev = child;
        return child;
    }
    child->prev = first->prev;
    first->prev->next = child;
    first->prev = child;
    return child;
}

/* `seen` has a bit for each key before: most differ already there. */
static bool is_repeated(const cJSON *object, const cJSON *member,
                        uint64_t *seen)
{
    size_t size = strlen(member->string);
    uint64_t bit = UINT64_C(1) << (((unsigned)member->string[0] + size) % 64);
    bool maybe = *seen & bit;
    const cJSON *other;

    *seen |= bit;
    for (other = object->child; maybe && other != member; other = other->next)
        if (strcmp(other->string, member->string) == 0)
            return true;
    return false;
}

static bool read_members(struct reader *r, cJSON *object, int depth)
{
    uint64_t seen = 0;
    cJSON *member;
    int members = 0;

    do {
        r->at++;
        if (skip_space(r) != '"')
            return false;
        member = add_child(r, object);
        if (!member || ++members > PROTOCOL_MEMBERS_MAX)
            return false;
        member->string = read_string(r);
        if (is_repeated(object, member, &seen) || skip_space(r) != ':')
            return false;
        r->at++;
        if (!read_value(r, member, depth))
            return false;
    } while (skip_space(r) == ',');
    return *r->at++ == '}';
}

static bool read_items(struct reader *r, cJSON *array, int depth)
{
    cJSON *item;

    do {
        r->at++;
        item = add_child(r, array);
        if (!item || !read_value(r, item, depth))
            return false;
    } while (skip_space(r) == ',');
    return *r->at++ == ']';
}

static bool read_container(struct reader *r, cJSON *node, int depth)
{
    char closing = *r->at == '{' ? '}' : ']';
    char *first;

    if (depth > PROTOCOL_DEPTH_MAX)
        return false;
    node->type = closing == '}' ? cJSON_Object : cJSON_Array;
    first = r->at++;
    if (skip_space(r) == closing) {
        r->at++;
        return true;
    }
    r->at = first;
    return closing == '}' ? read_members(r, node, depth)
                          : read_items(r, node, depth);
}

static bool read_value(struct reader *r, cJSON *node, int depth)
{
    switch (skip_space(r)) {
    case '"':
        node->type = cJSON_String;
        node->valuestring = read_string(r);
        return true;
    case '{':
    case '[':
        return read_container(r, node, depth + 1);
    case 't':
        node->type = cJSON_True;
        node->valueint = 1;
        return read_word(r, "true", 4);
    case 'f':
        node->type = cJSON_False;
        return read_word(r, "false", 5);
    case 'n':
        node->type = cJSON_NULL;
        return read_word(r, "null", 4);
    default:
        return read_number(r, node);
    }
}

/* Reads the copy of the line at `text` into the nodes, the first of which is
 * the tree. */
static bool read_line(cJSON *nodes, size_t count, char *text, size_t size)
{
    struct reader r = {.next = nodes + 1, .end = nodes + count, .at = text};

    text[size] = '"';
    text[size + 1] = '\0';
    nodes[0] = (cJSON){0};
    if (skip_space(&r) != '{' || !read_container(&r, nodes, 1))
        return false;
    skip_space(&r);
    return r.at == text + size;
}

cJSON *plain_parse(const char *line, size_t size)
{
    size_t count = NODES_MIN + size / BYTES_OF_NODE;
    cJSON *nodes;
    char *text;

    if (size == 0 || line[size - 1] != '}' || !line_is_plain(line, size))
        return NULL;
    nodes = malloc(count * sizeof(*nodes) + size + sizeof("\""));
    if (!nodes)
        return NULL;
    text = (char *)(nodes + count);
    memcpy(text, line, size);
    if (!read_line(nodes, count, text, size)) {
        free(nodes);
        return NULL;
    }
    /* cJSON has it for a node whose children are another's: no tree of its
     * own parser is one. */
    nodes[0].type |= cJSON_IsReference;
    return nodes;
}

bool plain_is(const cJSON *tree)
{
    return tree && (tree->type & cJSON_IsReference);
}

void plain_free(cJSON *tree)
{
    free(tree);
}
