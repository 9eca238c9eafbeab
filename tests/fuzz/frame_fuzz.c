/*
 * Feeds a reader as the input says and compares it with a model that keeps
 * everything: the lines, and where each handle went.
 */
#include "frame.h"
#include "protocol.h"

#include <stdlib.h>
#include <string.h>

enum { STREAM_MAX = 4 * PROTOCOL_LINE_MAX, HANDLES_MAX = 4096, BATCH_MAX = 4 };

struct input {
    const uint8_t *data;
    size_t size;
};

struct model_batch {
    frame_handle first;
    unsigned count;
};

static struct {
    struct frame_reader reader;
    char stream[STREAM_MAX]; /* all bytes ever fed */
    size_t fed;
    size_t taken;
    struct model_batch batches[HANDLES_MAX];
    unsigned batch_count;
    unsigned opened; /* batches opened or dropped */
    bool any_open;
    frame_handle last;
    unsigned given_up[HANDLES_MAX]; /* claims and disposals of each handle */
} run;

static void require(bool condition)
{
    if (!condition)
        __builtin_trap();
}

static void dispose(frame_handle handle)
{
    require(handle > 0 && handle <= run.last);
    require(run.given_up[handle]++ == 0);
}

static unsigned take(struct input *input)
{
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->data++;
}

/* What must come next: an answer and, for FRAME_LINE, its size. */
static int expected_line(size_t *size)
{
    const char *from = run.stream + run.taken;
    size_t left = run.fed - run.taken;
    const char *end = left ? memchr(from, '\n', left) : NULL;

    *size = end ? (size_t)(end - from) : left;
    if (*size >= PROTOCOL_LINE_MAX)
        return FRAME_E_TOO_LONG;
    return end ? FRAME_LINE : FRAME_AGAIN;
}

static int next_line(void)
{
    const char *line;
    size_t size, expected_size;
    int expected = expected_line(&expected_size);
    int answer = frame_reader_next(&run.reader, &line, &size);

    require(answer == expected);
    if (answer != FRAME_LINE)
        return answer;
    require(size == expected_size);
    require(memcmp(line, run.stream + run.taken, size) == 0);
    run.taken += size + 1;
    return answer;
}

/* Lends bytes in a block of their own, asks for up to `asked` lines, keeps the
 * rest and asks for it all. False when the connection would end. */
static bool lend(const char *bytes, size_t size, unsigned asked)
{
    char *lent;
    int answer = FRAME_LINE;

    if (size > STREAM_MAX - run.fed)
        return false;
    lent = malloc(size + 1);
    require(lent != NULL);
    if (size > 0)
        memcpy(lent, bytes, size);
    memcpy(run.stream + run.fed, lent, size);
    run.fed += size;
    frame_reader_feed(&run.reader, lent, size);
    while (asked-- > 0 && answer == FRAME_LINE)
        answer = next_line();
    require(frame_reader_keep(&run.reader) == 0);
    free(lent);
    do
        answer = next_line();
    while (answer == FRAME_LINE);
    return answer == FRAME_AGAIN;
}

static bool lend_input(struct input *input)
{
    size_t size = take(input);
    unsigned asked = take(input) % 8;
    const char *bytes = (const char *)input->data;

    if (size > input->size)
        size = input->size;
    input->data += size;
    input->size -= size;
    return lend(bytes, size, asked);
}

/* Up to a whole buffer of one byte, with a newline somewhere or nowhere. */
static bool lend_filling(struct input *input)
{
    static char bytes[PROTOCOL_LINE_MAX];
    size_t size = PROTOCOL_LINE_MAX - take(input) * take(input);
    size_t newline = take(input) * 257 + take(input);

    memset(bytes, 'x', sizeof(bytes));
    if (newline < sizeof(bytes))
        bytes[newline] = '\n';
    return lend(bytes, size, take(input) % 4);
}

static void feed_handles(unsigned count, bool truncated)
{
    frame_handle handles[BATCH_MAX];
    bool fits = run.batch_count - run.opened < FRAME_BATCHES_MAX;
    int r;

    if (run.last + count >= HANDLES_MAX || run.batch_count == HANDLES_MAX)
        return;
    for (unsigned i = 0; i < count; i++)
        handles[i] = ++run.last;
    r = frame_reader_feed_handles(&run.reader, handles, count, truncated);
    if (count == 0 && !truncated) {
        require(r == 0);
        return;
    }
    require(r == (fits ? 0 : FRAME_E_TOO_MANY));
    if (r == 0)
        run.batches[run.batch_count++] =
            (struct model_batch){run.last - count + 1, count};
    else
        for (unsigned i = 0; i < count; i++)
            require(run.given_up[handles[i]] == 1);
}

static void claim(uint64_t index)
{
    const struct model_batch *batch;
    frame_handle expected = 0, handle = 0;
    int r;

    if (index == 0) {
        run.any_open = run.opened < run.batch_count;
        run.opened += run.any_open;
    }
    if (run.any_open) {
        batch = &run.batches[run.opened - 1];
        if (index < batch->count)
            expected = batch->first + (frame_handle)index;
    }
    if (expected && run.given_up[expected])
        expected = 0;
    r = frame_reader_claim(&run.reader, index, &handle);
    require(r == (expected ? 0 : FRAME_LOST));
    require(handle == expected);
    if (expected)
        run.given_up[expected]++;
}

static void drop_unclaimed(void)
{
    frame_reader_drop_unclaimed(&run.reader);
    if (run.taken < run.fed)
        return;
    for (frame_handle i = 1; i <= run.last; i++)
        require(run.given_up[i] == 1);
    run.opened = run.batch_count;
    run.any_open = false;
}

static bool step(struct input *input)
{
    unsigned command = take(input);

    switch (command % 8) {
    case 0:
        return lend_filling(input);
    case 1:
        feed_handles(command / 8 % (BATCH_MAX + 1), command & 0x80);
        return true;
    case 2:
    case 3:
        claim(command / 8 % (BATCH_MAX + 2));
        return true;
    case 4:
        drop_unclaimed();
        return true;
    default:
        return lend_input(input);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};

    run.fed = run.taken = 0;
    run.batch_count = run.opened = 0;
    run.any_open = false;
    run.last = 0;
    memset(run.given_up, 0, sizeof(run.given_up));
    frame_reader_init(&run.reader, dispose);
    while (input.size > 0 && step(&input))
        ;
    frame_reader_deinit(&run.reader);
    for (frame_handle i = 1; i <= run.last; i++)
        require(run.given_up[i] == 1);
    return 0;
}
