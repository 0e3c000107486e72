#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tls/ticket.h"
#include "tls/ticket_seal.h"

#define HOUR UINT64_C(3600000000)

static struct wall
at(uint64_t hour)
{
	return (struct wall){hour * HOUR + 5};
}

static struct ticket_seed
seed_of(uint64_t hour)
{
	struct ticket_seed seed;

	assert_int_equal(ticket_seed_make(&seed, at(hour)), 0);
	assert_int_equal(seed.hour, hour);
	return seed;
}

static struct ticket_key
newest(struct tickets *t, uint64_t hour)
{
	struct ticket_key key;

	assert_int_equal(tickets_newest(t, at(hour), &key), 0);
	return key;
}

/* -1: it is none of ours; else whether it is the newest. */
static int
look(struct tickets *t, uint64_t hour, const struct ticket_key *key)
{
	struct ticket_key found;
	int is_newest = -7;

	if (tickets_find(t, at(hour), key->name, &found, &is_newest) != 0)
		return -1;
	assert_memory_equal(&found, key, sizeof(found));
	return is_newest;
}

static void
keys_change_by_the_hour_and_are_good_for_a_day(void **state)
{
	struct ticket_seed seed = seed_of(1000);
	struct tickets *t = tickets_new(&seed);
	struct ticket_key first = newest(t, 1000);
	struct ticket_key second = newest(t, 1001);

	(void)state;
	assert_memory_not_equal(&first.name, &second.name, sizeof(first.name));
	assert_memory_not_equal(&first.seal, &second.seal, sizeof(first.seal));
	assert_memory_not_equal(&first.mac, &second.mac, sizeof(first.mac));
	assert_memory_not_equal(&first.mac, &first.seal, sizeof(first.mac));
	assert_int_equal(look(t, 1001, &second), 1);
	assert_int_equal(look(t, 1001, &first), 0);
	assert_int_equal(look(t, 1000 + TG_TICKET_HOURS - 1, &first), 0);
	assert_int_equal(look(t, 1000 + TG_TICKET_HOURS, &first), -1);
	assert_int_equal(look(t, 1000 + TG_TICKET_HOURS, &second), 0);
	tickets_free(t);
}

static void
processes_with_the_same_seed_have_the_same_keys(void **state)
{
	struct ticket_seed seed = seed_of(5000);
	struct tickets *a = tickets_new(&seed);
	struct ticket_key old = newest(a, 5003);
	struct ticket_key late = newest(a, 5040);
	struct tickets *b;

	(void)state;
	/* A parent that turns it meanwhile, and hands it to a proxy that starts then. */
	assert_int_equal(ticket_seed_turn(&seed, at(5010)), 0);
	assert_int_equal(seed.hour, 5000);
	b = tickets_new(&seed);
	assert_int_equal(look(b, 5010, &old), 0);
	tickets_free(b);
	assert_int_equal(ticket_seed_turn(&seed, at(5040)), 0);
	assert_int_equal(seed.hour, 5040 - TG_TICKET_HOURS + 1);
	b = tickets_new(&seed);
	assert_int_equal(look(b, 5040, &late), 1);
	assert_int_equal(look(b, 5040, &old), -1);
	tickets_free(a);
	tickets_free(b);
}

static void
a_clock_that_is_set_back_changes_nothing(void **state)
{
	struct ticket_seed seed = seed_of(9000);
	struct ticket_seed before = seed;
	struct tickets *t = tickets_new(&seed);
	struct ticket_key key = newest(t, 8990);

	(void)state;
	assert_int_equal(look(t, 8990, &key), 1);
	(void)newest(t, 9005);
	assert_int_equal(look(t, 9001, &key), 0);
	assert_int_equal(ticket_seed_turn(&seed, at(100)), 0);
	assert_memory_equal(&seed, &before, sizeof(seed));
	tickets_free(t);
}

static void
a_clock_that_jumps_by_years_is_followed(void **state)
{
	struct ticket_seed seed = seed_of(1);
	struct tickets *t = tickets_new(&seed);
	struct ticket_key key;
	unsigned calls = 0;

	(void)state;
	while (tickets_newest(t, at(100000), &key) != 0)
		assert_true(++calls < 100);
	assert_true(calls > 3);
	assert_int_equal(look(t, 100000, &key), 1);
	tickets_free(t);
}

