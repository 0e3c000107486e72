/* Which address has which slot: by hand, and by a long run of random answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/address_set.h"
#include "unit/sanitized.h"

#define SLOTS_MAX 16u

struct world {
	struct address_set set;
	struct address_fact facts[SLOTS_MAX];
	struct mono now;
};

/* One letter is one address; upper case: the same with priority 1. */
static struct address
address_of(char c)
{
	struct address a = {.port = 80, .weight = 1};
	char text[32];
	bool is_late = c >= 'A' && c <= 'Z';

	snprintf(text, sizeof(text), "192.0.2.%d", is_late ? c - 'A' + 1 : c - 'a' + 1);
	assert_int_equal(ip_parse(text, strlen(text), &a.ip), 0);
	a.priority = is_late;
	return a;
}

static char
letter_of(const struct address_slot *slot)
{
	return (char)(slot->address.ip.b[15] - 1 + (slot->state == TG_ADDRESS_HELD ? 'a' : 'A'));
}

static void
answer(struct world *w, const char *letters)
{
	struct address list[64];
	size_t n = strlen(letters);

	for (size_t i = 0; i < n; i++)
		list[i] = address_of(letters[i]);
	assert_int_equal(address_set_update(&w->set, list, n, w->facts, w->now), 0);
}

/* Slot by slot: 'a' has it, 'A' is leaving it, '.' is nobody. */
static void
assert_slots(const struct world *w, const char *want)
{
	char got[SLOTS_MAX + 1] = "";

	for (unsigned i = 0; i < w->set.n_slots; i++)
		got[i] = w->set.slots[i].state == TG_ADDRESS_FREE ? '.'
								   : letter_of(&w->set.slots[i]);
	assert_string_equal(got, want);
}

/* As the owner does: what is told is not told again. */
static void
assert_changed(struct world *w, const char *want)
{
	char got[SLOTS_MAX + 1] = "";

	for (unsigned i = 0; i < w->set.n_slots; i++) {
		got[i] = w->set.slots[i].changed ? '!' : '-';
		w->set.slots[i].changed = false;
	}
	assert_string_equal(got, want);
}

static void
set_up(struct world *w, const char *which)
{
	for (unsigned i = 0; i < w->set.n_slots; i++)
		w->facts[i].is_up = which[i] == 'u';
}

static void
pass_ms(struct world *w, uint64_t ms)
{
	w->now = mono_add_ms(w->now, ms);
	address_set_step(&w->set, w->facts, w->now);
}

static void
begin(struct world *w, unsigned n_slots)
{
	*w = (struct world){.now = {1000000}};
	assert_int_equal(address_set_init(&w->set, n_slots), 0);
}

static void
order_moves_nobody(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 4);
	answer(&w, "cab");
	assert_slots(&w, "abc.");
	assert_changed(&w, "!!!-");
	answer(&w, "bca");
	answer(&w, "abc");
	assert_slots(&w, "abc.");
	assert_changed(&w, "----");
	address_set_fini(&w.set);
}

static void
who_comes_takes_a_free_slot_and_who_goes_leaves(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 4);
	answer(&w, "bd");
	set_up(&w, "uu--");
	assert_changed(&w, "!!--");
	answer(&w, "abd");
	assert_slots(&w, "bda.");
	assert_changed(&w, "--!-");
	answer(&w, "ad");
	assert_slots(&w, "Bda.");
	assert_changed(&w, "!---");
	pass_ms(&w, TG_ADDRESS_LINGER_MS);
	assert_slots(&w, ".da.");
	assert_changed(&w, "----");
	address_set_fini(&w.set);
}

static void
who_comes_back_has_its_slot_again(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 2);
	answer(&w, "ab");
	set_up(&w, "uu");
	answer(&w, "b");
	assert_slots(&w, "Ab");
	w.set.slots[0].changed = false;
	answer(&w, "ba");
	assert_slots(&w, "ab");
	assert_true(w.set.slots[0].changed);
	address_set_fini(&w.set);
}

static void
a_slot_is_used_again_when_its_streams_have_ended(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 2);
	answer(&w, "ab");
	set_up(&w, "uu");
	w.facts[0].in_flight = 1;
	answer(&w, "bc");
	assert_slots(&w, "Ab");
	assert_int_equal(w.set.n_waiting, 1);
	assert_int_equal(w.set.n_leaving, 1);
	pass_ms(&w, TG_ADDRESS_LINGER_MS + 1000);
	assert_slots(&w, "Ab");
	w.facts[0].in_flight = 0;
	pass_ms(&w, 1);
	assert_slots(&w, "cb");
	assert_int_equal(w.set.n_waiting, 0);
	assert_int_equal(w.set.n_leaving, 0);
	address_set_fini(&w.set);
}

