#include "options.h"

#include "help.h"
#include "output.h"
#include "report.h"
#include "text.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Values of options without a letter, behind all letters. */
enum {
    OPTION_SOCKET = 256,
    OPTION_VERSION,
    OPTION_JSON,
    OPTION_ID,
    OPTION_ACCESS,
    OPTION_SIZE,
    OPTION_RESERVE,
    OPTION_PERSIST,
    OPTION_SHARE_READ,
    OPTION_SHARE_WRITE,
    OPTION_IF_EXISTS,
    OPTION_ALL,
    OPTION_FD,
    OPTION_USES,
    OPTION_EXPIRES,
    OPTION_FREEZABLE,
    OPTION_FILE,
    OPTION_FUTURE,
    OPTION_DOORBELL,
    OPTION_TIMEOUT,
    OPTION_PUBLISH_LATER,
    OPTION_WAIT,
    OPTION_PAGES,
    OPTION_NUMA
};

enum {
    FD_MAX = 255,
    NODE_MAX = 1023,
    COUNT_MAX = 1000000,
    USES_MAX = 1000,
    EXPIRES_MAX = 24 * 60 * 60, /* seconds; of --timeout and --wait too */
    OPTIONS_MAX = 32
};

static const struct {
    struct option option;
    unsigned takes; /* 0: all verbs do */
} known[] = {
    {{"socket", required_argument, NULL, OPTION_SOCKET}, 0},
    {{"quiet", no_argument, NULL, 'q'}, 0},
    {{"help", no_argument, NULL, 'h'}, 0},
    {{"json", no_argument, NULL, OPTION_JSON}, TAKES_JSON},
    {{"id", required_argument, NULL, OPTION_ID}, TAKES_ID},
    {{"access", required_argument, NULL, OPTION_ACCESS}, TAKES_ACCESS},
    {{"size", required_argument, NULL, OPTION_SIZE}, TAKES_SIZE},
    {{"reserve", no_argument, NULL, OPTION_RESERVE}, TAKES_MAKE},
    {{"persist", no_argument, NULL, OPTION_PERSIST}, TAKES_MAKE},
    {{"freezable", no_argument, NULL, OPTION_FREEZABLE}, TAKES_MAKE},
    {{"file", required_argument, NULL, OPTION_FILE}, TAKES_FILE},
    {{"doorbell", no_argument, NULL, OPTION_DOORBELL}, TAKES_MAKE},
    {{"publish-later", no_argument, NULL, OPTION_PUBLISH_LATER},
     TAKES_PUBLISH_LATER},
    {{"pages", required_argument, NULL, OPTION_PAGES}, TAKES_MAKE},
    {{"numa", required_argument, NULL, OPTION_NUMA}, TAKES_MAKE},
    {{"future", no_argument, NULL, OPTION_FUTURE}, TAKES_FUTURE},
    {{"share-read", required_argument, NULL, OPTION_SHARE_READ}, TAKES_MAKE},
    {{"share-write", required_argument, NULL, OPTION_SHARE_WRITE}, TAKES_MAKE},
    {{"if-exists", required_argument, NULL, OPTION_IF_EXISTS}, TAKES_IF_EXISTS},
    {{"all", no_argument, NULL, OPTION_ALL}, TAKES_ALL | TAKES_EVERYBODY},
    {{"timeout", required_argument, NULL, OPTION_TIMEOUT}, TAKES_TIMEOUT},
    {{"wait", required_argument, NULL, OPTION_WAIT}, TAKES_WAIT},
    {{"count", required_argument, NULL, 'c'}, TAKES_COUNT},
    {{"fd", required_argument, NULL, OPTION_FD}, TAKES_FD},
    {{"uses", required_argument, NULL, OPTION_USES}, TAKES_OFFER},
    {{"expires", required_argument, NULL, OPTION_EXPIRES}, TAKES_OFFER},
};

/* Says in one line what is wrong, and where help is. */
__attribute__((format(printf, 2, 3))) static int wrong(const struct verb *verb,
                                                       const char *format, ...)
{
    char sentence[512];
    struct text line = {0};
    va_list list;

    va_start(list, format);
    vsnprintf(sentence, sizeof(sentence), format, list);
    va_end(list);
    text_addf(&line, "segctl: %s%s", verb ? verb->name : "", verb ? ": " : "");
    text_add_safe(&line, sentence);
    text_addf(&line, "; try 'segctl %s%s--help'\n", verb ? verb->name : "",
              verb ? " " : "");
    fwrite(line.bytes, 1, line.size, stderr);
    text_deinit(&line);
    return STATUS_USAGE;
}

/* ---- values ---- */

