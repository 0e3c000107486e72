/* Any bytes as what redis answers of other instances: what is taken is whole and fit to be used. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "store/claims.h"
#include "store/redis_board.h"
#include "store/share.h"
#include "store/votes.h"

static void
check(const struct store_shared *heard)
{
	if (heard->n_others > TG_STORE_OTHERS_MAX || heard->n_members > TG_STORE_MEMBERS_MAX)
		abort();
	for (size_t i = 0; i < heard->n_members; i++) {
		const struct store_member *m = &heard->members[i];

		if (m->name[0] == '\0' || memchr(m->name, '\0', sizeof(m->name)) == NULL ||
		    memchr(m->origin, '\0', sizeof(m->origin)) == NULL || m->addr.len == 0)
			abort();
	}
	for (size_t i = 0; i < heard->n_others; i++) {
		const struct store_other *o = &heard->others[i];

		if (memchr(o->instance, '\0', sizeof(o->instance)) == NULL)
			abort();
		for (size_t k = 0; k < o->n_holds; k++) {
			if (o->holds[k].in_flight < 0 ||
			    memchr(o->holds[k].name, '\0', sizeof(o->holds[k].name)) == NULL)
				abort();
		}
	}
}

static void
check_order(void *user, const struct store_order *order)
{
	(void)user;
	if (order->service == NULL || order->backend == NULL || order->what == NULL ||
	    order->what[0] == '\0' ||
	    strlen(order->value) + strlen(order->was) + strlen(order->who) + strlen(order->why) +
			    strlen(order->origin) >
		    1u << 20 ||
	    order->when.us > 9000000)
		abort();
}

static void
check_votes(const struct store_votes *votes)
{
	if (votes->n_voters > TG_STORE_OTHERS_MAX)
		abort();
	for (size_t i = 0; i < votes->n_voters; i++) {
		const struct store_voter *voter = &votes->voters[i];

		if (strlen(voter->instance) >= TG_STORE_INSTANCE)
			abort();
		for (size_t k = 0; k < voter->n_votes; k++) {
			if (voter->votes[k].backend[0] == '\0' || voter->votes[k].addr.len == 0)
				abort();
		}
	}
}

/* What is taken is what it must be, and what was asked before is what is asked again. */
static void
check_claims(const char *text, size_t n)
{
	static struct challenge others[TG_CHALLENGES_MAX];
	static struct claims c;
	char *question;

	memset(&c, 0, sizeof(c));
	c.others = others;
	c.n = 1;
	c.list[0].is_wanted = true;
	memcpy(c.list[0].heard.name, "site", sizeof("site"));
	if (claims_answer(&c, text, n, "me", (struct mono){1}, (struct mono){2}) < 0)
		return;
	if (c.n != 1 || strcmp(c.list[0].heard.name, "site") != 0 || c.n_others > TG_CHALLENGES_MAX)
		abort();
	for (size_t i = 0; i < c.n_others; i++)
		if (!challenge_is_sane(&others[i]))
			abort();
	question = claims_question(&c, "me", "r");
	free(question);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct share_self self = {.instance = "me", .run = "r", .lease_ms = 3000};
	struct share *share = share_new("api");
	/* A copy of its own, so that a read past its end is seen. */
	char *text = malloc(len + (len == 0));
	struct store_votes votes = {.is_heard = false};
	char *question;
	int64_t ahead_ms;

	if (share != NULL && text != NULL) {
		memcpy(text, input, len);
		/* Twice: one before is replaced. */
		for (int i = 0; i < 2; i++) {
			if (share_answer(share, &self, text, len, (struct mono){.us = 9000000}) ==
			    0)
				check(&share->heard);
		}
		question = share_question(share, &self, (struct mono){.us = 9000000});
		free(question);
		if (votes_read(text, len, (struct mono){.us = 9000000}, &votes) == 0)
			check_votes(&votes);
		check_claims(text, len);
		if (board_read(text, len, true, (struct wall){.us = 9000000}, &ahead_ms,
			       check_order, NULL) < -1)
			abort();
	}
	free(text);
	votes_fini(&votes);
	share_free(share);
	return 0;
}
