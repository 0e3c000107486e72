/*
 * sched/sched.h: on which node a backend goes.
 *
 *	cluster -> board -> may it be there? (filter.c) -> module: how good? -> node, or why none
 *
 * Pure: a board is a copy of what the caller knows, and what is tried is tried on it. The rules that say where a
 * backend may be are here, once; a module (tidegate/module.h) ranks what is left.
 */
#ifndef TG_SCHED_SCHED_H
#define TG_SCHED_SCHED_H

#include "base/err.h"
#include "tidegate/module.h"

#define TG_SCHED_NOWHERE (-1)

/* Why a node is not taken. */
#define TG_REFUSALS(X)                                                                             \
	X(NONE, "fits")                                                                            \
	X(CLOSED, "closed")               /* which: nothing */                                     \
	X(CPU, "cpu")                                                                              \
	X(MEMORY, "memory")                                                                        \
	X(LABEL, "label")                 /* which: of `require` */                                \
	X(ANTI_AFFINITY, "anti-affinity") /* which: the group that is there */                     \
	X(AFFINITY, "affinity")           /* which: the group that is not there */                 \
	X(SPREAD, "spread")               /* it would do, but others have fewer */                 \
	X(DECLINED, "declined")           /* by the module */

enum sched_refusal {
#define TG_REFUSAL_ENUM(id, word) TG_REFUSAL_##id,
	TG_REFUSALS(TG_REFUSAL_ENUM)
#undef TG_REFUSAL_ENUM
	TG_REFUSAL_COUNT
};
/* "fits", "closed", ...; "?" outside the enum. */
const char *sched_refusal_str(unsigned refusal);

/* A scheduler as it is configured. A value; what it points to is the caller's. */
struct sched_by {
	const struct tg_module *module;
	const struct tg_value *values; /* by its options */
};

/* Of one node, for one backend. */
struct sched_verdict {
	uint32_t refusal; /* enum sched_refusal */
	uint32_t which;
	double score;     /* of those that fit */
};

/* A cluster in which backends are put and taken. */
struct board;

/* Copies nodes and counts; groups, and all text, stay the caller's and outlive it. A group or label that is out of
 * range is a bug of the caller. NULL: no memory. */
struct board *board_new(const struct tg_cluster *cluster);
void board_free(struct board *b); /* NULL allowed */
/* As it is now: changes with put and take. */
const struct tg_cluster *board_cluster(const struct board *b);
/* What is against one more of the group there, all but SPREAD and DECLINED. */
enum sched_refusal board_refusal(const struct board *b, uint32_t group, uint32_t node,
				 uint32_t *ret_which);
uint32_t board_count(const struct board *b, uint32_t node, uint32_t group);
/* Whatever is against it. */
void board_put(struct board *b, uint32_t group, uint32_t node);
/* One that is there goes soon: it has its room till then, and is not counted by spread. */
void board_leave(struct board *b, uint32_t group, uint32_t node);
/* The same for one that is to come, for whom its room is kept until then: others are told whose it is. */
void board_reserve(struct board *b, uint32_t group, uint32_t node);
void board_release(struct board *b, uint32_t group, uint32_t node);
/* Of those whom room on a node is kept for, the next group from this one on; n_groups: there is no other. */
uint32_t board_reserved(const struct board *b, uint32_t node, uint32_t from);
/* There is one. */
void board_take(struct board *b, uint32_t group, uint32_t node);
/* Nothing new there from now on; NULL: again. The text stays the caller's. */
void board_close(struct board *b, uint32_t node, const char *why);
/* Whether anything is there. */
bool board_is_used(const struct board *b, uint32_t node);
/* Nodes where something is. */
uint32_t board_count_used(const struct board *b);

/* The best node for one more, and a verdict of each node (`ret` has room for all); TG_SCHED_NOWHERE. Puts nothing. */
int32_t sched_place(const struct board *b, const struct sched_by *by, uint32_t group,
		    struct sched_verdict *ret);
/*
 * Puts as many as it can, those of higher priority first: `nodes[i]` is where the i-th is, TG_SCHED_NOWHERE before and
 * where it fits nowhere. pack() is called with `can_pack` only. How many are placed, or -TG_ENOMEM.
 */
int sched_place_all(struct board *b, const struct sched_by *by, const uint32_t *groups, uint32_t n,
		    bool can_pack, int32_t *nodes);
/* The same as pack() would do it, all of one priority, and nothing after. *ret_bound as in struct tg_packing. */
void sched_pack(struct board *b, const struct sched_by *by, const uint32_t *groups, uint32_t n,
		int32_t *nodes, double *ret_bound);

/* A backend and where it is. */
struct sched_at {
	uint32_t group;
	int32_t node; /* TG_SCHED_NOWHERE: there is no such node any more */
	int64_t in_flight;
};
/* Of these, the one that goes: of a spread service where its value has the most, one on a node that is closed or
 * not there before all; then the fewest in flight; then one on such a node; then the worst by score(); of equals the last. `n` is
 * not 0. */
uint32_t sched_victim(struct board *b, const struct sched_by *by, const struct sched_at *at,
		      uint32_t n);

/*
 * For a backend that fits nowhere: which of lower priority would have to go from one node, so that it fits there. Lowest
 * priority first and no more than needed; of the nodes the one that loses the least: by highest priority among those that
 * go, then by their number. `ret_groups` has room for `max`; one element for each that goes. TG_SCHED_NOWHERE: that
 * would not help, or take more than `max`.
 */
int32_t sched_preempt(struct board *b, uint32_t group, uint32_t *ret_groups, uint32_t max,
		      uint32_t *ret_n);

/* What would be moved. */
struct sched_move {
	uint32_t group;
	uint32_t from;
	uint32_t to;
	bool is_spread; /* so that the group is spread better; else so that a node is emptied */
};
struct sched_plan {
	struct sched_move *moves; /* in order: each fits when those before are done */
	uint32_t n_moves;
	uint32_t used;       /* nodes in use now */
	uint32_t used_after; /* more, where spread needs them */
};
/* First what would spread a service better, on empty nodes too; then which nodes could be emptied, least used first, with all that is there put elsewhere, on nodes that are in use; each
 * backend is moved once. Closed ones stay as they are. No move makes affinity, anti-affinity, labels or spread be kept
 * less than before it, neither of what is moved nor of others. Changes the board to what would be. *ret is freed with
 * sched_plan_fini(). -TG_ENOMEM. */
TG_MUST_CHECK int sched_plan(struct board *b, const struct sched_by *by, struct sched_plan *ret);
void sched_plan_fini(struct sched_plan *plan);

/* A verdict for people: "fits, score 0.93", "cpu: 0.5 wanted, 0.2 free". Returns `ret`. */
const char *sched_verdict_text(const struct board *b, uint32_t group, uint32_t node,
			       const struct sched_verdict *v, char *ret, size_t size);

#endif
