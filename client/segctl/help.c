#include "help.h"

#include "options.h"
#include "output.h"
#include "text.h"

static const char HEAD[] = "Usage: segctl [OPTION]... VERB [ARGUMENT]...\n"
                           "Create, use and look at the shared-memory segments "
                           "of this host's broker.\n"
                           "\n";

static const char TAIL[] =
    "\n"
    "Options, before or behind the verb:\n"
    "  --socket PATH  the broker's socket (else $SEGBROKER_SOCKET, else the\n"
    "                 user's own broker where one serves, else the system's)\n"
    "  --json         print JSON, one value on one line\n"
    "  -q, --quiet    no notes and no progress on stderr\n"
    "  -h, --help     print this, or with a verb what it does; and end\n"
    "  --version      print the version and end\n"
    "\n"
    "Exit status:\n"
    "  0  done\n"
    "  1  failed for another reason\n"
    "  2  wrong usage: the command line, or a name or value that cannot be\n"
    "  3  refused by the broker: access, quota, rate, memory, name taken\n"
    "  4  not found\n"
    "  5  no broker there, or its connection ended or gave no answer\n"
    "  exec: the command's own; 126 it cannot be run, 127 there is none\n"
    "\n"
    "Sizes are bytes, or powers of 1024: 4096, 64KiB, 64K, 2GiB, 2G.\n";

static const struct {
    unsigned takes;
    const char *help;
} option_help[] = {
    {TAKES_ID, "  --id N                  the segment with id N in place of "
               "NAME\n"},
    {TAKES_ACCESS,
     "  --access ro|rw|cow      read; read and write; or read, with writes\n"
     "                          that stay private to each view\n"},
    {TAKES_SIZE, "  --size N                the segment's size\n"},
    {TAKES_MAKE,
     "  --reserve               take memory at first touch, not now\n"
     "  --persist               keep the name without holders, until removed\n"
     "  --freezable             so that it can be frozen\n"
     "  --doorbell              so that it can be signalled and waited for\n"
     "  --pages default|2M|1G   the size of its pages\n"
     "  --numa N                memory of that node\n"
     "  --share-read WHO        who else may read: user:NAME, group:NAME or\n"
     "                          everyone; may be repeated\n"
     "  --share-write WHO       who else may read and write\n"},
    {TAKES_FILE, "  --file PATH             of this file, and not of memory\n"},
    {TAKES_PUBLISH_LATER,
     "  --publish-later         let nobody else open it before 'segctl "
     "publish'\n"},
    {TAKES_IF_EXISTS,
     "  --if-exists open|fail   when the name is taken: open that segment\n"
     "                          (the default), or be refused\n"},
    {TAKES_ALL,
     "  --all                   every section, for administrators\n"},
    {TAKES_EVERYBODY, "  --all                   wake everybody who waits\n"},
    {TAKES_TIMEOUT,
     "  --timeout TIME          no longer: 90s, 5m, 2h; else for ever\n"},
    {TAKES_WAIT,
     "  --wait TIME             wait so long for NAME: 90s, 5m, 2h\n"},
    {TAKES_COUNT, "  -c, --count N           so many times\n"},
    {TAKES_FUTURE,
     "  --future                keep views that can write, and let "
     "no more be made\n"},
    {TAKES_OFFER,
     "  --uses N                redeemed so often, 1 to 1000; else once\n"
     "  --expires TIME          and no later: 90s, 5m, 2h; else 60s\n"},
    {TAKES_FD, "  --fd N                  the descriptor's number, else 3\n"},
    {TAKES_JSON, "  --json                  print JSON, one value on one "
                 "line\n"},
};

static const char VERB_TAIL[] =
    "  --socket PATH           the broker's socket\n"
    "  -q, --quiet             no notes and no progress on stderr\n"
    "  -h, --help              print this and end\n"
    "\n"
    "Exit status: see 'segctl --help'.\n";

void help_print(void)
{
    struct text text = {0};

    text_adds(&text, HEAD);
    for (const struct verb *verb = verbs; verb->name; verb++)
        text_addf(&text, "  %-10s %s\n", verb->name, verb->summary);
    text_adds(&text, TAIL);
    output_text(&text);
}

void help_print_verb(const struct verb *verb)
{
    struct text text = {0};

    text_addf(&text, "Usage: segctl %s %s\n\n%s\n", verb->name, verb->synopsis,
              verb->help);
    for (size_t i = 0; i < sizeof(option_help) / sizeof(option_help[0]); i++) {
        if (verb->takes & option_help[i].takes)
            text_adds(&text, option_help[i].help);
    }
    text_adds(&text, VERB_TAIL);
    output_text(&text);
}
