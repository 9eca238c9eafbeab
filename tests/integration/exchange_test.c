/*
 * The recorded exchanges of protocol/vectors, played against a broker
 * (PROTOCOL.md, "Recorded exchanges").
 */
#include "tests/support/broker.h"
#include "tests/support/memory.h"
#include "tests/support/raw.h"
#include "tests/support/raw_system.h"
#include "tests/support/suite.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "protocol/vectors"

enum { VECTORS_MAX = 100, TEXT_MAX = 256 * 1024, ENDS_MS = 20000 };

static const char config[] = "[default]\n"
                             "bytes = 64MiB\n"
                             "segment_bytes = 32MiB\n";

static char names[VECTORS_MAX][64];
static int count;

static void load_names(void)
{
    DIR *folder = opendir(FOLDER);
    const struct dirent *entry;
    if (!folder)
        return;
    while ((entry = readdir(folder)) != NULL && count < VECTORS_MAX)
        if (entry->d_name[0] != '.')
            snprintf(names[count++], sizeof(names[0]), "%.63s", entry->d_name);
    closedir(folder);
}

/* ---- comparing ---- */

/* Whether a recorded string stands for the value. */
static bool stands_for(const char *recorded, const cJSON *value)
{
    if (strcmp(recorded, "<any>") == 0)
        return true;
    if (strcmp(recorded, "<str>") == 0)
        return cJSON_IsString(value);
    return strcmp(recorded, "<int>") == 0 && cJSON_IsNumber(value) &&
           value->valuedouble == (double)(int64_t)value->valuedouble;
}

/* Handles are recorded as POSIX names them. */
static bool are_handles(const cJSON *recorded, const cJSON *value)
{
    const cJSON *child, *bell = NULL;
    int bells = 0;
    if (!recorded->string || strcmp(recorded->string, "handles") != 0 ||
        raw_system_name(1).form != MESSAGE_HANDLE_VALUE)
        return false;
    cJSON_ArrayForEach (child, value) {
        if (!cJSON_IsString(child) || strncmp(child->valuestring, "0x", 2) != 0)
            return false;
        bells += strncmp(child->string, "doorbell", 8) == 0;
    }
    bell = cJSON_GetObjectItemCaseSensitive(recorded, "doorbell");
    return cJSON_GetObjectItemCaseSensitive(value, "memory") &&
           bells == (bell ? PROTOCOL_BELL_HANDLES : 0) &&
           cJSON_GetArraySize(value) == bells + 1;
}

static bool is_same(const cJSON *recorded, const cJSON *value);

static bool are_same(const cJSON *recorded, const cJSON *value)
{
    const cJSON *child;
    if (cJSON_GetArraySize(recorded) != cJSON_GetArraySize(value))
        return false;
    int i = 0;
    cJSON_ArrayForEach (child, recorded) {
        const cJSON *other =
            cJSON_IsObject(recorded)
                ? cJSON_GetObjectItemCaseSensitive(value, child->string)
                : cJSON_GetArrayItem(value, i++);
        if (!other || !is_same(child, other))
            return false;
    }
    return true;
}

static bool is_same(const cJSON *recorded, const cJSON *value)
{
    if (cJSON_IsString(recorded) && stands_for(recorded->valuestring, value))
        return true;
    if (are_handles(recorded, value))
        return true;
    if ((cJSON_IsObject(recorded) && cJSON_IsObject(value)) ||
        (cJSON_IsArray(recorded) && cJSON_IsArray(value)))
        return are_same(recorded, value);
    return cJSON_Compare(recorded, value, true);
}

/* ---- playing ---- */

struct player {
    struct raw raw;
    const char *name;
    char ticket[PROTOCOL_TICKET_MAX + 1]; /* that came last */
    int last; /* the handle that came last, where requests carry it; -1 */
    bool carries;
};

static void drop_last(struct player *player)
{
    if (player->last >= 0)
        test_close(player->last);
    player->last = -1;
}

/* "<ticket>" stands for the one that came last. */
static void write_request(const struct player *player, const char *request,
                          char *text, size_t size)
{
    static const char mark[] = "<ticket>";
    const char *at = strstr(request, mark);
    if (at)
        snprintf(text, size, "%.*s%s%s\n", (int)(at - request), request,
                 player->ticket, at + sizeof(mark) - 1);
    else
        snprintf(text, size, "%s\n", request);
}

