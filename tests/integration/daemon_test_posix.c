/*
 * The program itself: options, sockets, start and end, log, identity.
 */
#include "tests/support/broker.h"
#include "tests/support/raw.h"
#include "tests/support/suite.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OUTPUT_MAX = 65536, END_MS = 10000 };

static struct test_broker broker;
static char output[OUTPUT_MAX];

/* Runs segbrokerd with up to four arguments to its end. */
static int run_as(uint32_t user, const char *first, const char *second,
                  const char *third, const char *fourth)
{
    const char *argv[] = {
        test_broker_program(), first, second, third, fourth, NULL};
    struct test_spawn spawn = {.argv = argv, .user = user};
    return test_run(&spawn, output, sizeof(output));
}

static int run(const char *first, const char *second, const char *third,
               const char *fourth)
{
    return run_as(0, first, second, third, fourth);
}

/* ---- options ---- */

START_TEST(version_and_help_are_told)
{
    REQUIRE_INT(run("--version", NULL, NULL, NULL), 0);
    REQUIRE_PART(output, "segbrokerd");
    REQUIRE_PART(output, SEGBROKER_VERSION);
    REQUIRE_INT(run("--help", NULL, NULL, NULL), 0);
    static const char *const options[] = {"--config",  "--socket",
                                          "--check",   "--runtime-dir",
                                          "--version", "--help"};
    for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        REQUIRE_PART(output, options[i]);
}
END_TEST

/* The service starts these itself, with a connection as descriptor 3. */
START_TEST(roles_are_not_played_by_hand)
{
    static const char *const roles[] = {"--role=keeper", "--role=broker"};
    const char *argv[] = {test_broker_program(), roles[_i], "--socket",
                          "/nowhere/broker.sock", NULL};
    struct test_spawn spawn = {.argv = argv};
    REQUIRE_INT(test_run(&spawn, output, sizeof(output)), 1);
    REQUIRE_PART(output, "keeper");
}
END_TEST

START_TEST(wrong_usage_exits_with_2)
{
    REQUIRE_INT(run("--no-such-option", NULL, NULL, NULL), 2);
    REQUIRE_PART(output, "no-such-option");
    REQUIRE_INT(run("--config", NULL, NULL, NULL), 2);
    REQUIRE_INT(run("surplus", NULL, NULL, NULL), 2);
    REQUIRE_PART(output, "surplus");
}
END_TEST

/* ---- --check ---- */

START_TEST(check_of_a_good_file_says_ok)
{
    char folder[TEST_PATH_MAX];
    char path[TEST_PATH_MAX];
    char expected[TEST_PATH_MAX];
    test_folder_make(folder);
    test_path(path, "%s/good.conf", folder);
    test_write(path, "[total]\nbytes = 1GiB\n[access global/a*]\n"
                     "create = everyone\n");
    REQUIRE_INT(run("--check", "--config", path, NULL), 0);
    test_path(expected, "%s: ok\n", path);
    REQUIRE_STR(output, expected);
    test_folder_remove(folder);
}
END_TEST

static const char bad_config[] = "[total]\n"
                                 "bytes = much\n"             /* 2 */
                                 "colour = red\n"             /* 3 */
                                 "[default]\n"                /* 4 */
                                 "segments = -1\n"            /* 5 */
                                 "[nonsense]\n"               /* 6 */
                                 "[access global/*/x]\n"      /* 7 */
                                 "read = everyone\n"          /* 8 */
                                 "[access global/y]\n"        /* 9 */
                                 "read = user:no such user\n" /* 10 */
                                 "write = someone\n";         /* 11 */

