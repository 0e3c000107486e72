/*
 * autoscale/scaler_priv.h: one service that is scaled, for the files the scaler is made of.
 */
#ifndef TG_AUTOSCALE_SCALER_PRIV_H
#define TG_AUTOSCALE_SCALER_PRIV_H

#include "autoscale/plan_process.h"
#include "autoscale/record.h"
#include "autoscale/scaler.h"
#include "autoscale/slow.h"

#define TG_SCALED_NAME 128u
#define TG_SCALED_WHY  192u

/* Who starts, or has started, backends of a service. */
struct scaled_source {
	struct scaled_state *state;
	struct provider *provider;       /* NULL: none, as of a dry run without one */
	struct conf *owner;              /* the configuration it was opened with; counted */
	const struct conf_service *conf; /* of that, or: */
	struct conf_service *own;        /* made for it; NULL: none */
};

enum scaled_role {
	SCALED_UNDECIDED = 0, /* not known yet */
	SCALED_LEADS = 1,
	SCALED_FOLLOWS = 2,
};

/* Where several instances of tidegate share a service. */
struct scaled_lead {
	enum scaled_role role;
	bool may_act;   /* as of this tick */
	uint64_t epoch; /* of the leader; 0: there is nobody else */
	/* of one that leads: */
	uint64_t version; /* of: */
	struct store_member *published;
	size_t n_published;
	bool is_asking;    /* orders wait for an answer to what was asked after: */
	struct mono asked;
	bool is_permitted; /* inside that answer */
	/* of one that ends: whether others go on is asked, and not known yet */
	bool is_ending;
	struct mono end_asked; /* it was announced, once; unset: there was nobody to tell */
	/* of one that follows: whose fleet it has */
	uint64_t seen_epoch;
	uint64_t seen_version;
};

/* What is known of a service that a reload does not change, and what outlives it. */
struct scaled_state {
	struct scaled *of; /* as configured now */
	struct fleet *fleet;
	/* By `type` of the provider, which is what the fleet calls a source; those that are open have members, but for
	 * the present one. */
	struct scaled_source sources[TG_PROVIDER_TYPE_COUNT];
	struct scaled_source *source; /* the present one */
	uint64_t left_token; /* of the list of what a keeper before has left; before its answer nothing is done */

	enum scaler_mode mode;
	bool has_manual;
	uint32_t manual;
	bool is_begun; /* `desired` is known */
	uint32_t desired;
	uint32_t told; /* of that, what ops.scaled() has told */
	struct scaled_lead lead;
	bool is_woken;      /* requests are held, and nothing is ready */
	bool is_woken_here; /* by this instance */
	struct mono refused_until; /* as the data plane was told; unset: it holds */
	bool is_failing;   /* the last starts have failed */
	uint64_t refused;  /* streams, since then */
	uint64_t refused_before; /* the counter at that time */
	bool has_up;
	bool has_down;
	int64_t up_ms;
	int64_t down_ms;
	int64_t active_ms;

	struct mono due;
	struct mono list_due;
	int64_t list_asked_ms;
	uint64_t list_token; /* 0: none is under way */
	char list_failure[TG_SCALED_WHY]; /* why the last one failed; "": it did not */
	uint64_t last_token;

	uint64_t number;      /* of the last decision */
	uint32_t last_guards; /* of the last one that was recorded, as bits */
	uint32_t last_desired; /* the same: its number */
	bool is_last_dry;      /* the same: nothing was to come of it */
	struct planning *planning; /* what is learned, and planned of that */
	struct plan_process plan_process;
	bool is_plan_failing;
	double start_s;       /* of the last starts, the newer the more; NAN: none yet */
	uint64_t ups;
	uint64_t downs;
	uint64_t by_guard[TG_GUARD_COUNT];
	uint64_t starts;
	uint64_t start_failures;
	struct segment_histogram cold_starts;
};

/* A service as it is configured; or that was scaled, and of which not all is gone yet. */
struct scaled {
	TAILQ_ENTRY(scaled) link; /* of all; linked as long as the scaler has it */
	bool is_gone; /* its service is in no configuration any more */
	struct scaler *scaler;
	struct conf *owner; /* of conf; counted */
	const struct conf_service *conf;
	const struct tg_module *module;
	struct tg_value *values;
	const struct tg_module *scheduler; /* NULL: it is not scaled any more */
	struct tg_value *scheduler_values;
	struct schedules *schedules;
	uint32_t spans_ms[TG_WINDOWS_MAX];
	uint32_t n_windows;
	struct scaled_state *state; /* NULL: not gone over to yet */

