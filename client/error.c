#include "error.h"

#include "segbroker.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char detail[512];

int error_set(int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(detail, sizeof(detail), format, arguments);
    va_end(arguments);
    return code;
}

const char *segb_last_detail(void)
{
    return detail;
}

static const char *const BROKER_ERRORS[] = {
    "no error",
    "the broker does not take this for a request",
    "the broker speaks another version of the protocol",
    "the broker does not know this operation",
    "an argument is not valid",
    "the name is not valid",
    "there is no such segment",
    "the name is taken",
    "access denied",
    "a quota is used up",
    "the host has not enough memory",
    "the file is empty",
    "the file is too small",
    "the file cannot grow",
    "the broker did not answer in time",
    "too many handles are open",
    "too many requests a second",
    "not supported here",
    "the broker is busy with other requests of this client",
    "the broker is shutting down",
    "the broker failed"};

const char *segb_strerror(int code)
{
    int count = (int)(sizeof(BROKER_ERRORS) / sizeof(BROKER_ERRORS[0]));

    if (code <= 0 && code > -count)
        return BROKER_ERRORS[-code];
    switch (code) {
    case SEGB_E_NO_BROKER:
        return "no broker serves there";
    case SEGB_E_GONE:
        return "the connection to the broker has ended";
    case SEGB_E_SYSTEM:
        return "a system call failed";
    case SEGB_E_PROTOCOL:
        return "the broker's answer makes no sense";
    default:
        return "unknown error";
    }
}
