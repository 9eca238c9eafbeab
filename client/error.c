#include "error.h"

#include "internal.h"

#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char detail[512];

/* Where the sentence was cut, that may have been within a character. */
static void trim(void)
{
    size_t size = strlen(detail);

    if (size + 1 < sizeof(detail))
        return;
    for (int i = 0; i < 3 && !utf8_valid(detail, size); i++)
        detail[--size] = '\0';
}

int error_set(int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(detail, sizeof(detail), format, arguments);
    va_end(arguments);
    trim();
    return code;
}

int error_note(int code, const char *text)
{
    if (text != detail)
        snprintf(detail, sizeof(detail), "%s", text ? text : "");
    trim();
    return code;
}

const char *segb_last_detail(void)
{
    return detail;
}

const char *segb_strerror(int code)
{
    static const struct {
        int code;
        const char *text;
    } sentences[] = {
        {0, "success"},
        {SEGB_E_BAD_REQUEST, "the broker could not read the request"},
        {SEGB_E_UNSUPPORTED_VERSION,
         "the broker speaks another version of the protocol"},
        {SEGB_E_UNKNOWN_OP, "the broker does not know this operation"},
        {SEGB_E_INVALID_ARGUMENT, "an argument is not valid"},
        {SEGB_E_INVALID_NAME, "this cannot be a segment's name"},
        {SEGB_E_NOT_FOUND, "there is no such segment"},
        {SEGB_E_EXISTS, "a segment of this name exists already"},
        {SEGB_E_ACCESS_DENIED, "access is denied"},
        {SEGB_E_QUOTA_EXCEEDED, "a quota would be exceeded"},
        {SEGB_E_NO_MEMORY, "the host has not enough memory"},
        {SEGB_E_FILE_EMPTY, "the file is empty"},
        {SEGB_E_FILE_TOO_SMALL, "the file is too small"},
        {SEGB_E_FILE_FULL, "there is no room for the file to grow"},
        {SEGB_E_TIMEOUT, "the broker did not answer in time"},
        {SEGB_E_TOO_MANY_HANDLES, "too many handles are open"},
        {SEGB_E_RATE_LIMITED, "too many requests in too short a time"},
        {SEGB_E_NOT_SUPPORTED, "this is not supported here"},
        {SEGB_E_BUSY, "it is in use"},
        {SEGB_E_SHUTTING_DOWN, "the broker is about to end"},
        {SEGB_E_INTERNAL, "the broker failed"},
        {SEGB_E_NO_BROKER, "no broker serves there"},
        {SEGB_E_GONE, "the connection to the broker has ended"},
        {SEGB_E_SYSTEM, "a system call failed"},
        {SEGB_E_PROTOCOL, "the broker's answer makes no sense"},
    };

    for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
        if (sentences[i].code == code)
            return sentences[i].text;
    return "unknown error";
}
