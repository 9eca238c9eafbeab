#include "verbs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { VERB_FAILED = 1, VERB_USAGE = 2 };

const char verbs_help[] = "  start|stop|reload|status   as systemctl does it\n"
                          "  run                 serve, as without a word\n";

const char verbs_reload_help[] =
    "SIGHUP or `segctl reload` reloads the configuration, SIGTERM ends both.\n";

static const char *const HANDED_OVER[] = {"start", "stop", "reload", "status"};

static bool is_handed_over(const char *word)
{
    for (unsigned i = 0; i < sizeof(HANDED_OVER) / sizeof(HANDED_OVER[0]); i++)
        if (strcmp(word, HANDED_OVER[i]) == 0)
            return true;
    return false;
}

/* systemd's own program says what became of it. */
static int hand_over(const char *word)
{
    if (access("/run/systemd/system", F_OK) != 0) {
        fprintf(stderr,
                "segbrokerd: %s: no systemd runs here; start segbrokerd "
                "itself, and end it by SIGTERM\n",
                word);
        return VERB_FAILED;
    }
    execlp("systemctl", "systemctl", word, "segbroker.service", (char *)NULL);
    fprintf(stderr, "segbrokerd: %s: systemctl: %s\n", word, strerror(errno));
    return VERB_FAILED;
}

int verbs_run(int *argc, char **argv)
{
    const char *word = *argc > 1 ? argv[1] : "-";

    if (word[0] == '-')
        return -1;
    if (strcmp(word, "run") == 0) {
        memmove(&argv[1], &argv[2], (size_t)(*argc - 1) * sizeof(argv[0]));
        --*argc;
        return -1;
    }
    if (*argc == 2 && is_handed_over(word))
        return hand_over(word);
    if (strcmp(word, "install") == 0 || strcmp(word, "uninstall") == 0)
        fprintf(stderr,
                "segbrokerd: %s: the package does that here, or "
                "`make install`\n",
                word);
    else
        fprintf(stderr,
                "segbrokerd: unexpected argument '%s'\n"
                "try 'segbrokerd --help'\n",
                argv[*argc > 2 ? 2 : 1]);
    return VERB_USAGE;
}
