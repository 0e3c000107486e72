/*
 * store/store.h: where samples live over time, and records of decisions.
 *
 * The keeper's. One interface, two kinds: `memory`, and `redis`, which writes
 * what is put behind one pipeline per tick and never makes anybody wait: every call
 * returns at once, and what does not fit its bounds is dropped and counted. Both
 * keep the history of this process in memory: windows are made of that.
 *
 * A store that is not well (store_is_well()) says nothing of other instances: the
 * scaler does not shrink services then.
 */
#ifndef TG_STORE_STORE_H
#define TG_STORE_STORE_H

#include <sys/queue.h>

#include "base/addr.h"
#include "base/challenge.h"
#include "base/clock.h"
#include "base/err.h"
#include "conf/conf.h"
#include "loop/loop.h"
#include "net/resolver.h"
#include "sample/sample.h"
#include "tidegate/module.h"

/* Bounds of what is remembered of a service: points, records, and bytes of all its records. */
#define TG_STORE_POINTS_MAX   ((size_t)1 << 16)
#define TG_STORE_RECORDS_MAX  64u
#define TG_STORE_RECORD_BYTES ((size_t)512 << 10)

/* One point of a service's history: by enum tg_metric. A value. */
struct store_point {
	struct mono at;
	double values[TG_METRIC_COUNT]; /* NAN: not known */
};

/* A backend's sample on its way. */
struct store_backend {
	const char *name;
	enum tg_backend_state state;
	struct backend_sample sample;
};

struct store;

/* State changed: well or not; also when it is known for the first time. From the loop, never inside a call. Must
 * not close the store. `why` is one line, "" when it is well. */
typedef void store_change_cb(void *user, bool is_well, const char *why);

/* Owned by the caller; what is passed but `conf` outlives it. `resolver` is asked for the host of
 * the url, where that is a name; NULL: names are refused. Connects in the background: not well until then.
 * -TG_ENOMEM, -TG_EINVAL: the url. */
TG_MUST_CHECK int store_open(const struct conf_store *conf, struct loop *loop,
			     struct resolver *resolver, store_change_cb *change, void *user,
			     struct store **ret, struct err *err);
/* Writes what it can within `timeout_ms`, for which it blocks. NULL allowed. */
void store_close(struct store *store, unsigned timeout_ms);

/* What `from` remembers is what `s` does from now on, and the other way round: one takes the place of the other. */
void store_swap_history(struct store *s, struct store *from);

/* "memory", "redis". */
const char *store_kind(const struct store *store);
bool store_is_well(const struct store *store);
/* One line of what is wrong; "" while it is well. */
const char *store_why(const struct store *store);

/* History of a service is kept for this long from now on, a point each interval, and two at most however often is put;
 * fewer where that would be more than TG_STORE_POINTS_MAX. -TG_ENOMEM; -TG_EINVAL: a name with a brace, which has a meaning in keys. */
TG_MUST_CHECK int store_keep(struct store *store, const char *service, uint32_t span_ms,
			     uint32_t interval_ms);
/* One more point, later than those before. -TG_ENOMEM, -TG_ENOENT: store_keep() first. */
TG_MUST_CHECK int store_put(struct store *store, const char *service,
			    const struct store_point *point, const struct store_backend *backends,
			    size_t n_backends);
/* The points of the last `span_ms` up to `now`; means are by the time that each stands for. All of it unknown where there is nothing. */
void store_window(const struct store *store, const char *service, uint32_t span_ms, struct mono now,
		  struct tg_window *ret);
/* A service that is gone. */
void store_forget(struct store *store, const char *service);

/* A record, one line of JSON; the last ones of a service are kept, and written to where others can read
 * them. -TG_ENOMEM; -TG_ELIMIT: longer than all that is kept may be; -TG_EINVAL: as store_keep(). */
TG_MUST_CHECK int store_decision(struct store *store, const char *service, const char *json);
/* The last `n` that are kept, the oldest first: calls `told` with each. */
void store_decisions(const struct store *store, const char *service, size_t n,
		     void (*told)(void *user, const char *json), void *user);

/* End of a tick: what was put since goes out together, or is dropped while that cannot be. Records of
 * decisions wait, within bounds; one whose answer was lost is written again. */
void store_flush(struct store *store);

/*
 * Others: instances of tidegate that share a service by the same store, of which one leads. doc/internals/store.md.
 */

#define TG_STORE_INSTANCE   96u /* a name, with its NUL */
#define TG_STORE_OTHERS_MAX 63u
#define TG_STORE_MEMBERS_MAX 1024u
#define TG_STORE_MEMBER     64u

/* A scaled backend that is to be used by all. A value. */
struct store_member {
	char name[TG_STORE_MEMBER];
	bool is_draining;
	bool is_evicted; /* the same, for one of higher priority: it is not needed again */
	char origin[TG_STORE_INSTANCE]; /* who started it */
	struct addr addr;
	char node[TG_NODE_NAME]; /* where it is; "": of a kind that has one place */
};

/* One that an instance may still send to. */
struct store_hold {
	char name[TG_STORE_MEMBER];
	int64_t in_flight;
};