static int number_parse(const char *string, uint64_t most, uint64_t *number)
{
    char *end;

    if (*string < '0' || *string > '9')
        return 1;
    errno = 0;
    *number = strtoull(string, &end, 10);
    return errno != 0 || *end != '\0' || *number > most;
}

int options_size_parse(const char *string, size_t *size)
{
    static const char units[] = "KMGT";
    char *end;
    uint64_t number;
    unsigned shift = 0;

    if (*string < '0' || *string > '9')
        return 1;
    errno = 0;
    number = strtoull(string, &end, 10);
    if (errno != 0)
        return 1;
    if (*end != '\0') {
        const char *unit = strchr(units, *end);

        if (!unit || (end[1] != '\0' && strcmp(end + 1, "iB") != 0))
            return 1;
        shift = 10 * (unsigned)(unit - units + 1);
    }
    if (number == 0 || number > (uint64_t)SIZE_MAX >> shift)
        return 1;
    *size = (size_t)number << shift;
    return 0;
}

/* `90`, `90s`, `5m` or `2h`, in seconds. */
static int time_parse(const char *string, uint64_t most, uint64_t *seconds)
{
    static const char units[] = "smh";
    static const unsigned factors[] = {1, 60, 3600};
    const char *unit;
    unsigned factor = 1;
    char *end;

    if (*string < '0' || *string > '9')
        return 1;
    errno = 0;
    *seconds = strtoull(string, &end, 10);
    if (errno != 0 || *seconds > most)
        return 1;
    if (*end != '\0') {
        unit = strchr(units, *end);
        if (!unit || end[1] != '\0')
            return 1;
        factor = factors[unit - units];
    }
    *seconds *= factor;
    return *seconds == 0 || *seconds > most;
}

static int access_parse(const char *string, int *access)
{
    if (strcmp(string, "ro") == 0)
        *access = SEGB_RO;
    else if (strcmp(string, "rw") == 0)
        *access = SEGB_RW;
    else if (strcmp(string, "cow") == 0)
        *access = SEGB_COW;
    else
        return 1;
    return 0;
}

static int pages_parse(const char *string, int *pages)
{
    if (strcmp(string, "default") == 0)
        *pages = 0;
    else if (strcmp(string, "2M") == 0)
        *pages = SEGB_PAGES_2M;
    else if (strcmp(string, "1G") == 0)
        *pages = SEGB_PAGES_1G;
    else
        return 1;
    return 0;
}

static int if_exists_parse(const char *string, bool *fail)
{
    *fail = strcmp(string, "fail") == 0;
    return !*fail && strcmp(string, "open") != 0;
}

static int take_time(const struct verb *verb, const char *option,
                     const char *value, unsigned *milliseconds)
{
    uint64_t seconds;

    if (time_parse(value, EXPIRES_MAX, &seconds))
        return wrong(verb,
                     "--%s '%s' is no time like 90s, 5m or 2h, a day at most",
                     option, value);
    *milliseconds = (unsigned)seconds * 1000;
    return OPTIONS_READ;
}

/* Takes an option with a value that a segment is to have. */
static int take_make_value(struct arguments *a, int option, const char *value)
{
    uint64_t node = 0;

    switch (option) {
    case OPTION_SIZE:
        if (options_size_parse(value, &a->size))
            return wrong(a->verb, "--size '%s' is no size like 4096 or 64KiB",
                         value);
        a->has_size = true;
        return OPTIONS_READ;
    case OPTION_PAGES:
        if (pages_parse(value, &a->pages))
            return wrong(a->verb, "--pages '%s' is not default, 2M or 1G",
                         value);
        return OPTIONS_READ;
    default:
        if (number_parse(value, NODE_MAX, &node))
            return wrong(a->verb, "--numa '%s' is not between 0 and %d", value,
                         NODE_MAX);
        a->numa = SEGB_NODE((int)node);
        return OPTIONS_READ;
    }
}