static void send_request(struct player *player, const char *request)
{
    static const char index[] = "{\"memory\":0}";
    char text[8400];
    write_request(player, request, text, sizeof(text));
    if (player->last < 0 || !strstr(text, index)) {
        REQUIRE(raw_send(&player->raw, text, strlen(text)));
        return;
    }
    struct message_handle named = raw_system_name(player->last);
    if (named.form == MESSAGE_HANDLE_VALUE)
        snprintf(text, sizeof(text), "%.*s{\"memory\":\"0x%jx\"}%s\n",
                 (int)(strstr(request, index) - request), request,
                 (uintmax_t)named.number,
                 strstr(request, index) + sizeof(index) - 1);
    REQUIRE(raw_send_with(&player->raw, text, strlen(text), &player->last, 1));
}

static void expect_reply(struct player *player, const char *recorded)
{
    struct message_grant grant;
    struct message_ticket ticket;
    const struct message_reply *reply = raw_reply(&player->raw);
    cJSON *expected = cJSON_Parse(recorded);
    cJSON *came = cJSON_Parse(player->raw.line);
    REQUIRE(expected && came);
    if (!is_same(expected, came))
        FAIL("%s: expected %s, not %s", player->name, recorded,
             player->raw.line);
    cJSON_Delete(expected);
    cJSON_Delete(came);
    if (reply->ok && message_reply_ticket(reply, &ticket) == 0)
        snprintf(player->ticket, sizeof(player->ticket), "%s", ticket.ticket);
    if (!reply->ok || message_reply_grant(reply, &grant) != 0 ||
        grant.memory.form == MESSAGE_HANDLE_NONE)
        return;
    drop_last(player);
    player->last = raw_grant(&player->raw, &grant);
    REQUIRE(player->last >= 0);
    if (!player->carries)
        drop_last(player);
}

static bool begins_with(const char *name, const char *beginning)
{
    return strncmp(name, beginning, strlen(beginning)) == 0;
}

/* What this system answers otherwise, as PROTOCOL.md says. */
static bool is_other_here(const char *name)
{
    return begins_with(name, "restart") &&
           raw_system_name(1).form == MESSAGE_HANDLE_VALUE;
}

/* `user:0` is nobody's name on Windows; there it is the caller. */
static void name_accounts(char *line, size_t size)
{
    static const char zero[] = "\"user:0\",\"group:0\"";
    char rest[8192];
    char *at = strstr(line, zero);
    if (!at || raw_system_name(1).form != MESSAGE_HANDLE_VALUE)
        return;
    snprintf(rest, sizeof(rest), "%s", at + sizeof(zero) - 1);
    snprintf(at, size - (size_t)(at - line), "\"user:%s\",\"group:%s\"%s",
             test_user(), test_group(), rest);
}

static void play(struct player *player, char *text)
{
    char line[8192];
    for (char *at = text, *end; (end = strchr(at, '\n')) != NULL;
         at = end + 1) {
        int size = (int)(end - at);
        if (size > 0 && at[size - 1] == '\r')
            size--;
        snprintf(line, sizeof(line), "%.*s", size, at);
        name_accounts(line, sizeof(line));
        if (begins_with(line, "> "))
            send_request(player, line + 2);
        else if (begins_with(line, "< "))
            expect_reply(player, line + 2);
        else if (line[0] && line[0] != '#')
            FAIL("%s: neither request, reply nor comment: %s", player->name,
                 line);
    }
}

START_TEST(exchange_goes_as_recorded)
{
    static char text[TEXT_MAX];
    struct test_broker broker;
    struct test_broker_options options = {.config = config};
    struct player player = {.name = names[_i], .last = -1};
    char path[TEST_PATH_MAX];
    REQUIRE(count > 0);
    SKIP_UNLESS(!is_other_here(player.name), "this system answers otherwise");
    test_path(path, FOLDER "/%s", player.name);
    test_read(path, text, sizeof(text));
    player.carries = strstr(text, "\"op\":\"reclaim\"") != NULL;
    test_broker_start(&broker, &options);
    raw_connect(&player.raw, broker.socket);
    play(&player, text);
    drop_last(&player);
    if (begins_with(player.name, "malformed_") ||
        begins_with(player.name, "shutdown") ||
        begins_with(player.name, "restart"))
        REQUIRE(raw_ends(&player.raw, ENDS_MS));
    raw_close(&player.raw);
    if (begins_with(player.name, "shutdown")) {
        REQUIRE_INT(test_wait(broker.pid, ENDS_MS), 0);
        test_broker_forget(&broker);
    } else {
        test_broker_stop(&broker);
    }
}
END_TEST

static Suite *exchange_suite(void)
{
    Suite *suite = suite_create("exchange");
    TCase *tests = suite_case(suite, "exchange", 60);
    load_names();
    /* One that fails where there are none. */
    tcase_add_loop_test(tests, exchange_goes_as_recorded, 0,
                        count > 0 ? count : 1);
    return suite;
}

int main(void)
{
    return suite_main(exchange_suite());
}
