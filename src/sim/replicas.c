#include "sim/replicas.h"

#include <stdlib.h>

/*** Lists ***/

static void
push(struct replicas *r, uint32_t *head, uint32_t i)
{
	r->all[i].prev = TG_REPLICA_NONE;
	r->all[i].next = *head;
	if (*head != TG_REPLICA_NONE)
		r->all[*head].prev = i;
	*head = i;
}

static void
pull(struct replicas *r, uint32_t *head, uint32_t i)
{
	struct replica *p = &r->all[i];

	if (p->prev != TG_REPLICA_NONE)
		r->all[p->prev].next = p->next;
	else
		*head = p->next;
	if (p->next != TG_REPLICA_NONE)
		r->all[p->next].prev = p->prev;
}

/* Starting ones stand in the order they were asked for: all take as long. */
static void
push_asked(struct replicas *r, uint32_t i)
{
	r->all[i].next = TG_REPLICA_NONE;
	r->all[i].prev = r->asked;
	if (r->asked != TG_REPLICA_NONE)
		r->all[r->asked].next = i;
	else
		r->starting = i;
	r->asked = i;
}

static void
pull_asked(struct replicas *r, uint32_t i)
{
	if (r->asked == i)
		r->asked = r->all[i].prev;
	pull(r, &r->starting, i);
}

static void
pull_loaded(struct replicas *r, uint32_t i)
{
	pull(r, &r->loaded[r->all[i].in_flight], i);
	while (r->lowest < r->slots && r->loaded[r->lowest] == TG_REPLICA_NONE)
		r->lowest++;
}

static void
push_loaded(struct replicas *r, uint32_t i)
{
	uint32_t n = r->all[i].in_flight;

	push(r, &r->loaded[n], i);
	if (n < r->lowest)
		r->lowest = n;
}

/*** States ***/

static void
detach(struct replicas *r, uint32_t i)
{
	switch (r->all[i].state) {
	case TG_REPLICA_GONE:
		pull(r, &r->gone, i);
		break;
	case TG_REPLICA_STARTING:
		pull_asked(r, i);
		break;
	case TG_REPLICA_READY:
		pull_loaded(r, i);
		break;
	case TG_REPLICA_DRAINING:
		pull(r, &r->draining, i);
		break;
	case TG_REPLICA_STATE_COUNT:
		break;
	}
}

static void
attach(struct replicas *r, uint32_t i)
{
	switch (r->all[i].state) {
	case TG_REPLICA_GONE:
		push(r, &r->gone, i);
		break;
	case TG_REPLICA_STARTING:
		push_asked(r, i);
		break;
	case TG_REPLICA_READY:
		push_loaded(r, i);
		break;
	case TG_REPLICA_DRAINING:
		push(r, &r->draining, i);
		break;
	case TG_REPLICA_STATE_COUNT:
		break;
	}
}

static void
set_state(struct replicas *r, uint32_t i, enum replica_state state, uint64_t now_us)
{
	r->alive_us = replicas_alive_us(r, now_us);
	r->touched_us = now_us;
	detach(r, i);
	r->counts[r->all[i].state]--;
	r->all[i].state = state;
	r->all[i].since_us = now_us;
	r->counts[state]++;
	attach(r, i);
}

struct replicas *
replicas_new(uint32_t slots, uint64_t start_us, uint64_t now_us)
{
	struct replicas *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->loaded = malloc((slots + 1) * sizeof(*r->loaded));
	if (r->loaded == NULL) {
		free(r);
		return NULL;
	}
	for (uint32_t i = 0; i <= slots; i++)
		r->loaded[i] = TG_REPLICA_NONE;
	r->slots = slots;
	r->lowest = slots;
	r->start_us = start_us;
	r->starting = r->asked = r->draining = r->gone = TG_REPLICA_NONE;
	r->touched_us = now_us;
	return r;
}

void
replicas_free(struct replicas *r)
{
	if (r == NULL)
		return;
	free(r->loaded);
	free(r);
}

