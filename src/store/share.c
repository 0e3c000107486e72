#include "store/share.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module/module.h"
#include "store/redis_foreign.h"

#define NUMBER_SIZE 32u
#define HOLD_SIZE   (TG_STORE_MEMBER + NUMBER_SIZE)
/* Of a lease this part is left alone at its end: clocks run apart. */
#define MARGIN_PART 6u
/* For so many leases what clients of one that is lost do is not known. */
#define LOST_LEASES 3u
/* Scripts of redis count in doubles: from here on the next one may be the same. */
#define EPOCH_END (UINT64_C(1) << 53)

/*** What is told ***/

struct share *
share_new(const char *service)
{
	struct share *share = calloc(1, sizeof(*share));

	if (share == NULL)
		return NULL;
	share->service = strdup(service);
	share->is_first = true;
	if (share->service != NULL)
		return share;
	free(share);
	return NULL;
}

static void
free_others(struct store_other *others, size_t n)
{
	for (size_t i = 0; others != NULL && i < n; i++)
		free(others[i].holds);
	free(others);
}

static void
free_telling(struct store_telling *telling)
{
	free((void *)(uintptr_t)telling->holds);
	free((void *)(uintptr_t)telling->members);
}

void
share_free(struct share *share)
{
	if (share == NULL)
		return;
	free_telling(&share->telling);
	free_others(share->heard.others, share->heard.n_others);
	free(share->heard.members);
	free(share->service);
	free(share);
}

/* NULL of nothing is no failure. */
static bool
copy(const void *from, size_t n, size_t size, const void **ret)
{
	void *to = n > 0 ? malloc(n * size) : NULL;

	if (to != NULL)
		memcpy(to, from, n * size);
	*ret = to;
	return n == 0 || to != NULL;
}

int
share_tell(struct share *share, const struct store_telling *telling, struct mono now)
{
	struct store_telling own = *telling;
	const void *holds;
	const void *members;
	bool is_copied = copy(telling->holds, telling->n_holds, sizeof(telling->holds[0]), &holds);

	is_copied = copy(telling->members, telling->n_members, sizeof(telling->members[0]),
			 &members) && is_copied;
	own.holds = holds;
	own.members = members;
	if (!is_copied) {
		free_telling(&own);
		return -TG_ENOMEM;
	}
	free_telling(&share->telling);
	share->telling = own;
	share->told = now;
	share->is_told = true;
	share->is_pending = true;
	return 0;
}

/*** The question ***/

static bool
set(json_t *all, const char *key, json_t *value)
{
	return json_object_set_new(all, key, value) == 0;
}

static json_t *
whole(uint64_t number)
{
	char text[NUMBER_SIZE];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	return json_string(text);
}

static json_t *
figure(double value)
{
	char text[NUMBER_SIZE] = "";

	if (isfinite(value))
		snprintf(text, sizeof(text), "%.9g", value);
	return json_string(text);
}

static json_t *
holds_of(const struct store_telling *t)
{
	char *text = malloc(t->n_holds * HOLD_SIZE + 1);
	size_t n = 0;
	json_t *value;

	if (text == NULL)
		return NULL;
	text[0] = '\0';
	for (size_t i = 0; i < t->n_holds; i++)
		n += (size_t)snprintf(text + n, HOLD_SIZE, "%s%s=%" PRId64, i > 0 ? " " : "",
				      t->holds[i].name, t->holds[i].in_flight);
	value = json_string(text);
	free(text);
	return value;
}

static json_t *
part_of(const struct store_telling *t)
{
	json_t *all = json_object();
	char seen[2 * NUMBER_SIZE];
	bool is_whole = true;

	snprintf(seen, sizeof(seen), "%" PRIu64 " %" PRIu64, t->seen_epoch, t->seen_version);
	for (unsigned i = 0; i < TG_METRIC_COUNT; i++)
		is_whole = is_whole && set(all, tg_metric_str(i), figure(t->part.values[i]));
	if (is_whole && set(all, "woken", json_string(t->is_woken ? "1" : "0")) &&
	    set(all, "ending", json_string(t->is_ending ? "1" : "0")) &&
	    set(all, "seen", json_string(seen)) && set(all, "holds", holds_of(t)))
		return all;
	json_decref(all);
	return NULL;
}

static json_t *
member_of(const struct store_member *m)
{
	char address[TG_ADDR_STRLEN];

	addr_format(&m->addr, address, sizeof(address));
	return json_sprintf("%s %s %s%s%s",
			    m->is_evicted    ? "evicted"
			    : m->is_draining ? "draining"
					     : "ready",
			    m->origin, address, m->node[0] != '\0' ? " " : "", m->node);
}

