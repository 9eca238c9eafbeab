/*
 * intruder_posix [NAME]: opens a segment for reading and tries to write to it
 * all the same, in every way that the system has. Ends with 0 when the kernel
 * has refused them all.
 *
 * Should a way be open, it writes only what is there already.
 */
#include <segbroker.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What every way starts from. */
struct target {
    int handle;
    void *view; /* read-only */
    size_t size;
    unsigned char first; /* its first byte */
};

/* Each gives true when it could write, and else leaves the reason in errno. */
static bool by_write(const struct target *target)
{
    return write(target->handle, &target->first, 1) == 1;
}

static bool by_pwrite(const struct target *target)
{
    return pwrite(target->handle, &target->first, 1, 0) == 1;
}

static bool by_mmap(const struct target *target)
{
    void *memory = mmap(NULL, target->size, PROT_READ | PROT_WRITE, MAP_SHARED,
                        target->handle, 0);

    if (memory == MAP_FAILED)
        return false;
    munmap(memory, target->size);
    return true;
}

static bool by_mprotect(const struct target *target)
{
    return mprotect(target->view, target->size, PROT_READ | PROT_WRITE) == 0;
}

static bool by_ftruncate(const struct target *target)
{
    return ftruncate(target->handle, (off_t)target->size - 1) == 0;
}

static bool by_reopening(const struct target *target)
{
    char path[64];
    int fd;
    bool written;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", target->handle);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return false;
    written = pwrite(fd, &target->first, 1, 0) == 1;
    close(fd);
    return written;
}

/* Tries one way and tells of it; true when it was refused. */
static bool refused(const char *way, bool (*try)(const struct target *),
                    const struct target *target)
{
    errno = 0;
    if (try(target)) {
        printf("%-26s allowed\n", way);
        return false;
    }
    printf("%-26s refused: %s\n", way, strerror(errno));
    return true;
}

/* The kernel lets root, and the user that the broker runs as, reopen what
 * belongs to that user. Against them, read-only is no protection. */
static bool is_enforced(segb_client *client)
{
    segb_broker broker;

    if (segb_client_broker(client, &broker) < 0)
        return false;
    for (const char *const *f = broker.features; *f; f++)
        if (strcmp(*f, "enforced-ro") == 0)
            return true;
    return false;
}

static int intrude(segb_client *client, const struct target *target)
{
    bool good = refused("write()", by_write, target);
    bool reopen;

    good &= refused("pwrite()", by_pwrite, target);
    good &= refused("mmap(PROT_WRITE)", by_mmap, target);
    good &= refused("mprotect(PROT_WRITE)", by_mprotect, target);
    good &= refused("ftruncate()", by_ftruncate, target);
    reopen = refused("open(\"/proc/self/fd/N\")", by_reopening, target);
    if (!reopen && !is_enforced(client)) {
        printf("  ... as expected: this is root, or the broker's own user\n");
        reopen = true;
    }
    return good && reopen ? 0 : 1;
}

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
    struct target target;
    int status;

    if (segb_connect(NULL, &client) < 0)
        return fail("connect");
    if (segb_open(client, name, NULL, &segment) < 0)
        return fail("open");
    if (segb_map(segment, 0, 0, SEGB_RO, &target.view) < 0)
        return fail("map");
    target.handle = (int)segb_handle(segment);
    target.size = segb_mapped_size(segment);
    target.first = *(unsigned char *)target.view;
    status = intrude(client, &target);
    segb_unmap(target.view);
    segb_close(segment);
    segb_disconnect(client);
    return status;
}