START_TEST(check_of_a_bad_file_says_all_that_is_wrong)
{
    static const int lines[] = {2, 3, 5, 6, 7, 10, 11};
    char folder[TEST_PATH_MAX];
    char path[TEST_PATH_MAX];
    char place[TEST_PATH_MAX];
    test_folder_make(folder);
    test_path(path, "%s/bad.conf", folder);
    test_write(path, bad_config);
    REQUIRE_INT(run("--check", "--config", path, NULL), 1);
    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        test_path(place, "%s:%d: ", path, lines[i]);
        REQUIRE_PART(output, place);
    }
    REQUIRE_PART(output, "much");
    REQUIRE_PART(output, "colour");
    REQUIRE_PART(output, "no such user");
    REQUIRE(strstr(output, ": ok") == NULL);
    /* Nor does it serve with such a file. */
    REQUIRE_INT(run("--runtime-dir", folder, "--config", path), 1);
    test_path(place, "%s:2: ", path);
    REQUIRE_PART(output, place);
    test_path(place, "%s/broker.sock", folder);
    REQUIRE(!test_exists(place));
    test_folder_remove(folder);
}
END_TEST

START_TEST(missing_file_that_was_named_is_an_error)
{
    char folder[TEST_PATH_MAX];
    char path[TEST_PATH_MAX];
    test_folder_make(folder);
    test_path(path, "%s/none.conf", folder);
    REQUIRE_INT(run("--check", "--config", path, NULL), 1);
    REQUIRE_PART(output, path);
    REQUIRE_INT(run("--runtime-dir", folder, "--config", path), 1);
    REQUIRE_PART(output, path);
    test_folder_remove(folder);
}
END_TEST

/* ---- sockets ---- */

START_TEST(second_broker_refuses_to_start)
{
    struct raw raw;
    test_broker_start(&broker, NULL);
    REQUIRE_INT(run("--config", broker.config, "--runtime-dir", broker.runtime),
                1);
    REQUIRE_PART(output, broker.socket);
    raw_open(&raw, broker.socket);
    raw_close(&raw);
    REQUIRE(test_exists(broker.socket));
    test_broker_stop(&broker);
}
END_TEST

START_TEST(stale_socket_does_not_stop_it)
{
    struct raw raw;
    test_broker_start(&broker, NULL);
    test_broker_kill(&broker);
    REQUIRE(test_exists(broker.socket));
    REQUIRE(!raw_answers(broker.socket));
    test_broker_run(&broker);
    raw_open(&raw, broker.socket);
    raw_close(&raw);
    test_broker_stop(&broker);
}
END_TEST

START_TEST(racing_starts_leave_one_broker)
{
    enum { STARTS = 8 };
    test_pid pids[STARTS];
    int running = 0;
    /* A stale socket makes it harder: each may want to remove it. */
    test_broker_start(&broker, NULL);
    test_broker_kill(&broker);
    const char *argv[] = {test_broker_program(), "--config",     broker.config,
                          "--runtime-dir",       broker.runtime, NULL};
    struct test_spawn spawn = {.argv = argv, .output = broker.log};
    for (int i = 0; i < STARTS; i++)
        pids[i] = test_spawn(&spawn);
    for (int i = 0; i < STARTS; i++) {
        int status = test_wait(pids[i], 3000);
        if (status < 0) {
            running++;
            broker.pid = pids[i];
        } else {
            REQUIRE_INT(status, 1);
        }
    }
    REQUIRE_INT(running, 1);
    struct raw raw;
    raw_open(&raw, broker.socket);
    raw_close(&raw);
    test_broker_stop(&broker);
}
END_TEST

START_TEST(end_leaves_alone_what_is_another_brokers)
{
    char lock[TEST_PATH_MAX + 8];
    struct raw raw;
    test_broker_start(&broker, NULL);
    test_pid first = broker.pid;
    snprintf(lock, sizeof(lock), "%s.lock", broker.socket);
    REQUIRE_INT(remove(broker.socket), 0);
    REQUIRE_INT(remove(lock), 0);
    test_broker_run(&broker);
    test_signal(first, SIGTERM);
    REQUIRE_INT(test_wait(first, END_MS), 0);
    raw_open(&raw, broker.socket);
    raw_close(&raw);
    test_broker_stop(&broker);
}
END_TEST

static const int ending_signals[] = {SIGTERM, SIGINT};

