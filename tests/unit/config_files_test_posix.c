/*
 * The configuration's files: reading them, drop-ins, and the shipped one.
 */
#include "config.h"
#include "files.h"
#include "tests/support/runner.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MEMORY ((UINT64_C(4) << 30) + 3)
#define SHIPPED "config/segbroker.conf"

enum { NOBODY = 65534 };

/* ---- accounts ---- */

static int find_user(const char *name, uint32_t *id)
{
    if (strcmp(name, "root") == 0)
        *id = 0;
    else if (strcmp(name, "postgres") == 0)
        *id = 70;
    else if (strcmp(name, "camera") == 0)
        *id = 1001;
    else
        return 1;
    return 0;
}

static int find_group(const char *name, uint32_t *id)
{
    if (strcmp(name, "segbroker") == 0)
        *id = 999;
    else if (strcmp(name, "video") == 0)
        *id = 44;
    else
        return 1;
    return 0;
}

static const struct config_host host = {
    .lookup = {find_user, find_group, principal_decimal},
    .memory = MEMORY,
    .administrators = {{PRINCIPAL_USER, 0}},
    .administrator_count = 1};

/* ---- every test ---- */

static char folder[PATH_MAX / 2]; /* of this test */
static char main_path[PATH_MAX];
static int lowest_free; /* descriptor */
static struct config *config;
static struct config_problems problems;

static int find_lowest_free(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    close(fd);
    return fd;
}

