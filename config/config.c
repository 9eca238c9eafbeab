/*
 * Reading the INI files.
 *
 * inih takes keys and values apart, line by line from our own reader, which
 * knows what inih does not tell: the line's number, a section's whole name
 * (inih cuts it at 49 bytes), a line too long for it (it takes the head for
 * all), and a line that it could make nothing of.
 */
#include "config.h"

#include "build.h"
#include "files.h"
#include "problems.h"
#include "utf8.h"

#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* The newline and the NUL have their place in inih's buffer too. */
    LINE_MAX_SIZE = INI_MAX_LINE - 2,
    /* `access ` and the longest name, `*` included; a user's name. */
    SECTION_MAX_SIZE = 264,
    SHOWN_SIZE = 60
};

/* What inih is given for each section: its own memory of the section before
 * must end, and its name is not needed. */
static const char SOME_SECTION[] = "[.]";
/* For a bad line: what is indented below it must not look like a new key. */
static const char SOME_KEY[] = ".=";

static const char NO_TEXT[] = "expected UTF-8 without control characters";
static const char NO_VALUE[] = "expected \"key = value\"";

struct load {
    struct build *build;
    struct problems problems;
    bool out_of_memory;
};

/* One file while it is read. */
struct source {
    struct load *load;
    const char *label;
    const char *next; /* what is still to read */
    size_t left;
    const char *line; /* without its end, LF or CR LF */
    size_t size;
    unsigned number;   /* of the line, from 1 */
    bool has_key;      /* as inih sees it: an indented line continues it */
    bool awaits_value; /* inih must call back for this line */
};

/* ---- problems ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The line without the white space around it, cut when it is long. */
static void shorten(const char *line, size_t size, char *shown)
{
    static const char dots[] = "...";
    size_t shown_size;
    bool whole;

    for (; size > 0 && is_blank(*line); size--)
        line++;
    while (size > 0 && is_blank(line[size - 1]))
        size--;
    shown_size = utf8_cut(line, size, SHOWN_SIZE);
    whole = shown_size == size;
    for (size_t i = 0; i < shown_size; i++) {
        shown[i] = is_blank(line[i]) ? ' ' : line[i];
        if (line[i] == '\0')
            shown[i] = '?';
    }
    memcpy(shown + shown_size, whole ? "" : dots, whole ? 1 : sizeof(dots));
}

static void complain(struct source *source, const char *what)
{
    char number[32], shown[SHOWN_SIZE + sizeof("...")];
    const char *parts[] = {source->label, number, shown, ": ", what};

    snprintf(number, sizeof(number), ":%u: ", source->number);
    shorten(source->line, source->size, shown);
    problems_add(&source->load->problems, parts,
                 sizeof(parts) / sizeof(parts[0]));
}

/* ---- lines ---- */

/* Takes the next line out of the text. */
static void take_line(struct source *source)
{
    const char *end = memchr(source->next, '\n', source->left);
    size_t size = end ? (size_t)(end - source->next) : source->left;
    size_t taken = size + (end ? 1 : 0);

    source->line = source->next;
    source->size = size;
    source->number++;
    source->next += taken;
    source->left -= taken;
    if (source->size > 0 && source->line[source->size - 1] == '\r')
        source->size--;
}

/* Of the controls only tabs: inih takes others for white space, and a lone CR
 * would hide what is behind it. */
static bool is_text(const char *line, size_t size)
{
    const char *tab;
    size_t part;

    if (!utf8_valid(line, size))
        return false;
    for (; size > 0; line += part, size -= part) {
        tab = memchr(line, '\t', size);
        part = tab ? (size_t)(tab - line) : size;
        if (utf8_has_control(line, part))
            return false;
        part += tab ? 1 : 0;
    }
    return true;
}

static bool is_comment(char c)
{
    return c == ';' || c == '#';
}

/* Reads `[NAME]`, with nothing but a comment behind it. */
static const char *read_section(struct source *source, const char *start)
{
    const char *end = source->line + source->size;
    const char *close = memchr(start, ']', (size_t)(end - start));
    char name[SECTION_MAX_SIZE + 1];
    size_t size;

    if (!close)
        return "expected \"]\" at the section's end";
    size = (size_t)(close - start - 1);
    if (size > SECTION_MAX_SIZE)
        return "expected at most 264 bytes between \"[\" and \"]\"";
    memcpy(name, start + 1, size);
    name[size] = '\0';
    for (close++; close < end && is_blank(*close);)
        close++;
    if (close < end && !is_comment(*close))
        return "expected nothing behind \"]\"";
    return build_section(source->load->build, name, source->number);
}

static const char *give_section(struct source *source, const char *start)
{
    const char *what = is_text(source->line, source->size)
                           ? read_section(source, start)
                           : NO_TEXT;

    source->has_key = false;
    if (what) {
        build_bad_section(source->load->build);
        complain(source, what);
    }
    return SOME_SECTION;
}

/* inih does not take a comment off a line that continues another. */
static void cut_comment(struct source *source)
{
    for (size_t i = 1; i < source->size; i++)
        if (source->line[i] == ';' && is_blank(source->line[i - 1]))
            source->size = i;
}

/* What is wrong with a line for a key and its value, or with a continuing one,
 * before inih sees it. */
