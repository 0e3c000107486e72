/*
 * acme/acme.h: the programs that get certificates from an authority (RFC 8555), of a configuration. The keeper's.
 *
 *	IDLE --due, or ordered--> TURN --ours--> RUNNING --status 0--> LOADING --in use--> IDLE
 *	  ^                        |                |                     |
 *	  +---- nobody needs it ---+                +------ failed -------+--> RESTING --its time--> IDLE
 *
 * One run of each at a time, bounded by its timeout; killed with all it started when that is over, when the
 * keeper ends, dies or is replaced, and when a reload changes it. What has failed rests, longer each time, with jitter; the
 * certificate that is in use stays.
 */
#ifndef TG_ACME_ACME_H
#define TG_ACME_ACME_H

#include "acme/due.h"
#include "base/err.h"
#include "ipc/msg.h"
#include "loop/loop.h"

#define TG_ACME_WHY 256u

struct acme;

enum acme_state {
	ACME_IDLE = 0, /* its certificate has time */
	ACME_TURN = 1, /* it is due; another tidegate may be at it, or redis is away */
	ACME_RUNNING = 2,
	ACME_LOADING = 3, /* it ended well, what it made is to be used */
	ACME_RESTING = 4, /* it failed */
	ACME_STATE_COUNT
};
/* "idle", "turn", "running", "loading", "resting". */
const char *acme_state_str(enum acme_state state);

/* Whose turn it is, of several tidegates. */
enum acme_turn {
	ACME_TURN_OURS = 0,
	ACME_TURN_NOT_NOW = 1, /* it is another's, or it is not known */
	ACME_TURN_DONE = 2,    /* another has made it: it is to be loaded */
	ACME_TURN_FAILED = 3,  /* another has failed: not before `wait_ms` */
};

/* Both lists end with NULL. */
struct acme_program {
	char *const *argv;
	char *const *envp;
};

/* What is asked of the keeper. */
struct acme_ops {
	/* In a process of its own, see process_order.work: executes a `struct acme_program`, and ends as that does, or by
	 * SIGTERM, when all that came of it is gone. */
	int (*run)(void *program);
	/* What is in use. */
	void (*look)(void *user, const struct conf_acme *conf, struct acme_facts *ret);
	/* Files of certificates are to be read. */
	void (*load)(void *user);
	/* What acme_challenge() says is another. */
	void (*changed)(void *user);
	/* Asked again and again while it is wanted; `is_ordered`: an operator wants it, whatever came of it before. `why`, of
	 * TG_ACME_WHY, says what is waited for. */
	enum acme_turn (*turn)(void *user, const struct conf_acme *conf, bool is_ordered,
			       uint64_t *ret_wait_ms, char *why);
	/* Whether it is ours still, while it runs. */
	bool (*keeps)(void *user, const struct conf_acme *conf);
	/* It is not wanted any more: nobody waits for it; or it ended: others are not to try before `wait_ms`, 0: it went well. */
	void (*leave)(void *user, const struct conf_acme *conf);
	/* It is none of ours any more, and may be another one by that name. */
	void (*forget)(void *user, const struct conf_acme *conf);
	void (*ended)(void *user, const struct conf_acme *conf, uint64_t wait_ms);
	/* For events: `why` of a failure, or how long it took. */
	void (*told)(void *user, const struct conf_acme *conf, bool is_done, const char *why);
};

/* What is passed outlives it; `conf` is referred to, counted. Nothing is run before acme_tick(). -TG_ENOMEM. */
TG_MUST_CHECK int acme_new(struct loop *loop, struct conf *conf, const struct acme_ops *ops,
			   void *user, struct acme **ret);
/* What runs is killed. NULL allowed. */
void acme_free(struct acme *a);
/* Another configuration is in use, be it only other certificates. What is not as it was is killed, and begins anew. */
void acme_reloaded(struct acme *a, struct conf *conf);
/* About once a second. NULL allowed. */
void acme_tick(struct acme *a);
/* No new run begins while `is_on`: another keeper is about to take over. */
void acme_hold(struct acme *a, bool is_on);
/* Nothing runs from here on. NULL allowed. */
void acme_stop(struct acme *a);
/* No run begins for so long: that of the keeper before may have been the reason of its end. */
void acme_rest(struct acme *a, uint64_t ms);
/* Whether one runs now. */
bool acme_is_running(const struct acme *a);

/* By an operator: as soon as it can be. -TG_ENOENT; -TG_EINVAL: it is under way. */
TG_MUST_CHECK int acme_run(struct acme *a, const char *name, struct err *err);
/* The answer to a token, for an hour, or until it is taken back. -TG_EINVAL, -TG_ELIMIT, -TG_ENOENT. */
TG_MUST_CHECK int acme_set_challenge(struct acme *a, const char *token, const char *answer,
				     struct err *err);
TG_MUST_CHECK int acme_del_challenge(struct acme *a, const char *token, struct err *err);

/* What others say, and whether one of them is at it. */
void acme_hear(struct acme *a, const struct challenge *list, size_t n, bool is_awaited);
/* What others are told: at most `max`. */
size_t acme_tell(const struct acme *a, struct challenge *ret, size_t max);
/* That at m->at, and how many there are. */
void acme_challenge(const struct acme *a, struct msg_challenge *m);

/* What came of one. A value; pointers until the next turn. */
struct acme_status {
	const char *name;
	enum acme_state state;
	const char *why; /* what it is due for, or waits for; "": nothing */
	struct acme_facts facts;
	struct wall next; /* when it is due, or tried again; unset: as soon as it can be */
	uint64_t done;
	uint64_t failed;
	struct wall done_at;
	const char *error; /* of the last failure; "": none since it went well */
	struct wall error_at;
};
size_t acme_count(const struct acme *a); /* NULL: 0 */
void acme_status(const struct acme *a, size_t i, struct acme_status *ret);

#endif
