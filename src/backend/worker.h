/*
 * backend/worker.h: what one worker thread owns: its loop, its pools, its side
 * of every listener, service and backend. Nothing here is touched by another
 * thread but through loop_post() and the atomics of the segment.
 */
#ifndef TG_BACKEND_WORKER_H
#define TG_BACKEND_WORKER_H

#include <sys/queue.h>

#include "backend/budget.h"
#include "backend/outlier.h"
#include "backend/queue.h"
#include "backend/view.h"
#include "balance/balance.h"
#include "base/buf.h"
#include "base/spool.h"
#include "conf/conf.h"
#include "ipc/segment.h"
#include "loop/loop.h"
#include "net/relay.h"
#include "observe/access.h"
#include "observe/counters.h"
#include "observe/histogram.h"

struct worker;
struct worker_listener;
struct worker_backend;
struct back;
TAILQ_HEAD(back_list, back);

/* A client connection as its listener knows it: first member of what L4 and L7 make of it. */
struct front_link {
	LIST_ENTRY(front_link) link;
};
LIST_HEAD(front_list, front_link);

/* What is cut when time is up. */
enum front_kind {
	FRONT_RESTING = 0, /* no request, or only the rest of one that was refused */
	FRONT_REQUEST = 1,
	FRONT_TUNNEL = 2,
	FRONT_TCP = 3,
	FRONT_KIND_COUNT
};

/* What a listener's mode does; one const each in l4/ and l7/. */
struct front_ops {
	/* Takes over an accepted descriptor, also when it fails (closed, counted). */
	void (*open)(struct worker *w, struct worker_listener *l, int fd, const struct addr *from);
	/* The listener drains: finish what runs, then close. */
	void (*drain)(struct front_link *front);
	/* Time is up: close now. Says what that was. */
	enum front_kind (*close)(struct front_link *front);
	/* What it has on this backend is to end. */
	void (*cut)(struct front_link *front, const struct worker_backend *backend);
};

/* One of the sockets a listener accepts on; mostly there is one per worker. */
struct accept_socket {
	struct worker_listener *listener;
	int fd;
	struct watch watch;
};

struct worker_listener {
	struct worker *worker;
	const struct conf_listener *conf;
	const struct front_ops *ops;
	const void *routes; /* struct http_routes of mode http */
	struct segment_counters *counters;
	struct segment_shared *shared; /* connections of all workers */
	struct front_list fronts;
	struct accept_socket *sockets;
	size_t n_sockets;
	struct timer resume; /* accept again after a pause */
	bool paused;
};

/* This worker's side of one backend. */
struct worker_backend {
	struct worker_service *service;
	uint32_t index; /* in its service */
	struct segment_counters *counters;
	struct back_list idle; /* most recently used first */
	unsigned n_idle;
	struct addr addr;    /* of the view; len 0: not in the view */
	unsigned generation; /* counts changes of addr: older connections are not kept */
	/* What back.c saw of how long idle connections may rest; unset: never. */
	struct mono rested; /* the last time one had rested long */
	struct mono hasty;  /* the last time the backend closed one that had not */
};

/* This worker's side of one service. */
struct worker_service {
	struct worker *worker;
	const struct conf_service *conf;
	const struct balance_ops *ops;
	struct balance *balance;
	struct view *view;       /* one reference */
	struct queue *queue;     /* shared; NULL: the service has no limits */
	struct outlier *outlier; /* shared; NULL: nobody is ejected */
	struct budget budget;
	struct segment_counters *counters;
	struct segment_histogram *histograms; /* by enum service_histogram */
	struct worker_backend *backends; /* [conf->n_backends] */
};

/* What the workers share of one service. Owned by the registry. */
struct service_shared {
	struct balance_shared *balance;
	struct queue *queue;     /* NULL: the service has no limits */
	struct room *room;       /* the same */
	struct outlier *outlier; /* NULL: nobody is ejected */
	struct budget_floor *floor;
};

struct worker {
	unsigned id;
	unsigned n_workers;
	const struct conf *conf;
	struct segment *segment;
	struct ring *ring;
	struct segment_counters *counters;    /* by enum worker_counter */
	struct segment_histogram *histograms; /* by enum worker_histogram */
	struct segment_shared *total; /* connections of all listeners and workers: slot 0 */
	int64_t max_connections;      /* of all listeners and workers */
	unsigned max_idle;            /* idle connections to backends, this worker */
	unsigned n_idle;
	struct loop *loop;
	struct buf_pool bufs;
	struct pipe_pool pipes;
	struct spools spools; /* bodies that wait */
	struct worker_listener *listeners; /* [conf->n_listeners] */
	struct worker_service *services;   /* [conf->n_services] */
	uint64_t random[2];                /* xorshift128+ state */
	bool draining;
	void *l7; /* struct l7_worker, see l7/l7.h */
};

/* `shared` [conf->n_services] is the registry's. -TG_ENOMEM. */
TG_MUST_CHECK int worker_init(struct worker *w, unsigned id, const struct conf *conf,
			      struct segment *segment, const struct service_shared *shared);
void worker_fini(struct worker *w);

/* For readiness: whether its listeners are watched. */
void worker_set_accepting(struct worker *w, bool accepting);

/* Takes the reference; idle connections to what is gone are closed. */
void worker_set_view(struct worker *w, uint32_t service, struct view *view);

/* Not for secrets: request ids and spreading. */
uint64_t worker_random(struct worker *w);

/* A front of this listener is closed: its place is free, accepting may go on. */
void listener_released(struct worker_listener *l);
/* One more socket, before listener_start(); `fd` is taken over, on failure too. -TG_ENOMEM. */
TG_MUST_CHECK int listener_add_socket(struct worker_listener *l, int fd);
/* Accepts on its sockets from now on, and makes those listen that do not yet. -TG_EIO. */
TG_MUST_CHECK int listener_start(struct worker_listener *l);
/* Takes who waits on its sockets as far as limits allow: before listener_stop(), where the
 * sockets are nobody else's and closing them would reset those clients. */
void listener_take_waiting(struct worker_listener *l);
/* Closes its sockets. Idempotent. */
void listener_stop(struct worker_listener *l);

#endif