START_TEST(signal_ends_it_cleanly_with_clients_and_segments)
{
    struct raw raw;
    struct raw silent;
    test_broker_start(&broker, NULL);
    raw_open(&raw, broker.socket);
    raw_connect(&silent, broker.socket);
    int fd = raw_create(&raw, NULL, "'name':'a','size':4096,'persist':true");
    int other = raw_create(&raw, NULL, "'name':'b','size':4096");
    test_signal(broker.pid, ending_signals[_i]);
    REQUIRE_INT(test_wait(broker.pid, END_MS), 0);
    broker.pid = 0;
    REQUIRE_INT(test_folder_entries(broker.runtime), 0);
    REQUIRE(raw_ends(&raw, 5000));
    REQUIRE(raw_ends(&silent, 5000));
    /* The memory is still its holder's. */
    unsigned char *memory = mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0);
    REQUIRE(memory != MAP_FAILED);
    memory[0] = 1;
    munmap(memory, 4096);
    close(fd);
    close(other);
    raw_close(&raw);
    raw_close(&silent);
    test_broker_forget(&broker);
}
END_TEST

/* Impatient administrators press Ctrl-C twice. */
START_TEST(further_signals_do_not_disturb_the_end)
{
    enum { CLIENTS = 50 };
    static struct raw raw[CLIENTS];
    test_broker_start(&broker, NULL);
    for (int i = 0; i < CLIENTS; i++) {
        raw_open(&raw[i], broker.socket);
        close(raw_create(&raw[i], NULL, "'size':65536"));
    }
    /* Not for ever: a process that only handles signals does nothing else. */
    for (int i = 0; i < 1000 && test_runs(broker.pid); i++)
        test_signal(broker.pid, ending_signals[i % 2]);
    int status = test_wait(broker.pid, END_MS);
    broker.pid = 0;
    REQUIRE_INT(status, 0);
    REQUIRE_INT(test_folder_entries(broker.runtime), 0);
    for (int i = 0; i < CLIENTS; i++)
        raw_close(&raw[i]);
    test_broker_forget(&broker);
}
END_TEST

START_TEST(signal_during_a_large_commit_ends_it_cleanly)
{
    struct raw raw;
    test_broker_start(&broker, NULL);
    raw_open(&raw, broker.socket);
    raw_say(&raw, "{'id':1,'op':'create','size':1073741824}");
    raw_ask(&raw, "{'id':2,'op':'ping'}");
    test_broker_end(&broker);
    raw_close(&raw);
    test_broker_forget(&broker);
}
END_TEST

START_TEST(shutdown_request_ends_it_cleanly)
{
    struct raw raw;
    test_broker_start(&broker, NULL);
    raw_open(&raw, broker.socket);
    raw_ask(&raw, "{'id':1,'op':'shutdown'}");
    REQUIRE_STR(raw_outcome(&raw), "ok");
    REQUIRE(raw_ends(&raw, 5000));
    REQUIRE_INT(test_wait(broker.pid, END_MS), 0);
    broker.pid = 0;
    REQUIRE_INT(test_folder_entries(broker.runtime), 0);
    raw_close(&raw);
    test_broker_forget(&broker);
}
END_TEST

START_TEST(too_long_socket_path_is_refused)
{
    char folder[TEST_PATH_MAX];
    char path[TEST_PATH_MAX];
    test_folder_make(folder);
    test_path(path, "%s/%0108d.sock", folder, 1);
    REQUIRE_INT(run("--socket", path, "--runtime-dir", folder), 1);
    REQUIRE_PART(output, path);
    REQUIRE_PART(output, "107"); /* what is possible */
    test_folder_remove(folder);
}
END_TEST

START_TEST(folder_that_cannot_be_written_is_refused)
{
    SKIP_UNLESS(test_is_root(), "needs root to become another user");
    char folder[TEST_PATH_MAX];
    test_folder_make(folder);
    REQUIRE_INT(run_as(TEST_SERVICE, "--runtime-dir", folder, NULL, NULL), 1);
    REQUIRE_PART(output, folder);
    REQUIRE_INT(test_folder_entries(folder), 0);
    test_folder_remove(folder);
}
END_TEST

