/*
 * cow [NAME]: opens a segment copy-on-write, changes its own view, and shows
 * that the others do not see it.
 */
#include <segbroker.h>

#include <stdio.h>
#include <string.h>

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, segb_last_detail());
    return 1;
}

/* Opens the segment and maps all of it. */
static int attach(segb_client *client, const char *name, int access,
                  segb_segment **segment, unsigned char **memory)
{
    segb_open_options options = {.struct_size = sizeof(options),
                                 .access = access};
    void *address;
    int r = segb_open(client, name, &options, segment);

    if (r == 0)
        r = segb_map(*segment, 0, 0, access, &address);
    if (r == 0)
        *memory = address;
    return r;
}

static void show(const char *whose, const unsigned char *memory, size_t size)
{
    printf("%-10s", whose);
    for (size_t i = 0; i < size; i++)
        printf(" %02x", memory[i]);
    printf("\n");
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "greeting";
    segb_client *client;
    segb_segment *mine, *theirs;
    unsigned char *changed, *shared;
    size_t size;

    if (segb_connect(NULL, &client) < 0)
        return fail("connect");
    if (attach(client, name, SEGB_COW, &mine, &changed) != 0 ||
        attach(client, name, SEGB_RO, &theirs, &shared) != 0)
        return fail(name);
    size = segb_size(mine) < 16 ? segb_size(mine) : 16;
    show("before:", shared, size);
    for (size_t i = 0; i < size; i++)
        changed[i] = (unsigned char)~changed[i];
    show("my view:", changed, size);
    show("others':", shared, size);
    /* The one is the other turned over, so no byte may be equal. */
    if (memcmp(changed, shared, size) == 0) {
        printf("the change is seen by others\n");
        return 1;
    }
    segb_unmap(changed);
    segb_unmap(shared);
    segb_close(mine);
    segb_close(theirs);
    segb_disconnect(client);
    return 0;
}
