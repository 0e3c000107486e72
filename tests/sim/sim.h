/*
 * sim/sim.h: a seeded simulation of what is between a stream and its backend:
 * registry, views, balancers, limits, queue, tries, budget, ejection. No sockets, no
 * wall time.
 *
 * One service, some workers, all in one thread: a step lets one of them do one thing, as the dice
 * say. Everything that happens is written into books of the simulation's own, kept in plain
 * ways that share no code with src/; after each step the books are compared with
 * what is really there. See doc/internals/simulation.md.
 */
#ifndef TG_TESTS_SIM_SIM_H
#define TG_TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "backend/lease.h"
#include "backend/registry.h"
#include "backend/tries.h"
#include "base/err.h"

#define SIM_INTERVALS 10u /* that are put together at most, to compare backends */
#define SIM_BACKENDS 70u /* more than a word of bits */
#define SIM_WORKERS  4u
#define SIM_STREAMS  128u /* at a time; a power of two: keys carry the number */
#define SIM_SECONDS  16u  /* of the budget that are remembered */
#define SIM_JOURNAL  8192u
#define SIM_NONE     UINT32_MAX

/* Slot 0 is the daemon's, then the listener, the service and its backends. */
#define SIM_SERVICE_SLOT 2u
#define SIM_BACKEND_SLOT 3u

struct sim;

/*** what is noted, and shown when a rule is broken ***/

struct sim_event {
	uint64_t step;
	uint64_t us;
	const char *what;
	uint32_t stream; /* or SIM_NONE */
	uint32_t backend;
	uint32_t worker;
	int64_t number;
};

/*** streams: as small a proxy as can be, see stream.c ***/

enum sim_state {
	SIM_IDLE = 0,
	SIM_WAITING = 1, /* in the queue, or news is on the way */
	SIM_PAUSED = 2,  /* before the next try */
	SIM_CONNECTING = 3,
	SIM_EXCHANGING = 4,
	SIM_STATE_COUNT
};

/* What will become of a try. */
enum sim_fate {
	SIM_ANSWERED = 0,
	SIM_REFUSED = 1,    /* no connection */
	SIM_UNANSWERED = 2, /* nor in time */
	SIM_CLOSED = 3,     /* no answer */
	SIM_HUNG = 4,       /* no answer in time */
	SIM_FAULTY = 5,     /* 503 */
	SIM_FATE_COUNT
};

struct sim_stream {
	struct lease lease;
	struct tries tries;
	TAILQ_ENTRY(sim_stream) link; /* in the model's queue while it has no news */
	struct sim *sim;
	uint32_t id;
	uint32_t worker;
	enum sim_state state;
	enum sim_fate fate;
	enum conf_priority priority;
	uint32_t preferred; /* index, or TG_LEASE_ANY */
	bool is_idempotent;
	struct mono begin;
	struct mono phase; /* when the state began */
	struct mono due;   /* when it ends by itself */
	uint64_t latency_us;
	/* books */
	unsigned attempts;
	unsigned n_free; /* of these, those that do not count */
	uint32_t tried[TG_BALANCE_TRIED_MAX];
	unsigned n_tried;
	bool starts_over; /* all were tried, once at least */
	bool is_in_line;
	bool awaits_spare; /* in that line */
	uint64_t passed_over; /* in this offer: no place was for this one */
	struct {
		bool is_on_way; /* the worker's loop has it */
		bool is_granted;
		uint32_t backend;
		struct addr addr;
		uint64_t turn; /* the worker's, when it was sent */
	} news;
};
TAILQ_HEAD(sim_line, sim_stream);

/*** books ***/

struct sim_queue {
	struct sim_line classes[TG_PRIORITY_COUNT]; /* oldest first */
	struct sim_line spares[TG_PRIORITY_COUNT];  /* the same of those that wait for backups */
	unsigned n;
	unsigned n_spare; /* of these, in `spares` */
	uint64_t offers;
	/* as the last of these began */
	struct mono now;
	bool is_overloaded[TG_PRIORITY_COUNT];
	bool are_spares_overloaded[TG_PRIORITY_COUNT];
	bool is_for_spares; /* one that has tried nothing was refused */
	bool has_no_spare;  /* one that waits for backups was refused: they were all full */
};