static void
another_seed_opens_what_the_one_before_has_sealed(void **state)
{
	struct ticket_seed seed = seed_of(1000);
	struct ticket_seed other = seed_of(990);
	struct tickets *t = tickets_new(&seed);
	struct tickets *u = tickets_new(&other);
	struct ticket_key before = newest(t, 1000);
	struct ticket_key theirs = newest(u, 1000);
	struct ticket_key after;

	(void)state;
	assert_int_equal(look(t, 1000, &theirs), -1);
	tickets_change(t, &other);
	after = newest(t, 1000);
	assert_memory_equal(&after, &theirs, sizeof(after));
	assert_int_equal(look(t, 1000, &theirs), 1);
	assert_int_equal(look(t, 1000, &before), 0);
	assert_int_equal(look(t, 1000 + TG_TICKET_HOURS, &before), -1);
	tickets_free(t);
	tickets_free(u);
}

/* Two seeds come one after the other: of the first nothing was sealed, and nothing is to be opened. */
static void
a_seed_that_sealed_nothing_takes_nobodys_place(void **state)
{
	struct ticket_seed first = seed_of(1000);
	struct ticket_seed unused = seed_of(1000);
	struct ticket_seed last = seed_of(1000);
	struct tickets *t = tickets_new(&first);
	struct ticket_key before = newest(t, 1000);

	(void)state;
	tickets_change(t, &unused);
	tickets_change(t, &last);
	assert_int_equal(look(t, 1000, &before), 0);
	tickets_free(t);
}

static void
a_seed_is_the_same_however_far_it_is_turned(void **state)
{
	struct ticket_seed seed = seed_of(5000);
	struct ticket_seed turned = seed;
	struct ticket_seed other = seed_of(5000);

	(void)state;
	assert_int_equal(ticket_seed_turn(&turned, at(5100)), 0);
	assert_true(turned.hour > seed.hour);
	assert_true(ticket_seed_is_same(&seed, &turned));
	assert_true(ticket_seed_is_same(&turned, &seed));
	assert_false(ticket_seed_is_same(&other, &seed));
	assert_false(ticket_seed_is_same(&other, &turned));
}

static void
what_is_sealed_is_opened_with_the_same_secret_alone(void **state)
{
	static const char secret[] = "a secret of thirty-two bytes ....";
	struct ticket_seed seed = seed_of(5000);
	struct ticket_seed opened = {.hour = 1};
	char name[TG_SEALED_NAME_SIZE];
	char other[TG_SEALED_NAME_SIZE];
	char text[TG_SEALED_SIZE];
	char again[TG_SEALED_SIZE];

	(void)state;
	assert_int_equal(ticket_seal(&seed, secret, text), 0);
	assert_int_equal(ticket_seal(&seed, secret, again), 0);
	assert_string_not_equal(text, again);
	assert_int_equal(ticket_unseal(text, secret, &opened), 0);
	assert_memory_equal(&opened, &seed, sizeof(seed));
	assert_int_equal(ticket_unseal(text, "another", &opened), -TG_EPROTO);
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		memcpy(again, text, sizeof(text));
		again[i] = text[i] == 'A' ? 'B' : 'A';
		assert_int_equal(ticket_unseal(again, secret, &opened), -TG_EPROTO);
	}
	assert_int_equal(ticket_unseal("", secret, &opened), -TG_EPROTO);
	assert_int_equal(ticket_seal_name(secret, name), 0);
	assert_int_equal(ticket_seal_name("another", other), 0);
	assert_string_not_equal(name, other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_change_by_the_hour_and_are_good_for_a_day),
		cmocka_unit_test(processes_with_the_same_seed_have_the_same_keys),
		cmocka_unit_test(a_clock_that_is_set_back_changes_nothing),
		cmocka_unit_test(a_clock_that_jumps_by_years_is_followed),
		cmocka_unit_test(another_seed_opens_what_the_one_before_has_sealed),
		cmocka_unit_test(a_seed_that_sealed_nothing_takes_nobodys_place),
		cmocka_unit_test(a_seed_is_the_same_however_far_it_is_turned),
		cmocka_unit_test(what_is_sealed_is_opened_with_the_same_secret_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
