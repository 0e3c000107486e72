/*
 * proc/child.h: start one child process and tell it what it needs.
 */
#ifndef TG_PROC_CHILD_H
#define TG_PROC_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/log.h"
#include "ipc/segment.h"
#include "proc/privileges.h"
#include "proc/sockets.h"
#include "tls/ticket.h"

enum child_role {
	CHILD_PROXY = 0,
	CHILD_KEEPER = 1,
	CHILD_ROLE_COUNT, /* of those the supervisor runs */
	CHILD_SIGNER = CHILD_ROLE_COUNT, /* proc/signing.h */
	CHILD_KIND_COUNT
};

/* "proxy", "keeper", "signer": the word in logs and after TG_ROLE_ARG. */
const char *child_role_str(enum child_role role);

/* Tells what waitpid() said of one that was not to end. */
void child_log_death(enum child_role role, pid_t pid, int status);

/* The program every child executes: this one, even if its file is replaced meanwhile. A descriptor
 * well above those of a child; the caller closes it. */
TG_MUST_CHECK int child_open_program(int *ret_fd, struct err *err);

/*
 * Starts the program in `role`, which is to take the rights of `p` first (privileges_become()). The child has the null
 * device as standard input (all but the keeper as standard output too), standard error,
 * and the other end of *ret_channel as TG_CHANNEL_FD; nothing else. It ignores
 * SIGPIPE and SIGXFSZ, and SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2, which a terminal or
 * service manager sends to all of us; it is killed when this process ends. All but the keeper have nothing of our
 * environment but what they can use. Returns once the
 * program runs; the error says which step failed.
 */
TG_MUST_CHECK int child_spawn(enum child_role role, int program_fd, const struct privileges *p,
			      pid_t *ret_pid, int *ret_channel, struct err *err);

struct signing;

/* All a child needs to know; nothing here passes to child_equip(). */
struct child_equipment {
	const struct conf *conf; /* its text is made for each child that starts, and for its role */
	struct segment *segment;
	const struct sockets *sockets;
	int state_fd; /* what was ordered of a tidegate before; -1: as the state file says */
	int peer_fd; /* its end of the channel between proxy and keeper */
	const struct ticket_seed *tickets; /* for the proxy */
	struct signing *signing; /* who keeps the keys for the proxy; NULL: it has them itself */
	const struct msg_sealed *sealed;   /* for the keeper; NULL, or name "": nothing is shared */
	bool has_log_level; /* an operator ordered one: */
	enum log_level log_level;
};

/* Tells a child what to log. -TG_EIO. */
TG_MUST_CHECK int child_send_log_level(int channel, enum log_level level);
/* Hands over what keys of tickets are made of. -TG_EIO. */
TG_MUST_CHECK int child_send_tickets(int channel, const struct ticket_seed *seed);
/* Sends the start-up messages of ipc/msg.h up to MSG_START. Negative when it does not take them, or there is
 * no memory for the text, which is logged. */
TG_MUST_CHECK int child_equip(enum child_role role, int channel, const struct child_equipment *e);

#endif
