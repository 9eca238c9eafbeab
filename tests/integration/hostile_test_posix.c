/*
 * Hostile and unlucky clients where descriptors go along with bytes: too many
 * of them, too few left, ends that are half closed; and processes by fork.
 */
#include "client/segbroker.h"
#include "tests/support/bystander.h"
#include "tests/support/suite.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

static void setup(void)
{
    struct test_broker_options options = {0};
    bystander_start(&options);
}

/* ---- descriptors ---- */

START_TEST(descriptors_sent_along_are_closed)
{
    enum { MESSAGES = 50 };
    static const char ping[] = "{\"id\":1,\"op\":\"ping\"}\n";
    int descriptors[RAW_BATCH_MAX];
    struct raw bad;
    for (int i = 0; i < RAW_BATCH_MAX; i++)
        descriptors[i] = STDERR_FILENO;
    raw_open(&bad, bystander_broker.socket);
    int open_before = test_broker_descriptors(&bystander_broker);
    for (int i = 0; i < MESSAGES; i++) {
        REQUIRE(raw_send_with(&bad, ping, sizeof(ping) - 1, descriptors,
                              RAW_BATCH_MAX));
        REQUIRE_STR((raw_reply(&bad), raw_outcome(&bad)), "ok");
    }
    REQUIRE(TEST_UNTIL(5000, test_broker_descriptors(&bystander_broker) ==
                                 open_before));
    raw_close(&bad);
}
END_TEST

/* One handle may wait for the rest of its line, of memory or a file; not
 * more. */
START_TEST(descriptors_of_unfinished_lines_are_bounded)
{
    struct raw bad;
    int error_stream = STDERR_FILENO;
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    REQUIRE(file >= 0);
    raw_open(&bad, bystander_broker.socket);
    int open_before = test_broker_descriptors(&bystander_broker);
    REQUIRE(raw_send_with(&bad, "{", 1, &error_stream, 1));
    bystander_expect_served();
    REQUIRE(raw_send_with(&bad, " ", 1, &file, 1));
    bystander_expect_served();
    REQUIRE(TEST_UNTIL(5000, test_broker_descriptors(&bystander_broker) <=
                                 open_before + 1));
    while (raw_send_with(&bad, " ", 1, &file, 1))
        test_pause();
    REQUIRE(raw_ends(&bad, 5000));
    bystander_expect_served();
    REQUIRE(TEST_UNTIL(5000, test_broker_descriptors(&bystander_broker) <
                                 open_before));
    raw_close(&bad);
    close(file);
}
END_TEST

/* Whoever closes it last waits ten minutes for somebody to read. This process
 * ends, which is no closing, and leaves it to the broker. */
static void send_lingering(void *data)
{
    static const char ping[] = "{\"id\":1,\"op\":\"ping\"}\n";
    static char bytes[65536];
    struct linger linger = {.l_onoff = 1, .l_linger = 600};
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    struct raw bad;
    int listener = *(int *)data;
    int sender = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
    REQUIRE(setsockopt(sender, SOL_SOCKET, SO_LINGER, &linger,
                       sizeof(linger)) == 0);
    REQUIRE(connect(sender, (struct sockaddr *)&address, size) == 0);
    while (send(sender, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        continue;
    raw_open(&bad, bystander_broker.socket);
    REQUIRE(raw_send_with(&bad, ping, sizeof(ping) - 1, &sender, 1));
    /* One that may be unread when its connection ends. */
    REQUIRE(raw_send_with(&bad, "{", 1, &sender, 1));
}

START_TEST(lingering_socket_sent_along_holds_nobody_up)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0);
    REQUIRE(listen(listener, 8) == 0);
    for (int i = 0; i < 3; i++) {
        REQUIRE_INT(test_join(test_fork(send_lingering, &listener)), 0);
        bystander_expect_served();
    }
    close(listener);
}
END_TEST

/* Sockets that carry sockets, their own connection among them. */
START_TEST(own_connection_sent_along_does_not_keep_it)
{
    struct raw bad;
    raw_open(&bad, bystander_broker.socket);
    close(raw_create(&bad, NULL, "'name':'own','size':1"));
    int own[2] = {bad.fd, bystander.fd};
    REQUIRE(raw_send_with(&bad, "{", 1, own, 2));
    raw_close(&bad);
    REQUIRE(TEST_UNTIL(5000, raw_count_segments(&bystander) == 0));
}
END_TEST

/* ---- silence ---- */

