#include "report.h"

#include "options.h"
#include "segbroker.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int code;
    const char *word;
    int status;
} codes[] = {
    {SEGB_E_BAD_REQUEST, "bad-request", STATUS_FAILED},
    {SEGB_E_UNSUPPORTED_VERSION, "unsupported-version", STATUS_FAILED},
    {SEGB_E_UNKNOWN_OP, "unknown-op", STATUS_FAILED},
    {SEGB_E_INVALID_ARGUMENT, "invalid-argument", STATUS_USAGE},
    {SEGB_E_INVALID_NAME, "invalid-name", STATUS_USAGE},
    {SEGB_E_NOT_FOUND, "not-found", STATUS_NOT_FOUND},
    {SEGB_E_EXISTS, "exists", STATUS_REFUSED},
    {SEGB_E_ACCESS_DENIED, "access-denied", STATUS_REFUSED},
    {SEGB_E_QUOTA_EXCEEDED, "quota-exceeded", STATUS_REFUSED},
    {SEGB_E_NO_MEMORY, "no-memory", STATUS_REFUSED},
    {SEGB_E_FILE_EMPTY, "file-empty", STATUS_REFUSED},
    {SEGB_E_FILE_TOO_SMALL, "file-too-small", STATUS_REFUSED},
    {SEGB_E_FILE_FULL, "file-full", STATUS_REFUSED},
    {SEGB_E_TIMEOUT, "timeout", STATUS_NO_BROKER},
    {SEGB_E_TOO_MANY_HANDLES, "too-many-handles", STATUS_REFUSED},
    {SEGB_E_RATE_LIMITED, "rate-limited", STATUS_REFUSED},
    {SEGB_E_NOT_SUPPORTED, "not-supported", STATUS_REFUSED},
    {SEGB_E_BUSY, "busy", STATUS_REFUSED},
    {SEGB_E_SHUTTING_DOWN, "shutting-down", STATUS_NO_BROKER},
    {SEGB_E_INTERNAL, "internal", STATUS_FAILED},
    {SEGB_E_NO_BROKER, "no-broker", STATUS_NO_BROKER},
    {SEGB_E_GONE, "gone", STATUS_NO_BROKER},
    {SEGB_E_SYSTEM, "system", STATUS_FAILED},
    {SEGB_E_PROTOCOL, "protocol", STATUS_FAILED},
};

/* The line's head: `segctl: create frames: `. */
static void add_subject(struct text *line, const struct arguments *arguments)
{
    text_adds(line, "segctl: ");
    if (!arguments->verb)
        return;
    text_adds(line, arguments->verb->name);
    if (arguments->has_id) {
        text_addf(line, " --id %" PRIu64, arguments->id);
    } else if (arguments->name) {
        text_adds(line, " ");
        text_add_safe(line, arguments->name);
    }
    text_adds(line, ": ");
}

static void print_line(struct text *line)
{
    text_adds(line, "\n");
    fwrite(line->bytes, 1, line->size, stderr);
    text_deinit(line);
}

int report_code(const struct arguments *arguments, int code)
{
    const char *detail = segb_last_detail();
    const char *word = "failed";
    int status = STATUS_FAILED;
    struct text line = {0};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].code == code) {
            word = codes[i].word;
            status = codes[i].status;
        }
    }
    add_subject(&line, arguments);
    text_addf(&line, "%s: ", word);
    text_add_safe(&line, detail && *detail ? detail : segb_strerror(code));
    print_line(&line);
    return status;
}

int report_failure(const struct arguments *arguments, const char *format, ...)
{
    char sentence[512];
    struct text line = {0};
    va_list list;

    va_start(list, format);
    vsnprintf(sentence, sizeof(sentence), format, list);
    va_end(list);
    add_subject(&line, arguments);
    text_add_safe(&line, sentence);
    print_line(&line);
    return STATUS_FAILED;
}

void report_note(const struct arguments *arguments, const char *format, ...)
{
    char sentence[512];
    struct text line = {0};
    va_list list;

    if (arguments->quiet)
        return;
    va_start(list, format);
    vsnprintf(sentence, sizeof(sentence), format, list);
    va_end(list);
    text_add_safe(&line, sentence);
    print_line(&line);
}

int report_stdout(const struct arguments *arguments, int error)
{
    if (error == EPIPE)
        return STATUS_FAILED;
    return report_failure(arguments, "stdout: %s", strerror(error));
}
