/*
 * autoscale/scaler.h: the control loop of all services that are scaled.
 *
 *	sample -> store -> snapshot -> module, guards -> desired -> fleet -> provider
 *	                                                              |
 *	                            configuration, drain <- the keeper+-> told here what came of it
 *
 * The keeper's. One timer; each service has its interval, and its next tick comes at once where something
 * happened: a request is held, a backend is up or down, the provider has news. All of
 * a service that is scaled is level-triggered: a tick needs nothing but what there is.
 */
#ifndef TG_AUTOSCALE_SCALER_H
#define TG_AUTOSCALE_SCALER_H

#include "autoscale/fleet.h"
#include "base/log.h"
#include "conf/same.h"
#include "ipc/segment.h"
#include "observe/histogram.h"
#include "store/store.h"

/* What the keeper does for it. */
struct scaler_ops {
	/* A backend into the configuration, or out of it; scaler_configured() follows, in a later turn. Negative: not
	 * now. */
	int (*add)(void *user, const char *service, const char *name, const struct addr *addr,
		   const char *origin); /* the instance of tidegate that started it; "": this one */
	int (*remove)(void *user, const char *service, const char *name);
	/* Nothing new goes there, or something does again. Where an operator has ordered that nothing does, that
	 * stays, and is done. Negative: it is not there, or an operator's order is against it. */
	int (*drain)(void *user, const char *service, const char *name, bool is_on);
	/* What is in flight there ends; of one that is out of the configuration with its process. */
	void (*cut)(void *user, const char *service, const char *name);
	/* What checks say of it; indexes as in the configuration. */
	bool (*is_up)(void *user, unsigned service, unsigned backend);
	/* What its agent told of its load, as shares of what it may use; NAN: not told. False: nothing, or not
	 * lately. */
	bool (*agent_load)(void *user, unsigned service, unsigned backend, double *ret_cpu,
			   double *ret_memory);
	/* Whose order keeps new work from it: drain()'s, be it of a keeper before, or an operator's. */
	enum fleet_steer (*steered)(void *user, unsigned service, unsigned backend);
	/* The number is another one; and a backend did not start. */
	void (*scaled)(void *user, const char *service, uint32_t from, uint32_t to,
		       const char *why);
	void (*start_failed)(void *user, const char *service, const char *backend,
			     const char *why);
	/* Of several that share the service this instance leads from now on. */
	void (*leads)(void *user, const char *service, const char *instance, uint64_t epoch);
	/* Requests that no backend can serve are refused, and told to come again then; unset: held again. */
	void (*refuse)(void *user, unsigned service, struct mono until);
	/* Tidegate ends, and so does this one, by order: that nobody answers there any more is nothing to tell. */
	void (*ends)(void *user, unsigned service, unsigned backend);
};

struct scaler;
struct scaler_next;

/* What is passed outlives it, `conf` until the next commit. Backends that an earlier keeper added are taken
 * over. A service that cannot be scaled, as its module is not there any more, is left as it is, which is
 * logged. NULL: no memory, or what `err` says. */
struct scaler *scaler_new(struct loop *loop, struct conf *conf, struct segment *segment,
			  struct store *store, struct providers *providers,
			  const struct scaler_ops *ops, void *user, struct err *err);
/* Instances go on, for who comes after. NULL allowed. */
void scaler_free(struct scaler *s);

/* Another configuration, in two steps; see health/health.h. What cannot be is in `err`. */
TG_MUST_CHECK int scaler_prepare(struct scaler *s, const struct conf_same *same,
				 struct conf *conf, struct scaler_next **ret, struct err *err);
void scaler_drop(struct scaler_next *next); /* NULL allowed */
void scaler_commit(struct scaler *s, struct scaler_next *next);

/* Another store, which has the history of the one before (store_swap_history()). */
void scaler_set_store(struct scaler *s, struct store *store);

/* Events. */

/* Requests of this service are held. */
void scaler_wanted(struct scaler *s, unsigned service);
/* Checks say something else of a backend of this service. NULL allowed. */
void scaler_noticed(struct scaler *s, unsigned service);
/* What came of scaler_ops.add() or remove(). */
void scaler_configured(struct scaler *s, const char *service, const char *name, bool is_added,
		       bool is_done, const char *why);

/* A new tidegate takes over, and starts and stops backends from now on; or it failed. */
void scaler_hold(struct scaler *s, bool is_on);
/* Tidegate ends: all instances stop. `ended` is called when none is left, perhaps at once. */
void scaler_stop(struct scaler *s, uint64_t grace_ms, void (*ended)(void *user), void *user);

/* Orders of operators; of a service by its index. */

enum scaler_mode {
	TG_SCALER_ON = 0,
	TG_SCALER_PAUSED = 1,  /* the number stays; what dies is started again */
	TG_SCALER_DRY_RUN = 2, /* decides and tells; the number stays */
	TG_SCALER_MODE_COUNT
};
/* "on", "paused", "dry-run". */
const char *scaler_mode_str(enum scaler_mode mode);

bool scaler_has(const struct scaler *s, unsigned service);
/* `scale S N`, of those its provider starts, as min and max are; the bounds of the configuration do not bind it, TG_FLEET_MAX does. */
void scaler_set_number(struct scaler *s, unsigned service, uint32_t n);
/* `scale S auto`. */
void scaler_set_auto(struct scaler *s, unsigned service);
void scaler_set_mode(struct scaler *s, unsigned service, enum scaler_mode mode);

