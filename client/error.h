/*
 * What segb_last_detail says: one sentence a thread.
 */
#ifndef SEGBROKER_ERROR_H
#define SEGBROKER_ERROR_H

/* Both note the sentence for this thread and return `code`. */
int error_set(int code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* `text` NULL: no sentence. It may be the one that is noted now. */
int error_note(int code, const char *text);

#endif
