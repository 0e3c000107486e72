/*
 * health/probe_priv.h: what checks one backend, and all of them together. For the files health is made of: health.c,
 * probe.c, health_reload.c.
 */
#ifndef TG_HEALTH_PROBE_PRIV_H
#define TG_HEALTH_PROBE_PRIV_H

#include "base/log.h"
#include "health/health.h"
#include "health/pace.h"
#include "health/trial.h"
#include "http2/session.h"

struct probe {
	struct health *health;
	const struct conf_service *service;
	const struct conf_backend *backend;
	struct pace pace;            /* idle: no address, or nothing to check */
	const struct check_ops *ops; /* NULL: nothing to check */
	struct kept kept;
	bool is_resting; /* by order */
	uint16_t port;   /* to check, by order; 0: as configured */
	struct health_status status;
	struct check_target target;
	struct check check;
	struct trial *trial;               /* of status.next; NULL: it moves nowhere, or is unsettled */
	struct backend_record next_record; /* of that address */
	struct agent *agent;               /* NULL: the service has none */
	bool had_agent;                    /* whose orders others may know */
	struct probe *before;              /* not yet in use: whose place it takes, or NULL */
	bool is_taken;                     /* into the next configuration, as it is */
	bool is_unsettled;                 /* to begin by new rules */
};

/* By service and backend of one configuration. */
struct probe_table {
	struct probe **list;
	size_t *first; /* by service: index of its first backend in list */
	size_t n;
};

struct health {
	struct loop *loop;
	const struct conf *conf;
	health_change_cb *change;
	health_news_cb *news; /* NULL: nobody is told */
	void *news_user;
	void *user;
	struct probe_table table;
	size_t n_trials;
	size_t may_keep; /* connections of further probes */
	struct lane network;
	struct lane_flow *network_flow; /* of all that goes there */
	struct lane programs;
	struct process_pool *program_pool;
	struct log_limit skipped;
	struct knocker knocker;
	struct trust_cache trust;
	struct tls_output *tls_output;
	struct buf_pool bufs; /* of sessions of HTTP/2 */
	struct h2_shared *h2;
};

/* What the probes of one service have in common; each has references of its own. */
struct probe_shared {
	struct lane_flow *flow;
	struct tls_client *tls; /* NULL: its checks are plain */
};

/*** probe.c ***/

/* -TG_ENOMEM: `ret` is to be ended all the same. */
TG_MUST_CHECK int probe_shared_make(struct health *health, const struct conf_service *service,
				    struct probe_shared *ret);
/* What `p` goes by. */
void probe_shared_take(const struct probe *p, struct probe_shared *ret);
void probe_shared_fini(struct probe_shared *shared);

/* It has no agent yet, and keeps no connection. NULL: no memory. */
struct probe *probe_new(struct health *health, const struct conf_service *service,
			const struct conf_backend *backend, const struct probe_shared *shared);
void probe_free(struct probe *p); /* NULL allowed */
/* As its service has one, or not. -TG_ENOMEM. */
TG_MUST_CHECK int probe_add_agent(struct probe *p);
/* Where its check may, and there are descriptors for it. */
void probe_keep_connection(struct probe *p);

/* What is to count of it now. */
enum backend_health probe_state(const struct probe *p);
/* Something is different: the proxy hears of it, and the log. */
void probe_tell(struct probe *p);
/* Goes there at once, checked anew. */
void probe_move(struct probe *p, const struct addr *addr, const struct backend_record *record);
/* Goes there as soon as a check there passes. False: it cannot stay where it is. */
bool probe_try(struct probe *p, const struct addr *addr, const struct backend_record *record);
/* What it tries is where it is. */
void probe_adopt(struct probe *p);
void probe_drop_trial(struct probe *p);
/* What is checked is where it is. */
void probe_aim(struct probe *p);
/* Checked by what holds now, without a new verdict. */
void probe_resume(struct probe *p);
bool probe_is_unix(const struct conf_endpoint *endpoint);

/*** health.c ***/

struct probe *probe_get(const struct health *health, unsigned service, unsigned backend);
/* All empty. -TG_ENOMEM. */
TG_MUST_CHECK int probe_table_init(struct probe_table *t, const struct conf *conf);
void probe_table_fini(struct probe_table *t);

#endif