static const char *path_of(const char *name)
{
    static char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void setup(void)
{
    const char *base = getenv("TMPDIR");

    snprintf(folder, sizeof(folder), "%s/config-XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chmod(folder, 0755), 0);
    ck_assert_int_eq(mkdir(path_of("conf.d"), 0755), 0);
    snprintf(main_path, sizeof(main_path), "%s/main.conf", folder);
    lowest_free = find_lowest_free();
}

static void forget(void)
{
    config = config_free(config);
    config_problems_deinit(&problems);
}

static int remove_entry(const char *path, const struct stat *status, int kind,
                        struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

static void teardown(void)
{
    forget();
    ck_assert_int_eq(nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
    ck_assert_int_eq(find_lowest_free(), lowest_free);
}

static void put_bytes(const char *name, const char *text, size_t size)
{
    FILE *file = fopen(path_of(name), "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

static void put(const char *name, const char *text)
{
    put_bytes(name, text, strlen(text));
}

static void expect_good(int r)
{
    ck_assert_str_eq(problems.text ? problems.text : "", "");
    ck_assert_int_eq(r, 0);
    ck_assert_ptr_nonnull(config);
}

static void load(void)
{
    forget();
    expect_good(config_load(main_path, &host, &config, &problems));
}

/* `%s` in what is expected stands for the test's folder, once. */
static void expect_bad(int r, const char *format)
{
    char expected[PATH_MAX + 512];
    const char *mark = strstr(format, "%s");

    ck_assert_ptr_nonnull(mark);
    snprintf(expected, sizeof(expected), "%.*s%s%s", (int)(mark - format),
             format, folder, mark + 2);
    ck_assert_ptr_nonnull(problems.text);
    ck_assert_str_eq(problems.text, expected);
    ck_assert_int_eq(r, CONFIG_INVALID);
    ck_assert_ptr_null(config);
}

static void refuses(const char *expected)
{
    forget();
    expect_bad(config_load(main_path, &host, &config, &problems), expected);
}

/* ---- one file ---- */

START_TEST(a_file_is_read)
{
    put("main.conf", "[total]\nsegments = 7\n");
    load();
    ck_assert_uint_eq(config->total.limit[CONFIG_SEGMENTS], 7);
    put("main.conf", "");
    load();
    ck_assert_uint_eq(config->total.limit[CONFIG_SEGMENTS], 100000);
}
END_TEST

START_TEST(mistakes_are_placed_in_their_file)
{
    put("main.conf", "[total]\n\nsegment = 7\n");
    refuses("%s/main.conf:3: segment = 7: expected one of segments, bytes, "
            "segment_bytes, grants, connections, requests_per_second\n");
}
END_TEST

START_TEST(a_missing_file_is_refused)
{
    refuses("%s/main.conf: cannot be read: No such file or directory\n");
    put("main.conf", "");
    snprintf(main_path, sizeof(main_path), "%s/main.conf/x", folder);
    forget();
    ck_assert_int_eq(config_load(main_path, &host, &config, &problems),
                     CONFIG_INVALID);
    ck_assert_uint_eq(problems.count, 2); /* the conf.d beside it, too */
}
END_TEST

START_TEST(what_is_no_regular_file_is_refused_at_once)
{
    static const char why[] = "%s/main.conf: cannot be read: it is not a "
                              "regular file\n";

    ck_assert_int_eq(mkfifo(main_path, 0600), 0);
    refuses(why);
    ck_assert_int_eq(remove(main_path), 0);
    ck_assert_int_eq(mkdir(main_path, 0755), 0);
    refuses(why);
    ck_assert_int_eq(remove(main_path), 0);
    ck_assert_int_eq(symlink("/dev/zero", main_path), 0);
    refuses(why);
}
END_TEST

START_TEST(a_socket_is_refused)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_uint_lt(strlen(main_path), sizeof(address.sun_path));
    memcpy(address.sun_path, main_path, strlen(main_path));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    refuses("%s/main.conf: cannot be read: No such device or address\n");
    close(fd);
}
END_TEST

START_TEST(an_unreadable_file_is_refused)
{
    uid_t self = geteuid();

    put("main.conf", "");
    ck_assert_int_eq(chmod(main_path, 0), 0);
    if (self == 0)
        ck_assert_int_eq(seteuid(NOBODY), 0);
    refuses("%s/main.conf: cannot be read: Permission denied\n");
    ck_assert_int_eq(seteuid(self), 0);
}
END_TEST

START_TEST(a_file_has_at_most_one_mebibyte)
{
    static const char end[] = "[total]\nsegments = 0007\n";
    static char text[FILES_SIZE_MAX + 1];

    memset(text, '\n', sizeof(text));
    for (size_t i = 0; i < strlen(end); i++)
        text[FILES_SIZE_MAX - strlen(end) + i] = end[i];
    put_bytes("main.conf", text, FILES_SIZE_MAX);
    load();
    ck_assert_uint_eq(config->total.limit[CONFIG_SEGMENTS], 7);
    put_bytes("main.conf", text, FILES_SIZE_MAX + 1);
    refuses("%s/main.conf: cannot be read: it is larger than 1 MiB\n");
}
END_TEST

START_TEST(files_that_do_not_tell_their_size_are_bounded_too)
{
    const char *why;
    size_t size;
    char *text;

    /* Files of the kernel: regular, and 0 bytes long until they are read. */
    ck_assert_int_eq(files_read("/proc/self/status", &text, &size, &why), 0);
    ck_assert_uint_gt(size, 0);
    free(text);
    if (access("/proc/kallsyms", R_OK) != 0)
        return;
    if (files_read("/proc/kallsyms", &text, &size, &why) == 0)
        free(text); /* a kernel with few symbols */
    else
        ck_assert_str_eq(why, "it is larger than 1 MiB");
}
END_TEST

/* ---- drop-ins ---- */

START_TEST(drop_ins_replace_in_byte_order)
{
    put("main.conf", "[total]\nsegments = 1\nbytes = 1\ngrants = 1\n");
    put("conf.d/B.conf", "[total]\nsegments = 2\nconnections = 2\n");
    put("conf.d/10.conf", "[total]\nsegments = 10\nbytes = 10\n");
    put("conf.d/9.conf", "[total]\nsegments = 9\n");
    put("conf.d/a.conf", "[total]\nsegments = 3\n");
    put("conf.d/\xc3\xa4.conf", "[total]\nsegments = 4\n");
    load();
    ck_assert_uint_eq(config->total.limit[CONFIG_SEGMENTS], 4);
    ck_assert_uint_eq(config->total.limit[CONFIG_CONNECTIONS], 2);
    ck_assert_uint_eq(config->total.limit[CONFIG_BYTES], 10);
    ck_assert_uint_eq(config->total.limit[CONFIG_GRANTS], 1);
    ck_assert_int_eq(remove(path_of("conf.d/\xc3\xa4.conf")), 0);
    load();
    ck_assert_uint_eq(config->total.limit[CONFIG_SEGMENTS], 3);
    ck_assert_int_eq(remove(path_of("conf.d/a.conf")), 0);
    load();
    ck_assert_uint_eq(config->total.limit[CONFIG_SEGMENTS], 2);
    ck_assert_int_eq(remove(path_of("conf.d/B.conf")), 0);
    load();
    ck_assert_uint_eq(config->total.limit[CONFIG_SEGMENTS], 9);
}
END_TEST

START_TEST(drop_ins_replace_whole_lists)
{
    put("main.conf", "[broker]\nadministrators = user:1, user:2\n"
                     "[access global/x]\nread = everyone\nwrite = user:3\n");
    put("conf.d/x.conf", "[broker]\nadministrators = group:video\n"
                         "[access global/x]\nread =\n");
    load();
    ck_assert_uint_eq(config->administrators.count, 1);
    ck_assert_uint_eq(config->administrators.items[0].id, 44);
    ck_assert_uint_eq(config->rule_count, 1);
    ck_assert(config->rules[0].read.set);
    ck_assert_uint_eq(config->rules[0].read.count, 0);
    ck_assert_uint_eq(config->rules[0].write.count, 1);
}
END_TEST

START_TEST(drop_ins_may_spell_an_account_in_another_way)
{
    const struct config_account *account;

    put("main.conf", "[user 70]\nbytes = 1\ngrants = 1\n");
    put("conf.d/x.conf", "[user postgres]\nbytes = 2\n");
    load();
    ck_assert_uint_eq(config->account_count, 1);
    account = &config->accounts[0];
    ck_assert_str_eq(account->name, "postgres");
    ck_assert_uint_eq(account->limits.limit[CONFIG_BYTES], 2);
    ck_assert_uint_eq(account->limits.limit[CONFIG_GRANTS], 1);
    put("conf.d/y.conf", "\n[user postgres]\n[user 70]\n");
    refuses("%s/conf.d/y.conf:3: [user 70]: expected one section for this "
            "user: it is [user postgres] of line 2\n");
}
END_TEST

START_TEST(a_drop_in_does_not_go_on_where_the_file_before_ended)
{
    put("main.conf", "[access global/x]\nread = user:1,\n");
    put("conf.d/x.conf", " user:2\n");
    refuses("%s/conf.d/x.conf:1: user:2: expected \"key = value\"\n");
    put("conf.d/x.conf", "grants = 2\n");
    refuses("%s/conf.d/x.conf:1: grants = 2: expected a section first, such "
            "as [broker]\n");
}
END_TEST

START_TEST(other_files_are_not_drop_ins)
{
    static const char *const names[] = {
        "conf.d/x.conf~", "conf.d/x.txt", "conf.d/.conf", "conf.d/.x.conf",
        "conf.d/xconf",   "conf.d/conf",  "x.conf",       "conf.d/x.Conf"};

    put("main.conf", "");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        put(names[i], "nonsense");
    load();
}
END_TEST

START_TEST(all_files_are_read_although_one_is_bad)
{
    char expected[4 * PATH_MAX];

    put("main.conf", "x\n");
    put("conf.d/a.conf", "[total]\nbytes = 1\n");
    ck_assert_int_eq(mkdir(path_of("conf.d/b.conf"), 0755), 0);
    ck_assert_int_eq(symlink("nowhere", path_of("conf.d/c.conf")), 0);
    put("conf.d/d.conf", "y\n");
    ck_assert_int_eq(config_load(main_path, &host, &config, &problems),
                     CONFIG_INVALID);
    snprintf(expected, sizeof(expected),
             "%s:1: x: expected \"key = value\"\n"
             "%s/conf.d/b.conf: cannot be read: it is not a regular file\n"
             "%s/conf.d/c.conf: cannot be read: No such file or directory\n"
             "%s/conf.d/d.conf:1: y: expected \"key = value\"\n",
             main_path, folder, folder, folder);
    ck_assert_str_eq(problems.text, expected);
    ck_assert_uint_eq(problems.count, 4);
}
END_TEST

START_TEST(a_drop_in_folder_need_not_exist_but_must_be_readable)
{
    uid_t self = geteuid();

    put("main.conf", "");
    ck_assert_int_eq(chmod(path_of("conf.d"), 0), 0);
    if (self == 0)
        ck_assert_int_eq(seteuid(NOBODY), 0);
    refuses("%s/main.conf: the conf.d beside it cannot be read: Permission "
            "denied\n");
    ck_assert_int_eq(seteuid(self), 0);
    ck_assert_int_eq(rmdir(path_of("conf.d")), 0);
    load();
    put("conf.d", "");
    refuses("%s/main.conf: the conf.d beside it cannot be read: Not a "
            "directory\n");
}
END_TEST

START_TEST(a_path_without_folder_is_in_the_working_folder)
{
    int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char **list;
    const char *why;
    size_t count;
    int r;

    ck_assert_int_ge(before, 0);
    put("main.conf", "[total]\nsegments = 1\n");
    put("conf.d/x.conf", "[total]\nsegments = 2\n");
    ck_assert_int_eq(chdir(folder), 0);
    r = config_load("main.conf", &host, &config, &problems);
    ck_assert_int_eq(fchdir(before), 0);
    close(before);
    expect_good(r);
    ck_assert_uint_eq(config->total.limit[CONFIG_SEGMENTS], 2);
    ck_assert_int_eq(files_drop_ins("/no-such-file", &list, &count, &why), 0);
    ck_assert_uint_eq(count, 0);
    files_list_free(list, count);
}
END_TEST

/* ---- the shipped file ---- */

static char shipped[64 * 1024]; /* ends with a NUL */

/* Tests run in the repository's top folder. */
static void read_shipped(void)
{
    FILE *file = fopen(SHIPPED, "r");
    size_t size;

    ck_assert_msg(file != NULL, SHIPPED ": %s", strerror(errno));
    size = fread(shipped, 1, sizeof(shipped) - 1, file);
    ck_assert(feof(file));
    ck_assert_int_eq(fclose(file), 0);
    shipped[size] = '\0';
}

static bool is_key(const char *line)
{
    size_t size = strspn(line, "abcdefghijklmnopqrstuvwxyz_");

    return size > 0 && strncmp(line + size, " = ", 3) == 0;
}

static bool is_section(const char *line)
{
    return *line == '[' && line[strcspn(line, "\n") - 1] == ']';
}

/* Takes `mark` away where a key or a section follows it. */
static void uncomment(const char *mark)
{
    size_t size = strlen(mark);
    char *line = shipped;

    while (*line) {
        if (strncmp(line, mark, size) == 0 &&
            (is_section(line + size) || is_key(line + size)))
            memmove(line, line + size, strlen(line + size) + 1);
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
}

static struct config *load_shipped(void)
{
    struct config *loaded = NULL;
    int r;

    config_problems_deinit(&problems);
    r = config_load_text(shipped, strlen(shipped), SHIPPED, &host, &loaded,
                         &problems);
    ck_assert_str_eq(problems.text ? problems.text : "", "");
    ck_assert_int_eq(r, 0);
    return loaded;
}

static void expect_same(const struct config *one, const struct config *other)
{
    ck_assert_uint_eq(one->administrators.count, other->administrators.count);
    for (size_t i = 0; i < one->administrators.count; i++) {
        const struct principal *a = &one->administrators.items[i];
        const struct principal *b = &other->administrators.items[i];

        ck_assert(a->kind == b->kind && a->id == b->id);
    }
    ck_assert(one->has_group == other->has_group);
    ck_assert_uint_eq(one->group, other->group);
    ck_assert_int_eq(one->log_level, other->log_level);
    ck_assert_mem_eq(&one->total, &other->total, sizeof(one->total));
    ck_assert_mem_eq(&one->defaults, &other->defaults, sizeof(one->defaults));
    ck_assert_uint_eq(one->account_count, other->account_count);
    ck_assert_uint_eq(one->rule_count, other->rule_count);
}

START_TEST(the_shipped_file_changes_nothing)
{
    struct config *loaded;

    expect_good(config_load(NULL, &host, &config, &problems));
    read_shipped();
    loaded = load_shipped();
    expect_same(loaded, config);
    config_free(loaded);
    /* The same from its place, where no conf.d is beside it. */
    forget();
    expect_good(config_load(SHIPPED, &host, &config, &problems));
}
END_TEST

START_TEST(the_shipped_files_defaults_are_the_codes)
{
    struct config *loaded;

    expect_good(config_load(NULL, &host, &config, &problems));
    read_shipped();
    uncomment(";");
    loaded = load_shipped();
    ck_assert(loaded->administrators.set);
    expect_same(loaded, config);
    config_free(loaded);
}
END_TEST

START_TEST(the_shipped_files_examples_are_right)
{
    read_shipped();
    uncomment("; ");
    config = load_shipped();
    ck_assert_uint_eq(config->account_count, 2);
    ck_assert_int_eq(config->accounts[0].principal.kind, PRINCIPAL_USER);
    ck_assert_int_eq(config->accounts[1].principal.kind, PRINCIPAL_GROUP);
    ck_assert_uint_eq(config->rule_count, 1);
    ck_assert(config->rules[0].create.set && config->rules[0].write.set &&
              config->rules[0].read.set && config->rules[0].list.set);
}
END_TEST

/* The shipped file's text from a section's line to the next section's. */
static void find_section(const char *section, const char **from,
                         const char **to)
{
    char line[64];

    snprintf(line, sizeof(line), "\n[%s", section);
    *from = strstr(shipped, line);
    ck_assert_msg(*from != NULL, "[%s] is not in " SHIPPED, section);
    *to = strstr(*from + 1, "\n[");
    if (!*to)
        *to = *from + strlen(*from);
}

/* Every key that the code says it knows stands in the section. */
static void expect_all_keys(const char *section, const char *full_name)
{
    static const char before[] = "expected one of ";
    const char *key, *from, *to, *found;
    char text[128], line[64];
    int count = 0;

    forget();
    snprintf(text, sizeof(text), "[%s]\nno_such_key = 1\n", full_name);
    ck_assert_int_eq(
        config_load_text(text, strlen(text), "f", &host, &config, &problems),
        CONFIG_INVALID);
    key = strstr(problems.text, before);
    ck_assert_ptr_nonnull(key);
    find_section(section, &from, &to);
    for (key += strlen(before); *key; key += strspn(key, ", \n")) {
        size_t size = strcspn(key, ",\n");

        snprintf(line, sizeof(line), "\n%.*s = ", (int)size, key);
        found = strstr(from, line);
        ck_assert_msg(found && found < to, "[%s] lacks%s", section, line);
        key += size;
        count++;
    }
    ck_assert_int_ge(count, 3);
}

START_TEST(the_shipped_file_has_every_key)
{
    read_shipped();
    uncomment(";");
    uncomment("; ");
    expect_all_keys("broker", "broker");
    expect_all_keys("total", "total");
    expect_all_keys("default", "default");
    expect_all_keys("access ", "access global/x");
}
END_TEST

/* ---- all tests ---- */

static TCase *file_tests(void)
{
    TCase *tests = tcase_create("files");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_file_is_read);
    tcase_add_test(tests, mistakes_are_placed_in_their_file);
    tcase_add_test(tests, a_missing_file_is_refused);
    tcase_add_test(tests, what_is_no_regular_file_is_refused_at_once);
    tcase_add_test(tests, a_socket_is_refused);
    tcase_add_test(tests, an_unreadable_file_is_refused);
    tcase_add_test(tests, a_file_has_at_most_one_mebibyte);
    tcase_add_test(tests, files_that_do_not_tell_their_size_are_bounded_too);
    return tests;
}

static TCase *drop_in_tests(void)
{
    TCase *tests = tcase_create("drop-ins");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, drop_ins_replace_in_byte_order);
    tcase_add_test(tests, drop_ins_replace_whole_lists);
    tcase_add_test(tests, drop_ins_may_spell_an_account_in_another_way);
    tcase_add_test(tests, a_drop_in_does_not_go_on_where_the_file_before_ended);
    tcase_add_test(tests, other_files_are_not_drop_ins);
    tcase_add_test(tests, all_files_are_read_although_one_is_bad);
    tcase_add_test(tests, a_drop_in_folder_need_not_exist_but_must_be_readable);
    tcase_add_test(tests, a_path_without_folder_is_in_the_working_folder);
    return tests;
}

static TCase *shipped_tests(void)
{
    TCase *tests = tcase_create("shipped");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, the_shipped_file_changes_nothing);
    tcase_add_test(tests, the_shipped_files_defaults_are_the_codes);
    tcase_add_test(tests, the_shipped_files_examples_are_right);
    tcase_add_test(tests, the_shipped_file_has_every_key);
    return tests;
}

int main(void)
{
    Suite *suite = suite_create("config_files");

    suite_add_tcase(suite, file_tests());
    suite_add_tcase(suite, drop_in_tests());
    suite_add_tcase(suite, shipped_tests());
    return suite_main(suite);
}
