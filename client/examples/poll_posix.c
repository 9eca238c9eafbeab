/*
 * poll [NAME]: creates a segment and opens it twice without ever waiting for
 * the broker but in the program's own event loop.
 */
#include <segbroker.h>

#include <poll.h>
#include <stdio.h>

/* What the program keeps of one call until the callback comes. */
struct task {
    const char *what;
    segb_segment *segment;
    int *open_tasks;
};

static void done(segb_client *client, int status, segb_segment *segment,
                 void *data)
{
    struct task *task = data;

    (void)client;
    --*task->open_tasks;
    task->segment = segment;
    if (status < 0)
        printf("%s: %s\n", task->what, segb_last_detail());
    else
        printf("%s: segment %llu, %zu bytes\n", task->what,
               (unsigned long long)segb_id(segment), segb_size(segment));
}

/* The event loop; a real one watches other descriptors as well. */
static int loop(segb_client *client, const int *open_tasks)
{
    struct pollfd wait = {.fd = segb_client_fd(client), .events = POLLIN};
    int r = 0;

    while (r == 0 && *open_tasks > 0) {
        poll(&wait, 1, -1);
        r = segb_client_dispatch(client);
    }
    return r;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "polled";
    int open_tasks = 3, r;
    struct task tasks[] = {{"create", NULL, &open_tasks},
                           {"open", NULL, &open_tasks},
                           {"open again", NULL, &open_tasks}};
    segb_client *client;

    r = segb_connect(NULL, &client);
    if (r < 0) {
        fprintf(stderr, "connect: %s\n", segb_last_detail());
        return 1;
    }
    /* The broker answers in the order of requests, so these may follow the
     * create without waiting for it. */
    r = segb_create_async(client, name, 65536, NULL, done, &tasks[0]);
    for (int i = 1; i < 3 && r == 0; i++)
        r = segb_open_async(client, name, NULL, done, &tasks[i]);
    if (r == 0)
        r = loop(client, &open_tasks);
    if (r < 0)
        fprintf(stderr, "%s\n", segb_last_detail());
    for (int i = 0; i < 3; i++)
        segb_close(tasks[i].segment);
    segb_disconnect(client);
    return r < 0;
}