/* By second, each with the second it is about. */
struct sim_budget {
	uint64_t second[SIM_SECONDS];
	uint64_t requests[SIM_SECONDS];
	uint64_t retries[SIM_SECONDS]; /* within the share; or all, of the floor */
};

struct sim_worker {
	struct worker worker;
	struct sim_budget budget;
	uint64_t turns;
	uint32_t ghosts[SIM_BACKENDS]; /* places on the way to streams that left */
};

/* How a backend behaves, whatever is observed of it. */
enum sim_mode {
	SIM_WELL = 0,
	SIM_REFUSES = 1,
	SIM_SWALLOWS = 2, /* connects are lost */
	SIM_DIES = 3,
	SIM_HANGS = 4,
	SIM_SICK = 5,
	SIM_SLOW = 6,
	SIM_MODE_COUNT
};

/* What it did in some time. */
struct sim_figures {
	uint64_t requests;
	uint64_t failed; /* of these */
	uint64_t answers;
	uint64_t answers_us; /* sum of their latencies */
};

struct sim_backend {
	enum sim_mode mode;
	struct segment_load *load;
	struct segment_shared *shared;
	/* what the registry was told */
	enum backend_health health;
	bool has_addr;
	struct addr addr;
	struct backend_order order;
	/* books */
	int64_t in_flight;
	unsigned failures;     /* in a row */
	unsigned unreached;    /* of these, connects that failed in a row */
	struct mono suspected; /* when its last connect failed; unset: that was well */
	bool is_due;           /* so many that somebody must hear of it */
	bool is_ejected;
	struct mono until;
	struct mono ended;
	unsigned times;
	struct sim_figures figures; /* since the last comparison */
	struct sim_figures past[SIM_INTERVALS]; /* between those before it, the newest first */
	struct sim_figures window;  /* what is compared */
	double passed;       /* picks it should have had since its last one, by its share */
	double lag;          /* round-robin: and those that it had, while nothing disturbs */
	double mean_us;      /* latency as it was learned at `ewma_at` */
	double above_us;     /* that, the peak was */
	struct mono ewma_at; /* unset: never */
	bool is_serving;
	bool is_spare;
	struct mono since; /* it is on a ramp; unset: it is not */
};

struct sim {
	uint64_t seed;
	uint64_t step;
	uint64_t us; /* the time */
	uint64_t dice;
	unsigned pressure; /* streams that may come at once */
	/* what is simulated with */
	struct conf *conf;
	const struct conf_service *service;
	struct segment *segment;
	struct registry *registry;
	struct loop *control;
	struct view *newest;
	struct mono newest_at;
	bool is_alarmed;
	bool has_settled;
	struct mono next_compare;
	unsigned n_workers;
	unsigned n_backends;
	bool is_wide;  /* most backends have no weight */
	bool is_quiet; /* little changes */
	/* round-robin: the newest view, since lags began at 0; and when some turns are owed in it */
	const struct view *undisturbed;
	bool is_owing;
	struct sim_worker workers[SIM_WORKERS];
	struct sim_backend backends[SIM_BACKENDS];
	struct sim_stream streams[SIM_STREAMS];
	struct segment_shared *gauges; /* of the service */
	struct sim_queue queue;
	struct sim_worker *acting; /* whose code runs; NULL: the control thread's */
	bool is_fresh;             /* it takes over a view: all bits of it are set */
	/* counts, to see that all of it happens */
	uint64_t n_streams;
	uint64_t n_queued;
	uint64_t n_shed;
	uint64_t n_refused;
	uint64_t n_retries;
	uint64_t n_denied;
	struct sim_budget floor; /* of all workers */
	uint64_t n_ejected;
	uint64_t n_views;
	uint64_t n_sticky;
	uint64_t n_spare;
	/* the rule that was broken */
	bool is_broken;
	struct sim_event journal[SIM_JOURNAL];
	uint64_t n_events;
};

/*** sim.c ***/

/* Everything is up for this seed and algorithm: 0, or -1 with the reason on standard error. */
TG_MUST_CHECK int sim_open(struct sim *sim, uint64_t seed, const char *balance);
void sim_close(struct sim *sim);
/* Up to the first broken rule. */
void sim_run(struct sim *sim, uint64_t steps);
/* Nobody comes any more: everything ends, and everything is given back. */
void sim_drain(struct sim *sim);
/* Every loop has served what was posted to it. */
void sim_quiesce(struct sim *sim);