	/* By the configuration's backends: */
	const struct fleet_member **members; /* of this tick; NULL: none of the provider's */
	struct backend_sample *samples;
	bool has_samples; /* there was a tick */
	struct usage_rate *rates;
	struct usage_place *places;
	struct usage *reads;
	struct store_backend *puts;
	struct store_point part; /* what this instance alone sees */
	uint32_t n_fixed; /* of these, those that no provider started: a decision is of all, an order not */
	uint32_t n_fixed_up; /* of these */
	/* The last decision; what it points to is here: */
	struct tg_backend *backends;
	char (*names)[TG_SCALED_NAME]; /* of these */
	size_t backends_room;
	struct tg_window windows[TG_WINDOWS_MAX];
	bool has_decision;
	struct decide_input input; /* its module is NULL: the decision is one of before a reload */
	char cpu_unknown[TG_SCALED_WHY]; /* what of it is told */
	char memory_unknown[TG_SCALED_WHY];
	struct decision decision;
	struct wall decided;
	bool is_news; /* it is recorded when it is done */
	struct decision_place *outcomes; /* of what was to be started since */
	size_t n_outcomes;
};

struct fewest;
struct node_warning;

struct scaler {
	struct loop *loop;
	const struct conf *conf; /* until the next commit */
	struct segment *segment;
	struct scaler_ops ops;
	void *user;
	struct store *store;
	struct providers *providers;
	struct sampler *sampler;
	struct slow slow;
	TAILQ_HEAD(, scaled) all; /* owned: those of the configuration, and those whose services are gone */
	struct scaled **services; /* of these by index in the configuration; NULL: not scaled */
	size_t n_services;
	struct process_pool *plans; /* processes that make plans */
	struct fewest *fewest; /* what a solver is asked, and said */
	struct timer timer;
	struct node_warning *warned; /* by node of the configuration; NULL: none yet */
	struct mono warn_due;
	bool is_holding;
	bool is_changing; /* something is prepared: what is over stays until that is decided */
	bool is_stopping;
	uint64_t grace_ms; /* of the stop */
	void (*ended)(void *user);
	void *ended_user;
};

int64_t scaler_ms(struct mono t);
int64_t scaler_now_ms(const struct scaler *s);
void scaler_set_timer(struct scaler *s);
/* All is stopped that was to be. */
void scaler_end_if_done(struct scaler *s);
/* The scaler's from now on. Of those that are due at a time the one of higher priority is first: what it starts asks for its place
 * before others do. */
void scaler_take(struct scaler *s, struct scaled *scaled);
/* Takes it out of the list and ends it. */
void scaler_let_go(struct scaler *s, struct scaled *scaled);
/* Its service is in no configuration any more: what runs is stopped when it has ended. */
void scaler_retire(struct scaler *s, struct scaled *gone);

/* As it is configured, without a state; of one that is not wanted without a module. NULL: `err`. */
struct scaled *scaled_new(struct scaler *scaler, struct conf *owner,
			  const struct conf_service *conf, struct err *err);
/* A state, for one that was not scaled before. -TG_ENOMEM, -TG_EINVAL. */
TG_MUST_CHECK int scaled_begin(struct scaled *s, struct err *err);
/* The provider of `s` as it is configured, for `st`. Negative: `err`. */
TG_MUST_CHECK int scaled_open(struct scaled *s, struct scaled_state *st, struct provider **ret,
			      struct err *err);
/* The state of the one before; `provider` in place of its own, NULL: that stays. One of another type stays beside it
 * until what it has is stopped. */
void scaled_take_over(struct scaled *s, struct scaled *was, struct provider *provider);
/* The service is there again, while what it had before is not gone yet: the number is found anew. */
void scaled_begin_again(struct scaled *s);
/* Backends that a keeper before has added are its own; those that are not there any more are not. */
void scaled_find_added(struct scaled *s);
void scaled_end(struct scaled *s); /* NULL allowed */
/* Instances that any of its providers has. */
size_t scaled_count(const struct scaled *s);
/* Providers of before that have nothing any more. Not from a callback of theirs. */
void scaled_close_former(struct scaled *s);
/* No provider of this source any more. */
void scaled_source_close(struct scaled_source *source);
extern const struct provider_events scaled_provider_events;
/* Whether a keeper before has left backends in the configuration of a service that is not scaled. */
bool scaled_is_left(const struct conf_service *conf);
/* When a keeper begins, and knows the backends in the configuration: what was started by another type of provider. */
void scaled_find_left(struct scaled *s);
/* The answer to left_token. */
void scaled_left_listed(struct scaled_state *st, const struct provider_answer *answer);

/* Tidegate ends: so do its backends, but for those that others go on with. */
void scaled_stop(struct scaled *s);
/* Before: tells other instances, where there are some. False: there is nothing to wait for. */
bool scaled_announce_end(struct scaled *s);
/* Whether they have told what they do, or that is not waited for any more. */
bool scaled_knows_end(const struct scaled *s, struct mono now);
/* Requests are held, not refused. */
void scaled_hold(struct scaled *s);
/* The next tick is now. */
void scaled_hurry(struct scaled *s);
/* All of one tick. */
void scaled_tick(struct scaled *s, struct mono now);
/* What each backend of the configuration uses, to s->rates: as its processes are read, and in place of that what it, or
 * its agent, told lately. */
