#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* A FIFO that nobody writes to must not hold it up. */
enum { FLAGS = O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

int file_open(const char *path, bool writable, segb_file *file)
{
    int error;

    file->write = -1;
    file->read = open(path, O_RDONLY | FLAGS);
    if (file->read < 0)
        return 1;
    if (!writable)
        return 0;
    file->write = open(path, O_RDWR | FLAGS);
    if (file->write >= 0)
        return 0;
    error = errno;
    close((int)file->read);
    errno = error;
    return 1;
}

void file_close(const segb_file *file)
{
    close((int)file->read);
    if (file->write >= 0)
        close((int)file->write);
}
