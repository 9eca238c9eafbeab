#include "handle.h"

#include <unistd.h>

void handle_close(frame_handle handle)
{
    if (handle >= 0)
        close((int)handle);
}
