/*
 * doorbell NAME [TEXT]: waits for a text, and prints it; or, with a TEXT,
 * gives it to who waits. Nobody asks again and again, nor asks the broker.
 */
#include <segbroker.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct message {
    _Atomic size_t length; /* 0: none yet */
    char text[4000];
};

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, segb_last_detail());
    return 1;
}

static int give(segb_segment *segment, struct message *message,
                const char *text)
{
    size_t length = strlen(text);

    if (length > sizeof(message->text))
        length = sizeof(message->text);
    memcpy(message->text, text, length);
    atomic_store(&message->length, length);
    return segb_signal(segment) < 0 ? fail("signal") : 0;
}

static int take(segb_segment *segment, struct message *message)
{
    size_t length;

    /* It may wake for nothing: what counts is what is there. */
    while ((length = atomic_load(&message->length)) == 0)
        if (segb_wait(segment, -1) < 0)
            return fail("wait");
    if (length > sizeof(message->text))
        length = sizeof(message->text);
    printf("%.*s\n", (int)length, message->text);
    return 0;
}

int main(int argc, char **argv)
{
    segb_create_options options = {.struct_size = sizeof(options),
                                   .doorbell = 1};
    segb_client *client;
    segb_segment *segment;
    void *memory;
    int r;

    if (argc < 2) {
        fprintf(stderr, "usage: doorbell NAME [TEXT]\n");
        return 2;
    }
    if (segb_connect(NULL, &client) < 0)
        return fail("connect");
    /* Whoever comes first makes it. */
    if (segb_create(client, argv[1], sizeof(struct message), &options,
                    &segment) < 0)
        return fail("create");
    if (segb_map(segment, 0, 0, SEGB_RW, &memory) < 0)
        return fail("map");
    r = argc > 2 ? give(segment, memory, argv[2]) : take(segment, memory);
    segb_unmap(memory);
    segb_close(segment);
    segb_disconnect(client);
    return r;
}
