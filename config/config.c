/*
 * Reading the INI files.
 *
 * inih does the syntax, line by line from our own reader, which knows what
 * inih does not tell: the line's number, a section's whole name (inih cuts it
 * at 49 bytes), a line too long for it (it gives the head as if it were all),
 * and a line that it could make nothing of.
 */
#include "config.h"

#include "build.h"
#include "files.h"
#include "utf8.h"

#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = INI_MAX_LINE + 1, SHOWN_BYTES = 60 };

/* One file while it is read. */
struct source {
    struct build *build;
    const char *label;
    const char *text;
    size_t size;
    size_t at;
    unsigned line;       /* of `raw`, from 1 */
    char raw[LINE_SIZE]; /* the line, without its newline */
    bool awaits_value;   /* inih must call back for this line */
    bool has_key;        /* so that an indented line continues it */
};

/* ---- problems ---- */

/* The line, as far as it can be shown. */
static void shorten(const char *line, char *shown, size_t size)
{
    size_t from = strspn(line, " \t"), count;

    snprintf(shown, size, "%.*s", SHOWN_BYTES, line + from);
    count = strlen(shown);
    while (count > 0 && strchr(" \t\r", shown[count - 1]))
        shown[--count] = '\0';
    while (count > 0 && !utf8_valid(shown, count))
        shown[--count] = '\0';
    for (size_t i = 0; i < count; i++)
        if ((unsigned char)shown[i] < 0x20 || shown[i] == 0x7f)
            shown[i] = '?';
}

static void complain(struct source *source, const char *what)
{
    char place[80], shown[SHOWN_BYTES + 1];
    const char *parts[] = {source->label, place, shown, ": ", what};

    snprintf(place, sizeof(place), ":%u: ", source->line);
    shorten(source->raw, shown, sizeof(shown));
    build_complain(source->build, parts, sizeof(parts) / sizeof(parts[0]));
}

/* ---- lines ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void read_section(struct source *source, const char *start)
{
    const char *end = strchr(start, ']');
    const char *what;
    char name[LINE_SIZE];

    source->has_key = false;
    if (!end) {
        build_no_section(source->build);
        complain(source, "expected ] at the section's end");
        return;
    }
    snprintf(name, sizeof(name), "%.*s", (int)(end - start - 1), start + 1);
    for (end++; is_space(*end);)
        end++;
    what = *end == '\0' || *end == ';' || *end == '#'
               ? build_section(source->build, name)
               : "expected nothing behind ]";
    if (what)
        complain(source, what);
}

/* What kind of line it is, before inih sees it. */
static void look_at_line(struct source *source)
{
    const char *start = source->raw;

    if (source->line == 1 && strncmp(start, "\xEF\xBB\xBF", 3) == 0)
        start += 3;
    while (is_space(*start))
        start++;
    source->awaits_value = false;
    if (*start == '\0' || *start == ';' || *start == '#')
        return;
    if (*start == '[' && !(source->has_key && start > source->raw))
        read_section(source, start);
    else
        source->awaits_value = true;
}

static void end_line(struct source *source)
{
    if (source->awaits_value)
        complain(source, "expected KEY = VALUE");
    source->awaits_value = false;
}

/* Takes the next line out of the text. NULL, or why inih must not see it. */
static const char *take_line(struct source *source)
{
    const char *from = source->text + source->at;
    const char *end = memchr(from, '\n', source->size - source->at);
    size_t size = end ? (size_t)(end - from) : source->size - source->at;
    size_t shown = size < LINE_SIZE - 1 ? size : LINE_SIZE - 1;

    source->at += size + (end ? 1 : 0);
    source->line++;
    memcpy(source->raw, from, shown);
    source->raw[shown] = '\0';
    if (memchr(from, '\0', size))
        return "expected text, not NUL bytes";
    if (size > INI_MAX_LINE - 3)
        return "expected at most 197 bytes in a line";
    if (!utf8_valid(from, size))
        return "expected valid UTF-8";
    return NULL;
}

/* inih's reader: fgets from memory. */
static char *give_line(char *line, int size, void *stream)
{
    struct source *source = stream;
    const char *what;

    end_line(source);
    if (source->at >= source->size)
        return NULL;
    what = take_line(source);
    if (what) {
        complain(source, what);
        snprintf(line, (size_t)size, "\n");
        return line;
    }
    look_at_line(source);
    snprintf(line, (size_t)size, "%s\n", source->raw);
    return line;
}

/* inih's handler: one key and its value. */
static int take_value(void *user, const char *section, const char *key,
                      const char *value)
{
    struct source *source = user;
    struct build_value given = {.key = key,
                                .text = value,
                                .line = source->line,
                                .continues = source->has_key &&
                                             is_space(source->raw[0])};
    const char *what;

    (void)section;
    source->awaits_value = false;
    source->has_key = true;
    what = build_value(source->build, &given);
    if (what)
        complain(source, what);
    return 1;
}

/* ---- files ---- */

static void read_text(struct build *build, const char *text, size_t size,
                      const char *label)
{
    struct source source = {
        .build = build, .label = label, .text = text, .size = size};

    build_begin_file(build);
    /* The stream is the reader's, the user the handler's. */
    ini_parse_stream(give_line, &source, take_value, &source);
    end_line(&source);
}

static void complain_file(struct build *build, const char *path,
                          const char *why)
{
    const char *parts[] = {path, ": cannot be read: ", why};

    build_complain(build, parts, sizeof(parts) / sizeof(parts[0]));
}

static void read_file(struct build *build, const char *path)
{
    const char *why;
    size_t size;
    char *text;
    int r = files_read(path, &text, &size, &why);

    if (r == 1)
        complain_file(build, path, why);
    if (r < 0)
        build_out_of_memory(build);
    if (r != 0)
        return;
    read_text(build, text, size, path);
    free(text);
}

static void read_drop_ins(struct build *build, const char *path)
{
    const char *why;
    size_t count = 0;
    char **list;
    int r = files_drop_ins(path, &list, &count, &why);

    if (r == 1)
        complain_file(build, "conf.d", why);
    if (r < 0)
        build_out_of_memory(build);
    if (r != 0)
        return;
    for (size_t i = 0; i < count; i++)
        read_file(build, list[i]);
    files_list_free(list, count);
}

int config_load(const char *path, const struct config_host *host,
                struct config **config, struct config_problems *problems)
{
    struct build *build = build_new(host);

    *problems = (struct config_problems){0};
    if (!build)
        return CONFIG_E_NOMEM;
    if (path) {
        read_file(build, path);
        read_drop_ins(build, path);
    }
    return build_finish(build, config, problems);
}

int config_load_text(const char *text, size_t size, const char *label,
                     const struct config_host *host, struct config **config,
                     struct config_problems *problems)
{
    struct build *build = build_new(host);

    *problems = (struct config_problems){0};
    if (!build)
        return CONFIG_E_NOMEM;
    read_text(build, text, size, label);
    return build_finish(build, config, problems);
}
