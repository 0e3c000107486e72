/*
 * backend/worker.h: what one worker thread owns: its loop, its pools, its side
 * of every listener, service and backend. Nothing here is touched by another
 * thread but through loop_post() and the atomics of the segment.
 */
#ifndef TG_BACKEND_WORKER_H
#define TG_BACKEND_WORKER_H

#include <sys/queue.h>

#include "backend/budget.h"
#include "backend/service.h"
#include "backend/view.h"
#include "base/buf.h"
#include "base/challenge.h"
#include "base/spool.h"
#include "conf/conf.h"
#include "ipc/msg.h"
#include "ipc/segment.h"
#include "loop/loop.h"
#include "net/relay.h"
#include "observe/access.h"
#include "observe/counters.h"
#include "observe/histogram.h"
#include "tls/session.h"
#include "tls/sign_line.h"

struct worker;
struct worker_listener;
struct worker_service;
struct worker_backend;
struct back;
struct capture;
struct arrival;
struct conn_filter;
struct origin;
struct tls_context;
struct tls_output;
struct h2_shared;
TAILQ_HEAD(back_list, back);
TAILQ_HEAD(carrier_list, carrier);
TAILQ_HEAD(arrival_line, arrival);

/* A client connection as its listener knows it: first member of what L4 and L7 make of it. */
struct front_link {
	LIST_ENTRY(front_link) link;
	const struct front_ops *ops;
	uint64_t id; /* as in struct msg_session */
	struct mono accepted;
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

/* A connection as a mode gets it. */
struct accepted {
	int fd;
	struct addr from;
	struct conn_filter *filter; /* TLS, behind its handshake; taken over. NULL: plain */
	struct origin *origin; /* of a PROXY header; taken over. NULL: there was none */
	/* Of mode tcp with routes; these are taken over by it. */
	const struct conf_service *service; /* NULL: the listener's */
	enum conf_priority priority;	    /* of a service that is not the listener's */
	char *name;	/* of a ClientHello that is passed on; NULL: none */
	struct buf *in; /* what was read; NULL: nothing */
	bool is_draining;	    /* the listener drains already */
};

/* What a listener's mode does; one const each in l4/ and l7/. */
struct front_ops {
	/* What the mode makes of the listener's configuration: `routes`. -TG_ENOMEM. NULL: nothing. */
	int (*init)(struct worker_listener *l);
	void (*fini)(struct worker_listener *l); /* NULL: nothing */
	/* Of mode tcp: whose a connection is that asks for this name and offers these protocols, as
	 * http/route.h has them. NULL: nobody's; as an operation: the mode has none, and routes say nothing to it. */
	const struct conf_route *(*route)(const struct worker_listener *l, const char *name,
					  const unsigned char *alpn, size_t alpn_n);
	/* Takes over descriptor, filter and origin, also when it fails (closed, counted). */
	void (*open)(struct worker *w, struct worker_listener *l, const struct accepted *a);
	/* The listener drains: finish what runs, then close. */
	void (*drain)(struct front_link *front);
	/* Time is up: close now. Says what that was. */
	enum front_kind (*close)(struct front_link *front);
	/* What it has on this backend is to end. */
	void (*cut)(struct front_link *front, const struct worker_backend *backend);
	/* An operator ends it, now. */
	void (*end)(struct front_link *front);
	/* Fills in what it knows of itself; all else is there. */
	void (*describe)(const struct front_link *front, struct msg_session *ret);
};

/* One of the sockets a listener accepts on; mostly there is one per worker. */
struct accept_socket {
	struct worker_listener *listener;
	int fd;
	struct watch watch;
};

/*
 * A listener stays the same object while its name and mode stay, whatever else of it a reload
 * changes. One that is gone is closed, drains, and is freed with its last front.
 */
struct worker_listener {
	TAILQ_ENTRY(worker_listener) link; /* in the worker's listeners, or in its leaving ones */
	struct worker *worker;
	const struct conf_listener *conf;
	struct conf *owner; /* of conf, where that is not the worker's; counted */
	const struct front_ops *ops;
	void *routes; /* struct http_routes of mode http */
	struct tls_context *tls; /* counted; NULL: plain */
	bool has_arrivals; /* connections are not the mode's from the first byte on */
	struct segment_counters counters;
	struct segment_histogram *histograms; /* by enum stream_histogram */
	struct segment_load *load;            /* connections of all workers */
	struct segment_shared *shared;        /* and how many there may be */
	struct front_list fronts;
	struct accept_socket *sockets;
	size_t n_sockets;
	struct timer resume; /* accept again after a pause */
	bool paused;
	bool is_throttled; /* paused, until time has passed */
	bool is_leaving;
	uint64_t walked;	 /* the number of the last walk that came here */
	struct capture *capture; /* the last request that could not be read; NULL: none */
};
TAILQ_HEAD(worker_listeners, worker_listener);

/* What mode http adds to a service: worker->service_ops. */
struct service_ops {
	int (*init)(struct worker_service *s); /* -TG_ENOMEM */
	void (*fini)(struct worker_service *s);
};

/*
 * This worker's side of one backend; the same object while its service and its name stay. One that
 * is gone lives on as long as streams or connections use it.
 */
struct worker_backend {
	struct worker_service *service;
	uint32_t index; /* in its service; TG_VIEW_NONE: it is gone */
	uint32_t slot;
	unsigned n_users; /* leases and connections */
	struct segment_counters counters;
	struct segment_histogram *histograms; /* by enum stream_histogram */
	struct segment_spread *spread;	      /* see observe/spread.h */
	struct segment_load *load;
	struct back_list idle; /* most recently used first */
	struct back_list alone; /* that rest each in a place of its client */
	struct carrier_list carriers; /* with protocol h2; the first that has room is used */
	unsigned carrier_streams; /* that the backend allows on one of them, as it said last; 0: it has not */
	unsigned n_idle;
	struct addr addr;    /* of the view; len 0: not in the view */
	unsigned generation; /* counts changes of addr: older connections are not kept */
	/* What back.c saw of how long idle connections may rest; unset: never. */
	struct mono rested; /* the last time one had rested long */
	struct mono hasty;  /* the last time the backend closed one that had not */
	struct tls_slot session; /* of TLS, to be resumed */
};

/* This worker's side of one service; as above. */
struct worker_service {
	struct worker *worker;
	const struct conf_service *conf; /* that of shared, as are the next three: */
	struct service_shared *shared;
	const struct balance_ops *ops;
	struct queue *queue;     /* NULL: the service has no limits, and holds nothing */
	struct outlier *outlier; /* NULL: nobody is ejected */
	struct balance *balance;
	struct view *view; /* one reference */
	uint64_t view_number; /* of the last one; the service's whatever its configuration */
	const struct backends_kept *kept; /* until it is set; NULL: none */
	struct budget budget;
	struct segment_counters counters;
	struct segment_histogram *histograms; /* by enum stream_histogram */
	struct worker_backend **backends;     /* [conf->n_backends] */
	struct capture *capture; /* the last answer that could not be read; NULL: none */
	void *l7;         /* struct affinity of mode http, or NULL */
	unsigned n_users; /* streams */
	bool is_gone;
};

struct worker {
	unsigned id;
	unsigned n_workers;
	const struct conf *conf;
	struct segment *segment;
	struct ring *ring;
	struct segment_counters counters;    /* by enum worker_counter */
	struct segment_histogram *histograms; /* by enum worker_histogram */
	struct segment_load *connections;     /* of all listeners and workers: slot 0 */
	struct segment_shared *total;         /* slot 0 */
	_Atomic int64_t max_connections; /* of all listeners and workers, as configured */
	_Atomic int64_t most_connections; /* that may be ordered */
	unsigned max_idle;            /* idle connections to backends, this worker */
	unsigned n_idle;
	struct loop *loop;
	struct buf_pool bufs;
	struct pipe_pool pipes;
	struct spools spools; /* bodies that wait */
	struct tls_output *tls_output;
	struct tls_sessions *tls_sessions; /* with backends */
	struct sign_line sign_line;	   /* to who keeps the keys, where they are not ours */
	struct {
		struct arrival_line line; /* those that wait for their next step */
		struct mono turn;	  /* `spent_us` is of this turn of the loop */
		uint64_t spent_us;
	} handshakes; /* see backend/arrival.h; those with backends have their time of it too */
	struct worker_listeners listeners;
	struct worker_listeners leaving; /* those that drain */
	/* By slot, NULL where there is none. */
	struct worker_service **services;
	struct worker_backend **backends;
	uint64_t random[2];                /* xorshift128+ state */
	uint64_t next_id;                  /* of ids; begins above those of a worker before */
	struct {
		struct worker_listener *listener;
		struct front_link *next;
		uint64_t number;
		uint32_t slot;
	} walk; /* over all fronts: backend/walk.h */
	bool draining;
	struct throttle_table *clients; /* handshakes of each; of all workers, and outlives them; NULL: they have no rate */
	struct challenges *challenges; /* a reference; NULL: none are answered */
	void *l7; /* struct l7_worker, see l7/l7.h */
	struct h2_shared *h2; /* of l7; NULL: HTTP/2 is not spoken */
	const struct service_ops *service_ops; /* of l7; NULL: none */
};

/* Listeners without sockets, and no services yet. `conf` outlives it. -TG_ENOMEM. */
TG_MUST_CHECK int worker_init(struct worker *w, unsigned id, const struct conf *conf,
			      struct segment *segment);
void worker_fini(struct worker *w);

/* Whether this turn of the loop has time for another step of a handshake, see backend/arrival.h. */
bool worker_may_shake(struct worker *w);

/* Goes on with what is configured beside listeners and services; `conf` outlives it. */
void worker_configure(struct worker *w, const struct conf *conf);

/* For readiness: whether its listeners are watched. */
void worker_set_accepting(struct worker *w, bool accepting);

/*** Services ***/

/* Which backends a service keeps that is configured otherwise. */
struct backends_kept {
	const uint32_t *was; /* [conf->n_backends]: index before; TG_VIEW_NONE: it is new */
	const uint32_t *gone; /* indexes before */
	size_t n_gone;
};

/* With backends of its own, but for those it keeps (NULL: none; it lives until the service is set), and an
 * empty view; not in the worker yet, so the control thread may make it. NULL: no memory. */
struct worker_service *worker_service_new(struct worker *w, struct service_shared *shared,
					  const struct backends_kept *kept);
void worker_service_free(struct worker_service *service); /* of no worker; NULL allowed */
/*
 * The worker's from now on. Where it has that service already, this is the same one, configured
 * otherwise: backends that stay keep their connections, streams go on, those that wait stand in line
 * anew. Returns what is left over, for worker_service_free().
 */
struct worker_service *worker_service_set(struct worker *w, struct worker_service *service);
/* The service is gone: no new streams; freed with the last one. */
void worker_service_remove(struct worker *w, uint32_t slot);

/* A stream holds on to it. */
static inline void
worker_service_use(struct worker_service *s)
{
	s->n_users++;
}
void worker_service_leave(struct worker_service *s);
/* The same for leases and connections of a backend. */
static inline void
worker_backend_use(struct worker_backend *b)
{
	b->n_users++;
}
void worker_backend_leave(struct worker_backend *b);

/* Takes the reference; idle connections to what is gone are closed. */
void worker_set_view(struct worker *w, struct view *view);
/* Takes the reference; NULL: no challenge is answered. */
void worker_set_challenges(struct worker *w, struct challenges *challenges);
/* Name of the backend in this slot; NULL: it is gone. */
const char *worker_backend_name(const struct worker *w, uint32_t slot);

/*** Listeners ***/

/* Not in the worker yet, as above. A reference of `tls` is taken; NULL: plain. NULL: no memory. */
struct worker_listener *worker_listener_new(struct worker *w, const struct conf_listener *conf,
					    const struct front_ops *ops, struct tls_context *tls);
/* Without sockets and fronts. NULL allowed. */
void worker_listener_free(struct worker_listener *l);
/* The listener in this slot, or NULL. */
struct worker_listener *worker_listener_find(const struct worker *w, uint32_t slot);
/*
 * The worker's from now on. Where it has that listener in the same mode, this is the same one,
 * configured otherwise; sockets it has are kept where `listener` has none. Accepts, if the worker
 * does. What is left over is freed. `before` is the configuration until now. -TG_EIO: it cannot accept.
 */
TG_MUST_CHECK int worker_listener_set(struct worker *w, struct worker_listener *listener,
				      struct conf *before, bool is_accepting);
/* Clients that wait are let in, its sockets are closed, its fronts drain. `conf` is its configuration's, which gets a reference. */
void worker_listener_remove(struct worker_listener *l, struct conf *conf);
/* Its fronts finish what runs. */
void worker_listener_drain(struct worker_listener *l);

/* Not for secrets: request ids and spreading. */
uint64_t worker_random(struct worker *w);
/* Of a session, or of a connection that many share: never given twice, by any worker, and never 0. */
static inline uint64_t
worker_next_id(struct worker *w)
{
	return w->next_id++ * TG_SESSION_WORKERS + w->id;
}

/* From any thread, for all workers: so many connections at a time, as msg_limit has it. What is there
 * stays; listener_retry() lets in who waits. `limit` names a listener there is. */
void worker_set_limit(const struct worker *w, const struct msg_limit *limit);
/* That of a route. NULL: the listener is leaving, and its service is gone before it. */
struct worker_service *listener_service(const struct worker_listener *l,
					const struct conf_service *conf);
/* A limit may be higher than when accepting paused. */
void listener_retry(struct worker_listener *l);
/* A front of this listener is closed: its place is free, accepting may go on. */
void listener_released(struct worker_listener *l);
/* Frees a listener that is leaving, when its last front has. */
void listener_left(struct worker_listener *l);
/* One more socket, before listener_start(); `fd` is taken over, on failure too. -TG_ENOMEM. */
TG_MUST_CHECK int listener_add_socket(struct worker_listener *l, int fd);
/* Accepts on its sockets from now on, and makes those listen that do not yet. -TG_EIO. */
TG_MUST_CHECK int listener_start(struct worker_listener *l);
/* Takes who waits on its sockets as far as limits allow: before listener_stop(), where the
 * sockets are nobody else's and closing them would reset those clients. */
void listener_take_waiting(struct worker_listener *l);
/* Its sockets go elsewhere. */
void listener_unwatch(struct worker_listener *l);
/* Closes its sockets. Idempotent. */
void listener_stop(struct worker_listener *l);

#endif
