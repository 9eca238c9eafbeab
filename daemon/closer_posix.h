/*
 * Closes what strangers sent along. That may take as long as they like: a file
 * is flushed by a server of theirs, a socket lingers. So a process that shares
 * the table of descriptors does it, and nobody waits for it.
 */
#ifndef SEGBROKER_CLOSER_H
#define SEGBROKER_CLOSER_H

/* Takes the descriptors over. They are closed soon, or as late as their owner
 * wants. */
void closer_take(const int *fds, unsigned count);

/* Closes a connection's socket, with what may wait in it unread. */
void closer_take_socket(int fd);

#endif