static json_t *
fleet_of(const struct store_telling *t)
{
	json_t *all = json_object();

	for (size_t i = 0; i < t->n_members; i++) {
		if (!set(all, t->members[i].name, member_of(&t->members[i]))) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

static json_t *
state_of(const struct store_telling *t)
{
	return json_pack("{s:o,s:o,s:o,s:o}", "epoch", whole(t->epoch), "version",
			 whole(t->version), "desired", whole(t->state.desired), "proposed",
			 figure(t->state.proposed));
}

static json_int_t
age(int64_t at_ms, struct mono now)
{
	int64_t now_ms = (int64_t)(now.us / 1000);

	return now_ms > at_ms ? now_ms - at_ms : 0;
}

static json_t *
ages_of(const struct store_leading *state, struct mono now)
{
	json_t *all = json_object();

	if ((!state->has_up || set(all, "up", json_integer(age(state->up_ms, now)))) &&
	    (!state->has_down || set(all, "down", json_integer(age(state->down_ms, now)))) &&
	    (state->active_ms == 0 || set(all, "active", json_integer(age(state->active_ms, now)))))
		return all;
	json_decref(all);
	return NULL;
}

/* Of another redis nothing is known: epochs may be the same there, and what goes by them not. */
static bool
is_state_known(const struct share *share, const struct share_self *self)
{
	return share->heard.has_state && share->heard_on == self->link;
}

static bool
is_fleet_known(const struct share *share, const struct share_self *self)
{
	return is_state_known(share, self) && share->heard.state_epoch == share->telling.epoch &&
	       share->heard.version == share->telling.version;
}

/* What a leader says, which redis takes of nobody else. */
static bool
add_leading(json_t *all, const struct share *share, const struct share_self *self, struct mono now)
{
	const struct store_telling *t = &share->telling;

	return t->epoch == 0 ||
	       (set(all, "state", state_of(t)) && set(all, "ages", ages_of(&t->state, now)) &&
		(is_fleet_known(share, self) || set(all, "fleet", fleet_of(t))));
}

/* Another redis, as after a failover, may not have been told of a lease that its holder counts on: one that was heard of,
 * or one that was taken after the last answer. */
static bool
may_be_led(const struct share *share, const struct share_self *self, struct mono now)
{
	bool is_ours = share->heard.is_mine && now.us < share->heard.until.us;

	if (share->led_on != self->link && mono_is_set(share->led_until) &&
	    now.us < share->led_until.us)
		return true;
	return share->heard.is_heard && share->first_on != self->link && !is_ours &&
	       now.us < mono_add_ms(self->linked, self->lease_ms).us;
}

char *
share_question(const struct share *share, const struct share_self *self, struct mono now)
{
	const struct store_shared *heard = &share->heard;
	bool is_known = is_state_known(share, self);
	bool wants = share->telling.wants_lead && !share->is_leaving && share->is_told &&
		     !may_be_led(share, self, now);
	json_t *all = json_pack("{s:s,s:s,s:b,s:b,s:I,s:I,s:o,s:o}", "instance", self->instance,
				"run", self->run, "wants", wants, "first", share->is_first, "lease",
				(json_int_t)self->lease_ms, "epoch", (json_int_t)heard->highest,
				"known_epoch", whole(is_known ? heard->state_epoch : 0),
				"known_version", whole(is_known ? heard->version : 0));
	char *text = NULL;

	if (all != NULL &&
	    (!share->is_told || share->is_leaving ||
	     (set(all, "part", part_of(&share->telling)) && add_leading(all, share, self, now))))
		text = json_dumps(all, JSON_COMPACT);
	json_decref(all);
	return text;
}

/*** The answer ***/

static const char *
text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

static double
figure_of(const json_t *object, const char *key)
{
	const char *text = text_of(object, key);
	char *end;
	double value = strtod(text, &end);

	return end != text && *end == '\0' && isfinite(value) ? value : NAN;
}

/* 0: there is none. */
static uint64_t
whole_of(const char *text)
{
	uint64_t value = 0;

	for (; *text >= '0' && *text <= '9' && value < UINT64_MAX / 100; text++)
		value = value * 10 + (uint64_t)(*text - '0');
	return value;
}

/* The word before the next blank, if it fits; NULL: none. Goes behind it. */
static const char *
take_word(const char *text, char *ret, size_t size)
{
	size_t n = strcspn(text, " ");

	if (n == 0 || n >= size)
		return NULL;
	memcpy(ret, text, n);
	ret[n] = '\0';
	return text[n] == ' ' ? text + n + 1 : text + n;
}

bool
share_read_address(const char *text, struct addr *ret)
{
	struct endpoint at;

	if (endpoint_parse(text, 0, &at, NULL) < 0 || at.kind != TG_ENDPOINT_ADDR ||
	    at.addr.u.sa.sa_family == AF_UNIX)
		return false;
	*ret = at.addr;
	return true;
}

bool
share_is_plain(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text < ' ' || *text > '~')
			return false;
	}
	return true;
}