static unsigned mode_of(const char *path)
{
    struct stat facts;
    REQUIRE(lstat(path, &facts) == 0);
    return facts.st_mode & 0777;
}

/* Starts one its own way, waits for a socket, ends it. */
static void serve_and_end(const struct test_spawn *spawn, const char *socket)
{
    test_pid pid = test_spawn(spawn);
    bool answers = TEST_UNTIL(10000, raw_answers(socket) || !test_runs(pid));
    bool runs = test_runs(pid);
    unsigned mode = runs && answers ? mode_of(socket) : 0;
    if (runs)
        test_terminate(pid);
    REQUIRE_INT(test_join(pid), 0);
    REQUIRE(answers && runs);
    REQUIRE_INT(mode, 0666);
    REQUIRE(!test_exists(socket));
}

START_TEST(socket_and_folder_are_where_and_how_they_should_be)
{
    char folder[TEST_PATH_MAX];
    char made[TEST_PATH_MAX];
    char socket[TEST_PATH_MAX];
    char config[TEST_PATH_MAX];
    test_folder_make(folder);
    test_path(config, "%s/empty.conf", folder);
    test_write(config, "");

    /* A folder that it makes is closed; the socket is not, as identity is
     * the kernel's word. */
    test_path(made, "%s/made", folder);
    test_path(socket, "%s/broker.sock", made);
    const char *by_folder[] = {test_broker_program(), "--config", config,
                               "--runtime-dir",       made,       NULL};
    struct test_spawn spawn = {.argv = by_folder};
    serve_and_end(&spawn, socket);
    REQUIRE_INT(mode_of(made), 0700);

    test_path(socket, "%s/other.sock", folder);
    const char *by_socket[] = {
        test_broker_program(), "--config", config, "--socket", socket,
        "--runtime-dir",       made,       NULL};
    spawn.argv = by_socket;
    serve_and_end(&spawn, socket);
    test_folder_remove(folder);
}
END_TEST

START_TEST(user_without_options_is_served_in_the_runtime_folder)
{
    char folder[TEST_PATH_MAX];
    char own[TEST_PATH_MAX];
    char socket[TEST_PATH_MAX];
    char runtime[TEST_PATH_MAX];
    char home[TEST_PATH_MAX];
    uint32_t user = test_is_root() ? TEST_ALICE : 0;
    test_folder_make(folder);
    test_path(own, "%s/own", folder);
    test_folder_add(own, user, 0755);
    test_path(runtime, "XDG_RUNTIME_DIR=%s", own);
    test_path(home, "HOME=%s", own);
    const char *argv[] = {test_broker_program(), NULL};
    const char *environment[] = {runtime, home, "XDG_CONFIG_HOME",
                                 "RUNTIME_DIRECTORY", NULL};
    struct test_spawn spawn = {
        .argv = argv, .environment = environment, .user = user};
    test_path(socket, "%s/segbroker/broker.sock", own);
    serve_and_end(&spawn, socket);

    /* Under systemd, the folder it made for the service. */
    test_path(runtime, "RUNTIME_DIRECTORY=%s", own);
    environment[3] = NULL;
    test_path(socket, "%s/broker.sock", own);
    serve_and_end(&spawn, socket);
    test_folder_remove(folder);
}
END_TEST

START_TEST(users_config_file_is_read_by_default)
{
    char folder[TEST_PATH_MAX];
    char path[TEST_PATH_MAX];
    char config[TEST_PATH_MAX];
    char runtime[TEST_PATH_MAX];
    uint32_t user = test_is_root() ? TEST_ALICE : 0;
    test_folder_make(folder);
    test_path(path, "%s/segbroker", folder);
    test_folder_add(path, user, 0755);
    test_path(path, "%s/segbroker/segbroker.conf", folder);
    test_write(path, "[total]\nbytes = nothing\n");
    test_path(config, "XDG_CONFIG_HOME=%s", folder);
    test_path(runtime, "XDG_RUNTIME_DIR=%s/segbroker", folder);
    const char *argv[] = {test_broker_program(), "--check", NULL};
    const char *environment[] = {config, runtime, "RUNTIME_DIRECTORY", NULL};
    struct test_spawn spawn = {
        .argv = argv, .environment = environment, .user = user};
    REQUIRE_INT(test_run(&spawn, output, sizeof(output)), 1);
    test_path(path, "%s/segbroker/segbroker.conf:2: ", folder);
    REQUIRE_PART(output, path);
    test_folder_remove(folder);
}
END_TEST

