/*
 * Descriptors that clients show for a segment of a file, good and bad ones:
 * the broker answers all of them, and waits for none.
 */
#include "client/segbroker.h"
#include "tests/support/memory.h"
#include "tests/support/recovery.h"
#include "tests/support/suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[TEST_PATH_MAX];
static char path[TEST_PATH_MAX];

static void setup(void)
{
    recovery_start(recovery_config);
    test_folder_make(folder);
    test_path(path, "%s/file", folder);
    test_write(path, "0123456789");
    REQUIRE_INT(chmod(path, 0666), 0);
}

static void teardown(void)
{
    test_folder_remove(folder);
    recovery_stop();
}

/* Asks for a segment of what these are, with members of the request more. */
static void ask(struct raw *raw, const char *members, const char *handles,
                const int *fds, unsigned count)
{
    char line[512];
    int size = snprintf(line, sizeof(line),
                        "{\"id\":1,\"op\":\"create\",\"name\":\"a\","
                        "\"source\":\"file\",%s\"handles\":{%s}}\n",
                        members, handles);
    REQUIRE(raw_send_with(raw, line, (size_t)size, fds, count));
    raw_reply(raw);
}

static void expect(const char *outcome, const char *part)
{
    REQUIRE_STR(raw_outcome(&recovery_client), outcome);
    REQUIRE_PART(recovery_client.reply.text, part);
    /* It goes on. */
    raw_ask(&recovery_client, "{'id':2,'op':'ping'}");
    REQUIRE_STR(raw_outcome(&recovery_client), "ok");
}

static void expect_refused(int fd, const char *handle, const char *access,
                           const char *outcome, const char *part)
{
    char members[64], handles[64];
    REQUIRE(fd >= 0);
    snprintf(members, sizeof(members), "\"access\":\"%s\",", access);
    snprintf(handles, sizeof(handles), "\"%s\":0", handle);
    ask(&recovery_client, members, handles, &fd, 1);
    close(fd);
    expect(outcome, part);
}

START_TEST(what_is_no_file_is_refused)
{
    char fifo[TEST_PATH_MAX];
    int ends[2];
    test_path(fifo, "%s/fifo", folder);
    REQUIRE_INT(mkfifo(fifo, 0666), 0);
    REQUIRE_INT(pipe(ends), 0);
    close(ends[1]);
    expect_refused(open(fifo, O_RDWR), "file", "rw", "invalid-argument",
                   "regular file");
    expect_refused(ends[0], "file_read", "ro", "invalid-argument",
                   "regular file");
    expect_refused(open("/dev/zero", O_RDWR), "file", "rw", "invalid-argument",
                   "regular file");
    expect_refused(open(folder, O_RDONLY), "file_read", "ro",
                   "invalid-argument", "regular file");
    expect_refused(open(path, O_PATH), "file_read", "ro", "invalid-argument",
                   "O_PATH");
}
END_TEST

START_TEST(file_open_in_the_wrong_way_is_refused)
{
    expect_refused(open(path, O_RDWR | O_APPEND), "file", "rw",
                   "invalid-argument", "O_APPEND");
    expect_refused(open(path, O_RDONLY), "file", "rw", "invalid-argument",
                   "reading and writing");
    expect_refused(open(path, O_WRONLY), "file", "rw", "invalid-argument",
                   "reading and writing");
    expect_refused(open(path, O_RDWR), "file_read", "ro", "invalid-argument",
                   "reading only");
    expect_refused(open(path, O_RDWR), "file", "ro", "invalid-argument",
                   "reading only");
    expect_refused(open(path, O_RDONLY), "file_read", "rw", "invalid-argument",
                   "reading and writing");
}
END_TEST

START_TEST(two_different_files_are_refused)
{
    char other[TEST_PATH_MAX];
    int fds[2];
    test_path(other, "%s/other", folder);
    test_write(other, "other");
    fds[0] = open(path, O_RDWR);
    fds[1] = open(other, O_RDONLY);
    ask(&recovery_client, "", "\"file\":0,\"file_read\":1", fds, 2);
    close(fds[0]);
    close(fds[1]);
    expect("invalid-argument", "another one");
}
END_TEST

START_TEST(handle_that_did_not_come_is_missed)
{
    int fd = open(path, O_RDWR);
    ask(&recovery_client, "", "\"file\":0,\"file_read\":1", &fd, 1);
    expect("invalid-argument", "did not come along");
    ask(&recovery_client, "", "\"file_read\":7", &fd, 1);
    expect("invalid-argument", "did not come along");
    raw_ask(&recovery_client,
            "{'id':1,'op':'create','source':'file','handles':{}}");
    expect("invalid-argument", "handles");
    raw_ask(&recovery_client,
            "{'id':1,'op':'create','source':'disk','size':1}");
    expect("invalid-argument", "source");
    close(fd);
}
END_TEST

START_TEST(file_of_another_user_is_refused)
{
    struct raw alice;
    int fd;
    SKIP_UNLESS(test_is_root(), "it needs root, to be another user");
    raw_open_as(&alice, recovery_broker.socket, TEST_ALICE, 0);
    fd = open(path, O_RDWR);
    ask(&alice, "", "\"file\":0", &fd, 1);
    REQUIRE_STR(raw_outcome(&alice), "access-denied");
    REQUIRE_PART(alice.reply.text, "another user");
    REQUIRE_INT(fchown(fd, TEST_ALICE, (gid_t)-1), 0);
    ask(&alice, "", "\"file\":0", &fd, 1);
    REQUIRE_STR(raw_outcome(&alice), "ok");
    test_close(raw_grant(&alice, NULL));
    close(fd);
    raw_close(&alice);
}
END_TEST

