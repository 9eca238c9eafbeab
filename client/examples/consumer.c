/* consumer [NAME]: prints the text that a producer shares. */
#include <segbroker.h>
#include <stdatomic.h>
#include <stdio.h>

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, segb_last_detail());
    return 1;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "greeting";
    segb_client *client;
    segb_segment *segment;
    void *memory;
    size_t length;

    if (segb_connect(NULL, &client) < 0)
        return fail("connect");
    if (segb_open(client, name, NULL, &segment) < 0)
        return fail("open");
    if (segb_map(segment, 0, 0, SEGB_RO, &memory) < 0)
        return fail("map");
    length = atomic_load((_Atomic size_t *)memory);
    /* Another process writes here: never trust a length that it gives. */
    if (length > segb_mapped_size(segment) - sizeof(length))
        length = 0;
    printf("%.*s\n", (int)length, (char *)memory + sizeof(length));
    segb_unmap(memory);
    segb_close(segment);
    segb_disconnect(client);
    return 0;
}
