#include "listing.h"

#include "report.h"
#include "terminal.h"

void listing_begin(struct listing *listing, const struct listing_kind *kind,
                   const struct arguments *arguments)
{
    *listing = (struct listing){.arguments = arguments, .kind = kind};
    table_init(&listing->table, kind->columns, kind->column_count);
    if (kind->pairs)
        json_object_begin(&listing->json, NULL);
    else
        json_array_begin(&listing->json, NULL);
}

static void print(struct listing *listing)
{
    const struct listing_kind *kind = listing->kind;

    if (listing->arguments->json) {
        if (kind->pairs)
            json_object_end(&listing->json);
        else
            json_array_end(&listing->json);
        json_print(&listing->json);
    } else if (table_rows(&listing->table) > 0) {
        table_print(&listing->table, kind->pairs, terminal_width());
    } else {
        report_note(listing->arguments, "no %s", kind->what);
    }
}

int listing_end(struct listing *listing, int r)
{
    int status = STATUS_DONE;

    if (r == 0)
        print(listing);
    else
        status = report_code(listing->arguments, r);
    text_deinit(&listing->json.text);
    table_deinit(&listing->table);
    return status;
}