START_TEST(file_that_cannot_grow_stays_as_it_is)
{
    int fd = open(path, O_RDWR);
    /* The broker may not make any file larger than that. */
    ask(&recovery_client, "\"size\":2147483648,", "\"file\":0", &fd, 1);
    expect("file-full", "cannot be made that large");
    ask(&recovery_client, "\"size\":2147483648,\"commit\":false,", "\"file\":0",
        &fd, 1);
    expect("file-full", "cannot be made that large");
    REQUIRE_INT(test_file_size(path), 10);
    close(fd);
}
END_TEST

START_TEST(what_grows_is_allocated)
{
    struct stat status;
    int fd = open(path, O_RDWR);
    ask(&recovery_client, "\"size\":1048576,", "\"file\":0", &fd, 1);
    REQUIRE_STR(raw_outcome(&recovery_client), "ok");
    test_close(raw_grant(&recovery_client, NULL));
    REQUIRE_INT(fstat(fd, &status), 0);
    REQUIRE_INT(status.st_size, 1 << 20);
    REQUIRE(status.st_blocks >= (1 << 20) / 512);
    close(fd);
}
END_TEST

START_TEST(openers_get_what_the_creator_opened)
{
    struct message_grant grant;
    int fds[2] = {open(path, O_RDWR), open(path, O_RDONLY)};
    ask(&recovery_client, "", "\"file\":0,\"file_read\":1", fds, 2);
    REQUIRE_STR(raw_outcome(&recovery_client), "ok");
    int made = raw_grant(&recovery_client, &grant);
    REQUIRE(grant.of_file);
    REQUIRE(test_is_writable(made));
    int opened = raw_open_segment(&recovery_client, &grant, "'name':'a'");
    REQUIRE(!test_is_writable(opened));
    REQUIRE(test_memory_same(made, opened));
    REQUIRE(test_memory_same(made, fds[0]));
    test_close(made);
    test_close(opened);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(truncated_file_is_an_error_and_no_signal)
{
    segb_connect_options options = {.struct_size = sizeof(options),
                                    .socket = recovery_broker.socket};
    segb_file file = {open(path, O_RDWR), -1};
    segb_create_options of_file = {.struct_size = sizeof(of_file),
                                   .file = &file};
    segb_client *client;
    segb_segment *segment;
    char byte;
    REQUIRE_INT(segb_connect(&options, &client), 0);
    REQUIRE_INT(segb_create(client, NULL, 0, &of_file, &segment), 0);
    REQUIRE_INT(ftruncate((int)file.write, 4), 0);
    REQUIRE_INT(segb_read(segment, 3, &byte, 1), 0);
    REQUIRE_INT(segb_read(segment, 4, &byte, 1), SEGB_E_FILE_TOO_SMALL);
    REQUIRE_INT(segb_write(segment, 4, &byte, 1), SEGB_E_FILE_TOO_SMALL);
    REQUIRE_INT(test_file_size(path), 4);
    segb_close(segment);
    segb_disconnect(client);
    close((int)file.write);
}
END_TEST

START_TEST(no_descriptor_stays_in_the_broker)
{
    int before = test_broker_settle(&recovery_broker, &recovery_client);
    int fds[2] = {open(path, O_RDWR), open(path, O_RDONLY)};
    SKIP_UNLESS(before >= 0, "the system does not tell of descriptors");
    for (int i = 0; i < 100; i++) {
        struct message_grant grant;
        ask(&recovery_client, i % 2 ? "" : "\"access\":\"cow\",\"size\":99,",
            "\"file\":0,\"file_read\":1", fds, 2);
        if (!recovery_client.reply.ok)
            continue;
        test_close(raw_grant(&recovery_client, &grant));
        raw_release(&recovery_client, grant.grant);
    }
    close(fds[0]);
    close(fds[1]);
    REQUIRE(TEST_UNTIL(RECOVERY_SOON_MS,
                       test_broker_settle(&recovery_broker, &recovery_client) ==
                           before));
}
END_TEST

static Suite *file_suite(void)
{
    Suite *suite = suite_create("file_posix");
    TCase *tests = suite_case(suite, "file_posix", 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, what_is_no_file_is_refused);
    tcase_add_test(tests, file_open_in_the_wrong_way_is_refused);
    tcase_add_test(tests, two_different_files_are_refused);
    tcase_add_test(tests, handle_that_did_not_come_is_missed);
    tcase_add_test(tests, file_of_another_user_is_refused);
    tcase_add_test(tests, file_that_cannot_grow_stays_as_it_is);
    tcase_add_test(tests, what_grows_is_allocated);
    tcase_add_test(tests, openers_get_what_the_creator_opened);
    tcase_add_test(tests, truncated_file_is_an_error_and_no_signal);
    tcase_add_test(tests, no_descriptor_stays_in_the_broker);
    return suite;
}

int main(void)
{
    return suite_main(file_suite());
}
