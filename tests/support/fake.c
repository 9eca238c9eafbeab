#include "fake.h"

#include "fake_system.h"
#include "process.h"
#include "suite.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 70000 };

static struct {
    const struct fake_step *script;
    char address[TEST_PATH_MAX];
    pthread_t thread;
    sem_t go;
    bool lets_go;
    char line[LINE]; /* read last */
    char complaint[512];
} fake;

/* ---- its side of the connection; false ends the script ---- */

static bool complain(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

static bool complain(const char *format, ...)
{
    va_list arguments;

    if (fake.lets_go)
        return false;
    va_start(arguments, format);
    vsnprintf(fake.complaint, sizeof(fake.complaint), format, arguments);
    va_end(arguments);
    return false;
}

static char *quoted(const char *text)
{
    char *copy = strdup(text);

    for (char *c = copy; c && *c; c++)
        if (*c == '\'')
            *c = '"';
    return copy;
}

static bool read_line(void)
{
    size_t size = 0;

    while (size + 1 < sizeof(fake.line)) {
        int n = fake_receive(fake.line + size);

        if (n <= 0)
            return complain("waited for a line: %s",
                            n == 0 ? "the client has gone" : "it failed");
        if (fake.line[size] == '\n')
            break;
        size++;
    }
    fake.line[size] = '\0';
    return true;
}

static bool expect(const char *text)
{
    char *part = quoted(text);
    bool good = read_line();

    if (good && !strstr(fake.line, part))
        good = complain("expected %s, not %.300s", part, fake.line);
    free(part);
    return good;
}

static bool send_all(const char *bytes, size_t size, bool give)
{
    return fake_send(bytes, size, give) || complain("sending failed");
}

static bool say(const struct fake_step *step)
{
    char *line = quoted(step->text);
    size_t size, piece = 1;
    bool gives = step->act != FAKE_SAY;
    bool good = true;

    if (gives)
        line = fake_name_memory(line, step->number);
    size = strlen(line) + 1;
    if (step->act != FAKE_CRAWL)
        piece = size;
    line[size - 1] = '\n'; /* in place of the NUL */
    for (size_t at = 0; at < size && good; at += piece)
        good = send_all(line + at, piece, gives && at == 0);
    free(line);
    return good;
}

static bool send_part(const struct fake_step *step)
{
    char *text = quoted(step->text);
    bool good = true;

    for (size_t i = 0; i < step->number && good; i++)
        good = send_all(text, strlen(text), false);
    free(text);
    return good;
}

static bool answer(const struct fake_step *step)
{
    char *text = quoted(step->text);
    char line[512];
    unsigned long long id;
    bool good = true;

    for (size_t i = 0; (i < step->number || step->number == 0) && good; i++) {
        good = read_line();
        if (!good)
            break;
        id = strtoull(fake.line + strlen("{\"id\":"), NULL, 10);
        snprintf(line, sizeof(line), "{\"id\":%llu,%s}\n", id, text);
        good = send_all(line, strlen(line), false);
    }
    free(text);
    if (step->number == 0)
        fake.complaint[0] = '\0'; /* it was meant to end like this */
    return good;
}

static bool await_hang_up(void)
{
    char byte;

    while (fake_receive(&byte) > 0)
        continue;
    return true;
}

static bool act(const struct fake_step *step)
{
    switch (step->act) {
    case FAKE_EXPECT:
        return expect(step->text);
    case FAKE_SAY:
    case FAKE_GIVE:
    case FAKE_CRAWL:
        return say(step);
    case FAKE_PART:
        return send_part(step);
    case FAKE_ANSWER:
        return answer(step);
    case FAKE_WAIT:
        sem_wait(&fake.go);
        return true;
    case FAKE_LET_GO:
        fake.lets_go = true;
        return true;
    case FAKE_PAUSE:
        test_pause_us((unsigned)step->number * 1000);
        return true;
    case FAKE_HANG_UP:
        return await_hang_up();
    case FAKE_END:
        break;
    }
    return false;
}

static void *play(void *data)
{
    const struct fake_step *step = fake.script;

    (void)data;
    if (!fake_accept())
        return NULL;
    while (act(step))
        step++;
    fake_hang_up();
    return NULL;
}

/* ---- the test's side ---- */

void fake_start(const struct fake_step *script)
{
    fake.script = script;
    fake.complaint[0] = '\0';
    fake.lets_go = false;
    fake_listen(fake.address);
    REQUIRE_INT(sem_init(&fake.go, 0, 0), 0);
    REQUIRE_INT(pthread_create(&fake.thread, NULL, play, NULL), 0);
}

const char *fake_socket(void)
{
    return fake.address;
}

int fake_connect(int timeout_ms, segb_client **client)
{
    segb_connect_options options = {.struct_size = sizeof(options),
                                    .socket = fake.address,
                                    .name = "fake_connect",
                                    .timeout_ms = timeout_ms,
                                    .reconnect_ms = -1};

    return segb_connect(&options, client);
}

void fake_go(void)
{
    sem_post(&fake.go);
}

void fake_stop(void)
{
    pthread_join(fake.thread, NULL);
    fake_forget();
    sem_destroy(&fake.go);
    REQUIRE_STR(fake.complaint, "");
}