/* Takes one option with a value. */
static int take_value(struct arguments *a, int option, const char *value)
{
    const struct verb *verb = a->verb;
    uint64_t number = 0;

    switch (option) {
    case OPTION_ID:
        if (number_parse(value, UINT64_MAX >> 11, &a->id))
            return wrong(verb, "--id '%s' is no segment's id", value);
        a->has_id = true;
        return OPTIONS_READ;
    case OPTION_ACCESS:
        if (access_parse(value, &a->access))
            return wrong(verb, "--access '%s' is not ro, rw or cow", value);
        return OPTIONS_READ;
    case OPTION_SIZE:
    case OPTION_PAGES:
    case OPTION_NUMA:
        return take_make_value(a, option, value);
    case OPTION_IF_EXISTS:
        if (if_exists_parse(value, &a->fail_if_exists))
            return wrong(verb, "--if-exists '%s' is not open or fail", value);
        return OPTIONS_READ;
    case 'c':
        if (number_parse(value, COUNT_MAX, &number) || number == 0)
            return wrong(verb, "--count '%s' is not between 1 and %d", value,
                         COUNT_MAX);
        a->count = (unsigned)number;
        return OPTIONS_READ;
    case OPTION_USES:
        if (number_parse(value, USES_MAX, &number) || number == 0)
            return wrong(verb, "--uses '%s' is not between 1 and %d", value,
                         USES_MAX);
        a->uses = (unsigned)number;
        return OPTIONS_READ;
    case OPTION_TIMEOUT:
        return take_time(verb, "timeout", value, &a->timeout_ms);
    case OPTION_WAIT:
        return take_time(verb, "wait", value, &a->wait_ms);
    case OPTION_EXPIRES:
        return take_time(verb, "expires", value, &a->expires_ms);
    default:
        if (number_parse(value, FD_MAX, &number))
            return wrong(verb, "--fd '%s' is not between 0 and %d", value,
                         FD_MAX);
        a->fd = (int)number;
        return OPTIONS_READ;
    }
}

/* ---- options ---- */

/* Takes one option as getopt_long gave it. */
static int take_option(struct arguments *a, int option)
{
    switch (option) {
    case OPTION_SOCKET:
        a->socket = optarg;
        return OPTIONS_READ;
    case 'q':
        a->quiet = true;
        return OPTIONS_READ;
    case OPTION_JSON:
        a->json = true;
        return OPTIONS_READ;
    case OPTION_RESERVE:
        a->reserve = true;
        return OPTIONS_READ;
    case OPTION_PERSIST:
        a->persist = true;
        return OPTIONS_READ;
    case OPTION_FREEZABLE:
        a->freezable = true;
        return OPTIONS_READ;
    case OPTION_DOORBELL:
        a->doorbell = true;
        return OPTIONS_READ;
    case OPTION_PUBLISH_LATER:
        a->publish_later = true;
        return OPTIONS_READ;
    case OPTION_FUTURE:
        a->future = true;
        return OPTIONS_READ;
    case OPTION_ALL:
        a->all = true;
        return OPTIONS_READ;
    case OPTION_FILE:
        a->file = optarg;
        return OPTIONS_READ;
    case OPTION_SHARE_READ:
        a->share_read[a->share_read_count++] = optarg;
        return OPTIONS_READ;
    case OPTION_SHARE_WRITE:
        a->share_write[a->share_write_count++] = optarg;
        return OPTIONS_READ;
    default:
        return take_value(a, option, optarg);
    }
}

/* Says what getopt_long did not like. */
static int wrong_option(const struct verb *verb, int answer, char **argv)
{
    const char *last = argv[optind - 1];
    bool is_long = strncmp(last, "--", 2) == 0;
    int length = (int)strcspn(last, "=");

    if (answer == ':' && is_long)
        return wrong(verb, "option '%s' needs a value", last);
    if (answer == ':')
        return wrong(verb, "option '-%c' needs a value", optopt);
    /* getopt names the option only when it knows it. */
    if (optopt >= OPTION_SOCKET || (is_long && optopt != 0))
        return wrong(verb, "option '%.*s' takes no value", length, last);
    if (optopt != 0)
        return wrong(verb, "unknown option '-%c'", optopt);
    return wrong(verb, "unknown option '%.*s'", length, last);
}

/* The options in front of the verb. */
static int read_global(int argc, char **argv, struct arguments *a)
{
    static const struct option global[] = {
        {"socket", required_argument, NULL, OPTION_SOCKET},
        {"quiet", no_argument, NULL, 'q'},
        {"json", no_argument, NULL, OPTION_JSON},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, OPTION_VERSION},
        {NULL, 0, NULL, 0}};
    int option;

    opterr = 0;
    /* `+`: the first operand, the verb, ends them. */
    while ((option = getopt_long(argc, argv, "+:qh", global, NULL)) != -1) {
        if (option == 'h') {
            help_print();
            return STATUS_DONE;
        }
        if (option == OPTION_VERSION) {
            output_string("segctl " SEGB_VERSION "\n");
            return STATUS_DONE;
        }
        if (option == '?' || option == ':')
            return wrong_option(NULL, option, argv);
        take_option(a, option);
    }
    return OPTIONS_READ;
}

static int find_verb(const char *name, const struct verb **found)
{
    for (const struct verb *verb = verbs; verb->name; verb++) {
        if (strcmp(verb->name, name) == 0) {
            *found = verb;
            return OPTIONS_READ;
        }
    }
    return wrong(NULL, "there is no verb '%s'", name);
}

