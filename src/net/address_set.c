#include "net/address_set.h"

#include <stdlib.h>
#include <string.h>

#define NO_SLOT UINT32_MAX

struct address_wanted {
	struct address address;
	uint32_t slot; /* NO_SLOT: it waits */
};

int
address_set_init(struct address_set *set, unsigned n_slots)
{
	*set = (struct address_set){.n_slots = n_slots};
	set->slots = calloc(n_slots, sizeof(*set->slots));
	set->wanted = calloc(n_slots, sizeof(*set->wanted));
	if (set->slots != NULL && set->wanted != NULL)
		return 0;
	address_set_fini(set);
	return -TG_ENOMEM;
}

void
address_set_fini(struct address_set *set)
{
	free(set->slots);
	free(set->wanted);
	*set = (struct address_set){.n_slots = 0};
}

int
address_compare(const struct address *a, const struct address *b)
{
	int c;

	if (ip_is_v4(&a->ip) != ip_is_v4(&b->ip))
		return ip_is_v4(&a->ip) ? -1 : 1;
	c = memcmp(&a->ip, &b->ip, sizeof(a->ip));
	return c != 0 ? c : (int)a->port - (int)b->port;
}

bool
address_equal(const struct address *a, const struct address *b)
{
	return address_compare(a, b) == 0 && a->priority == b->priority && a->weight == b->weight;
}

/*** Which addresses are wanted ***/

static int
by_address(const void *a, const void *b)
{
	const struct address_wanted *x = a;
	const struct address_wanted *y = b;

	return address_compare(&x->address, &y->address);
}

static int
by_precedence(const void *a, const void *b)
{
	const struct address_wanted *x = a;
	const struct address_wanted *y = b;

	if (x->address.priority != y->address.priority)
		return x->address.priority < y->address.priority ? -1 : 1;
	if ((x->slot == NO_SLOT) != (y->slot == NO_SLOT))
		return x->slot == NO_SLOT ? 1 : -1;
	return by_address(x, y);
}

/* Those that have a slot, leaving or not, find it again. `all` is sorted by address. */
static void
find_slots(const struct address_set *set, struct address_wanted *all, size_t n)
{
	for (uint32_t i = 0; i < set->n_slots; i++) {
		struct address_wanted key = {.address = set->slots[i].address};
		struct address_wanted *found;

		if (set->slots[i].state == TG_ADDRESS_FREE)
			continue;
		found = bsearch(&key, all, n, sizeof(*all), by_address);
		if (found != NULL)
			found->slot = i;
	}
}

static int
choose_wanted(struct address_set *set, const struct address *list, size_t n)
{
	struct address_wanted *all = calloc(n + 1, sizeof(*all));

	if (all == NULL)
		return -TG_ENOMEM;
	for (size_t i = 0; i < n; i++)
		all[i] = (struct address_wanted){.address = list[i], .slot = NO_SLOT};
	qsort(all, n, sizeof(*all), by_address);
	find_slots(set, all, n);
	qsort(all, n, sizeof(*all), by_precedence);
	set->n_wanted = n < set->n_slots ? (unsigned)n : set->n_slots;
	set->n_beyond = (unsigned)n - set->n_wanted;
	memcpy(set->wanted, all, set->n_wanted * sizeof(*all));
	free(all);
	return 0;
}

/*** Slots ***/

static void
slot_leave(struct address_slot *slot, struct mono now)
{
	slot->state = TG_ADDRESS_LEAVING;
	slot->left = now;
	slot->changed = true;
}

static void
slot_hold(struct address_set *set, struct address_wanted *w, uint32_t i)
{
	struct address_slot *slot = &set->slots[i];
	bool is_backup = w->address.priority > set->wanted[0].address.priority;

	if (slot->state != TG_ADDRESS_HELD || slot->is_backup != is_backup ||
	    !address_equal(&slot->address, &w->address))
		slot->changed = true;
	slot->state = TG_ADDRESS_HELD;
	slot->address = w->address;
	slot->is_backup = is_backup;
	w->slot = i;
}