START_TEST(half_closed_client_has_ended)
{
    struct raw half;
    raw_open(&half, bystander_broker.socket);
    for (int i = 0; i < 50; i++)
        raw_say(&half, "{'id':%d,'op':'create','size':4096}", i);
    REQUIRE(shutdown(half.fd, SHUT_WR) == 0);
    REQUIRE(raw_ends(&half, 5000));
    /* Though it is still there. */
    REQUIRE(TEST_UNTIL(5000, bystander_all_is_back()));
    raw_close(&half);
}
END_TEST

/* ---- waiting ---- */

/* Requests that wait for somebody's memory cost what the broker knows of them,
 * whatever else is in their lines. */
START_TEST(waiting_requests_are_bounded)
{
    enum { WAITING = 64, MORE = 6, VALUES = 400 };
    static char fat[2 * VALUES];
    struct raw bad;
    char *lines = NULL;
    size_t size = 0;
    SKIP_UNLESS(!suite_quick(), "memory is not the broker's alone");
    for (int i = 0; i < 2 * VALUES - 1; i++)
        fat[i] = i % 2 ? ',' : '0';
    raw_open(&bad, bystander_broker.socket);
    int64_t before = test_process_memory(bystander_broker.serving);
    /* In one message, so that none is answered before all are read. */
    FILE *out = open_memstream(&lines, &size);
    fprintf(out, "{\"id\":1,\"op\":\"create\",\"name\":\"slow\",\"size\":%d}\n",
            600 * MIB);
    for (int i = 0; i < WAITING - 1 + MORE; i++)
        fprintf(out,
                "{\"id\":2,\"op\":\"stat\",\"name\":\"slow\",\"x\":[%s]}\n",
                fat);
    fclose(out);
    REQUIRE(raw_send(&bad, lines, size));
    free(lines);
    for (int i = 0; i < MORE; i++) {
        raw_reply(&bad);
        REQUIRE_STR(raw_outcome(&bad), "busy");
    }
    REQUIRE(test_process_memory(bystander_broker.serving) - before < MIB);
    raw_reply(&bad);
    close(raw_grant(&bad, NULL));
    for (int i = 0; i < WAITING - 1; i++) {
        raw_reply(&bad);
        REQUIRE_STR(raw_outcome(&bad), "ok");
    }
    raw_close(&bad);
}
END_TEST

START_TEST(waiting_share_lists_are_bounded)
{
    enum { PRINCIPALS = 64 };
    static char list[PRINCIPALS * 16];
    struct raw bad;
    size_t size = 0;
    for (int i = 0; i < PRINCIPALS; i++)
        size += (size_t)snprintf(list + size, sizeof(list) - size,
                                 "%s'user:root'", i ? "," : "");
    raw_open(&bad, bystander_broker.socket);
    char *lines = NULL;
    size_t all = 0;
    /* In one message, so that none is answered before all are read. */
    FILE *out = open_memstream(&lines, &all);
    for (int i = 0; i < 3; i++)
        fprintf(out,
                "{'id':%d,'op':'create','size':1,'share':{'read':[%s],"
                "'write':[%s]}}\n",
                i, list, list);
    fclose(out);
    for (char *at = lines; (at = strchr(at, '\'')) != NULL;)
        *at = '"';
    REQUIRE(raw_send(&bad, lines, all));
    free(lines);
    raw_reply(&bad);
    REQUIRE_INT(bad.reply.id, 2);
    REQUIRE_STR(raw_outcome(&bad), "busy");
    for (int i = 0; i < 2; i++) {
        raw_reply(&bad);
        REQUIRE_STR(raw_outcome(&bad), "ok");
        close(raw_grant(&bad, NULL));
    }
    raw_close(&bad);
}
END_TEST

/* ---- much to do ---- */

/* Each has its turn, however much the others ask for. */
START_TEST(floods_of_requests_do_not_starve_others)
{
    enum { FLOODS = 50, SEGMENTS = 4000, BYTES = 60000 };
    static const char list[] = "{\"id\":1,\"op\":\"list\",\"prefix\":\"zz\"}\n";
    static struct raw floods[FLOODS];
    static char lines[BYTES];
    size_t size = 0;
    struct raw many;
    raw_open(&many, bystander_broker.socket);
    for (int i = 0; i < SEGMENTS; i++) {
        raw_say(&many, "{'id':1,'op':'create','size':1}");
        if (i % 100 == 99)
            for (int j = 0; j < 100; j++) {
                raw_reply(&many);
                close(raw_grant(&many, NULL));
            }
    }
    while (size + sizeof(list) < BYTES) {
        memcpy(lines + size, list, sizeof(list));
        size += sizeof(list) - 1;
    }
    for (int i = 0; i < FLOODS; i++)
        raw_open(&floods[i], bystander_broker.socket);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < FLOODS; i++)
            raw_send_some(&floods[i], lines, size);
        bystander_expect_served();
    }
    for (int i = 0; i < FLOODS; i++)
        raw_close(&floods[i]);
    raw_close(&many);
}
END_TEST

