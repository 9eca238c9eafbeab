#include "table.h"

#include "output.h"
#include "terminal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    GAP = 2,         /* blanks between two columns */
    SHRUNK_MIN = 12, /* columns are left out before any is cut below this */
    CUT_MIN = 2      /* one character and the mark */
};

struct layout {
    unsigned width[TABLE_COLUMNS_MAX]; /* 0: left out */
};

void table_init(struct table *table, const struct table_column *columns,
                unsigned column_count)
{
    *table = (struct table){.columns = columns, .column_count = column_count};
}

void table_deinit(struct table *table)
{
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct table){0};
}

void table_add(struct table *table, struct text *cell)
{
    if (table->cell_count == table->cell_capacity) {
        size_t capacity = table->cell_capacity ? 2 * table->cell_capacity : 64;

        table->cells =
            text_grow(table->cells, capacity * sizeof(table->cells[0]));
        table->cell_capacity = capacity;
    }
    if (cell->size == 0)
        text_adds(cell, "-");
    table->cells[table->cell_count++] = cell->bytes;
    *cell = (struct text){0};
}

void table_add_string(struct table *table, const char *string)
{
    struct text cell = {0};

    if (string)
        text_add_safe(&cell, string);
    table_add(table, &cell);
}

void table_add_number(struct table *table, uint64_t number)
{
    struct text cell = {0};

    text_addf(&cell, "%" PRIu64, number);
    table_add(table, &cell);
}

void table_add_size(struct table *table, uint64_t bytes)
{
    struct text cell = {0};

    text_add_size(&cell, bytes);
    table_add(table, &cell);
}

size_t table_rows(const struct table *table)
{
    return table->cell_count / table->column_count;
}

/* ---- widths ---- */

/* Terminal columns that a text takes. Cells hold valid characters only. */
static unsigned width_of(const char *string)
{
    unsigned width = 0;

    while (*string) {
        uint32_t point = 0;
        size_t length = text_character(string, &point);

        width += length > 0 ? terminal_character_width(point) : 1;
        string += length > 0 ? length : 1;
    }
    return width;
}

static void measure(const struct table *table, bool bare, struct layout *layout)
{
    for (unsigned c = 0; c < table->column_count; c++) {
        layout->width[c] = bare ? 1 : width_of(table->columns[c].title);
        for (size_t i = c; i < table->cell_count; i += table->column_count) {
            unsigned width = width_of(table->cells[i]);

            if (width > layout->width[c])
                layout->width[c] = width;
        }
    }
}

/* The width of a line when shrinking columns take at most `most` each. */
static unsigned total(const struct table *table, const struct layout *layout,
                      unsigned most)
{
    unsigned sum = 0;

    for (unsigned c = 0; c < table->column_count; c++) {
        unsigned width = layout->width[c];

        if (width == 0)
            continue;
        if (table->columns[c].shrinks && width > most)
            width = most;
        sum += width + (sum > 0 ? GAP : 0);
    }
    return sum;
}

/* Leaves the least important column out. False when none may go. */
static bool drop_one(const struct table *table, struct layout *layout)
{
    unsigned worst = table->column_count;

    for (unsigned c = 0; c < table->column_count; c++) {
        if (layout->width[c] == 0 || table->columns[c].drop == 0)
            continue;
        if (worst == table->column_count ||
            table->columns[c].drop > table->columns[worst].drop)
            worst = c;
    }
    if (worst == table->column_count)
        return false;
    layout->width[worst] = 0;
    return true;
}

/* Takes one character from the widest column that shrinks. */
static bool shrink_one(const struct table *table, struct layout *layout)
{
    unsigned widest = table->column_count;

    for (unsigned c = 0; c < table->column_count; c++) {
        if (!table->columns[c].shrinks || layout->width[c] <= CUT_MIN)
            continue;
        if (widest == table->column_count ||
            layout->width[c] > layout->width[widest])
            widest = c;
    }
    if (widest == table->column_count)
        return false;
    layout->width[widest]--;
    return true;
}

static void fit(const struct table *table, struct layout *layout,
                unsigned width)
{
    while (total(table, layout, SHRUNK_MIN) > width && drop_one(table, layout))
        continue;
    while (total(table, layout, UINT32_MAX) > width &&
           shrink_one(table, layout))
        continue;
}

/* ---- writing ---- */

static void add_blanks(struct text *line, unsigned count)
{
    while (count-- > 0)
        text_adds(line, " ");
}

/* Adds the head of `string` that takes at most `width` columns, with the mark
 * when something is missing. Returns the columns taken. */
static unsigned add_cut(struct text *line, const char *string, unsigned width)
{
    unsigned taken = 0;

    if (width_of(string) <= width) {
        text_adds(line, string);
        return width_of(string);
    }
    while (*string) {
        uint32_t point = 0;
        size_t length = text_character(string, &point);
        unsigned more = length > 0 ? terminal_character_width(point) : 1;

        if (taken + more + 1 > width)
            break;
        text_add(line, string, length > 0 ? length : 1);
        string += length > 0 ? length : 1;
        taken += more;
    }
    text_adds(line, "~");
    return taken + 1;
}

static void add_row(struct text *text, const struct table *table,
                    const struct layout *layout, char *const *cells)
{
    unsigned owed = 0; /* blanks due before the next column */

    for (unsigned c = 0; c < table->column_count; c++) {
        const char *cell = cells ? cells[c] : table->columns[c].title;
        unsigned width = layout->width[c];
        unsigned own = width_of(cell);
        bool right = table->columns[c].right;

        if (width == 0)
            continue;
        own = own < width ? own : width;
        add_blanks(text, owed + (right ? width - own : 0));
        own = add_cut(text, cell, width);
        owed = GAP + (right || own > width ? 0 : width - own);
    }
    text_adds(text, "\n");
}

void table_print(const struct table *table, bool bare, unsigned width)
{
    struct layout layout;
    struct text text = {0};

    measure(table, bare, &layout);
    if (width > 0)
        fit(table, &layout, width);
    if (!bare)
        add_row(&text, table, &layout, NULL);
    for (size_t row = 0; row < table_rows(table); row++)
        add_row(&text, table, &layout,
                table->cells + row * table->column_count);
    output_text(&text);
}