/*** How many ***/

uint32_t
replicas_wanted(const struct replicas *r)
{
	return r->counts[TG_REPLICA_STARTING] + r->counts[TG_REPLICA_READY];
}

static bool
ask_for_one(struct replicas *r, enum replica_state state, uint64_t now_us)
{
	uint32_t i = r->gone;

	if (i == TG_REPLICA_NONE) {
		if (r->n == TG_REPLICAS_MAX)
			return false;
		i = r->n++;
		r->counts[TG_REPLICA_GONE]++;
		push(r, &r->gone, i);
	}
	r->all[i].in_flight = 0;
	r->all[i].busy_us = 0;
	r->all[i].touched_us = now_us;
	set_state(r, i, state, now_us);
	return true;
}

static bool
add_one(struct replicas *r, uint64_t now_us)
{
	if (r->draining == TG_REPLICA_NONE)
		return ask_for_one(r, TG_REPLICA_STARTING, now_us);
	set_state(r, r->draining, TG_REPLICA_READY, now_us);
	return true;
}

static void
remove_one(struct replicas *r, uint64_t now_us)
{
	uint32_t i = r->asked != TG_REPLICA_NONE ? r->asked : r->loaded[r->lowest];

	set_state(r, i, r->all[i].in_flight > 0 ? TG_REPLICA_DRAINING : TG_REPLICA_GONE, now_us);
}

void
replicas_set(struct replicas *r, uint32_t desired, uint64_t now_us)
{
	while (replicas_wanted(r) < desired && add_one(r, now_us))
		;
	while (replicas_wanted(r) > desired)
		remove_one(r, now_us);
}

void
replicas_begin(struct replicas *r, uint32_t n, uint64_t now_us)
{
	while (replicas_wanted(r) < n && ask_for_one(r, TG_REPLICA_READY, now_us))
		;
}

uint64_t
replicas_next_us(const struct replicas *r)
{
	return r->starting != TG_REPLICA_NONE ? r->all[r->starting].since_us + r->start_us : UINT64_MAX;
}

void
replicas_made_ready(struct replicas *r, uint64_t now_us)
{
	set_state(r, r->starting, TG_REPLICA_READY, now_us);
}

/*** Requests ***/

static void
touch(struct replica *p, uint64_t now_us)
{
	p->busy_us = replica_busy_us(p, now_us);
	p->touched_us = now_us;
}

uint32_t
replicas_take(struct replicas *r, uint64_t now_us)
{
	uint32_t i = r->loaded[r->lowest];

	if (r->lowest == r->slots || i == TG_REPLICA_NONE)
		return TG_REPLICA_NONE;
	touch(&r->all[i], now_us);
	pull(r, &r->loaded[r->lowest], i);
	push(r, &r->loaded[++r->all[i].in_flight], i);
	if (r->loaded[r->lowest] == TG_REPLICA_NONE)
		r->lowest++; /* where it is now itself */
	r->in_flight++;
	return i;
}

void
replicas_release(struct replicas *r, uint32_t i, uint64_t now_us)
{
	struct replica *p = &r->all[i];

	touch(p, now_us);
	r->in_flight--;
	if (p->state == TG_REPLICA_READY) {
		pull(r, &r->loaded[p->in_flight], i);
		p->in_flight--;
		push_loaded(r, i);
	} else if (--p->in_flight == 0) {
		set_state(r, i, TG_REPLICA_GONE, now_us);
	}
}

/*** By time ***/

uint64_t
replica_busy_us(const struct replica *p, uint64_t now_us)
{
	return p->busy_us + (now_us - p->touched_us) * p->in_flight;
}

uint64_t
replicas_alive_us(const struct replicas *r, uint64_t now_us)
{
	uint32_t alive = replicas_wanted(r) + r->counts[TG_REPLICA_DRAINING];

	return r->alive_us + (now_us - r->touched_us) * alive;
}
