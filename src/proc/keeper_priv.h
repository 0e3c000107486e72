/*
 * proc/keeper_priv.h: the parts of the keeper, for the files of which it is made.
 */
#ifndef TG_PROC_KEEPER_PRIV_H
#define TG_PROC_KEEPER_PRIV_H

#include <unistd.h>

#include "acme/acme.h"
#include "admin/http_server.h"
#include "admin/server.h"
#include "autoscale/scaler.h"
#include "health/health.h"
#include "hook/hook.h"
#include "proc/access_log.h"
#include "proc/cuts.h"
#include "proc/keeper_certificates.h"
#include "proc/keeper_store.h"
#include "proc/keeper_votes.h"
#include "proc/names.h"
#include "proc/orders.h"
#include "proc/reloads.h"
#include "proc/state_file.h"
#include "proc/wants.h"
#include "steer/steer.h"

/* A control socket, by its place in conf->admin.controls. */
struct keeper_control {
	int fd;         /* -1: none */
	bool is_served; /* and the server's who answers there */
};

#define LAST_WRITE_MS 2000u /* the last lines of a file may take this */

struct keeper {
	int channel;
	int peer_fd;                     /* -1: none, or handed on to orders */
	struct keeper_control *controls; /* by conf->admin.controls */
	int log_fd;                      /* of the access log; -1: standard output */
	int state_fd;                    /* of the keeper before; -1: none */
	struct conf *conf;
	struct segment *segment;
	struct loop *loop;
	struct watch channel_watch;
	struct timer tick;
	struct health *health;
	struct names *names;
	struct steer *steer;
	struct state_file *state_file;  /* NULL: none */
	struct state_file *ending_file; /* that of a configuration before; NULL: it has ended */
	struct timer save;              /* runs while: */
	bool has_unsaved;               /* orders */
	bool is_restoring;
	bool is_heard; /* what is ordered was ordered another instance */
	bool is_holding; /* a new keeper is about to take over */
	struct orders *orders;
	struct cuts *cuts;
	struct reloads *reloads;
	struct questions *questions;
	struct keeper_store store;
	struct msg_sealed sealed; /* what is to be agreed on there; name "": nothing */
	struct keeper_votes votes;
	struct resolver *node_resolver; /* of hosts of nodes */
	struct providers *providers;
	struct scaler *scaler;
	struct hooks *hooks;
	struct acme *acme;
	struct mono acme_heard; /* of others; unset: nothing counts */
	struct refusals *refusals; /* by slot; of keeper_hooks.c */
	struct keeper_certificates certificates;
	bool is_store_lost;
	struct wants *wants;
	struct access_log *access_log; /* NULL: off */
	struct access_log *ending_log; /* that of a configuration before; NULL: it has ended */
	struct events *events;
	struct admin_source source;
	struct admin_server *admin;
	struct http_server *http; /* NULL: none */
	struct keeper_next *next; /* a reload is under way; NULL: none is */
};

static inline void
close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Tells health where each backend is, as configured and ordered. Those that are there already stay as
 * they are. */
void keeper_place_all(struct keeper *k);
/* Orders of operators to the state file, or nothing where there is none. */
void keeper_save(struct keeper *k);
/* The same, with what else changes in this turn. */
void keeper_save_soon(struct keeper *k);
/* Takes `fd` over: the access log goes on there. */
void keeper_set_output(struct keeper *k, int fd);

/* Gives the orders of before again. Negative: no memory. */
TG_MUST_CHECK int keeper_restore(struct keeper *k);
/* What checks have counted and agents have ordered, to the segment, for the next keeper; and from there, before they begin. */
void keeper_note_health(const struct keeper *k);
void keeper_recall_health(const struct keeper *k);
/* What the agent of one has ordered, as soon as it has. */
void keeper_note_agent(const struct keeper *k, unsigned service, unsigned backend);
/* MSG_HOLD and MSG_RESUME. */
void keeper_hold(struct keeper *k);
void keeper_resume(struct keeper *k);

/* What a configuration before has left to write; each waits for that time at most. */
void keeper_end_old_files(struct keeper *k, unsigned timeout_ms);

/* `n` sockets, none there yet. NULL: no memory. */
struct keeper_control *keeper_controls_new(size_t n);
/* Closes those that nobody serves. NULL allowed. */
void keeper_controls_free(struct keeper_control *controls, size_t n);

#endif
