/* producer [NAME [TEXT]]: shares a text until Enter is pressed. */
#include <segbroker.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, segb_last_detail());
    return 1;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "greeting";
    const char *text = argc > 2 ? argv[2] : "hello, reader";
    segb_create_options options = {.struct_size = sizeof(options),
                                   .fail_if_exists = 1};
    segb_client *client;
    segb_segment *segment;
    void *memory;

    if (segb_connect(NULL, &client) < 0)
        return fail("connect");
    if (segb_create(client, name, sizeof(size_t) + strlen(text), &options,
                    &segment) < 0)
        return fail("create");
    if (segb_map(segment, 0, 0, SEGB_RW, &memory) < 0)
        return fail("map");
    /* The length is stored last: who sees it sees the text too. */
    memcpy((char *)memory + sizeof(size_t), text, strlen(text));
    atomic_store((_Atomic size_t *)memory, strlen(text));
    fprintf(stderr, "shared as \"%s\"; Enter ends it\n", name);
    getchar();
    segb_unmap(memory);
    segb_close(segment);
    segb_disconnect(client);
    return 0;
}