static bool
read_member(const char *name, const char *text, struct store_member *ret)
{
	char state[16];
	char address[TG_ADDR_STRLEN];

	if (text == NULL || name[0] == '\0' || strlen(name) >= sizeof(ret->name) ||
	    !share_is_plain(name) || !share_is_plain(text))
		return false;
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	text = take_word(text, state, sizeof(state));
	if (text != NULL)
		text = take_word(text, ret->origin, sizeof(ret->origin));
	if (text != NULL)
		text = take_word(text, address, sizeof(address));
	if (text == NULL || !share_read_address(address, &ret->addr) || strlen(text) >= sizeof(ret->node))
		return false;
	snprintf(ret->node, sizeof(ret->node), "%s", text);
	ret->is_evicted = strcmp(state, "evicted") == 0;
	ret->is_draining = ret->is_evicted || strcmp(state, "draining") == 0;
	return ret->is_draining || strcmp(state, "ready") == 0;
}

/* What is no member is left out. */
static int
read_fleet(json_t *fleet, struct store_shared *ret)
{
	size_t n = json_object_size(fleet);
	const char *name;
	json_t *value;

	ret->n_members = 0;
	ret->members = calloc(n + 1, sizeof(ret->members[0]));
	if (ret->members == NULL)
		return -TG_ENOMEM;
	json_object_foreach(fleet, name, value) {
		if (ret->n_members < TG_STORE_MEMBERS_MAX &&
		    read_member(name, json_string_value(value), &ret->members[ret->n_members]))
			ret->n_members++;
	}
	return 0;
}

static int
read_holds(const char *text, struct store_other *other)
{
	size_t n = 1;

	for (const char *p = text; *p != '\0'; p++)
		n += *p == ' ';
	n = n < TG_STORE_MEMBERS_MAX ? n : TG_STORE_MEMBERS_MAX;
	other->holds = calloc(n, sizeof(other->holds[0]));
	if (other->holds == NULL)
		return -TG_ENOMEM;
	while (other->n_holds < n) {
		struct store_hold *hold = &other->holds[other->n_holds];
		char word[HOLD_SIZE];
		char *sign;

		text = take_word(text, word, sizeof(word));
		sign = text != NULL ? strchr(word, '=') : NULL;
		if (sign == NULL || (size_t)(sign - word) >= sizeof(hold->name))
			break;
		memcpy(hold->name, word, (size_t)(sign - word));
		hold->in_flight = (int64_t)(whole_of(sign + 1) & INT64_MAX);
		other->n_holds++;
	}
	return 0;
}

static int
read_part(const char *name, const json_t *part, struct store_other *ret)
{
	const char *seen = text_of(part, "seen");

	snprintf(ret->instance, sizeof(ret->instance), "%s", name);
	for (unsigned i = 0; i < TG_METRIC_COUNT; i++)
		ret->part.values[i] = figure_of(part, tg_metric_str(i));
	ret->is_woken = strcmp(text_of(part, "woken"), "1") == 0;
	ret->is_ending = strcmp(text_of(part, "ending"), "1") == 0;
	ret->seen_epoch = whole_of(seen);
	ret->seen_version = whole_of(seen + strcspn(seen, " ") + (strchr(seen, ' ') != NULL));
	return read_holds(text_of(part, "holds"), ret);
}

static int
read_parts(json_t *parts, struct store_shared *ret)
{
	size_t n = json_object_size(parts);
	const char *name;
	json_t *value;

	n = n < TG_STORE_OTHERS_MAX ? n : TG_STORE_OTHERS_MAX;
	ret->n_others = 0;
	ret->others = calloc(n + 1, sizeof(ret->others[0]));
	if (ret->others == NULL)
		return -TG_ENOMEM;
	json_object_foreach(parts, name, value) {
		if (ret->n_others == n)
			break;
		if (!share_is_plain(name))
			continue;
		if (read_part(name, value, &ret->others[ret->n_others++]) < 0)
			return -TG_ENOMEM;
	}
	return 0;
}

