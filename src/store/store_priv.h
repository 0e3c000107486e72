/*
 * store/store_priv.h: what the kinds of store have in common.
 */
#ifndef TG_STORE_STORE_PRIV_H
#define TG_STORE_STORE_PRIV_H

#include "store/history.h"
#include "store/store.h"

#define TG_STORE_WHY 256u

/* One kind. History and its bounds are not its business. */
struct store_ops {
	const char *name;
	/* Once, before all others; sets s->kind. Fails as store_open(). */
	int (*open)(struct store *s, const struct conf_store *conf, struct resolver *resolver,
		    struct err *err);
	/* Once; s->kind may be NULL. */
	void (*close)(struct store *s, unsigned timeout_ms);
	/* Those below: NULL where there is nothing to do. What finds no room is counted. */
	void (*put)(struct store *s, const char *service, const struct store_point *point,
		    const struct store_backend *backends, size_t n_backends);
	void (*decision)(struct store *s, const char *service, const char *json);
	void (*flush)(struct store *s);
	/* Of one that has others: all of these, or none. As the functions of store/store.h. */
	int (*tell)(struct store *s, const char *service, const struct store_telling *telling);
	const struct store_shared *(*shared)(const struct store *s, const char *service);
	int (*order)(struct store *s, const struct store_order *order);
	void (*forget)(struct store *s, const char *service);
	int (*vote)(struct store *s, const char *service, const struct store_vote *votes,
		    size_t n);
	void (*unvote)(struct store *s, const char *service);
	const struct store_votes *(*votes)(const struct store *s, const char *service);
	void (*agree)(struct store *s, const char *name, const char *was, const char *own);
	int (*claim)(struct store *s, const char *name, bool is_wanted);
	void (*claim_ended)(struct store *s, const char *name, bool is_done, uint64_t mark,
			    uint64_t wait_ms);
	void (*claim_forget)(struct store *s, const char *name);
	const struct store_claim *(*claim_find)(const struct store *s, const char *name);
	int (*tell_challenges)(struct store *s, const struct challenge *list, size_t n);
	const char *(*instance)(const struct store *s);
	uint64_t (*memory_used)(const struct store *s);
	void (*connections)(const struct store *s,
			    void (*told)(void *user, const struct store_connection *connection),
			    void *user);
};

struct store {
	const struct store_ops *ops;
	void *kind; /* owned by it */
	struct loop *loop;
	struct history *history;
	store_change_cb *change; /* NULL: nobody is told */
	void *user;
	void (*heard)(void *user, const char *service); /* NULL: nobody listens */
	void *heard_user;
	void (*ordered)(void *user, const struct store_order *order); /* the same */
	void *ordered_user;
	void (*voted)(void *user, const char *service); /* the same */
	void *voted_user;
	void (*agreed)(void *user, const char *word); /* the same */
	void *agreed_user;
	void (*claimed)(void *user, const struct challenge *list, size_t n, bool is_any_taken); /* the same */
	void *claimed_user;
	struct store_counts counts;
	struct mono given_up; /* from then on one that was never heard has nobody to tell of */
	bool is_well;
	bool is_known; /* somebody was told */
	char why[TG_STORE_WHY];
};

extern const struct store_ops store_memory;
extern const struct store_ops store_redis;

/* For the kinds, from the loop. */
void store_set_well(struct store *s);
void store_set_unwell(struct store *s, const char *why);

#endif
