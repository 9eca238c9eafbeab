/*
 * The connection to a broker, as the system has it: bytes both ways, handles
 * one way.
 */
#ifndef SEGBROKER_CHANNEL_H
#define SEGBROKER_CHANNEL_H

#include "frame.h"
#include "message.h"
#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A socket on POSIX, a pipe's HANDLE on Windows. */
typedef intptr_t channel;

enum { CHANNEL_NONE = -1 };

enum {
    CHANNEL_AGAIN = 1,   /* nothing came, or nothing can be sent, now */
    CHANNEL_E_GONE = -1, /* the other side has ended it */
    CHANNEL_E_SIZE = -2  /* no size is known of that handle */
};

/* What channel_wait answers. */
enum { CHANNEL_READABLE = 1, CHANNEL_WRITABLE = 2 };

/* One message as it came. */
struct channel_input {
    size_t size;
    unsigned count;
    bool truncated; /* handles were lost on the way */
    frame_handle handles[PROTOCOL_HANDLES_MAX]; /* the receiver's */
    char bytes[16384];
};

/*
 * Connects to the broker at `address`; NULL looks where segbroker.h says. 0,
 * the channel and its address, to be freed; or a SEGB_E_... code with its
 * sentence. `timeout` (milliseconds, negative: none) holds for connecting and
 * for channel_receive_wait.
 */
int channel_connect(const char *address, int timeout, channel *connected,
                    char **connected_to);

/* The same for an address that served before. */
int channel_connect_again(const char *address, int timeout, channel *connected);

/* Takes CHANNEL_NONE too, and gives it. */
channel channel_close(channel c);

/* Ends both ways: readers are woken, the channel stays. */
void channel_shutdown(channel c);

/* Sends what goes at once. 0 and how much, CHANNEL_AGAIN or CHANNEL_E_GONE. */
int channel_send(channel c, const char *bytes, size_t size, size_t *sent);

/* The same, with handles, at most MESSAGE_HANDLES_MAX, on the first byte; they
 * stay the caller's. */
int channel_send_handles(channel c, const char *bytes, size_t size,
                         const frame_handle *handles, unsigned count,
                         size_t *sent);

/* Receives one message that is here. 0, CHANNEL_AGAIN or CHANNEL_E_GONE. */
int channel_receive(channel c, struct channel_input *input);

/* The same, but waits for it, at most the channel's timeout; CHANNEL_AGAIN may
 * come before. */
int channel_receive_wait(channel c, struct channel_input *input);

/*
 * Waits until the channel can be read (or, if `writing`, be written) or
 * thread_clock shows `deadline`. What it can do; 0: it is too late.
 */
int channel_wait(channel c, bool writing, uint64_t deadline);

/* Waits until the other side, or this one, has ended it. May return before,
 * when something has come that nobody receives. */
void channel_wait_end(channel c);

/* ---- handles that came ---- */

void channel_close_handle(frame_handle handle);

/* Takes the handle that a reply, the line given last by the reader, names. 0
 * and the caller owns it, or FRAME_LOST. */
int channel_claim(struct frame_reader *reader,
                  const struct message_handle *named, frame_handle *handle);

/* Names a handle for the request that channel_send_handles takes along, as the
 * `index`th of them. */
struct message_handle channel_name(frame_handle handle, unsigned index);

/* Bytes of the memory behind it. 0 or CHANNEL_E_SIZE. */
int channel_handle_size(frame_handle handle, uint64_t *size);

#endif