/* One that may have a weight. */
uint32_t sim_any_backend(struct sim *sim);
/* From 0 to n - 1. */
uint32_t sim_below(struct sim *sim, uint32_t n);
static inline bool
sim_one_in(struct sim *sim, uint32_t n)
{
	return sim_below(sim, n) == 0;
}

static inline struct worker_service *
sim_service(const struct sim_worker *w)
{
	return w->worker.services[SIM_SERVICE_SLOT];
}

static inline struct mono
sim_now(struct sim_worker *w)
{
	return loop_now(w->worker.loop);
}

/*** conf.c ***/

/* A configuration as the dice say. 0, or -1 with the reason on standard error. */
TG_MUST_CHECK int sim_configure(struct sim *sim, const char *balance);

/*** journal.c ***/

void sim_note(struct sim *sim, const char *what, uint32_t stream, uint32_t backend, int64_t number);
/* The first one is told, with what happened to the stream and the backend before (or SIM_NONE). */
void sim_break(struct sim *sim, uint32_t stream, uint32_t backend, const char *rule, ...)
	__attribute__((format(printf, 4, 5)));

/*** stream.c ***/

void sim_stream_begin(struct sim *sim, struct sim_worker *w);
/* What became due for the streams of this worker. */
void sim_stream_step(struct sim *sim, struct sim_worker *w);
/* The client gives up. */
void sim_stream_abort(struct sim_stream *s);

/*** control.c ***/

/* The control thread: something may change, and the registry does what is due. */
void sim_control_step(struct sim *sim);
/* Only what is due. */
void sim_control_turn(struct sim *sim);
/* Everybody is up and well, as configured. */
void sim_control_heal(struct sim *sim);
/* Who is well and up has its whole weight, and nobody is ejected. */
void sim_control_check_rest(struct sim *sim);

/*** model.c: what the registry must make of what it was told ***/

/* After registry_publish() at `now`. */
void sim_model_check(struct sim *sim, struct mono now);

/*** books.c ***/

/* Whose queue is watched; NULL: nobody's. */
void sim_books_open(struct sim *sim);
/* After each step. */
void sim_books_check(struct sim *sim);
/* All workers have the newest view. */
bool sim_is_even(const struct sim *sim);
/* lease_begin(), lease_wait(), lease_end(), tries_again() and tries_connect_again() with all that must hold. */
int sim_lease_begin(struct sim_stream *s);
int sim_lease_wait(struct sim_stream *s, void (*on_place)(struct lease *lease, bool has_place));
void sim_lease_end(struct sim_stream *s, const struct balance_outcome *outcome);
bool sim_tries_again(struct sim_stream *s, unsigned cause);
bool sim_tries_connect_again(struct sim_stream *s, enum end_reason reason);
/* The stream heard of its place. */
void sim_news_came(struct sim_stream *s, bool has_place);
/* A turn of the worker's loop: who had news before it has heard. */
void sim_turn(struct sim *sim, struct sim_worker *w);
/* A request came, for the budget. */
void sim_deposit(struct sim_worker *w);
bool sim_is_tried(const struct sim_stream *s, uint32_t backend);
/* It took no connection a moment ago. */
bool sim_is_suspect(const struct sim *sim, uint32_t backend);

/*** pick.c: what the algorithms promise ***/

static inline bool
sim_has_room(const struct view *view, uint32_t entry)
{
	uint32_t limit = view_limit(view, entry);

	return limit == 0 || atomic_load(&view->entries[entry].load->in_flight) < (int64_t)limit;
}

/* The balancer chose this entry of the view just now; its load is taken. */
void sim_pick_check(struct sim *sim, const struct sim_stream *s, const struct view *view,
		    uint32_t entry);
/* A pick for this stream by this view that is none of the above: the queue's, or one without success. */
void sim_pick_other(struct sim *sim, const struct sim_stream *s, const struct view *view);
/* A stream of this backend is over: what "ewma" must have learned. */
void sim_pick_learn(struct sim *sim, uint32_t backend, const struct balance_outcome *outcome);

#endif