static void
a_stream_without_end_keeps_a_slot_for_a_bounded_time(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 2);
	answer(&w, "ab");
	set_up(&w, "uu");
	w.facts[0].in_flight = 1;
	answer(&w, "bc");
	pass_ms(&w, TG_ADDRESS_LEAVE_MS - 1);
	assert_slots(&w, "Ab");
	pass_ms(&w, 1);
	assert_slots(&w, "cb");
	address_set_fini(&w.set);
}

static void
with_more_than_slots_the_holders_stay(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 2);
	answer(&w, "cd");
	set_up(&w, "uu");
	answer(&w, "abcd");
	assert_slots(&w, "cd");
	assert_int_equal(w.set.n_beyond, 2);
	assert_int_equal(w.set.n_waiting, 0);
	answer(&w, "abc");
	assert_slots(&w, "cD");
	assert_int_equal(w.set.n_beyond, 1);
	pass_ms(&w, TG_ADDRESS_LINGER_MS);
	assert_slots(&w, "ca");
	address_set_fini(&w.set);
}

static void
when_all_are_replaced_nobody_waits(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 3);
	answer(&w, "ab");
	set_up(&w, "uu-");
	w.facts[0].in_flight = 7;
	w.facts[1].in_flight = 7;
	assert_changed(&w, "!!-");
	answer(&w, "cde");
	assert_slots(&w, "cde");
	assert_changed(&w, "!!!");
	address_set_fini(&w.set);
}

/* Those that stay are down: who goes is as good as all. */
static void
who_stays_and_is_down_is_no_help(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 2);
	answer(&w, "ab");
	set_up(&w, "-u");
	w.facts[1].in_flight = 7;
	answer(&w, "ac");
	assert_slots(&w, "ac");
	address_set_fini(&w.set);
}

static void
one_slot_goes_from_address_to_address(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 1);
	answer(&w, "cb");
	assert_slots(&w, "b");
	w.facts[0] = (struct address_fact){.in_flight = 3, .is_up = true};
	answer(&w, "abc");
	assert_slots(&w, "b");
	answer(&w, "c");
	assert_slots(&w, "c");
	address_set_fini(&w.set);
}

static void
the_lowest_priority_goes_first(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 3);
	answer(&w, "ABzC");
	assert_slots(&w, "zab");
	assert_false(w.set.slots[0].is_backup);
	assert_true(w.set.slots[1].is_backup);
	assert_int_equal(w.set.n_beyond, 1);
	set_up(&w, "uuu");
	assert_changed(&w, "!!!");
	/* Backups give way to a primary, and become primaries when there is no other. */
	answer(&w, "ABzy");
	assert_slots(&w, "zaB");
	assert_changed(&w, "--!");
	pass_ms(&w, TG_ADDRESS_LINGER_MS);
	assert_slots(&w, "zay");
	assert_changed(&w, "--!");
	answer(&w, "AB");
	assert_false(w.set.slots[1].is_backup);
	assert_true(w.set.slots[1].changed);
	address_set_fini(&w.set);
}

static void
another_weight_is_told(void **state)
{
	struct address a = address_of('a');
	struct world w;

	(void)state;
	begin(&w, 2);
	answer(&w, "a");
	assert_changed(&w, "!-");
	a.weight = 9;
	assert_int_equal(address_set_update(&w.set, &a, 1, w.facts, w.now), 0);
	assert_changed(&w, "!-");
	assert_int_equal(w.set.slots[0].address.weight, 9);
	assert_int_equal(address_set_update(&w.set, &a, 1, w.facts, w.now), 0);
	assert_changed(&w, "--");
	address_set_fini(&w.set);
}

static void
ports_tell_addresses_apart(void **state)
{
	struct address list[2] = {address_of('a'), address_of('a')};
	struct world w;

	(void)state;
	begin(&w, 2);
	list[0].port = 81;
	assert_int_equal(address_set_update(&w.set, list, 2, w.facts, w.now), 0);
	assert_int_equal(w.set.slots[0].address.port, 80);
	assert_int_equal(w.set.slots[1].address.port, 81);
	assert_int_equal(address_set_update(&w.set, list, 1, w.facts, w.now), 0);
	assert_int_equal(w.set.slots[1].state, TG_ADDRESS_HELD);
	assert_int_equal(w.set.slots[0].state, TG_ADDRESS_LEAVING);
	address_set_fini(&w.set);
}

/* properties */

static uint64_t seed = 0x9e3779b97f4a7c15u;

static unsigned
chance(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % n);
}

static void
random_answer(char *letters)
{
	char all[] = "abcdefghijklmnopqrstuvwxyz";
	unsigned n = 1 + chance(20);

	for (unsigned i = 0; i < n; i++) {
		unsigned j = i + chance(26 - i);
		char c = all[j];

		all[j] = all[i];
		all[i] = c;
		letters[i] = chance(8) == 0 ? (char)(c - 'a' + 'A') : c;
	}
	letters[n] = '\0';
}

