#include "store/votes.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/redis_foreign.h"
#include "store/share.h"

#define VOTE_SIZE (sizeof("down ") + TG_ADDR_STRLEN)
/* Quotes, colon and comma. */
#define AROUND 6u

/*** Writing ***/

/* Those that are up, or those that are down, as far as there is room. -TG_ENOMEM. */
static int
add(json_t *all, const struct store_vote *votes, size_t n, bool is_up, size_t *room, size_t *left_out)
{
	for (size_t i = 0; i < n; i++) {
		char text[VOTE_SIZE];
		char at[TG_ADDR_STRLEN];
		size_t size;

		if (votes[i].is_up != is_up)
			continue;
		snprintf(text, sizeof(text), "%s %s", is_up ? "up" : "down",
			 addr_format(&votes[i].addr, at, sizeof(at)));
		size = strlen(votes[i].backend) + strlen(text) + AROUND;
		if (size > *room) {
			++*left_out;
			continue;
		}
		*room -= size;
		if (json_object_set_new(all, votes[i].backend, json_string(text)) < 0)
			return -TG_ENOMEM;
	}
	return 0;
}

json_t *
votes_write(const struct store_vote *votes, size_t n, size_t *ret_left_out)
{
	json_t *all = json_object();
	size_t room = TG_STORE_VOTES_BYTES;

	*ret_left_out = 0;
	if (all != NULL && add(all, votes, n, false, &room, ret_left_out) == 0 &&
	    add(all, votes, n, true, &room, ret_left_out) == 0)
		return all;
	json_decref(all);
	return NULL;
}

/*** Reading ***/

static bool
read_vote(const char *name, const char *text, struct store_vote *ret)
{
	bool is_up = text != NULL && strncmp(text, "up ", 3) == 0;
	struct addr addr;

	if (name[0] == '\0' || text == NULL || (!is_up && strncmp(text, "down ", 5) != 0) ||
	    !share_read_address(text + (is_up ? 3 : 5), &addr))
		return false;
	*ret = (struct store_vote){.backend = name, .addr = addr, .is_up = is_up};
	return true;
}

static int
compare(const void *a, const void *b)
{
	const struct store_vote *x = a;
	const struct store_vote *y = b;

	return strcmp(x->backend, y->backend);
}

static int
read_voter(const char *instance, json_t *said, struct store_voter *ret)
{
	json_t *backends = json_object_get(said, "backends");
	double age = json_number_value(json_object_get(said, "age"));
	const char *name;
	json_t *value;

	ret->instance = instance;
	ret->age_ms = age > 0 && age < 1e12 ? (uint64_t)age : 0;
	ret->votes = calloc(json_object_size(backends) + 1, sizeof(ret->votes[0]));
	if (ret->votes == NULL)
		return -TG_ENOMEM;
	json_object_foreach(backends, name, value) {
		struct store_vote *vote = &ret->votes[ret->n_votes];

		if (!read_vote(name, json_string_value(value), vote))
			continue;
		ret->has_up = ret->has_up || vote->is_up;
		ret->n_votes++;
	}
	qsort(ret->votes, ret->n_votes, sizeof(ret->votes[0]), compare);
	return 0;
}

const struct store_vote *
store_voter_find(const struct store_votes *votes, const struct store_voter *voter,
		 const char *backend, const struct addr *addr, uint64_t lease_ms, struct mono now)
{
	struct store_vote wanted = {.backend = backend};
	uint64_t age_ms = voter->age_ms + mono_diff_us(now, votes->at) / 1000;
	const struct store_vote *vote;

	if (!voter->has_up || age_ms >= lease_ms)
		return NULL;
	vote = bsearch(&wanted, voter->votes, voter->n_votes, sizeof(wanted), compare);
	return vote != NULL && addr_equal(&vote->addr, addr) ? vote : NULL;
}

void
votes_fini(struct store_votes *votes)
{
	for (size_t i = 0; i < votes->n_voters; i++)
		free(votes->voters[i].votes);
	free(votes->voters);
	json_decref(votes->text);
	*votes = (struct store_votes){.is_heard = false};
}

static int
read_all(json_t *others, struct store_votes *ret)
{
	size_t n = json_object_size(others);
	const char *instance;
	json_t *said;

	n = n < TG_STORE_OTHERS_MAX ? n : TG_STORE_OTHERS_MAX;
	ret->voters = calloc(n + 1, sizeof(ret->voters[0]));
	if (ret->voters == NULL)
		return -TG_ENOMEM;
	json_object_foreach(others, instance, said) {
		if (ret->n_voters == n)
			break;
		if (strlen(instance) < TG_STORE_INSTANCE && share_is_plain(instance) &&
		    read_voter(instance, said, &ret->voters[ret->n_voters++]) < 0)
			return -TG_ENOMEM;
	}
	return 0;
}

int
votes_read(const char *text, size_t n, struct mono now, struct store_votes *ret)
{
	struct store_votes next = {.is_heard = true, .at = now};
	json_t *others;
	int rc;

	next.text = foreign_load(text, n);
	others = json_object_get(next.text, "others");
	/* An empty table is an array to Lua as well. */
	rc = json_is_object(others) || (json_is_array(others) && json_array_size(others) == 0)
		     ? read_all(others, &next)
		     : -TG_EPROTO;
	if (rc < 0) {
		votes_fini(&next);
		return rc;
	}
	votes_fini(ret);
	*ret = next;
	return 0;
}