void scaled_read_usages(struct scaled *s, struct mono now);
/* Into its input: what people are told beside it. */
void scaled_tell(struct scaled *s);
/* As modules know it: of the configuration's backend `i`. */
enum tg_backend_state scaled_backend_state(const struct scaled *s, unsigned i);
/* n_fixed and n_fixed_up: those that no provider started, they count and stay. */
void scaled_count_fixed(struct scaled *s);
/* Makes a decision of what is known, and takes it. */
void scaled_judge(struct scaled *s, struct mono now);
/* Its record, when what it made happen is known; nothing where it is no news. */
void scaled_record(struct scaled *s);
/* Fewest that the provider is to have now, schedules included. */
uint32_t scaled_least(const struct scaled *s);
/* What workers have in flight at who has this slot. */
int64_t scaled_in_flight(const struct scaled *s, uint32_t slot);

/* Other instances of tidegate; without any, all may be done. */

/* Each tick, before all else: what this one is to do. */
void scaled_look(struct scaled *s, struct mono now);
bool scaled_leads(const struct scaled *s);
/* Another leads, and has told what there is. */
bool scaled_is_told(const struct scaled *s);
/* Whether its provider is to be asked what runs. */
bool scaled_may_list(const struct scaled *s);
/* Whether the fleet may go on: by the clock of this very moment. */
bool scaled_may_edit(const struct scaled_state *st);
/* The same of what a provider does for an order of before, step by step. */
bool scaled_may_go_on(const struct scaled_source *source);
/* The same of starting and stopping; where not, it is asked for, and the fleet goes on with the answer. */
bool scaled_may_order(struct scaled_state *st, const struct fleet_member *m);
/* An answer has come. */
void scaled_heard(struct scaled *s);
/* What others have in flight at this backend, and whether they may still send to it. */
int64_t scaled_in_flight_elsewhere(const struct scaled *s, const char *name);
bool scaled_is_held_elsewhere(const struct scaled *s, const char *name);
/* Some instance is not heard any more, a moment ago. */
bool scaled_has_lost(const struct scaled *s, struct mono now);
/* At the end of a tick: what this instance alone has measured, and of one that leads what it decided. */
void scaled_tell_others(struct scaled *s);
/* Makes it a point of all. */
void scaled_add_others(struct scaled *s, struct store_point *point);
/* A tick of one that does not lead. */
void scaled_follow(struct scaled *s, struct mono now);
/* Tidegate ends, and others go on with what this provider has. */
bool scaled_leaves_backends(const struct scaled *s, const struct scaled_source *source);
/* Of all backends to those of the provider. */
uint32_t scaled_started(const struct scaled *s, uint32_t n);
/* Not wanted any more, and nothing is left. */
bool scaled_is_over(const struct scaled *s);
/* Whether an answer of the provider is to a list. */
bool scaled_is_list(uint64_t token);
/* A token for one. */
uint64_t scaled_next_list(struct scaled_state *st);
void scaled_listed(struct scaled *s, const struct provider_answer *answer);
void scaled_added(struct scaled *s, const char *name, bool is_done, const char *why);
/* What has become of one that was to be started, "placed" or "waiting", for the record. */
void scaled_note_place(struct scaled *s, const struct fleet_member *m, bool is_placed,
		       const char *why);
/* NULL: no memory. */
struct fewest *scaler_fewest_new(struct loop *loop);
void scaler_fewest_free(struct fewest *f); /* NULL allowed */
/* Tells in the log of nodes whose daemon has less than is configured, of each when that has changed. */
void scaler_warn_nodes(struct scaler *s, struct mono now);
/* At a reload, before `conf` is the next one: what was told of nodes of the same name is known. */
void scaler_keep_warned(struct scaler *s, const struct conf *next);
/* Nodes for all that have none, of all services; see struct fleet_orders. */
void scaler_place(struct scaler *s);
/* For backends of a service that fit nowhere, which are `n` of the list, in any order afterwards: others go where that
 * helps, and their room is kept. */
void scaler_make_room(struct scaled *s, const struct fleet_member **members, uint32_t n);
/* The one that goes, as struct fleet_orders has it. */
unsigned scaler_prefer(struct scaled *s, const struct fleet_member *const *list, unsigned n);

/* Plans: what is learned of each sample, and what the module makes of it, beside the loop. -TG_ENOMEM. */
TG_MUST_CHECK int scaled_plan_init(struct scaled_state *st);
void scaled_plan_fini(struct scaled_state *st);
/* As it is configured now. */
void scaled_plan_take_over(struct scaled_state *st);
void scaled_plan_put(struct scaled *s, const struct store_point *point);
/* Into its input; another one is asked for when the module wants it. */
void scaled_plan(struct scaled *s);

/* One was ready this long after it was asked for. */
void scaled_note_start(struct scaled *s, uint64_t took_ms);

#endif
