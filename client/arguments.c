#include "arguments.h"

#include "error.h"
#include "internal.h"

#include "utf8.h"

#include <string.h>

int arguments_given(const char *what, const void *pointer)
{
    if (pointer)
        return 0;
    return error_set(SEGB_E_INVALID_ARGUMENT, "%s is NULL", what);
}

int arguments_options(void *into, size_t size, const void *options)
{
    const unsigned char *bytes = options;
    size_t given;

    memset(into, 0, size);
    if (!options)
        return 0;
    memcpy(&given, options, sizeof(given));
    if (given < sizeof(given))
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "struct_size: expected sizeof the options, not %zu",
                         given);
    for (size_t at = size; at < given; at++)
        if (bytes[at] != 0)
            return error_set(SEGB_E_INVALID_ARGUMENT,
                             "options: byte %zu is set, which this version of "
                             "the library does not know (struct_size %zu, it "
                             "knows %zu)",
                             at, given, size);
    memcpy(into, options, given < size ? given : size);
    return 0;
}

int arguments_name(const char *name, bool optional)
{
    const char *problem;

    if (!name)
        return optional ? 0 : arguments_given("name", name);
    problem = message_name_problem(name, strlen(name));
    return problem ? error_note(SEGB_E_INVALID_NAME, problem) : 0;
}

int arguments_target(const char *name, uint64_t id,
                     struct message_target *target)
{
    target->name = name;
    target->segment = id;
    if (name)
        return arguments_name(name, false);
    if (id == 0 || id > PROTOCOL_INTEGER_MAX)
        return error_note(SEGB_E_INVALID_ARGUMENT,
                          "expected a name or the id of a segment");
    return 0;
}

int arguments_text(const char *what, const char *text, size_t most)
{
    size_t size = text ? strlen(text) : 0;

    if (size > most)
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "%s: expected at most %zu bytes, not %zu", what, most,
                         size);
    if (!utf8_valid(text ? text : "", size))
        return error_set(SEGB_E_INVALID_ARGUMENT, "%s: it is not UTF-8", what);
    return 0;
}

int arguments_access(int access, int otherwise, int *checked,
                     enum protocol_access *wire)
{
    *checked = access ? access : otherwise;
    switch (*checked) {
    case SEGB_RO:
        *wire = PROTOCOL_RO;
        return 0;
    case SEGB_RW:
        *wire = PROTOCOL_RW;
        return 0;
    case SEGB_COW:
        *wire = PROTOCOL_COW;
        return 0;
    default:
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "access: expected SEGB_RO, SEGB_RW or SEGB_COW, not "
                         "%d",
                         access);
    }
}

int arguments_principals(const char *what, const char *const *principals,
                         size_t count, const char **list, unsigned *list_count)
{
    int r;

    if (count > PROTOCOL_SHARE_MAX)
        return error_set(SEGB_E_INVALID_ARGUMENT,
                         "%s: expected at most %d principals, not %zu", what,
                         PROTOCOL_SHARE_MAX, count);
    for (size_t i = 0; i < count; i++) {
        if (!principals || !principals[i])
            return error_set(SEGB_E_INVALID_ARGUMENT,
                             "%s: principal %zu is NULL", what, i);
        r = arguments_text(what, principals[i], PROTOCOL_PRINCIPAL_MAX);
        if (r < 0)
            return r;
        list[i] = principals[i];
    }
    *list_count = (unsigned)count;
    return 0;
}

int arguments_ticket(const char *ticket)
{
    int r = arguments_given("ticket", ticket);

    if (r == 0 && (strlen(ticket) > PROTOCOL_TICKET_MAX ||
                   ticket[strspn(ticket, "0123456789abcdef-")] != '\0'))
        r = error_note(SEGB_E_INVALID_ARGUMENT, "ticket: this is none");
    return r;
}
