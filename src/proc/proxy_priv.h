/*
 * proc/proxy_priv.h: what the files of the proxy share.
 */
#ifndef TG_PROC_PROXY_PRIV_H
#define TG_PROC_PROXY_PRIV_H

#include "backend/alarm.h"
#include "backend/registry.h"
#include "base/throttle_table.h"
#include "ipc/channel.h"
#include "proc/answers.h"
#include "proc/handed.h"
#include "proc/lines.h"
#include "proc/needs.h"
#include "proc/proxy_reload.h"
#include "proc/told.h"
#include "proc/turns.h"
#include "proc/worker.h"

struct proxy {
	int channel;
	int peer; /* keeper; -1: none now */
	struct conf *conf;
	struct segment *segment;
	struct registry *registry;
	struct tickets *tickets;
	struct contexts *contexts;
	struct throttle_table *clients;
	struct proxy_reload reload;
	struct handed sockets;
	struct lines lines;
	struct alarm lost; /* a line */
	struct worker_thread *threads;
	unsigned n_threads; /* initialised */
	unsigned n_ended;   /* while stopping */
	struct loop *loop;  /* control's own, or that of the one worker */
	struct watch channel_watch;
	struct watch peer_watch;
	struct timer settle;
	struct timer due; /* of the registry */
	struct answers answers;
	struct needs needs;
	struct turns turns;
	struct told told;
	bool is_shared;      /* one thread: loop is that of the one worker */
	bool has_long_text;  /* the configuration, at the start */
	struct message held; /* waits for the worker to have its own thread, when has_held */
	bool has_held;
	bool is_accepting;
	bool is_stopping;
};

/*** proxy_start.c ***/

/* Control of so much takes too long for one thread that serves clients too. */
bool proxy_is_long_text(int fd);
bool proxy_has_many_backends(const struct conf *conf);
/* Everything up to MSG_START. 0, or -errno. */
TG_MUST_CHECK int proxy_receive_start(struct proxy *p);
/* Each with its sockets and lines; where one thread is to do all, its worker is not started. 0, or -errno. */
TG_MUST_CHECK int proxy_start_threads(struct proxy *p);
TG_MUST_CHECK int proxy_take_tickets(struct proxy *p, const struct msg_tickets *m);
/* To the signer; keeps the descriptor: for a worker that is made later, where there is none yet. */
TG_MUST_CHECK int proxy_take_line(struct proxy *p, struct message *m);

/*** proxy.c ***/

/* The keeper; -1: none now. Takes the descriptor. */
void proxy_set_peer(struct proxy *p, int fd);

#endif