static void
assert_whole(const struct world *w, const char *letters)
{
	unsigned n = (unsigned)strlen(letters);
	unsigned held = 0;
	unsigned free_slots = 0;
	bool seen[27] = {false};

	for (unsigned i = 0; i < w->set.n_slots; i++) {
		const struct address_slot *s = &w->set.slots[i];
		unsigned who = s->address.ip.b[15];

		held += s->state == TG_ADDRESS_HELD;
		free_slots += s->state == TG_ADDRESS_FREE;
		if (s->state == TG_ADDRESS_FREE)
			continue;
		/* Nobody has two slots, nor one and another that it leaves. */
		assert_false(seen[who]);
		seen[who] = true;
		/* Who has a slot is in the answer. */
		if (s->state == TG_ADDRESS_HELD)
			assert_true(strchr(letters, (int)('a' + who - 1)) != NULL ||
				    strchr(letters, (int)('A' + who - 1)) != NULL);
	}
	assert_int_equal(held + w->set.n_waiting, n < w->set.n_slots ? n : w->set.n_slots);
	assert_int_equal(held + free_slots + w->set.n_leaving, w->set.n_slots);
	assert_true(w->set.n_waiting == 0 || free_slots == 0);
}

/* Between two states: who moved, and whether it had to. */
static void
assert_steady(const struct address_slot *before, const struct world *w, const char *letters,
	      bool has_up)
{
	for (unsigned i = 0; i < w->set.n_slots; i++) {
		const struct address_slot *s = &w->set.slots[i];
		bool is_same = address_compare(&before[i].address, &s->address) == 0;
		bool is_busy = w->facts[i].in_flight > 0 &&
			       mono_diff_us(w->now, before[i].left) <
				       TG_ADDRESS_LEAVE_MS * UINT64_C(1000);

		/* Kept while answered; another priority may cost the slot, nothing else does. */
		if (before[i].state == TG_ADDRESS_HELD &&
		    strchr(letters, letter_of(&before[i])) != NULL &&
		    before[i].address.priority == 0)
			assert_true(s->state == TG_ADDRESS_HELD && is_same);
		/* Not taken by another while streams of the old one are counted on it. */
		if (before[i].state == TG_ADDRESS_LEAVING && is_busy && has_up)
			assert_true(s->state != TG_ADDRESS_FREE && is_same);
		if (before[i].state == TG_ADDRESS_HELD && !is_same)
			assert_false(has_up);
	}
}

/* An address that stays in the answer, and is up. */
static bool
has_up(const struct address_slot *before, const struct world *w, const char *letters)
{
	for (unsigned i = 0; i < w->set.n_slots; i++) {
		struct address_slot held = before[i];

		held.state = TG_ADDRESS_HELD;
		if (before[i].state == TG_ADDRESS_HELD && w->facts[i].is_up &&
		    strchr(letters, letter_of(&held)) != NULL && w->set.slots[i].is_wanted)
			return true;
	}
	return false;
}

static void
random_answers_break_nothing(void **state)
{
	struct address_slot before[SLOTS_MAX];
	char letters[32] = "a";
	struct world w;

	(void)state;
	for (unsigned slots = 1; slots <= SLOTS_MAX; slots++) {
		begin(&w, slots);
		for (unsigned round = 0; round < TURNS(4000); round++) {
			for (unsigned i = 0; i < slots; i++) {
				w.facts[i].in_flight = chance(3);
				w.facts[i].is_up =
					w.set.slots[i].state == TG_ADDRESS_HELD && chance(4) != 0;
			}
			memcpy(before, w.set.slots, slots * sizeof(*before));
			w.now = mono_add_ms(w.now, chance(8) == 0 ? TG_ADDRESS_LEAVE_MS : chance(900));
			if (round == 0 || chance(3) == 0) {
				random_answer(letters);
				answer(&w, letters);
				assert_steady(before, &w, letters, has_up(before, &w, letters));
			} else {
				address_set_step(&w.set, w.facts, w.now);
				assert_steady(before, &w, letters, true);
			}
			assert_whole(&w, letters);
		}
		address_set_fini(&w.set);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_moves_nobody),
		cmocka_unit_test(who_comes_takes_a_free_slot_and_who_goes_leaves),
		cmocka_unit_test(who_comes_back_has_its_slot_again),
		cmocka_unit_test(a_slot_is_used_again_when_its_streams_have_ended),
		cmocka_unit_test(a_stream_without_end_keeps_a_slot_for_a_bounded_time),
		cmocka_unit_test(with_more_than_slots_the_holders_stay),
		cmocka_unit_test(when_all_are_replaced_nobody_waits),
		cmocka_unit_test(who_stays_and_is_down_is_no_help),
		cmocka_unit_test(one_slot_goes_from_address_to_address),
		cmocka_unit_test(the_lowest_priority_goes_first),
		cmocka_unit_test(another_weight_is_told),
		cmocka_unit_test(ports_tell_addresses_apart),
		cmocka_unit_test(random_answers_break_nothing),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
