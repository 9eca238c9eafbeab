/*
 * Over a socketpair, whose other end reads as a client does.
 */
#include "connection.h"
#include "output.h"
#include "tests/support/runner.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OURS, THEIRS };

static frame_handle pair[2];
static struct connection *ours;
static struct lent *null_device;
static struct output_pool pool;
static struct output_batch batch;
static struct output output;
static struct output_target target;

static void setup(void)
{
    ck_assert_int_eq(connection_pair(pair), 0);
    ours = connection_accept(pair[OURS]);
    ck_assert_ptr_nonnull(ours);
    null_device = lent_new(open("/dev/null", O_RDONLY | O_CLOEXEC));
    ck_assert_ptr_nonnull(null_device);
    ck_assert_int_ge(null_device->handle, 0);
    output = (struct output){0};
    pool = (struct output_pool){.connection = 8, .capacity = 100};
    output_batch_init(&batch, &pool);
    target = (struct output_target){ours, &pool};
}

static void teardown(void)
{
    output_deinit(&output, &target);
    output_batch_deinit(&batch);
    ck_assert_uint_eq(pool.unread, 0);
    null_device = lent_unref(null_device);
    ours = connection_close(ours, NULL, NULL);
    close((int)pair[THEIRS]);
}

static void add_reply(const char *line, unsigned handles)
{
    ck_assert_int_eq(buffer_add(&batch.lines, line, strlen(line)), 0);
    for (unsigned i = 0; i < handles; i++) {
        struct message_handle named;
        unsigned index = batch.count;

        ck_assert_int_eq(output_batch_attach(&batch, ours, null_device, &named),
                         0);
        ck_assert_int_eq(named.form, MESSAGE_HANDLE_INDEX);
        ck_assert_uint_eq(named.number, index);
    }
}

/* Reads what has come; the handles are closed and counted. */
static size_t read_some(unsigned *handles)
{
    static char bytes[1 << 20];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(PROTOCOL_HANDLES_MAX * sizeof(int))];
    } control;
    struct iovec data = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct msghdr header = {.msg_iov = &data,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg((int)pair[THEIRS], &header, MSG_DONTWAIT);
    struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&header) : NULL;
    size_t count = c ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;

    for (size_t i = 0; i < count; i++) {
        int fd;

        memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
        close(fd);
    }
    *handles += (unsigned)count;
    return n > 0 ? (size_t)n : 0;
}

/* Makes the connection full, without a newline in sight. */
static size_t fill(void)
{
    static const char filler[4096];
    size_t all = 0, sent;

    while (connection_send(ours, filler, sizeof(filler), NULL, 0, &sent) == 0)
        all += sent;
    return all;
}

START_TEST(sends_lines_and_handles_in_one_message)
{
    unsigned handles = 0;

    add_reply("one\n", 1);
    add_reply("two\n", 2);
    ck_assert_int_eq(output_flush(&output, &target, &batch), 0);
    ck_assert(output_batch_is_empty(&batch));
    ck_assert_uint_eq(read_some(&handles), 8);
    ck_assert_uint_eq(handles, 3);
}
END_TEST

START_TEST(queues_what_does_not_go_and_sends_each_handle_once)
{
    size_t filled = fill(), got = 0;
    unsigned handles = 0;

    add_reply("late\n", 2);
    ck_assert_int_eq(output_flush(&output, &target, &batch), OUTPUT_WAITS);
    add_reply("later\n", 1);
    ck_assert_int_eq(output_flush(&output, &target, &batch), OUTPUT_WAITS);
    while (got < filled)
        got += read_some(&handles);
    ck_assert_uint_eq(handles, 0);
    ck_assert_int_eq(output_flush(&output, &target, &batch), 0);
    for (got = 0; got < 11;)
        got += read_some(&handles);
    ck_assert_uint_eq(got, 11);
    ck_assert_uint_eq(handles, 3);
}
END_TEST

START_TEST(a_queued_handle_outlives_its_lender)
{
    size_t filled = fill(), got = 0;
    unsigned handles = 0;

    add_reply("late\n", 1);
    ck_assert_int_eq(output_flush(&output, &target, &batch), OUTPUT_WAITS);
    null_device = lent_unref(null_device);
    while (got < filled)
        got += read_some(&handles);
    ck_assert_int_eq(output_flush(&output, &target, &batch), 0);
    ck_assert_uint_eq(read_some(&handles), 5);
    ck_assert_uint_eq(handles, 1);
}
END_TEST

START_TEST(holds_back_who_does_not_take_its_handles)
{
    unsigned handles = 0;

    add_reply("a\n", 8);
    ck_assert_int_eq(output_flush(&output, &target, &batch), 0);
    add_reply("b\n", 1);
    ck_assert_int_eq(output_flush(&output, &target, &batch), OUTPUT_HELD_BACK);
    ck_assert_int_eq(output_flush(&output, &target, &batch), OUTPUT_HELD_BACK);
    ck_assert_uint_eq(read_some(&handles), 2);
    ck_assert_int_eq(output_flush(&output, &target, &batch), 0);
    ck_assert_uint_eq(read_some(&handles), 2);
    ck_assert_uint_eq(handles, 9);
}
END_TEST

