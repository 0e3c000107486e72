/*
 * proc/parent_priv.h: the parent, for the files of which it is made.
 */
#ifndef TG_PROC_PARENT_PRIV_H
#define TG_PROC_PARENT_PRIV_H

#include "base/container.h"
#include "loop/loop.h"
#include "proc/shared_tickets.h"
#include "proc/carry.h"
#include "proc/certificate_watch.h"
#include "proc/notes.h"
#include "proc/parent.h"
#include "proc/predecessor.h"
#include "proc/privileges.h"
#include "proc/reconf.h"
#include "proc/signing.h"
#include "proc/slots.h"
#include "proc/sockets.h"
#include "proc/supervisor.h"
#include "proc/upgrade.h"

enum handled_signal {
	HANDLED_CHLD = 0,
	HANDLED_TERM = 1,
	HANDLED_INT = 2,
	HANDLED_HUP = 3,
	HANDLED_USR1 = 4,
	HANDLED_USR2 = 5,
	HANDLED_COUNT
};

/* A signal and whose it is: the loop gives back only the first. */
struct parent_signal {
	struct loop_signal signal;
	struct parent *parent;
};

struct parent {
	struct conf *conf;
	const char *conf_path;
	char *program; /* path of what an upgrade starts */
	struct privileges privileges;
	struct sockets sockets;
	struct predecessor predecessor;
	struct inherited inherited; /* from it */
	struct carry carry;         /* what it has counted */
	struct segment *segment;
	struct slots slots;
	int program_fd;
	struct loop *loop;
	struct parent_signal signals[HANDLED_COUNT];
	struct supervisor supervisor;
	struct signing signing;
	struct upgrade upgrade;
	struct reconf reconf;
	int status;         /* of the one after, which has ended before us */
	bool is_reload_due; /* SIGHUP came before all was ours */
	size_t text_max;    /* as in struct present, at the start */
	struct notes notes;
	struct ticket_seed tickets;
	struct shared_tickets shared_tickets;
	struct certificate_watch certificates;
};

static inline struct parent *
parent_of(struct supervisor *s)
{
	return TG_CONTAINER(s, struct parent, supervisor);
}

/* The place of a predecessor is to be taken yet. */
static inline bool
parent_is_waiting(const struct parent *p)
{
	return p->predecessor.channel >= 0;
}

/* Serves from now on: the log and the service manager hear of it. */
void parent_announce(const struct parent *p);
void parent_notify_serving(const struct parent *p);
void parent_start_watchdog(struct parent *p);

/* Both sides of an upgrade (parent_upgrade.c). */

void parent_upgrade_init(struct parent *p);
/* What the supervisor calls. */
void parent_on_serving(struct supervisor *s);
void parent_on_held(struct supervisor *s, int fd);
/* A child has died. */
void parent_upgrade_on_death(struct parent *p);
/* Whether we stay when another serves in our place: as process 1, whose end is that of its container, or as a child
 * of one that does. Then signals are for that one. */
bool parent_stays(const struct parent *p);
bool parent_hand_on(const struct parent *p, int signo);
/* Our children are gone: until the one after has ended. Its exit status. */
int parent_stay(struct parent *p);
/* What the predecessor calls. */
void parent_on_yours(struct predecessor *predecessor);
void parent_on_gone(struct predecessor *predecessor);
/* The file needs other processes, or an operator wants them: as reconf.replace and reconf.upgrade. */
TG_MUST_CHECK int parent_replace(struct reconf *r, struct err *err);
TG_MUST_CHECK int parent_upgrade_ordered(struct reconf *r, struct err *err);

#endif
