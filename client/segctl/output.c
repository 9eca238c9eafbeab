#include "output.h"

#include "terminal.h"

#include <errno.h>
#include <string.h>

static int first_error;

static void write_all(const char *bytes, size_t size)
{
    while (size > 0 && first_error == 0) {
        ptrdiff_t written = terminal_write(bytes, size);

        if (written < 0) {
            first_error = errno;
            return;
        }
        bytes += written;
        size -= (size_t)written;
    }
}

void output_text(struct text *text)
{
    write_all(text->bytes, text->size);
    text_deinit(text);
}

void output_string(const char *string)
{
    write_all(string, strlen(string));
}

int output_error(void)
{
    return first_error;
}

int output_finish(void)
{
    if (terminal_close_stdout() != 0 && first_error == 0)
        first_error = errno;
    return first_error;
}