static const char *value_problem(const struct source *source, bool continues)
{
    const char *separator = source->line;
    size_t left = source->size;

    if (!is_text(source->line, source->size))
        return NO_TEXT;
    if (source->size > LINE_MAX_SIZE)
        return "expected at most 198 bytes in a line: a list may go on in an "
               "indented line";
    for (; left > 0 && *separator != '=' && *separator != ':'; left--)
        separator++;
    /* inih takes a colon too; one way to write it is enough. */
    if (!continues && (left == 0 || *separator == ':'))
        return NO_VALUE;
    return NULL;
}

/* The line as inih is to see it: NULL for as it is. */
static const char *look_at_line(struct source *source)
{
    const char *start = source->line, *end = start + source->size;
    const char *what;
    bool continues;

    while (start < end && is_blank(*start))
        start++;
    continues = source->has_key && start > source->line;
    if (start < end && *start == '[' && !continues)
        return give_section(source, start);
    if (start == end || is_comment(*start)) {
        if (!is_text(source->line, source->size))
            complain(source, NO_TEXT);
        return "";
    }
    if (continues)
        cut_comment(source);
    what = value_problem(source, continues);
    source->awaits_value = !what;
    if (!what)
        return NULL;
    source->has_key = true;
    build_bad_value(source->load->build);
    complain(source, what);
    return SOME_KEY;
}

static void end_line(struct source *source)
{
    if (source->awaits_value) {
        build_bad_value(source->load->build);
        complain(source, NO_VALUE);
    }
    source->awaits_value = false;
}

/* inih's reader: its fgets. */
static char *give_line(char *buffer, int size, void *stream)
{
    struct source *source = stream;
    const char *instead;

    end_line(source);
    if (source->left == 0)
        return NULL;
    take_line(source);
    instead = look_at_line(source);
    if (instead)
        snprintf(buffer, (size_t)size, "%s\n", instead);
    else
        snprintf(buffer, (size_t)size, "%.*s\n", (int)source->size,
                 source->line);
    return buffer;
}

/* inih's handler: a key and its value, or the last key and more of it. */
static int take_value(void *user, const char *section, const char *key,
                      const char *value)
{
    struct source *source = user;
    struct build *build = source->load->build;
    const char *what;

    (void)section;
    if (!source->awaits_value)
        return 1;
    source->awaits_value = false;
    if (source->has_key && is_blank(source->line[0]))
        what = build_more(build, value);
    else
        what = build_value(build, key, value, source->number);
    source->has_key = *key != '\0';
    if (what)
        complain(source, what);
    return 1;
}

/* ---- files ---- */

static void read_text(struct load *load, const char *text, size_t size,
                      const char *label)
{
    static const char mark[] = "\xEF\xBB\xBF"; /* editors may put it there */
    struct source source = {
        .load = load, .label = label, .next = text, .left = size};

    if (size >= strlen(mark) && memcmp(text, mark, strlen(mark)) == 0) {
        source.next += strlen(mark);
        source.left -= strlen(mark);
    }
    build_begin_file(load->build);
    /* One pointer for the reader, one for the handler. */
    ini_parse_stream(give_line, &source, take_value, &source);
    end_line(&source);
}

static void complain_file(struct load *load, const char *path,
                          const char *which, const char *why)
{
    const char *parts[] = {path, ": ", which, "cannot be read: ", why};

    problems_add(&load->problems, parts, sizeof(parts) / sizeof(parts[0]));
}

static void read_file(struct load *load, const char *path)
{
    const char *why;
    size_t size;
    char *text;
    int r = files_read(path, &text, &size, &why);

    if (r < 0) {
        load->out_of_memory = true;
    } else if (r > 0) {
        complain_file(load, path, "", why);
    } else {
        read_text(load, text, size, path);
        free(text);
    }
}

static void read_drop_ins(struct load *load, const char *path)
{
    const char *why;
    size_t count;
    char **list;
    int r = files_drop_ins(path, &list, &count, &why);

    if (r < 0) {
        load->out_of_memory = true;
    } else if (r > 0) {
        complain_file(load, path, "the conf.d beside it ", why);
    } else {
        for (size_t i = 0; i < count; i++)
            read_file(load, list[i]);
        files_list_free(list, count);
    }
}

/* All or nothing. */
static int finish(struct load *load, struct config **config,
                  struct config_problems *problems)
{
    int r = load->problems.count > 0 ? CONFIG_INVALID : 0;

    if (load->out_of_memory || load->problems.out_of_memory ||
        build_failed(load->build))
        r = CONFIG_E_NOMEM;
    problems_take(&load->problems, problems);
    if (r == 0)
        *config = build_finish(load->build);
    else
        build_free(load->build);
    return r;
}

int config_load(const char *path, const struct config_host *host,
                struct config **config, struct config_problems *problems)
{
    struct load load = {.build = build_new(host)};

    *problems = (struct config_problems){0};
    if (!load.build)
        return CONFIG_E_NOMEM;
    if (path) {
        read_file(&load, path);
        read_drop_ins(&load, path);
    }
    return finish(&load, config, problems);
}

int config_load_text(const char *text, size_t size, const char *label,
                     const struct config_host *host, struct config **config,
                     struct config_problems *problems)
{
    struct load load = {.build = build_new(host)};

    *problems = (struct config_problems){0};
    if (!load.build)
        return CONFIG_E_NOMEM;
    read_text(&load, text, size, label);
    return finish(&load, config, problems);
}
