/*
 * provider/provider_priv.h: what all kinds have in common.
 */
#ifndef TG_PROVIDER_PROVIDER_PRIV_H
#define TG_PROVIDER_PROVIDER_PRIV_H

#include <sys/queue.h>

#include "provider/provider.h"

struct answer;
struct docker_hub;
STAILQ_HEAD(answer_list, answer);

/* Owned by provider_open(); kinds read all of it and write `own`. */
struct provider {
	const struct provider_ops *ops;
	struct providers *all;
	struct loop *loop;
	const struct conf *of; /* has nodes */
	const struct conf_service *service;
	const struct conf_provider *conf; /* of that service */
	char *run;
	const struct provider_events *events;
	void *user;
	uint64_t epoch;   /* of orders; 0: none */
	bool is_stopping; /* provider_stop_all() was called */
	unsigned n_orders; /* taken and not answered */
	struct answer_list answers; /* known, told in the next turn */
	struct watch again;
	int again_fd;
	void *own; /* of the kind */
};

/* A kind; one file each, in one table (provider.c). */
struct provider_ops {
	const char *name; /* as configured in `type` */
	unsigned can;     /* TG_PROVIDER_x */
	/* `p` has its common part filled in. -TG_ENOMEM, -TG_EINVAL. */
	int (*open)(struct provider *p, struct err *err);
	void (*close)(struct provider *p); /* frees what open() made, half of it too */
	/* Names are good, and the order is counted. Each answers with one of those below, now or later; a
	 * failure that it returns means that nothing was taken. */
	int (*list)(struct provider *p, uint64_t token);
	void (*list_now)(struct provider *p, uint64_t token); /* for provider_list_later() */
	int (*start)(struct provider *p, uint64_t token, const char *name, const char *node);
	int (*stop)(struct provider *p, uint64_t token, const char *name, uint64_t grace_ms);
	void (*soon)(struct provider *p); /* for provider_soon(); NULL: not used */
	void (*stop_all)(struct provider *p, uint64_t grace_ms);
	size_t (*count)(const struct provider *p);
	bool (*is_shared)(const struct provider *p); /* as provider_is_shared(); NULL: it is not */
	bool (*usage)(const struct provider *p, const char *name, struct usage ret[2]); /* NULL: not told */
	bool (*node)(const struct provider *p, const char *name, struct provider_node *ret); /* NULL: one place */
	void (*doubt_node)(struct provider *p, const char *name); /* with `node` */
	bool (*left_node)(const struct provider *p, const char *name, struct provider_node *ret); /* the same */
};

extern const struct provider_ops provider_process;
extern const struct provider_ops provider_exec;
extern const struct provider_ops provider_docker;

/* As provider_events has it. */
bool provider_may_act(const struct provider *p);
/* Answers an order in a later turn; `why` is cut at TG_INSTANCE_WHY. -TG_ENOMEM: it is not, and the verb
 * fails. */
TG_MUST_CHECK int provider_answer_later(struct provider *p, uint64_t token, int rc,
					const char *why);
/* Has ops->list_now() answer a list in a later turn. */
TG_MUST_CHECK int provider_list_later(struct provider *p, uint64_t token);
/* Has ops->soon() called in the next turn. */
void provider_soon(struct provider *p);
/* Answers an order at once: from the loop, never inside a verb. */
void provider_answer(struct provider *p, uint64_t token, int rc, const char *why);
void provider_answer_list(struct provider *p, uint64_t token, const struct instance *instances,
			  size_t n, bool is_partial);
/* Of docker. */
struct docker_hub *providers_docker(struct providers *all);
/* An instance has changed; from the loop. */
void provider_tell(struct provider *p, const struct instance *instance);

/* Of letters, digits and -_.: not empty, no dot first, shorter than TG_INSTANCE_NAME. */
bool provider_name_is_good(const char *name);
/* To `ret` with `n` bytes of foreign text behind what is there, cut, and without control
 * characters; its first line only. */
void provider_quote(char *ret, size_t size, const char *text, size_t n);

#endif
