/*
 * What went wrong in this thread's last failed call.
 */
#ifndef SEGBROKER_ERROR_H
#define SEGBROKER_ERROR_H

/* Keeps a sentence for segb_last_detail and returns the code. */
int error_set(int code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
