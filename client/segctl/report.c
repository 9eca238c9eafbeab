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
    const char *word;
    int code;
    int status;
} codes[] = {
    {"bad-request", SEGB_E_BAD_REQUEST, STATUS_FAILED},
    {"unsupported-version", SEGB_E_UNSUPPORTED_VERSION, STATUS_FAILED},
    {"unknown-op", SEGB_E_UNKNOWN_OP, STATUS_FAILED},
    {"invalid-argument", SEGB_E_INVALID_ARGUMENT, STATUS_USAGE},
    {"invalid-name", SEGB_E_INVALID_NAME, STATUS_USAGE},
    {"not-found", SEGB_E_NOT_FOUND, STATUS_NOT_FOUND},
    {"exists", SEGB_E_EXISTS, STATUS_REFUSED},
    {"access-denied", SEGB_E_ACCESS_DENIED, STATUS_REFUSED},
    {"quota-exceeded", SEGB_E_QUOTA_EXCEEDED, STATUS_REFUSED},
    {"no-memory", SEGB_E_NO_MEMORY, STATUS_REFUSED},
    {"file-empty", SEGB_E_FILE_EMPTY, STATUS_REFUSED},
    {"file-too-small", SEGB_E_FILE_TOO_SMALL, STATUS_REFUSED},
    {"file-full", SEGB_E_FILE_FULL, STATUS_REFUSED},
    {"timeout", SEGB_E_TIMEOUT, STATUS_NO_BROKER},
    {"too-many-handles", SEGB_E_TOO_MANY_HANDLES, STATUS_REFUSED},
    {"rate-limited", SEGB_E_RATE_LIMITED, STATUS_REFUSED},
    {"not-supported", SEGB_E_NOT_SUPPORTED, STATUS_REFUSED},
    {"busy", SEGB_E_BUSY, STATUS_REFUSED},
    {"shutting-down", SEGB_E_SHUTTING_DOWN, STATUS_NO_BROKER},
    {"internal", SEGB_E_INTERNAL, STATUS_FAILED},
    {"no-broker", SEGB_E_NO_BROKER, STATUS_NO_BROKER},
    {"gone", SEGB_E_GONE, STATUS_NO_BROKER},
    {"system", SEGB_E_SYSTEM, STATUS_FAILED},
    {"protocol", SEGB_E_PROTOCOL, STATUS_FAILED},
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
    /* On Windows a file's stream has a buffer, stderr's too. */
    fflush(stderr);
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