/* What is known of one service; all numbers are of backends that its provider starts. A value; pointers until the next turn. */
struct scaler_status {
	const char *module;
	const char *provider;
	enum scaler_mode mode;
	bool has_manual;
	uint32_t manual;
	uint32_t desired;
	uint32_t proposed;
	uint32_t min; /* in effect */
	uint32_t max;
	struct fleet_counts counts;
	struct fleet_failures failures;
	uint64_t retry_ms; /* until the next start; 0: at once */
	uint64_t refused;  /* streams that starts that fail, or failed last, had refused, as of the last tick */
	bool is_refusing;  /* streams that come are refused, not held */
	const char *list_failure; /* why the provider could not list what runs; "": it could */
	const char *reason; /* of the last proposal */
	const char *guard;  /* the last that changed it; NULL: none */
	uint64_t decisions; /* since the keeper began */
	uint64_t ups;
	uint64_t downs;
	uint64_t by_guard[TG_GUARD_COUNT];
	uint64_t starts;
	uint64_t start_failures;
	struct histogram cold_starts; /* asked for to ready */
	const struct fleet *fleet;
	/* Where several instances of tidegate share a store: */
	enum store_authority authority;
	bool is_cut_off;      /* the store is not well */
	const char *instance; /* this one; "": there are no others */
	const char *leader;   /* "": nobody is known to lead */
	uint64_t epoch;       /* of who leads; 0: nobody did */
	uint64_t others;      /* that live */
};
/* False: it is not scaled. */
bool scaler_status(const struct scaler *s, unsigned service, struct scaler_status *ret);
/* What its backends did and used in the last interval, in the order of the configuration. NULL: it is not scaled, or
 * nothing is sampled yet. Until the next turn. */
const struct backend_sample *scaler_samples(const struct scaler *s, unsigned service);
/* Nodes, in the order of the configuration, then those that a reload took out and where something is, or may be. A value;
 * text until the next turn. */
struct scaler_node {
	const char *name;
	bool is_departing;         /* not configured any more: what is there leaves; its name may be a present one's too */
	const char *closed;        /* why nothing new goes there; of one that departs what is against asking it; NULL: nothing */
	int64_t cpu_milli;         /* capacity, thousandths of a core; 0: not known */
	int64_t free_cpu_milli;    /* less what all that is there was promised */
	int64_t memory_bytes;      /* the same */
	int64_t free_memory_bytes;
	uint32_t backends;
	uint32_t orphans; /* containers of our owner that nobody has */
	const struct conf_labels *labels;
	const char *kept_for; /* services for whose backends room there is kept, ", " between them; ""; inside the callback */
	const char *note; /* its daemon has less than is configured: both figures; "": it has not; inside the callback */
};
/* -TG_ENOMEM. */
TG_MUST_CHECK int scaler_nodes(const struct scaler *s,
			       void (*told)(void *user, const struct scaler_node *node), void *user);

/* Whether backends of this service are on nodes. */
bool scaler_has_nodes(const struct scaler *s, unsigned service);
/* What is said of a node for one more of a service. A value; texts are valid inside the callback. */
struct scaler_verdict {
	const char *node;
	const char *text; /* one line */
	uint32_t orphans; /* as of scaler_node */
};
/* Of each node, and where one more of the service would go: its name, "" if nowhere. -TG_ENOMEM. */
TG_MUST_CHECK int scaler_next_place(const struct scaler *s, unsigned service,
				    void (*told)(void *user, const struct scaler_verdict *verdict),
				    void *user, char ret_node[TG_NODE_NAME]);

/* Nodes that could be emptied, and by which moves; nothing is done. */
struct scaler_move {
	const char *service;
	const char *backend;
	const char *from;
	const char *to;
	const char *why; /* "spread": it is spread better; "room": its node is emptied */
};
struct scaler_plan {
	uint32_t used;       /* nodes */
	uint32_t used_after;
};
/* How few nodes would do for all that is there, were it placed anew: of a scheduler that takes its time, in another
 * process. One question at a time. -TG_ENOENT: there is no such scheduler; -TG_ENOTSUP: it has no more to say than its
 * plan; -TG_ELIMIT: one is asked; -TG_ENOMEM; -TG_EIO. */
TG_MUST_CHECK int scaler_ask_fewest(const struct scaler *s, const char *scheduler);
struct scaler_fewest {
	char why[128];    /* there is no answer; "": there is */
	uint32_t used;    /* nodes: found; 0: not all were placed */
	double bound;     /* at least so many; NAN: not known */
	uint64_t took_ms;
};
/* False: not answered yet. A value. */
bool scaler_fewest(const struct scaler *s, struct scaler_fewest *ret);

/* -TG_ENOENT: there is no such scheduler; -TG_ENOMEM. */
TG_MUST_CHECK int scaler_plan(const struct scaler *s, const char *scheduler,
			      void (*told)(void *user, const struct scaler_move *move), void *user,
			      struct scaler_plan *ret);

/* What the module of a service has worked out, in lines for people. -TG_ENOTSUP: it makes no plans; -TG_EAGAIN: there is none
 * yet. */
TG_MUST_CHECK int scaler_show_plan(const struct scaler *s, unsigned service,
				   void (*line)(void *user, const char *text), void *user);

/* The last decision since the last reload as a record, made now; the caller's to free(). NULL: none yet, or no memory. */
char *scaler_last_record(const struct scaler *s, unsigned service);

#endif
