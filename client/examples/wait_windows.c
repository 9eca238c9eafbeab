/*
 * wait [NAME]: creates a segment without waiting for the broker but where the
 * program waits for everything else, until that or Ctrl-C comes.
 */
#include <segbroker.h>

#include <windows.h>

#include <stdio.h>

static HANDLE interrupted;

static BOOL WINAPI on_control(DWORD event)
{
    (void)event;
    return SetEvent(interrupted);
}

static void done(segb_client *client, int status, segb_segment *segment,
                 void *data)
{
    segb_segment **made = data;

    (void)client;
    *made = segment;
    if (status < 0)
        printf("create: %s\n", segb_last_detail());
    else
        printf("create: segment %llu, %zu bytes\n",
               (unsigned long long)segb_id(segment), segb_size(segment));
}

int main(int argc, char **argv)
{
    HANDLE events[2];
    segb_client *client;
    segb_segment *segment = NULL;
    int r = segb_connect(NULL, &client);

    if (r < 0) {
        fprintf(stderr, "connect: %s\n", segb_last_detail());
        return 1;
    }
    interrupted = CreateEventW(NULL, TRUE, FALSE, NULL);
    SetConsoleCtrlHandler(on_control, TRUE);
    events[0] = (HANDLE)(intptr_t)segb_client_fd(client);
    events[1] = interrupted;
    r = segb_create_async(client, argc > 1 ? argv[1] : "waited", 65536, NULL,
                          done, &segment);
    while (r == 0 && !segment &&
           WaitForMultipleObjects(2, events, FALSE, INFINITE) == WAIT_OBJECT_0)
        r = segb_client_dispatch(client);
    if (r < 0)
        fprintf(stderr, "%s\n", segb_last_detail());
    segb_close(segment);
    segb_disconnect(client);
    return r < 0;
}