/* ---- short of descriptors ---- */

START_TEST(client_at_its_descriptor_limit_loses_only_the_handle)
{
    struct raw poor;
    struct message_grant grant;
    raw_open(&poor, bystander_broker.socket);
    close(raw_create(&poor, NULL, "'name':'a','size':4096"));
    /* The lowest free descriptor is the limit: no further one fits. */
    int lowest = dup(poor.fd);
    close(lowest);
    uint64_t before = test_limit_descriptors((uint64_t)lowest);
    raw_ask(&poor, "{'id':1,'op':'open','name':'a'}");
    test_limit_descriptors(before);
    REQUIRE_STR(raw_outcome(&poor), "ok");
    REQUIRE(poor.truncated);
    REQUIRE_INT(raw_grant(&poor, &grant), -1);
    /* The grant can be given back, and the next one is whole. */
    raw_release(&poor, grant.grant);
    int fd = raw_open_segment(&poor, NULL, "'name':'a'");
    close(fd);
    raw_close(&poor);
}
END_TEST

START_TEST(library_at_its_descriptor_limit_says_so)
{
    segb_client *client;
    segb_segment *made;
    segb_segment *opened = NULL;
    segb_connect_options options = {.struct_size = sizeof(options),
                                    .socket = bystander_broker.socket};
    REQUIRE_INT(segb_connect(&options, &client), 0);
    REQUIRE_INT(segb_create(client, "a", 4096, NULL, &made), 0);
    int lowest = dup(bystander.fd);
    close(lowest);
    uint64_t before = test_limit_descriptors((uint64_t)lowest);
    int r = segb_open(client, "a", NULL, &opened);
    test_limit_descriptors(before);
    REQUIRE_INT(r, SEGB_E_TOO_MANY_HANDLES);
    REQUIRE(opened == NULL);
    /* The lost one's grant went back: only the creator's is left. */
    REQUIRE(TEST_UNTIL(5000, raw_used_by_all(&bystander, "grants") ==
                                 2)); /* the user's and the host's */
    REQUIRE_INT(segb_open(client, "a", NULL, &opened), 0);
    segb_close(opened);
    segb_close(made);
    segb_disconnect(client);
}
END_TEST

static void setup_tiny(void)
{
    struct test_broker_options options = {.descriptors = 256};
    bystander_start(&options);
}

START_TEST(broker_at_its_descriptor_limit_pauses_accepting)
{
    enum { CROWD = 300 };
    static struct raw crowd[CROWD];
    int served = 0;
    for (int i = 0; i < CROWD; i++) {
        raw_connect(&crowd[i], bystander_broker.socket);
        raw_say(&crowd[i], "{'id':1,'op':'hello','version':1}");
    }
    /* Those in service are, creates and opens included. */
    for (int i = 0; i < 50; i++)
        bystander_expect_served();
    for (int i = 0; i < CROWD; i++)
        served += raw_pending(&crowd[i]);
    REQUIRE(served > 10 && served < CROWD);
    /* Waiting for room costs no time of the processor. */
    int64_t cpu = test_process_cpu_ms(bystander_broker.serving);
    int64_t began = test_clock_us();
    while (test_clock_us() - began < 500000)
        test_pause();
    REQUIRE(cpu >= 0);
    REQUIRE(test_process_cpu_ms(bystander_broker.serving) - cpu < 150);
    /* Whoever waits gets in when others leave. */
    int64_t end = test_clock_us() + 20 * 1000000;
    int left = CROWD;
    while (left > 0) {
        REQUIRE(test_clock_us() < end);
        for (int i = 0; i < CROWD; i++) {
            if (crowd[i].fd < 0 || !raw_pending(&crowd[i]))
                continue;
            raw_reply(&crowd[i]);
            REQUIRE_STR(raw_outcome(&crowd[i]), "ok");
            raw_close(&crowd[i]);
            left--;
        }
        test_pause();
    }
}
END_TEST

START_TEST(broker_at_its_descriptor_limit_refuses_segments)
{
    enum { CREATES = 400 };
    struct raw greedy;
    int ok = 0;
    raw_open(&greedy, bystander_broker.socket);
    for (int i = 0; i < CREATES; i++) {
        raw_ask(&greedy, "{'id':1,'op':'create','size':1}");
        ok += greedy.reply.ok;
        if (greedy.reply.ok)
            close(raw_grant(&greedy, NULL));
        else
            REQUIRE_STR(raw_outcome(&greedy), "too-many-handles");
    }
    REQUIRE(ok > 10 && ok < CREATES);
    raw_ask(&bystander, "{'id':1,'op':'ping'}");
    REQUIRE_STR(raw_outcome(&bystander), "ok");
    raw_close(&greedy);
    REQUIRE(TEST_UNTIL(5000, raw_count_segments(&bystander) == 0));
}
END_TEST