/* What a leader knows of before. */
struct store_leading {
	uint32_t desired;  /* of those that providers start */
	double proposed;   /* NAN: nothing */
	bool has_up;
	bool has_down;
	int64_t up_ms;     /* on the clock of all, as milliseconds */
	int64_t down_ms;
	int64_t active_ms; /* 0: not known */
};

/* What an instance tells. A value; what it points to is copied. */
struct store_telling {
	bool wants_lead;
	struct store_point part; /* what it alone sees */
	bool is_woken;           /* it holds requests for a service without backends */
	bool is_ending;          /* it ends, and goes on with nothing */
	uint64_t seen_epoch;     /* the fleet it acts by */
	uint64_t seen_version;
	const struct store_hold *holds;
	size_t n_holds;
	/* of one that leads; else not looked at: */
	uint64_t epoch;
	uint64_t version; /* of members */
	const struct store_member *members;
	size_t n_members;
	struct store_leading state;
};

/* Another instance. */
struct store_other {
	char instance[TG_STORE_INSTANCE];
	struct store_point part;
	bool is_woken;
	bool is_ending;
	uint64_t seen_epoch;
	uint64_t seen_version;
	struct store_hold *holds;
	size_t n_holds;
};

/* What was heard last. Until the next turn. */
struct store_shared {
	bool is_heard; /* all below is told only then */
	bool is_mine;  /* this instance leads, until: */
	struct mono until;
	char leader[TG_STORE_INSTANCE]; /* "": nobody */
	uint64_t epoch;
	uint64_t highest; /* epoch that was ever heard */
	bool has_state;
	uint64_t state_epoch; /* whose the fleet is */
	uint64_t version;     /* of it */
	struct store_leading state;
	struct store_member *members;
	size_t n_members;
	struct store_other *others; /* that live */
	size_t n_others;
	struct mono unsure; /* until then, as one is not heard any more; unset: all were */
	struct mono asked;  /* when the question was sent, and */
	struct mono at;     /* when the answer came */
};

enum store_authority {
	TG_STORE_UNDECIDED = 0, /* nobody is known to lead: nothing may be done */
	TG_STORE_ALONE = 1,     /* there is nobody else, or nobody could tell: no need to ask */
	TG_STORE_LEADS = 2,     /* by an epoch */
	TG_STORE_FOLLOWS = 3,
	TG_STORE_AUTHORITY_COUNT
};
/* "undecided", "alone", "leads", "follows". */
const char *store_authority_str(enum store_authority authority);
/* Looks at the clock by itself where `now` is unset: before something is done. */
enum store_authority store_authority(const struct store *store, const char *service,
				     struct mono now);
/* What this instance tells goes out with the next flush, and again until the service is forgotten.
 * -TG_ENOMEM. A store without others takes no notice. */
TG_MUST_CHECK int store_tell(struct store *store, const char *service,
			     const struct store_telling *telling);
/* NULL: a store without others, or nothing is told yet. */
const struct store_shared *store_shared(const struct store *store, const char *service);
/* `heard` is called with each answer, from the loop: whoever waits for one acts inside of it. Must not close the store. */
void store_listen(struct store *store, void (*heard)(void *user, const char *service), void *user);
/* What this tidegate is called there; "": nobody else is there. */
const char *store_instance(const struct store *store);
/* What its server told of the memory it uses, bytes; 0: not known. */
uint64_t store_memory_used(const struct store *store);

/* What an operator ordered one instance, for all. */
struct store_order {
	const char *service;
	const char *backend; /* "": of the service itself */
	const char *what;    /* a word of steer/ */
	const char *value;
	const char *was;     /* what was configured when it was given, as steer/ has it */
	const char *who;
	const char *why;
	struct wall when;
	/* of one that was heard: */
	const char *origin;  /* the instance it was given to */
	bool is_old;         /* it may be of before this store was opened */
};
/* -TG_ENOMEM. A store without others takes no notice. */
TG_MUST_CHECK int store_share_order(struct store *store, const struct store_order *order);
/* `ordered` is called with each order that another instance was given, from the loop; the text is until its return. NULL:
 * nobody listens. Must not close the store. */
void store_listen_orders(struct store *store,
			 void (*ordered)(void *user, const struct store_order *order), void *user);

/*
 * Votes: what the checks of each instance find of the backends of a service, where that is to count for all (health.share).
 */

#define TG_STORE_VOTES_BYTES 16384u /* that one instance tells of a service, as text; those that are down go first */

/* A value; the name is the owner's. */
struct store_vote {
	const char *backend;
	struct addr addr; /* where it was found so */
	bool is_up;
};

/* Another instance, that told within the lease. */
struct store_voter {
	const char *instance;
	uint64_t age_ms; /* since it told, at the time of the answer */
	bool has_up;     /* it finds one up at least; else it may be cut off from all of them */
	struct store_vote *votes; /* by name */
	size_t n_votes;
};