/* ---- log ---- */

START_TEST(log_says_where_it_serves_and_levels_can_be_changed)
{
    char line[TEST_PATH_MAX];
    struct raw raw;
    test_broker_start(&broker, NULL);
    test_path(line, "info: serving %s\n", broker.socket);
    REQUIRE(TEST_UNTIL(5000, test_broker_logged(&broker, line)));
    raw_open(&raw, broker.socket);
    raw_ask(&raw, "{'id':1,'op':'log-level','level':'debug'}");
    REQUIRE_STR(raw_outcome(&raw), "ok");
    raw_say(&raw, "{'id':2,'op':'log-level','level':'error'}");
    REQUIRE_PART(raw_line(&raw), "\"previous\":\"debug\"");
    raw_ask(&raw, "{'id':1,'op':'log-level','level':'loud'}");
    REQUIRE_STR(raw_outcome(&raw), "invalid-argument");
    raw_close(&raw);
    test_broker_stop(&broker);
}
END_TEST

START_TEST(log_lines_are_whole_whatever_clients_send)
{
    struct raw raw;
    struct test_broker_options options = {.config =
                                              "[broker]\nlog_level = debug\n"};
    static char log[OUTPUT_MAX];
    test_broker_start(&broker, &options);
    raw_connect(&raw, broker.socket);
    raw_ask(&raw, "{'id':1,'op':'hello','version':1,'client':'a\\nforged: "
                  "line'}");
    raw_ask(&raw, "{'id':1,'op':'hello','version':1,'client':'plain'}");
    raw_ask(&raw, "{'id':2,'op':'create','name':'\\nforged: line','size':1}");
    raw_ask(&raw, "{'id':3,'op':'\\nforged: line'}");
    raw_close(&raw);
    test_broker_end(&broker);
    test_read(broker.log, log, sizeof(log));
    REQUIRE(strstr(log, "\nforged") == NULL);
    test_broker_forget(&broker);
}
END_TEST

