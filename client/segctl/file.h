/*
 * Opening a file to make a segment of it.
 */
#ifndef SEGCTL_FILE_H
#define SEGCTL_FILE_H

#include "segbroker.h"

#include <stdbool.h>

/* Opens it for reading and, if `writable`, once more for both. 0, or 1 with
 * the reason in errno and nothing open. */
int file_open(const char *path, bool writable, segb_file *file);
void file_close(const segb_file *file);

#endif