/* ---- memory ---- */

/* It fits the machine, but not the broker's limit (RLIMIT_FSIZE). */
START_TEST(segment_larger_than_the_brokers_limit_is_refused)
{
    struct raw bad;
    raw_open(&bad, bystander_broker.socket);
    raw_say(&bad, "{'id':1,'op':'create','name':'huge','size':2147483648%s}",
            _i ? ",'commit':false" : "");
    bystander_expect_served();
    raw_reply(&bad);
    REQUIRE_STR(raw_outcome(&bad), "no-memory");
    REQUIRE_INT(raw_used_by_all(&bystander, "bytes"), 0);
    raw_close(&bad);
}
END_TEST

/* ---- races ---- */

struct racer {
    int begin; /* a byte for each: create now */
    int end;   /* a byte for each: let go */
    int result;
};

static void racer_body(void *data)
{
    const struct racer *racer = data;
    struct message_grant grant;
    struct raw raw;
    char byte;
    raw_open(&raw, bystander_broker.socket);
    REQUIRE(write(racer->result, "", 1) == 1);
    REQUIRE(read(racer->begin, &byte, 1) == 1);
    int fd = raw_create(&raw, &grant, "'name':'one','size':4096");
    REQUIRE(fd >= 0);
    REQUIRE(write(racer->result, &grant, sizeof(grant)) == sizeof(grant));
    REQUIRE(read(racer->end, &byte, 1) == 1);
}

START_TEST(racing_processes_get_one_segment)
{
    enum { CREATORS = 200 };
    static char go[CREATORS];
    test_pid pids[CREATORS];
    struct message_grant grant;
    int begin[2];
    int end[2];
    int result[2];
    int created = 0;
    uint64_t segment = 0;
    char byte;
    REQUIRE(pipe2(begin, O_CLOEXEC) == 0 && pipe2(end, O_CLOEXEC) == 0 &&
            pipe2(result, O_CLOEXEC) == 0);
    struct racer racer = {begin[0], end[0], result[1]};
    for (int i = 0; i < CREATORS; i++)
        pids[i] = test_fork(racer_body, &racer);
    for (int i = 0; i < CREATORS; i++)
        REQUIRE(read(result[0], &byte, 1) == 1);
    REQUIRE(write(begin[1], go, CREATORS) == CREATORS);
    for (int i = 0; i < CREATORS; i++) {
        REQUIRE(read(result[0], &grant, sizeof(grant)) == sizeof(grant));
        created += grant.created;
        segment = segment ? segment : grant.segment;
        REQUIRE_INT(grant.segment, segment);
    }
    REQUIRE_INT(created, 1);
    REQUIRE(write(end[1], go, CREATORS) == CREATORS);
    for (int i = 0; i < CREATORS; i++)
        REQUIRE_INT(test_join(pids[i]), 0);
    for (int i = 0; i < 2; i++) {
        close(begin[i]);
        close(end[i]);
        close(result[i]);
    }
}
END_TEST

static Suite *hostile_suite(void)
{
    Suite *suite = suite_create("hostile");
    TCase *tests = suite_case(suite, "hostile", 100);
    tcase_add_checked_fixture(tests, setup, bystander_stop);
    tcase_add_test(tests, descriptors_sent_along_are_closed);
    tcase_add_test(tests, descriptors_of_unfinished_lines_are_bounded);
    tcase_add_test(tests, lingering_socket_sent_along_holds_nobody_up);
    tcase_add_test(tests, floods_of_requests_do_not_starve_others);
    tcase_add_test(tests, own_connection_sent_along_does_not_keep_it);
    tcase_add_test(tests, half_closed_client_has_ended);
    tcase_add_test(tests, waiting_requests_are_bounded);
    tcase_add_test(tests, waiting_share_lists_are_bounded);
    tcase_add_test(tests, client_at_its_descriptor_limit_loses_only_the_handle);
    tcase_add_test(tests, library_at_its_descriptor_limit_says_so);
    tcase_add_loop_test(tests, segment_larger_than_the_brokers_limit_is_refused,
                        0, 2);
    tcase_add_test(tests, racing_processes_get_one_segment);

    tests = suite_case(suite, "tiny", 60);
    tcase_add_checked_fixture(tests, setup_tiny, bystander_stop);
    tcase_add_test(tests, broker_at_its_descriptor_limit_pauses_accepting);
    tcase_add_test(tests, broker_at_its_descriptor_limit_refuses_segments);
    return suite;
}

int main(void)
{
    return suite_main(hostile_suite());
}
