/*
 * The command line: `segctl [OPTION]... VERB [OPTION]... [OPERAND]...`.
 *
 * All verbs share one set of options; a verb says which of them it takes.
 */
#ifndef SEGCTL_OPTIONS_H
#define SEGCTL_OPTIONS_H

#include "segbroker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which options a verb takes, besides --socket, --quiet and --help. */
enum {
    TAKES_JSON = 1 << 0,
    TAKES_ID = 1 << 1,
    TAKES_ACCESS = 1 << 2,
    TAKES_MAKE = 1 << 3, /* --reserve --persist --share-read --share-write
                            --freezable --doorbell --pages --numa */
    TAKES_IF_EXISTS = 1 << 4,
    TAKES_SIZE = 1 << 5,
    TAKES_ALL = 1 << 6,
    TAKES_COUNT = 1 << 7,
    TAKES_FD = 1 << 8,
    TAKES_OFFER = 1 << 9, /* --uses --expires */
    TAKES_FUTURE = 1 << 10,
    TAKES_EVERYBODY = 1 << 11, /* --all, to signal */
    TAKES_TIMEOUT = 1 << 12,
    TAKES_FILE = 1 << 13,
    TAKES_PUBLISH_LATER = 1 << 14,
    TAKES_WAIT = 1 << 15
};

enum operands {
    OPERANDS_NONE,
    OPERANDS_NAME,
    OPERANDS_TARGET,     /* NAME, or none with --id */
    OPERANDS_ANY_TARGET, /* the same, or neither */
    OPERANDS_TARGETS,    /* NAME..., or none with --id */
    OPERANDS_NAME_SIZE,  /* [NAME] SIZE; with --file [NAME [SIZE]] */
    OPERANDS_PREFIX,     /* [PREFIX] */
    OPERANDS_LEVEL,
    OPERANDS_TICKET, /* [TICKET] */
    OPERANDS_COMMAND /* a target, then a command with its arguments */
};

struct arguments;

struct verb {
    const char *name;
    const char *synopsis; /* what follows the name in the usage line */
    const char *summary;  /* one line for the list of verbs */
    const char *help;     /* all else; lines of at most 80 columns */
    unsigned takes;
    enum operands operands;
    /* The exit status. Stdout's own errors are looked at afterwards. */
    int (*run)(segb_client *client, const struct arguments *arguments);
};

/* The verbs, in the order of the help; the last has no name. */
extern const struct verb verbs[];

struct arguments {
    const struct verb *verb;
    const char *socket; /* NULL: where the library looks */
    bool json;
    bool quiet;

    const char *name;
    char *const *more; /* names behind that one */
    size_t more_count;
    bool has_id;
    uint64_t id;
    const char *prefix;
    const char *level;
    const char *ticket;   /* NULL: stdin has it */
    char *const *command; /* ends with NULL */

    int access; /* SEGB_..., 0 for the default */
    bool has_size;
    size_t size;
    bool reserve;
    bool persist;
    bool fail_if_exists;
    bool freezable;
    const char *file; /* NULL: a segment of memory */
    bool doorbell;
    bool publish_later;
    int pages; /* SEGB_PAGES_..., 0 for the default */
    int numa;  /* SEGB_NODE, 0 for any */
    bool future;
    bool all;
    unsigned count;      /* 0 when not given */
    int fd;              /* -1 when not given */
    unsigned uses;       /* 0 when not given */
    unsigned expires_ms; /* 0 when not given */
    unsigned timeout_ms; /* 0 when not given */
    unsigned wait_ms;    /* 0 when not given */
    const char **share_read;
    size_t share_read_count;
    const char **share_write;
    size_t share_write_count;
};

enum { OPTIONS_READ = -1 };

/*
 * Reads the command line: OPTIONS_READ, or the exit status with which to end
 * at once, because help was printed or something was wrong (it has been
 * said). options_deinit must follow in every case.
 */
int options_read(int argc, char **argv, struct arguments *arguments);
void options_deinit(struct arguments *arguments);

/* Reads `4096`, `64KiB`, `64K`, ... up to T (powers of 1024). 0, or 1 when it
 * is none, is 0 or does not fit. */
int options_size_parse(const char *string, size_t *size);

#endif