/* Who is not wanted any more leaves. True: one that stays is up. */
static bool
settle_holders(struct address_set *set, const struct address_fact *facts, struct mono now)
{
	bool has_up = false;

	for (uint32_t i = 0; i < set->n_slots; i++)
		set->slots[i].is_wanted = false;
	for (unsigned i = 0; i < set->n_wanted; i++) {
		struct address_wanted *w = &set->wanted[i];

		if (w->slot == NO_SLOT)
			continue;
		has_up |= facts[w->slot].is_up;
		set->slots[w->slot].is_wanted = true;
		slot_hold(set, w, w->slot);
	}
	for (uint32_t i = 0; i < set->n_slots; i++) {
		if (set->slots[i].state == TG_ADDRESS_HELD && !set->slots[i].is_wanted)
			slot_leave(&set->slots[i], now);
	}
	return has_up;
}

static bool
is_over(const struct address_slot *slot, const struct address_fact *fact, struct mono now)
{
	uint64_t gone_us = mono_diff_us(now, slot->left);

	return gone_us >= TG_ADDRESS_LEAVE_MS * UINT64_C(1000) ||
	       (fact->in_flight == 0 && gone_us >= TG_ADDRESS_LINGER_MS * UINT64_C(1000));
}

static void
free_left(struct address_set *set, const struct address_fact *facts, struct mono now)
{
	for (uint32_t i = 0; i < set->n_slots; i++) {
		struct address_slot *slot = &set->slots[i];

		if (slot->state == TG_ADDRESS_LEAVING && is_over(slot, &facts[i], now))
			slot->state = TG_ADDRESS_FREE;
	}
}

/* Who waits gets slots in this state; of those leaving, with `since`, only those gone just then. */
static void
fill(struct address_set *set, enum address_slot_state state, const struct mono *since)
{
	unsigned next = 0;

	for (uint32_t i = 0; i < set->n_slots; i++) {
		if (set->slots[i].state != state ||
		    (since != NULL && set->slots[i].left.us != since->us))
			continue;
		while (next < set->n_wanted && set->wanted[next].slot != NO_SLOT)
			next++;
		if (next == set->n_wanted)
			return;
		slot_hold(set, &set->wanted[next], i);
	}
}

static void
count(struct address_set *set)
{
	set->n_waiting = 0;
	set->n_leaving = 0;
	for (unsigned i = 0; i < set->n_wanted; i++)
		set->n_waiting += set->wanted[i].slot == NO_SLOT;
	for (uint32_t i = 0; i < set->n_slots; i++)
		set->n_leaving += set->slots[i].state == TG_ADDRESS_LEAVING;
}

int
address_set_update(struct address_set *set, const struct address *list, size_t n,
		   const struct address_fact *facts, struct mono now)
{
	bool has_up;

	if (choose_wanted(set, list, n) < 0)
		return -TG_ENOMEM;
	has_up = settle_holders(set, facts, now);
	free_left(set, facts, now);
	if (!has_up)
		fill(set, TG_ADDRESS_LEAVING, &now);
	fill(set, TG_ADDRESS_FREE, NULL);
	if (!has_up)
		fill(set, TG_ADDRESS_LEAVING, NULL);
	count(set);
	return 0;
}

void
address_set_step(struct address_set *set, const struct address_fact *facts, struct mono now)
{
	free_left(set, facts, now);
	fill(set, TG_ADDRESS_FREE, NULL);
	count(set);
}

void
address_set_adopt(struct address_set *set, const struct address_set *before)
{
	unsigned n = before->n_slots < set->n_slots ? before->n_slots : set->n_slots;

	memcpy(set->slots, before->slots, n * sizeof(set->slots[0]));
	set->n_wanted = before->n_wanted < set->n_slots ? before->n_wanted : set->n_slots;
	set->n_beyond = before->n_beyond + before->n_wanted - set->n_wanted;
	memcpy(set->wanted, before->wanted, set->n_wanted * sizeof(set->wanted[0]));
	for (unsigned i = 0; i < set->n_wanted; i++) {
		if (set->wanted[i].slot >= set->n_slots)
			set->wanted[i].slot = NO_SLOT;
	}
	count(set);
}
