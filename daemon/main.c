/*
 * segbrokerd: reads its options, then is the keeper or the broker.
 */
#include "broker.h"
#include "config.h"
#include "host.h"
#include "keeper.h"
#include "log.h"
#include "paths.h"
#include "program.h"
#include "reload.h"
#include "segment.h"
#include "service.h"
#include "verbs.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_USAGE = 2, PATH_SIZE = 4096 };

static const char HELP_BEGIN[] =
    "Usage: segbrokerd [run] [OPTION]...\n"
    "       segbrokerd WORD\n"
    "Own the shared-memory segments of this host and hand them to clients.\n"
    "\n";
static const char HELP_OPTIONS[] =
    "\n"
    "  --config FILE       read FILE and FILE's folder's conf.d/*.conf\n";
static const char HELP_END[] =
    "  --restart-pause SECONDS\n"
    "                      the longest pause before a broker that dies again\n"
    "                      and again is started once more (default 5)\n"
    "  --check             say what is wrong with the configuration and end\n"
    "  --version           print the version and end\n"
    "  --help              print this and end\n"
    "\n"
    "A keeper holds everything, and starts the broker again when it dies.\n";
static const char HELP_EXIT[] =
    "Exit: 0 ended as asked, 1 could not serve or a bad configuration,\n"
    "2 wrong usage, 3 ended, but some charges were left (a defect).\n";

struct options {
    const char *config;
    const char *socket;
    const char *runtime_dir;
    uint64_t pause_ms;
    bool check;
};

/* Reads a number of seconds, such as 5 or 0.2. */
static int read_seconds(const char *text, uint64_t *milliseconds)
{
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end != '\0' || !(seconds >= 0 && seconds <= 3600))
        return -1;
    *milliseconds = (uint64_t)(seconds * 1000);
    return 0;
}

/* -1 to go on, else the exit status. */
static int read_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {paths_option, required_argument, NULL, 's'},
        {"runtime-dir", required_argument, NULL, 'r'},
        {"restart-pause", required_argument, NULL, 'p'},
        {"check", no_argument, NULL, 'k'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            options->config = optarg;
            break;
        case 's':
            options->socket = optarg;
            break;
        case 'r':
            options->runtime_dir = optarg;
            break;
        case 'p':
            if (read_seconds(optarg, &options->pause_ms) == 0)
                break;
            fprintf(stderr,
                    "segbrokerd: --restart-pause: expected 0 to 3600 seconds, "
                    "not '%s'\n",
                    optarg);
            return EXIT_USAGE;
        case 'k':
            options->check = true;
            break;
        case 'v':
            printf("segbrokerd " SEGBROKER_VERSION "\n");
            return 0;
        case 'h':
            printf("%s%s%s%s%s%s%s", HELP_BEGIN, verbs_help, HELP_OPTIONS,
                   paths_help, HELP_END, verbs_reload_help, HELP_EXIT);
            return 0;
        default:
            fputs("try 'segbrokerd --help'\n", stderr);
            return EXIT_USAGE;
        }
    }
    if (optind == argc)
        return -1;
    fprintf(stderr,
            "segbrokerd: unexpected argument '%s'\n"
            "try 'segbrokerd --help'\n",
            argv[optind]);
    return EXIT_USAGE;
}

static void print_problems(const struct config_problems *problems)
{
    const char *text = problems->text ? problems->text : "out of memory";
    size_t size = strlen(text);

    fputs(text, stderr);
    if (size > 0 && text[size - 1] != '\n')
        fputc('\n', stderr);
}

/* Loads the configuration; on failure says what is wrong. */
static struct config *load(const char *path)
{
    struct config_host host = reload_host();
    struct config_problems problems;
    struct config *config = NULL;

    if (config_load(path, &host, &config, &problems) != 0)
        print_problems(&problems);
    config_problems_deinit(&problems);
    return config;
}

static int check(const char *path)
{
    struct config *config = load(path);

    if (!config)
        return 1;
    config_free(config);
    printf("%s: ok\n", path ? path : "no configuration file, the defaults");
    return 0;
}

static int find_socket(const struct options *options, char *path, size_t size)
{
    int r = paths_socket(options->runtime_dir, path, size);

    if (r == PATHS_NONE)
        fprintf(stderr,
                "segbrokerd: no place to serve at: the environment names "
                "none; give --runtime-dir or --%s\n",
                paths_option);
    else if (r != 0)
        fputs("segbrokerd: the runtime folder's path is too long\n", stderr);
    return r;
}

static int run_keeper(void *data)
{
    return keeper_run(data);
}

static int keep(const struct options *options, enum program_role role)
{
    char socket_path[PATH_SIZE];
    struct keeper_options keeper = {.socket_path = options->socket,
                                    .folder = options->runtime_dir,
                                    .pause_ms = options->pause_ms};

    if (role == PROGRAM_SUCCESSOR)
        return keeper_succeed(&keeper, program_join());
    if (!keeper.socket_path) {
        if (find_socket(options, socket_path, sizeof(socket_path)) != 0)
            return EXIT_USAGE;
        keeper.socket_path = socket_path;
    }
    return service_run(run_keeper, &keeper);
}

static int serve(const struct options *options)
{
    struct broker_options broker = {.config_path = options->config,
                                    .keeper = program_join()};

    host_ignore_watchdog();
    segment_init();
    return broker_run(&broker);
}

int main(int argc, char **argv)
{
    char config_path[PATH_SIZE];
    enum program_role role = program_init(&argc, &argv);
    struct options options = {.pause_ms = 5000};
    int result;

    host_harden();
    result = verbs_run(&argc, argv);
    if (result < 0)
        result = read_options(argc, argv, &options);
    if (result >= 0)
        return result;
    log_init();
    if (host_init() < 0) {
        log_error("cannot find out about the host's memory: is /proc mounted?");
        return BROKER_FAILED;
    }
    if (!options.config && paths_config(config_path, sizeof(config_path)) == 0)
        options.config = config_path;
    if (options.check)
        result = check(options.config);
    else if (role == PROGRAM_BROKER)
        result = serve(&options);
    else
        result = keep(&options, role);
    host_deinit();
    host_exit(result);
}
