/*
 * ipc/channel.h: one end of a SOCK_SEQPACKET pair between two of our processes.
 *
 * A message is a header, a payload whose size must be exactly the one its type
 * declares (ipc/msg.h) with its fields in range, and one descriptor or none as
 * the type says. Anything else is -TG_EPROTO and the reader gives the channel
 * up: the other process is compromised or of another version.
 */
#ifndef TG_IPC_CHANNEL_H
#define TG_IPC_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ipc/msg.h"

/* Two connected, close-on-exec, non-blocking ends. */
TG_MUST_CHECK int channel_pair(int ret_fd[2], struct err *err);

/* Sends one message, waiting up to 5 s for room (poll). `pass_fd` -1: none; it stays the caller's.
 * `n` and `pass_fd` must be what the type declares: anything else is a bug and asserted.
 * 0, -TG_EIO (other end gone or stuck). For start-up and the control threads, never a worker. */
TG_MUST_CHECK int channel_send(int fd, enum msg_type type, const void *payload, size_t n,
			       int pass_fd);

/* There is room for one more message: channel_send() will not wait. */
bool channel_has_room(int fd);

/* One message as received. `fd` is -1 or a descriptor the receiver now owns (close-on-exec). */
struct message {
	enum msg_type type;
	int fd;
	union msg_payload u;
};

/* 1: a message; 0: the other end is closed; -TG_EAGAIN: none now; -TG_EPROTO: see above;
 * -TG_EIO: not a channel any more. Nothing is left open on failure. */
TG_MUST_CHECK int channel_receive(int fd, struct message *ret);
/* The same, waiting up to `timeout_ms`; -TG_EAGAIN when none came. */
TG_MUST_CHECK int channel_wait(int fd, int timeout_ms, struct message *ret);

#endif