/* What was heard last. Until the next turn. */
struct store_votes {
	bool is_heard; /* all below is told only then */
	struct mono at;
	struct store_voter *voters;
	size_t n_voters;
	struct json_t *text; /* names are in it */
};

/* What this instance finds goes out at once, and each half a second until store_unvote(): all of it, each time it changes.
 * -TG_ENOMEM, -TG_EINVAL: as store_keep(). A store without others takes no notice. */
TG_MUST_CHECK int store_vote(struct store *store, const char *service,
			     const struct store_vote *votes, size_t n);
/* It is not shared any more. */
void store_unvote(struct store *store, const char *service);
/* NULL: a store without others, or nothing is told yet. */
const struct store_votes *store_votes(const struct store *store, const char *service);
/* What it finds of a backend at this address, told within `lease_ms` of `now`; NULL: it has no vote on it. */
const struct store_vote *store_voter_find(const struct store_votes *votes,
					  const struct store_voter *voter, const char *backend,
					  const struct addr *addr, uint64_t lease_ms,
					  struct mono now);
/* `voted` is called with each answer, from the loop. Must not close the store. */
void store_listen_votes(struct store *store, void (*voted)(void *user, const char *service),
			void *user);

/*
 * A word that all instances agree on, which is a secret to the store: what keys of session tickets are made of.
 */

#define TG_STORE_WORD	   128u /* with their NULs */
#define TG_STORE_WORD_NAME 32u

/* `own` is the word where there is none yet, and in the place of `was`, if that is it; "": in the place of none. Of those that
 * have the same `name`, for two days after the last of them. `name` "": no more. A store without others takes no notice. */
void store_agree(struct store *store, const char *name, const char *was, const char *own);
/* `agreed` is called with the word each time it is another one, our own too, from the loop. Must not close the store. */
void store_listen_word(struct store *store, void (*agreed)(void *user, const char *word), void *user);

/*
 * Claims: what one instance at a time does, such as to get a certificate, what came of it last, and what all answer meanwhile.
 */

#define TG_STORE_CLAIMS_MAX	64u
#define TG_STORE_CLAIM_NAME	65u /* with its NUL */
#define TG_STORE_CLAIM_LEASE_MS 15000u /* without a word of who has it */

/* How one stands. A value. */
struct store_claim {
	char name[TG_STORE_CLAIM_NAME];
	bool is_heard; /* all below is told only then */
	struct mono at; /* when the answer came */
	bool is_mine;  /* this instance has it, until: */
	struct mono until;
	struct mono since;
	char holder[TG_STORE_INSTANCE]; /* "": nobody */
	bool has_outcome; /* of the last day */
	bool is_done; /* it went well; else nobody is to try before: */
	uint64_t wait_ms; /* after it */
	uint64_t age_ms; /* of the outcome, at the time of the answer */
	uint64_t mark; /* as store_claim_ended() was told */
	char by[TG_STORE_INSTANCE];
};

/* From now on it is looked at, each second, and taken when it is free where it is wanted; given back where it is not.
 * -TG_ELIMIT, -TG_ENOMEM. A store without others takes no notice. */
TG_MUST_CHECK int store_claim(struct store *store, const char *name, bool is_wanted);
/* What came of it; and it is given back. */
void store_claim_ended(struct store *store, const char *name, bool is_done, uint64_t mark,
		       uint64_t wait_ms);
/* It is given back, and not looked at any more. */
void store_claim_forget(struct store *store, const char *name);
/* NULL: a store without others, or one that is not looked at. */
const struct store_claim *store_claim_find(const struct store *store, const char *name);
/* What others are to answer too, all of it. -TG_ENOMEM. */
TG_MUST_CHECK int store_tell_challenges(struct store *store, const struct challenge *list, size_t n);
/* `heard` is called with what all others answer, and whether one of them has a claim that is looked at, from the loop. Must not
 * close the store. */
void store_listen_claims(struct store *store,
			 void (*heard)(void *user, const struct challenge *list, size_t n,
				       bool is_any_taken),
			 void *user);

/* One connection to its server, or where there is to be one. Until the return. */
struct store_connection {
	const char *at;   /* address, or name and port; "": nowhere yet */
	const char *use;  /* "all", or of a cluster "map" (who has what) and "keys" */
	bool is_known;    /* else nothing has come of it yet */
	bool is_well;
	const char *why;  /* one line; "" while it is well, or not known */
};
/* Calls `told` with each; a store without a server has none. */
void store_connections(const struct store *store,
		       void (*told)(void *user, const struct store_connection *connection),
		       void *user);

/* For metrics. A value. */
struct store_counts {
	uint64_t flushes;  /* sent */
	uint64_t answered; /* of these, those with all their answers */
	uint64_t failures; /* connects and flushes that were refused, late or cut */
	uint64_t dropped;  /* samples of backends and records that did not go out */
	uint64_t connects; /* made, and greeted */
	uint64_t last_us;  /* the last flush took, to its last answer */
	uint64_t exchanges; /* answered, of a service with other instances */
	uint64_t takeovers; /* of a service, by this instance */
};
struct store_counts store_counts(const struct store *store);

#endif
