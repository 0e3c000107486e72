#include "store/claims.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/redis_foreign.h"
#include "store/share.h"

/*** Writing ***/

static int
add_claim(json_t *claims, json_t *ended, const struct claim *c)
{
	char mark[17];

	if (json_object_set_new(claims, c->heard.name, json_boolean(c->is_wanted)) < 0)
		return -TG_ENOMEM;
	if (!c->has_ended)
		return 0;
	snprintf(mark, sizeof(mark), "%016" PRIx64, c->mark);
	return json_object_set_new(ended, c->heard.name,
				   json_pack("{s:b,s:s,s:I}", "done", c->is_done, "mark", mark,
					     "wait", (json_int_t)c->wait_ms)) < 0
		       ? -TG_ENOMEM
		       : 0;
}

static int
add_challenge(json_t *list, const struct challenge *one)
{
	char text[TG_CHALLENGE_ANSWER_MAX + 1];

	snprintf(text, sizeof(text), "%s.%s", one->token, one->thumbprint);
	return json_array_append_new(list, json_string(text)) < 0 ? -TG_ENOMEM : 0;
}

char *
claims_question(const struct claims *c, const char *instance, const char *run)
{
	json_t *claims = json_object();
	json_t *ended = json_object();
	json_t *challenges = json_array();
	json_t *all = json_pack("{s:s,s:s,s:i,s:o,s:o,s:o}", "instance", instance, "run", run,
				"lease", (int)TG_STORE_CLAIM_LEASE_MS, "claims", claims, "ended",
				ended, "challenges", challenges);
	char *text = NULL;
	int rc = all != NULL ? 0 : -TG_ENOMEM;

	for (size_t i = 0; i < c->n && rc == 0; i++)
		rc = add_claim(claims, ended, &c->list[i]);
	for (size_t i = 0; i < c->n_own && rc == 0; i++)
		rc = add_challenge(challenges, &c->own[i]);
	if (rc == 0)
		text = json_dumps(all, JSON_COMPACT);
	json_decref(all);
	return text;
}

/*** Reading ***/

static uint64_t
number_of(const json_t *value)
{
	double n = json_number_value(value);

	return n > 0 && n < 1e15 ? (uint64_t)n : 0;
}

/* A name of another; "": it is none. */
static void
read_instance(const json_t *value, char ret[TG_STORE_INSTANCE])
{
	const char *text = json_string_value(value);

	ret[0] = '\0';
	if (text != NULL && strlen(text) < TG_STORE_INSTANCE && share_is_plain(text))
		snprintf(ret, TG_STORE_INSTANCE, "%s", text);
}

static void
read_outcome(const json_t *said, struct store_claim *ret)
{
	const char *mark = json_string_value(json_object_get(said, "mark"));

	read_instance(json_object_get(said, "by"), ret->by);
	ret->has_outcome = json_is_object(said) && mark != NULL && ret->by[0] != '\0';
	if (!ret->has_outcome)
		return;
	ret->is_done = json_is_true(json_object_get(said, "done"));
	ret->age_ms = number_of(json_object_get(said, "age"));
	ret->wait_ms = number_of(json_object_get(said, "wait"));
	ret->mark = strtoull(mark, NULL, 16);
}

static void
read_claim(struct claim *c, const json_t *said, struct mono sent, struct mono now)
{
	struct store_claim next = {.is_heard = true, .at = now};

	memcpy(next.name, c->heard.name, sizeof(next.name));
	read_instance(json_object_get(said, "holder"), next.holder);
	next.is_mine = c->is_wanted && json_is_true(json_object_get(said, "mine"));
	if (next.is_mine) {
		/* It ends for us before redis ends it. */
		next.until =
			mono_add_ms(sent, TG_STORE_CLAIM_LEASE_MS - TG_STORE_CLAIM_LEASE_MS / 6);
		next.since = c->heard.is_mine ? c->heard.since : now;
	}
	read_outcome(json_object_get(said, "last"), &next);
	c->heard = next;
}

static void
read_list(struct claims *c, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list) && c->n_others < TG_CHALLENGES_MAX; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		const char *dot = text != NULL ? strchr(text, '.') : NULL;

		if (dot != NULL)
			c->n_others += challenge_read(text, (size_t)(dot - text), text,
						      strlen(text), &c->others[c->n_others]);
	}
}

int
claims_answer(struct claims *c, const char *text, size_t n, const char *instance, struct mono sent,
	      struct mono now)
{
	json_t *all = foreign_load(text, n);
	json_t *others = json_object_get(all, "others");
	json_t *claims = json_object_get(all, "claims");
	const char *name;
	json_t *list;

	if (!json_is_object(all)) {
		json_decref(all);
		return -TG_EPROTO;
	}
	for (size_t i = 0; i < c->n; i++) {
		const json_t *said = json_object_get(claims, c->list[i].heard.name);

		if (json_is_object(said))
			read_claim(&c->list[i], said, sent, now);
	}
	c->n_others = 0;
	json_object_foreach(others, name, list)
	{
		if (strcmp(name, instance) != 0)
			read_list(c, list);
	}
	json_decref(all);
	return 0;
}