START_TEST(lines_without_handles_are_not_held_back)
{
    unsigned handles = 0;

    add_reply("a\n", 8);
    ck_assert_int_eq(output_flush(&output, &target, &batch), 0);
    add_reply("b\n", 0);
    ck_assert_int_eq(output_flush(&output, &target, &batch), 0);
    while (handles < 8)
        read_some(&handles);
}
END_TEST

START_TEST(holds_back_when_the_pool_is_used_up)
{
    unsigned handles = 0;

    pool.unread = 97; /* on other connections */
    add_reply("a\n", 1);
    ck_assert_int_eq(output_flush(&output, &target, &batch), 0);
    add_reply("b\n", 3);
    ck_assert_int_eq(output_flush(&output, &target, &batch), OUTPUT_HELD_BACK);
    ck_assert_uint_eq(pool.unread, 98);
    ck_assert_uint_eq(read_some(&handles), 2);
    ck_assert_int_eq(output_flush(&output, &target, &batch), 0);
    ck_assert_uint_eq(pool.unread, 100);
    ck_assert_uint_eq(read_some(&handles), 2);
    ck_assert_uint_eq(handles, 4);
    pool.unread -= 97;
}
END_TEST

START_TEST(who_reads_is_not_starved_by_others)
{
    unsigned handles = 0;

    pool.unread = 100;
    for (int i = 0; i < 3; i++) {
        add_reply("a\n", 1);
        ck_assert(output_batch_is_full(&batch));
        ck_assert_int_eq(output_flush(&output, &target, &batch), 0);
        ck_assert_uint_eq(read_some(&handles), 2);
    }
    ck_assert_uint_eq(handles, 3);
    pool.unread -= 100;
}
END_TEST

START_TEST(batch_leaves_room_for_all_that_a_reply_may_have)
{
    unsigned handles = 0;

    pool.connection = PROTOCOL_HANDLES_MAX;
    pool.capacity = 10000;
    while (!output_batch_is_full(&batch))
        add_reply("a\n", 1);
    ck_assert_uint_eq(batch.count,
                      PROTOCOL_HANDLES_MAX - OUTPUT_REPLY_HANDLES + 1);
    ck_assert_int_eq(output_flush(&output, &target, &batch), 0);
    read_some(&handles);
    ck_assert_uint_eq(handles, PROTOCOL_HANDLES_MAX - OUTPUT_REPLY_HANDLES + 1);
}
END_TEST

START_TEST(reply_that_will_not_be_gives_its_handles_back)
{
    unsigned handles = 0, borrowers;

    add_reply("a\n", 1);
    borrowers = null_device->borrowers;
    add_reply("", 2);
    output_batch_detach(&batch, ours, 1);
    ck_assert_uint_eq(null_device->borrowers, borrowers);
    ck_assert_int_eq(output_flush(&output, &target, &batch), 0);
    ck_assert_uint_eq(read_some(&handles), 2);
    ck_assert_uint_eq(handles, 1);
}
END_TEST

START_TEST(tells_when_the_other_side_has_gone)
{
    int other = (int)pair[THEIRS];

    pair[THEIRS] = -1;
    close(other);
    add_reply("a\n", 1);
    ck_assert_int_eq(output_flush(&output, &target, &batch), OUTPUT_E_GONE);
    ck_assert(output_batch_is_empty(&batch));
}
END_TEST

START_TEST(the_pool_follows_from_the_descriptor_limit)
{
    ck_assert_uint_eq(output_pool(1024).connection, 64);
    ck_assert_uint_eq(output_pool(1 << 20).connection, PROTOCOL_HANDLES_MAX);
    ck_assert_uint_ge(output_pool(1).connection, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("output");
    TCase *tests = tcase_create("output");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, sends_lines_and_handles_in_one_message);
    tcase_add_test(tests, queues_what_does_not_go_and_sends_each_handle_once);
    tcase_add_test(tests, a_queued_handle_outlives_its_lender);
    tcase_add_test(tests, holds_back_who_does_not_take_its_handles);
    tcase_add_test(tests, lines_without_handles_are_not_held_back);
    tcase_add_test(tests, holds_back_when_the_pool_is_used_up);
    tcase_add_test(tests, who_reads_is_not_starved_by_others);
    tcase_add_test(tests, batch_leaves_room_for_all_that_a_reply_may_have);
    tcase_add_test(tests, reply_that_will_not_be_gives_its_handles_back);
    tcase_add_test(tests, tells_when_the_other_side_has_gone);
    tcase_add_test(tests, the_pool_follows_from_the_descriptor_limit);
    suite_add_tcase(suite, tests);
    return suite_main(suite);
}