START_TEST(journal_prefixes_are_given_under_systemd)
{
    static char log[OUTPUT_MAX];
    struct test_broker_options options = {.journal = true};
    test_broker_start(&broker, &options);
    test_broker_end(&broker);
    test_read(broker.log, log, sizeof(log));
    REQUIRE(log[0] == '<');
    REQUIRE_PART(log, "<6>");
    for (const char *line = log; line && *line;) {
        REQUIRE(line[0] == '<' && line[1] >= '3' && line[1] <= '7' &&
                line[2] == '>');
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    test_broker_forget(&broker);
}
END_TEST

/* ---- identity ---- */

START_TEST(user_that_cannot_be_told_from_others_is_refused)
{
    SKIP_UNLESS(test_is_root(), "needs root to act as other users");
    SKIP_UNLESS(test_can_own_users(), "no user namespaces here");
    struct test_broker_options options = {.own_users = true};
    struct raw raw;
    test_broker_start(&broker, &options);
    /* Root is mapped there. */
    raw_open(&raw, broker.socket);
    close(raw_create(&raw, NULL, "'size':1"));
    test_act_as(TEST_ALICE, 0);
    struct raw unknown;
    bool connected = raw_try_connect(&unknown, broker.socket);
    test_act_as_self();
    REQUIRE(connected);
    raw_reply(&unknown);
    REQUIRE(!unknown.reply.has_id);
    REQUIRE_STR(raw_outcome(&unknown), "access-denied");
    REQUIRE(raw_ends(&unknown, 5000));
    raw_close(&unknown);
    raw_ask(&raw, "{'id':1,'op':'ping'}");
    REQUIRE_STR(raw_outcome(&raw), "ok");
    raw_close(&raw);
    test_broker_stop(&broker);
}
END_TEST

/* nobody is an ordinary user where every uid is mapped. */
START_TEST(nobody_is_served_where_all_users_are_known)
{
    SKIP_UNLESS(test_is_root(), "needs root to act as other users");
    struct raw raw;
    test_broker_start(&broker, NULL);
    raw_open_as(&raw, broker.socket, 65534, 0);
    raw_close(&raw);
    test_broker_stop(&broker);
}
END_TEST

/* ---- hello ---- */

START_TEST(hello_comes_first_and_once)
{
    struct raw raw;
    test_broker_start(&broker, NULL);
    raw_connect(&raw, broker.socket);
    raw_ask(&raw, "{'id':1,'op':'ping'}");
    REQUIRE_STR(raw_outcome(&raw), "bad-request");
    raw_ask(&raw, "{'id':2,'op':'hello','version':99}");
    REQUIRE_STR(raw_outcome(&raw), "unsupported-version");
    REQUIRE_PART(raw.reply.text, "1");
    raw_ask(&raw, "{'id':3,'op':'hello','version':1}");
    REQUIRE_STR(raw_outcome(&raw), "ok");
    raw_ask(&raw, "{'id':4,'op':'hello','version':1}");
    REQUIRE_STR(raw_outcome(&raw), "bad-request");
    raw_ask(&raw, "{'id':5,'op':'ping'}");
    REQUIRE_STR(raw_outcome(&raw), "ok");
    raw_close(&raw);
    test_broker_stop(&broker);
}
END_TEST

/* Other processes of the broker's user must not take its handles. */
START_TEST(broker_cannot_be_inspected_by_its_own_user)
{
    SKIP_UNLESS(test_is_root(), "needs root to become another user");
    struct test_broker_options options = {.user = TEST_SERVICE};
    char path[TEST_PATH_MAX];
    struct stat facts;
    test_broker_start(&broker, &options);
    test_path(path, "/proc/%ld/fd", broker.serving);
    REQUIRE(stat(path, &facts) == 0);
    REQUIRE_INT(facts.st_uid, 0);
    test_broker_stop(&broker);
}
END_TEST

/* Whether a create is refused with that limit of segments. */
static void expect_refused(struct raw *raw, uint64_t limit)
{
    raw_ask(raw, "{'id':1,'op':'create','size':1}");
    REQUIRE_STR(raw_outcome(raw), "quota-exceeded");
    REQUIRE_STR(raw->reply.detail.budget, "segments");
    REQUIRE_INT(raw->reply.detail.limit, limit);
}

START_TEST(hang_up_signal_reloads)
{
    struct test_broker_options options = {.config =
                                              "[default]\nsegments = 0\n"};
    char place[TEST_PATH_MAX];
    struct raw raw;
    test_broker_start(&broker, &options);
    raw_open(&raw, broker.socket);
    expect_refused(&raw, 0);
    test_broker_configure(&broker, "[default]\nsegments = 1\n");
    test_signal(broker.pid, SIGHUP);
    REQUIRE(TEST_UNTIL(5000, (raw_ask(&raw, "{'id':1,'op':'create','size':1}"),
                              raw.reply.ok)));
    close(raw_grant(&raw, NULL));
    /* A bad file is logged, and nothing else happens. */
    test_broker_configure(&broker, "\n\n[default]\nsegments = x\n");
    test_signal(broker.pid, SIGHUP);
    test_path(place, "%s:4:", broker.config);
    REQUIRE(TEST_UNTIL(5000, test_broker_logged(&broker, place)));
    expect_refused(&raw, 1);
    raw_close(&raw);
    test_broker_stop(&broker);
}
END_TEST

/* Nobody reads its stderr, a pipe that is soon full. */
START_TEST(log_that_nobody_reads_stops_nothing)
{
    char folder[TEST_PATH_MAX];
    char pipe[TEST_PATH_MAX];
    char socket[TEST_PATH_MAX];
    struct raw raw;
    test_folder_make(folder);
    test_path(pipe, "%s/log", folder);
    test_path(socket, "%s/run/broker.sock", folder);
    REQUIRE(mkfifo(pipe, 0600) == 0);
    int reader = open(pipe, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    REQUIRE(reader >= 0 && fcntl(reader, F_SETPIPE_SZ, 4096) >= 0);
    const char *argv[] = {test_broker_program(), "--runtime-dir", NULL, NULL};
    char runtime[TEST_PATH_MAX];
    test_path(runtime, "%s/run", folder);
    test_folder_add(runtime, 0, 0755);
    argv[2] = runtime;
    struct test_spawn spawn = {.argv = argv, .output = pipe};
    test_pid pid = test_spawn(&spawn);
    REQUIRE(TEST_UNTIL(END_MS, raw_answers(socket)));
    raw_open(&raw, socket);
    raw_ask(&raw, "{'id':1,'op':'log-level','level':'debug'}");
    REQUIRE_STR(raw_outcome(&raw), "ok");
    for (int i = 0; i < 500; i++) {
        raw_ask(&raw, "{'id':1,'op':'ping'}");
        REQUIRE_STR(raw_outcome(&raw), "ok");
    }
    raw_close(&raw);
    test_terminate(pid);
    REQUIRE_INT(test_wait(pid, END_MS), 0);
    close(reader);
    test_folder_remove(folder);
}
END_TEST

static Suite *daemon_suite(void)
{
    Suite *suite = suite_create("daemon");
    TCase *tests = suite_case(suite, "options", 60);
    tcase_add_test(tests, version_and_help_are_told);
    tcase_add_loop_test(tests, roles_are_not_played_by_hand, 0, 2);
    tcase_add_test(tests, wrong_usage_exits_with_2);
    tcase_add_test(tests, check_of_a_good_file_says_ok);
    tcase_add_test(tests, check_of_a_bad_file_says_all_that_is_wrong);
    tcase_add_test(tests, missing_file_that_was_named_is_an_error);

    tests = suite_case(suite, "sockets", 60);
    tcase_add_test(tests, second_broker_refuses_to_start);
    tcase_add_test(tests, stale_socket_does_not_stop_it);
    tcase_add_test(tests, racing_starts_leave_one_broker);
    tcase_add_test(tests, end_leaves_alone_what_is_another_brokers);
    tcase_add_loop_test(tests, signal_ends_it_cleanly_with_clients_and_segments,
                        0, 2);
    tcase_add_test(tests, further_signals_do_not_disturb_the_end);
    tcase_add_test(tests, signal_during_a_large_commit_ends_it_cleanly);
    tcase_add_test(tests, shutdown_request_ends_it_cleanly);
    tcase_add_test(tests, too_long_socket_path_is_refused);
    tcase_add_test(tests, folder_that_cannot_be_written_is_refused);
    tcase_add_test(tests, socket_and_folder_are_where_and_how_they_should_be);
    tcase_add_test(tests, user_without_options_is_served_in_the_runtime_folder);
    tcase_add_test(tests, users_config_file_is_read_by_default);

    tests = suite_case(suite, "service", 60);
    tcase_add_test(tests, log_that_nobody_reads_stops_nothing);
    tcase_add_test(tests, hang_up_signal_reloads);
    tcase_add_test(tests, log_says_where_it_serves_and_levels_can_be_changed);
    tcase_add_test(tests, log_lines_are_whole_whatever_clients_send);
    tcase_add_test(tests, journal_prefixes_are_given_under_systemd);
    tcase_add_test(tests, user_that_cannot_be_told_from_others_is_refused);
    tcase_add_test(tests, nobody_is_served_where_all_users_are_known);
    tcase_add_test(tests, hello_comes_first_and_once);
    tcase_add_test(tests, broker_cannot_be_inspected_by_its_own_user);
    return suite;
}

int main(void)
{
    return suite_main(daemon_suite());
}
