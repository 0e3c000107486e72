/*
 * store/claims.h: what is asked of claims and challenges, and what redis answers, as text. Pure.
 */
#ifndef TG_STORE_CLAIMS_H
#define TG_STORE_CLAIMS_H

#include "store/store.h"

/* One of this instance, and how it stands. */
struct claim {
	struct store_claim heard;
	bool is_wanted;
	bool is_gone;   /* not looked at any more, once that is told */
	bool has_ended; /* since the last question: */
	bool is_done;
	uint64_t mark;
	uint64_t wait_ms;
};

/* Storage is the owner's. */
struct claims {
	struct claim list[TG_STORE_CLAIMS_MAX];
	size_t n;
	struct challenge *own; /* what others are to answer too */
	size_t n_own;
	struct challenge *others; /* [TG_CHALLENGES_MAX] */
	size_t n_others;
};

/* To free(). NULL: no memory. */
char *claims_question(const struct claims *c, const char *instance, const char *run);
/* `sent` is when the question was. What is none is left out. -TG_EPROTO, and nothing is taken. */
TG_MUST_CHECK int claims_answer(struct claims *c, const char *text, size_t n, const char *instance,
				struct mono sent, struct mono now);

#endif
