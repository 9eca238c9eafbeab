/*
 * Any bytes, taken for a record between keeper and broker: a broker that was
 * broken into must not take its keeper along. What is understood must come
 * back the same when it is written and read again.
 */
#include "record.h"

#include <stdlib.h>
#include <string.h>

static void require(bool condition)
{
    if (!condition)
        __builtin_trap();
}

static void write_record(struct buffer *line, const struct record *record)
{
    buffer_init(line, 4 * PROTOCOL_LINE_MAX);
    require(record_write(line, record) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record record = {0}, again = {0};
    struct buffer first, second;

    if (record_decode((const char *)data, size, &record) != 0)
        return 0;
    require(record.handles <= RECORD_HANDLES_MAX);
    write_record(&first, &record);
    require(record_decode(first.data, first.size - 1, &again) == 0);
    require(again.kind == record.kind && again.handles == record.handles);
    write_record(&second, &again);
    require(second.size == first.size);
    require(memcmp(second.data, first.data, first.size) == 0);
    buffer_deinit(&first);
    buffer_deinit(&second);
    record_deinit(&record);
    record_deinit(&again);
    return 0;
}
