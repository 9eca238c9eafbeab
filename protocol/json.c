/*
 * What is plain is read at once (plain.h). cJSON parses the rest, and is looked
 * after where it is lenient: it keeps duplicate keys, cuts strings at \u0000,
 * takes what lies behind the value, control characters in strings, 01 and 1.,
 * and reads numbers as doubles.
 */
#include "json.h"

#include "line.h"
#include "plain.h"
#include "protocol.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_repeated(const cJSON *first, const cJSON *member)
{
    for (; first != member; first = first->next)
        if (first->string && strcmp(first->string, member->string) == 0)
            return true;
    return false;
}

/* Whether an object, or an array, and all within are small enough and without
 * duplicate keys. */
static const char *tree_problem(const cJSON *container, int depth)
{
    const cJSON *child;
    int members = 0;
    const char *problem = NULL;

    if (depth > PROTOCOL_DEPTH_MAX)
        return "it is nested too deep (8 levels)";
    for (child = container->child; child && !problem; child = child->next) {
        if (child->string && ++members > PROTOCOL_MEMBERS_MAX)
            return "an object has too many members (64)";
        if (child->string && is_repeated(container->child, child))
            return "a key stands twice in one object";
        if (child->type & (cJSON_Object | cJSON_Array))
            problem = tree_problem(child, depth + 1);
    }
    return problem;
}

cJSON *json_parse_odd(const char *line, size_t size, const char **problem)
{
    const char *end = NULL;
    cJSON *tree;

    *problem = line_problem(line, size);
    if (!*problem)
        *problem = line_token_problem(line, size);
    if (*problem)
        return NULL;
    *problem = "it is not a JSON object";
    size = line_trim(line, size);
    /* cJSON reads a byte too far where a text ends within an object. */
    if (size == 0 || line[size - 1] != '}')
        return NULL;
    errno = 0;
    tree = cJSON_ParseWithLengthOpts(line, size, &end, 0);
    if (!tree) {
        if (errno == ENOMEM)
            *problem = NULL;
        return NULL;
    }
    if (cJSON_IsObject(tree) && end == line + size)
        *problem = tree_problem(tree, 1);
    if (!*problem)
        return tree;
    cJSON_Delete(tree);
    return NULL;
}

cJSON *json_parse(const char *line, size_t size, const char **problem)
{
    cJSON *tree = plain_parse(line, size);

    return tree ? tree : json_parse_odd(line, size, problem);
}

void json_free(cJSON *tree)
{
    if (plain_is(tree))
        plain_free(tree);
    else
        cJSON_Delete(tree);
}

/* Most differ in the first letter. */
static bool is_named(const cJSON *item, const char *key)
{
    return item->string && item->string[0] == key[0] &&
           strcmp(item->string, key) == 0;
}

const cJSON *json_member(const cJSON *object, const char *key)
{
    const cJSON *item = object ? object->child : NULL;

    while (item && !is_named(item, key))
        item = item->next;
    return item && !cJSON_IsNull(item) ? item : NULL;
}

int json_integer_of(const cJSON *item, uint64_t low, uint64_t high,
                    uint64_t *value)
{
    double number = cJSON_IsNumber(item) ? item->valuedouble : -1;
    uint64_t whole;

    if (!(number >= (double)low && number <= (double)high))
        return -1;
    whole = (uint64_t)number;
    if ((double)whole != number)
        return -1;
    *value = whole;
    return 0;
}

int json_get_integer(const cJSON *object, const char *key, uint64_t *value)
{
    return json_integer_of(json_member(object, key), 0, PROTOCOL_INTEGER_MAX,
                           value);
}

int json_get_string(const cJSON *object, const char *key, const char **value)
{
    const cJSON *item = json_member(object, key);

    if (!item || !cJSON_IsString(item))
        return -1;
    *value = item->valuestring;
    return 0;
}

int json_get_bool(const cJSON *object, const char *key, bool *value)
{
    const cJSON *item = json_member(object, key);

    if (!item || !cJSON_IsBool(item))
        return -1;
    *value = cJSON_IsTrue(item);
    return 0;
}

/* `0x` and 1 to 16 hexadecimal digits. */
static int handle_value(const char *text, uint64_t *value)
{
    size_t digits = strspn(text + 2, "0123456789abcdefABCDEF");

    if (digits < 1 || digits > 16 || text[2 + digits] != '\0')
        return -1;
    *value = strtoull(text, NULL, 16);
    return 0;
}

int json_get_handle(const cJSON *object, const char *key,
                    struct message_handle *handle)
{
    struct message_handle found = {.form = MESSAGE_HANDLE_INDEX};
    const char *text;

    if (json_get_string(object, key, &text) == 0) {
        found.form = MESSAGE_HANDLE_VALUE;
        if (strncmp(text, "0x", 2) != 0 ||
            handle_value(text, &found.number) < 0)
            return -1;
    } else if (json_get_integer(object, key, &found.number) < 0) {
        return -1;
    }
    *handle = found;
    return 0;
}

int json_get_pages(const cJSON *object, enum protocol_pages *pages)
{
    const char *name;

    *pages = PROTOCOL_PAGES_DEFAULT;
    if (!json_member(object, "pages"))
        return 0;
    return json_get_string(object, "pages", &name) < 0
               ? -1
               : message_pages_parse(name, pages);
}

int json_get_node(const cJSON *object, unsigned *numa)
{
    const cJSON *item = json_member(object, "numa");
    uint64_t node;

    *numa = 0;
    if (!item)
        return 0;
    if (json_integer_of(item, 0, PROTOCOL_NODE_MAX, &node) < 0)
        return -1;
    *numa = (unsigned)node + 1;
    return 0;
}
