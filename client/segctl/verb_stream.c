/*
 * put and cat: stdin into a segment, a segment to stdout.
 */
#include "hold.h"
#include "progress.h"
#include "report.h"
#include "terminal.h"
#include "text.h"
#include "verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 20 };

struct source {
    size_t size;     /* of the segment */
    char *collected; /* all of stdin, or NULL: it is read into the segment */
};

static int report_stdin(const struct arguments *arguments, ptrdiff_t r)
{
    if (r == TERMINAL_E_INTERRUPTED)
        return report_failure(arguments, "interrupted");
    return report_failure(arguments, "stdin: %s", strerror(errno));
}

/* ---- put ---- */

/* Reads stdin to its end, since its size must be known first. */
static int collect(const struct arguments *arguments, struct source *source)
{
    struct progress progress;
    size_t capacity = CHUNK;
    ptrdiff_t got;

    source->collected = text_grow(NULL, capacity);
    progress_init(&progress, arguments, 0);
    while ((got = terminal_read(source->collected + source->size,
                                capacity - source->size)) > 0) {
        source->size += (size_t)got;
        progress_update(&progress, source->size);
        if (source->size == capacity) {
            capacity *= 2;
            source->collected = text_grow(source->collected, capacity);
        }
    }
    progress_deinit(&progress);
    return got < 0 ? report_stdin(arguments, got) : STATUS_DONE;
}

static int find_size(const struct arguments *arguments, struct source *source)
{
    uint64_t size = terminal_stdin_size();
    int status = STATUS_DONE;

    *source = (struct source){0};
    if (arguments->has_size)
        source->size = arguments->size;
    else if (size > 0 && size <= SIZE_MAX)
        source->size = (size_t)size;
    else
        status = collect(arguments, source);
    if (status == STATUS_DONE && source->size == 0)
        return report_failure(arguments,
                              "stdin is empty: a segment has at least one "
                              "byte");
    return status;
}

/* What stdin gave is not what the size said. */
static int check_end(const struct arguments *arguments, size_t done,
                     size_t size)
{
    char more;
    ptrdiff_t got;

    if (!arguments->has_size)
        return done == size
                   ? STATUS_DONE
                   : report_failure(arguments,
                                    "stdin ended after %zu of %zu bytes", done,
                                    size);
    if (done < size)
        return STATUS_DONE; /* the rest stays zero, as the help says */
    got = terminal_read(&more, 1);
    if (got < 0)
        return report_stdin(arguments, got);
    return got == 0 ? STATUS_DONE
                    : report_failure(arguments,
                                     "stdin has more than the %zu bytes of "
                                     "--size",
                                     size);
}

static int stream_in(const struct arguments *arguments, char *memory,
                     size_t size)
{
    struct progress progress;
    size_t done = 0;
    ptrdiff_t got = 1;

    progress_init(&progress, arguments, size);
    while (done < size) {
        got = terminal_read(memory + done,
                            size - done < CHUNK ? size - done : CHUNK);
        if (got <= 0)
            break;
        done += (size_t)got;
        progress_update(&progress, done);
    }
    progress_deinit(&progress);
    if (got < 0)
        return report_stdin(arguments, got);
    return check_end(arguments, done, size);
}

static int fill(const struct arguments *arguments, const struct source *source,
                segb_segment *segment)
{
    void *memory;
    int status = STATUS_DONE;
    int r = segb_map(segment, 0, 0, SEGB_RW, &memory);

    if (r != 0)
        return report_code(arguments, r);
    if (source->collected)
        memcpy(memory, source->collected, source->size);
    else
        status = stream_in(arguments, memory, source->size);
    segb_unmap(memory);
    return status;
}

static int publish(segb_client *client, const struct arguments *arguments,
                   const segb_segment *segment)
{
    int r = segb_publish(client, NULL, segb_id(segment));

    return r == 0 ? STATUS_DONE : report_code(arguments, r);
}

static int put(segb_client *client, const struct arguments *arguments,
               struct source *source)
{
    struct hold_way way = {.fail_if_exists = true, .publish_later = true};
    segb_segment *segment;
    int status;

    if (hold_create(client, arguments, source->size, way, &segment, &status) !=
        0)
        return status;
    terminal_catch_interrupts();
    status = fill(arguments, source, segment);
    free(source->collected);
    source->collected = NULL;
    if (status == STATUS_DONE)
        status = publish(client, arguments, segment);
    if (status == STATUS_DONE)
        status = hold_announce(client, arguments, segment, arguments->persist);
    else if (arguments->persist)
        segb_remove(client, NULL, segb_id(segment));
    segb_close(segment);
    return status;
}

int verb_put(segb_client *client, const struct arguments *arguments)
{
    struct source source;
    int status = find_size(arguments, &source);

    if (status == STATUS_DONE)
        status = put(client, arguments, &source);
    free(source.collected);
    return status;
}

/* ---- cat ---- */

static int stream_out(const struct arguments *arguments, const char *memory,
                      size_t size)
{
    struct progress progress;
    size_t done = 0;
    int error = 0;

    progress_init(&progress, arguments, size);
    while (done < size) {
        size_t left = size - done;
        ptrdiff_t written =
            terminal_write(memory + done, left < CHUNK ? left : CHUNK);

        if (written < 0) {
            error = errno;
            break;
        }
        done += (size_t)written;
        progress_update(&progress, done);
    }
    progress_deinit(&progress);
    return error ? report_stdout(arguments, error) : STATUS_DONE;
}

int verb_cat(segb_client *client, const struct arguments *arguments)
{
    segb_segment *segment;
    void *memory;
    int status, r;

    if (hold_open(client, arguments, SEGB_RO, &segment, &status) != 0)
        return status;
    r = segb_map(segment, 0, 0, SEGB_RO, &memory);
    if (r == 0) {
        status = stream_out(arguments, memory, segb_size(segment));
        segb_unmap(memory);
    } else {
        status = report_code(arguments, r);
    }
    segb_close(segment);
    return status;
}