/* The options behind the verb, of which argv[0] is the verb itself. */
static int read_verb(int argc, char **argv, struct arguments *a)
{
    struct option accepted[OPTIONS_MAX] = {{0}};
    size_t count = 0;
    bool counts = a->verb->takes & TAKES_COUNT;
    int option;

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].takes == 0 || known[i].takes & a->verb->takes)
            accepted[count++] = known[i].option;
    }
    /* 0, not 1: getopt forgets the other argv, and `+`. */
    optind = 0;
    while ((option = getopt_long(argc, argv, counts ? ":qhc:" : ":qh", accepted,
                                 NULL)) != -1) {
        int r = OPTIONS_READ;

        if (option == 'h') {
            help_print_verb(a->verb);
            return STATUS_DONE;
        }
        if (option == '?' || option == ':')
            r = wrong_option(a->verb, option, argv);
        else
            r = take_option(a, option);
        if (r != OPTIONS_READ)
            return r;
    }
    return OPTIONS_READ;
}

/* ---- operands ---- */

static int take_size(struct arguments *a, const char *operand)
{
    if (options_size_parse(operand, &a->size))
        return wrong(a->verb, "'%s' is no size like 4096, 64KiB or 2G",
                     operand);
    a->has_size = true;
    return OPTIONS_READ;
}

/* Takes the operands that name things; `taken` gets how many. */
static int take_operands(struct arguments *a, int count, char **operands,
                         int *taken)
{
    enum operands kind = a->verb->operands;

    *taken = count > 0 ? 1 : 0;
    switch (kind) {
    case OPERANDS_NONE:
        *taken = 0;
        return OPTIONS_READ;
    case OPERANDS_PREFIX:
        a->prefix = count > 0 ? operands[0] : NULL;
        return OPTIONS_READ;
    case OPERANDS_TICKET:
        a->ticket = count > 0 ? operands[0] : NULL;
        return OPTIONS_READ;
    case OPERANDS_NAME_SIZE:
        if (a->file && count < 2) {
            a->name = count > 0 ? operands[0] : NULL;
            return OPTIONS_READ;
        }
        if (count == 0)
            return wrong(a->verb, "SIZE is missing");
        a->name = count > 1 ? operands[0] : NULL;
        *taken = count > 1 ? 2 : 1;
        return take_size(a, operands[*taken - 1]);
    case OPERANDS_LEVEL:
        if (count == 0)
            return wrong(a->verb, "LEVEL is missing");
        a->level = operands[0];
        return OPTIONS_READ;
    default:
        break;
    }
    if (a->has_id || (kind == OPERANDS_ANY_TARGET && count == 0)) {
        *taken = 0;
        return OPTIONS_READ;
    }
    if (count == 0)
        return wrong(a->verb, a->verb->takes & TAKES_ID
                                  ? "NAME or --id N is missing"
                                  : "NAME is missing");
    a->name = operands[0];
    if (kind == OPERANDS_TARGETS) {
        *taken = count;
        a->more = operands + 1;
        a->more_count = (size_t)count - 1;
    }
    return OPTIONS_READ;
}

static int read_operands(int count, char **operands, struct arguments *a)
{
    int taken;
    int r = take_operands(a, count, operands, &taken);

    if (r != OPTIONS_READ)
        return r;
    if (a->verb->operands == OPERANDS_COMMAND) {
        if (taken == count)
            return wrong(a->verb, "CMD is missing");
        a->command = operands + taken;
        return OPTIONS_READ;
    }
    if (taken < count && a->has_id)
        return wrong(a->verb, "'%s' is one too many with --id",
                     operands[taken]);
    if (taken < count)
        return wrong(a->verb, "unexpected argument '%s'", operands[taken]);
    return OPTIONS_READ;
}

int options_read(int argc, char **argv, struct arguments *arguments)
{
    int r;

    *arguments = (struct arguments){.fd = -1};
    arguments->share_read = text_allocate((size_t)argc, sizeof(char *));
    arguments->share_write = text_allocate((size_t)argc, sizeof(char *));
    r = read_global(argc, argv, arguments);
    if (r != OPTIONS_READ)
        return r;
    if (optind == argc)
        return wrong(NULL, "the verb is missing");
    argc -= optind;
    argv += optind;
    r = find_verb(argv[0], &arguments->verb);
    if (r != OPTIONS_READ)
        return r;
    r = read_verb(argc, argv, arguments);
    if (r != OPTIONS_READ)
        return r;
    if (arguments->json && !(arguments->verb->takes & TAKES_JSON))
        return wrong(arguments->verb, "it prints no JSON");
    return read_operands(argc - optind, argv + optind, arguments);
}

void options_deinit(struct arguments *arguments)
{
    free(arguments->share_read);
    free(arguments->share_write);
    arguments->share_read = NULL;
    arguments->share_write = NULL;
}