/* On our clock, of how long ago it was on that of redis. False: not told. */
static bool
read_age(const json_t *ages, const char *key, struct mono now, int64_t *ret)
{
	const json_t *value = json_object_get(ages, key);
	json_int_t ms = json_integer_value(value);

	if (json_is_real(value) && fabs(json_real_value(value)) < 1e15)
		ms = (json_int_t)json_real_value(value);
	if (!json_is_number(value) || ms < 0)
		return false;
	*ret = (int64_t)(now.us / 1000) - ms;
	return true;
}

static void
read_state(const json_t *all, struct mono now, struct store_shared *ret)
{
	const json_t *state = json_object_get(all, "state");
	const json_t *ages = json_object_get(all, "ages");
	uint64_t desired = whole_of(text_of(state, "desired"));

	ret->has_state = json_object_size(state) > 0;
	ret->state_epoch = whole_of(text_of(state, "epoch"));
	ret->version = whole_of(text_of(state, "version"));
	ret->state = (struct store_leading){
		.desired = desired < TG_STORE_MEMBERS_MAX ? (uint32_t)desired : TG_STORE_MEMBERS_MAX,
		.proposed = figure_of(state, "proposed"),
	};
	ret->state.has_up = read_age(ages, "up", now, &ret->state.up_ms);
	ret->state.has_down = read_age(ages, "down", now, &ret->state.down_ms);
	(void)read_age(ages, "active", now, &ret->state.active_ms);
}

/* One was there before, and is not any more. */
static bool
is_any_lost(const struct store_shared *before, const struct store_shared *now)
{
	for (size_t i = 0; i < before->n_others; i++) {
		bool is_there = false;

		for (size_t j = 0; j < now->n_others; j++)
			is_there = is_there || strcmp(before->others[i].instance,
						      now->others[j].instance) == 0;
		if (!is_there)
			return true;
	}
	return false;
}

static int
read_all(struct share *share, const struct share_self *self, json_t *all, struct mono now,
	 struct store_shared *next)
{
	json_t *fleet = json_object_get(all, "fleet");
	int rc;

	next->is_heard = true;
	next->at = now;
	next->asked = share->sent;
	next->is_mine = json_is_true(json_object_get(all, "mine"));
	next->until = mono_add_ms(share->sent, self->lease_ms - self->lease_ms / MARGIN_PART);
	snprintf(next->leader, sizeof(next->leader), "%s", text_of(all, "leader"));
	next->epoch = whole_of(text_of(all, "epoch"));
	next->highest = next->epoch > share->heard.highest ? next->epoch : share->heard.highest;
	read_state(all, now, next);
	rc = read_parts(json_object_get(all, "parts"), next);
	if (rc == 0 && fleet != NULL)
		rc = read_fleet(fleet, next);
	if (is_any_lost(&share->heard, next))
		next->unsure = mono_add_ms(now, LOST_LEASES * self->lease_ms);
	return rc;
}

/* The fleet stays where it was not told again. */
static void
take(struct share *share, struct store_shared *next)
{
	struct store_shared *heard = &share->heard;

	if (next->members == NULL) {
		next->members = heard->members;
		next->n_members = heard->n_members;
	} else {
		free(heard->members);
	}
	free_others(heard->others, heard->n_others);
	*heard = *next;
	share->is_first = false;
}

/* Another one, who has a lease from now on. */
static void
note_leader(struct share *share, const struct share_self *self, const struct store_shared *next)
{
	if (next->leader[0] == '\0' || next->is_mine)
		return;
	share->led_on = self->link;
	share->led_until = mono_add_ms(next->at, self->lease_ms);
}

static bool
is_answer(const json_t *all)
{
	return json_is_object(all) && json_is_string(json_object_get(all, "epoch")) &&
	       whole_of(text_of(all, "epoch")) < EPOCH_END && share_is_plain(text_of(all, "leader"));
}

int
share_answer(struct share *share, const struct share_self *self, const char *text, size_t n,
	     struct mono now)
{
	json_t *all = foreign_load(text, n);
	struct store_shared next = {.unsure = share->heard.unsure};
	int rc = is_answer(all) ? read_all(share, self, all, now, &next) : -TG_EPROTO;

	json_decref(all);
	if (rc == 0) {
		note_leader(share, self, &next);
		if (!share->heard.is_heard)
			share->first_on = self->link;
		share->heard_on = self->link;
		take(share, &next);
		return 0;
	}
	free(next.members);
	free_others(next.others, next.n_others);
	return rc;
}
