#include "handle.h"

#include <windows.h>

void handle_close(frame_handle handle)
{
    if (handle != HANDLE_NONE)
        CloseHandle((HANDLE)handle);
}
