#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>

#include "balance/balance.h"
#include "balance/maglev_priv.h"
#include "unit/balance/service.h"
#include "unit/sanitized.h"

#define OPS  (&balance_hash)
#define KEYS TURNS(200000)

static struct backends backends;
static uint32_t weights[BACKENDS_MAX];

static uint64_t
weigh(uint32_t n, uint32_t least, uint32_t step)
{
	uint64_t all = 0;

	for (uint32_t i = 0; i < n; i++)
		all += weights[i] = least + i * step % 256;
	return all;
}

static void
configure(uint32_t n)
{
	backends_init(&backends, n);
	for (uint32_t i = 0; i < n; i++)
		backends.conf_backends[i].weight = weights[i];
}

/* Where each key belongs, as a backend. */
static void
places(const struct view *view, uint32_t *ret)
{
	for (uint64_t i = 0; i < KEYS; i++) {
		uint32_t look = 0;

		ret[i] = view->entries[maglev_find(view->table, hash_number(i), &look)].backend;
	}
}

static unsigned
count_moved(const uint32_t *before, const uint32_t *after)
{
	unsigned moved = 0;

	for (size_t i = 0; i < KEYS; i++)
		moved += before[i] != after[i];
	return moved;
}

static struct balance_query
query_of(uint64_t i)
{
	return (struct balance_query){.key = hash_number(i)};
}

/*** where keys belong ***/

static void
a_key_stays_where_it_is(void **state)
{
	struct service s;

	(void)state;
	weigh(10, 1, 3);
	configure(10);
	service_open(&s, OPS, &backends, weights, 4, 1);
	for (uint64_t i = 0; i < 1000; i++) {
		struct balance_query query = query_of(i);
		uint32_t b = service_next(&s, 0, &query);

		for (unsigned worker = 0; worker < 4; worker++)
			assert_int_equal(service_next(&s, worker, &query), b);
		assert_false(query.spilled);
	}
	service_close(&s);
}

/* The part of all places, weighed by the keys they take, that each backend has: in millionths of a place. */
static void
masses(const struct view *view, uint64_t *ret, uint64_t *ret_all)
{
	const struct maglev *table = view->table;

	*ret_all = 0;
	for (uint32_t i = 0; i < TG_MAGLEV_PLACES; i++) {
		uint16_t place = table->places[i];
		uint32_t entry = place & ~TG_MAGLEV_PART;
		uint64_t mass = 1000000;

		if (place == TG_MAGLEV_NOBODY)
			continue;
		assert_true(entry < view->n);
		if (place & TG_MAGLEV_PART)
			mass = (uint64_t)table->parts[entry] * mass / 65536;
		ret[view->entries[entry].backend] += mass;
		*ret_all += mass;
	}
}

/* By a thousandth: a place has 65,536 parts, and the smallest has some hundred of them. */
static void
assert_masses(const struct view *view, uint32_t n, uint64_t all)
{
	static uint64_t got[BACKENDS_MAX];
	uint64_t sum;

	memset(got, 0, sizeof(got));
	masses(view, got, &sum);
	/* Of two looks one finds somebody. */
	assert_true(sum > TG_MAGLEV_PLACES * UINT64_C(400000));
	for (uint32_t i = 0; i < n; i++)
		assert_share("mass", i, got[i], sum, weights[i], all, 1, weights[i] > 0 ? 20 : 0);
}

static void
shares_follow_weights(void **state)
{
	static const uint32_t sizes[] = {1, 2, 3, 10, 100, 655, 656, 1000, BACKENDS_MAX};
	const size_t n_sizes = SIZES(sizeof(sizes) / sizeof(sizes[0]), 8);

	(void)state;
	for (size_t k = 0; k < n_sizes + TURNS(n_sizes); k++) {
		uint32_t n = sizes[k % n_sizes];
		uint64_t all = weigh(n, 1, k < n_sizes ? 7 : 0);
		struct service s;

		configure(n);
		service_open(&s, OPS, &backends, weights, 1, 1);
		assert_masses(s.view, n, all);
		service_close(&s);
	}
}

/* The same with others away, and other weights than configured: `away` of 8. */
static void
check_shares_of_view(uint32_t n, uint32_t away)
{
	struct service s;
	uint64_t all = 0;

	weigh(n, 3, 0);
	configure(n);
	for (uint32_t i = 0; i < n; i++)
		all += weights[i] = i % 8 < away ? 0 : 1 + i % 5;
	service_open(&s, OPS, &backends, weights, 1, 1);
	assert_masses(s.view, n, all);
	service_close(&s);
}

static void
shares_follow_weights_of_the_view(void **state)
{
	(void)state;
	for (uint32_t away = 0; away < 8; away++)
		check_shares_of_view(1000, away);
	check_shares_of_view(SIZES(BACKENDS_MAX, 1000), 7);
	check_shares_of_view(SIZES(BACKENDS_MAX, 1000), 4);
}

static void
keys_spread_evenly(void **state)
{
	static const uint32_t some[5] = {1, 1, 2, 4, 8};
	static uint32_t got[5];
	const unsigned keys = DRAWS(2000000);
	struct service s;

	(void)state;
	memcpy(weights, some, sizeof(some));
	configure(5);
	service_open(&s, OPS, &backends, weights, 1, 1);
	for (uint64_t i = 0; i < keys; i++) {
		struct balance_query query = query_of(i);

		got[service_next(&s, 0, &query)]++;
	}
	for (uint32_t i = 0; i < 5; i++)
		assert_share("keys", i, got[i], keys, some[i], 16, CHANCE(10), 0);
	service_close(&s);
}

static const uint32_t move_sizes[] = {2, 3, 10, 100, 1000};

#define MOVE_SIZES SIZES(sizeof(move_sizes) / sizeof(move_sizes[0]), 4)

/* One goes: its keys move, no other. It comes back: all is as before. */
static void
what_goes_moves_its_own_keys_only(void **state)
{
	static uint32_t before[KEYS];
	static uint32_t after[KEYS];

	(void)state;
	for (size_t k = 0; k < MOVE_SIZES; k++) {
		uint32_t n = move_sizes[k];
		uint32_t gone = n / 2;
		struct service s;

		weigh(n, 1, 0);
		configure(n);
		service_open(&s, OPS, &backends, weights, 1, 1);
		places(s.view, before);
		weights[gone] = 0;
		service_set(&s, weights);
		places(s.view, after);
		for (size_t i = 0; i < KEYS; i++) {
			assert_true(after[i] != gone);
			assert_true(before[i] == gone || after[i] == before[i]);
		}
		/* 1/n, and what chance makes of that with so many keys. */
		assert_share("moved", gone, count_moved(before, after), KEYS, 1, n, 10, 45);
		weights[gone] = 1;
		service_set(&s, weights);
		places(s.view, after);
		assert_int_equal(count_moved(before, after), 0);
		service_close(&s);
	}
}

/* With some away already one more moves its own, and what masses grow by from half of the weight on. */
static void
the_next_that_goes_moves_little_more(void **state)
{
	static uint32_t before[KEYS];
	static uint32_t after[KEYS];

	(void)state;
	for (size_t k = 2; k < MOVE_SIZES; k++) {
		uint32_t n = move_sizes[k];
		struct service s;

		weigh(n, 1, 0);
		configure(n);
		weights[0] = weights[n / 3] = 0;
		service_open(&s, OPS, &backends, weights, 1, 1);
		places(s.view, before);
		weights[n / 2] = 0;
		service_set(&s, weights);
		places(s.view, after);
		assert_in_range(count_moved(before, after), KEYS / (n - 2) * 7 / 10,
				KEYS / (n - 2) * 14 / 10);
		service_close(&s);
	}
}

/* Every `each`th of 1000 is there; one of these goes. Keys that move, in parts of its own, the mean of a few. */
static double
moved_of_few(uint32_t each)
{
	static uint32_t before[KEYS];
	static uint32_t after[KEYS];
	uint32_t left = (1000 + each - 1) / each;
	uint32_t turns = left < 8 ? left : 8;
	uint64_t moved = 0;
	struct service s;

	weigh(1000, 1, 0);
	configure(1000);
	for (uint32_t i = 0; i < 1000; i++)
		weights[i] = i % each == 0;
	service_open(&s, OPS, &backends, weights, 1, 1);
	places(s.view, before);
	for (uint32_t i = 0; i < turns; i++) {
		uint32_t gone = i * left / turns * each;

		weights[gone] = 0;
		service_set(&s, weights);
		places(s.view, after);
		moved += count_moved(before, after);
		weights[gone] = 1;
	}
	service_close(&s);
	return (double)moved * left / turns / KEYS;
}

/* Measured: 2.1, 1.7, 1.6, 1.3 and 1 of its own: masses grow meanwhile. */
static void
of_few_that_are_left_one_that_goes_moves_little_more(void **state)
{
	static const uint32_t eaches[] = {2, 10, 50, 200, 500};

	(void)state;
	for (size_t i = 0; i < sizeof(eaches) / sizeof(eaches[0]); i++) {
		double moved = moved_of_few(eaches[i]);

		assert_true(moved > 0.9 && moved < (eaches[i] == 2 ? 3 : 2));
	}
}

/* The ramp of a weight moves what the share changes, to or from that backend. */
static void
a_changed_weight_moves_its_difference(void **state)
{
	static uint32_t before[KEYS];
	static uint32_t after[KEYS];
	struct service s;

	(void)state;
	weigh(10, 4, 0);
	configure(10);
	service_open(&s, OPS, &backends, weights, 1, 1);
	for (uint32_t w = 8; w-- > 1;) {
		double share = (double)w / (36 + w);
		double step = (double)(w + 1) / (37 + w) - share;

		weights[3] = w + 1;
		service_set(&s, weights);
		places(s.view, before);
		weights[3] = w;
		service_set(&s, weights);
		places(s.view, after);
		assert_true(count_moved(before, after) < (step * 1.25 + 0.001) * KEYS);
		assert_true(count_moved(before, after) > (step * 0.9 - 0.001) * KEYS);
	}
	service_close(&s);
}

/* Keys that move when the n that are configured become m. */
static uint32_t
count_moved_from_to(uint32_t n, uint32_t m)
{
	static uint32_t found[2][KEYS];
	const uint32_t sizes[] = {n, m};

	for (size_t k = 0; k < 2; k++) {
		struct service s;

		configure(sizes[k]);
		service_open(&s, OPS, &backends, weights, 1, 1);
		places(s.view, found[k]);
		service_close(&s);
	}
	return count_moved(found[0], found[1]);
}

/*
 * Another configuration: Maglev's own movement, which is 1/n and up to
 * one percent of all keys. Measured: 0.290 of 4, 0.112 of 11, 0.015 of 101, 0.0033 of 1001.
 */
static void
one_more_configured_moves_little_more(void **state)
{
	(void)state;
	weigh(BACKENDS_MAX, 1, 0);
	for (size_t k = 1; k < MOVE_SIZES; k++) {
		uint32_t n = move_sizes[k];
		uint32_t moved = count_moved_from_to(n, n + 1);

		assert_true(moved < KEYS * (1.2 / (n + 1) + 0.01));
		assert_true(moved > KEYS * (0.9 / (n + 1)));
	}
}

/* Measured: 0.3 % beyond its share and less, with many weights 0.6 % of 656 and less. */
static void
one_more_of_many_moves_little_more(void **state)
{
	static const uint32_t most[] = {655, 1310, 2621, 5242, BACKENDS_MAX - 1};
	static const uint32_t steps[] = {0, 7};
	const size_t n_most = SIZES(sizeof(most) / sizeof(most[0]), 2);

	(void)state;
	for (size_t k = 0; k < 2 * n_most; k++) {
		uint32_t n = most[k / 2];
		uint64_t all = weigh(n + 1, 1, steps[k % 2]);
		double share = (double)weights[n] / (double)all;

		assert_true(count_moved_from_to(n, n + 1) < KEYS * (share + 0.01));
	}
}

/* A name is what a backend is: its place in the configuration does not count. */
static void
the_order_of_the_configuration_does_not_count(void **state)
{
	enum { N = 20 };
	static uint32_t before[KEYS];
	static uint32_t after[KEYS];
	struct service s;

	(void)state;
	weigh(N, 1, 0);
	configure(N);
	weights[5] = 0;
	service_open(&s, OPS, &backends, weights, 1, 1);
	places(s.view, before);
	service_close(&s);
	weights[5] = 1;
	weights[N - 1 - 5] = 0;
	configure(N);
	for (uint32_t i = 0; i < N; i++) {
		backends.conf_backends[i].name = backends.names[N - 1 - i];
		backends.conf_backends[i].weight = 1;
	}
	service_open(&s, OPS, &backends, weights, 1, 1);
	places(s.view, after);
	service_close(&s);
	for (size_t i = 0; i < KEYS; i++)
		after[i] = N - 1 - after[i];
	/* Slots that rounding leaves may go to another one. */
	assert_true(count_moved(before, after) < KEYS / 1000);
}

/*** how much load they may have ***/

static uint64_t
bound_of(uint32_t backend, uint64_t permille, uint64_t total, uint64_t all)
{
	uint64_t bound = (permille * total * weights[backend] + 1000 * all - 1) / (1000 * all);

	/* A few are always free. */
	return bound > 4 ? bound : 4;
}

/* Keys as bad as they come, streams that begin and end: each take is within the bound. */
static void
check_bound(uint32_t n, unsigned permille, uint32_t n_keys)
{
	static uint32_t held[4000];
	uint64_t all = weigh(n, 1, 1);
	size_t n_held = 0;
	unsigned spilled = 0;
	struct service s;

	configure(n);
	backends.conf.hash_bound_permille = permille;
	service_open(&s, OPS, &backends, weights, 1, 1);
	for (uint64_t i = 0; i < TURNS(20000); i++) {
		struct balance_query query = query_of(hash_number(i) % n_keys);
		size_t k = n_held > 0 ? hash_number(i * 3) % n_held : 0;
		uint32_t b;

		if (n_held == 4000 || (n_held > 0 && hash_number(i * 7) % 100 < 40)) {
			service_release(&s, 0, held[k]);
			held[k] = held[--n_held];
			continue;
		}
		b = service_pick(&s, 0, &query);
		assert_int_not_equal(b, TG_VIEW_NONE);
		held[n_held++] = b;
		spilled += query.spilled;
		if ((uint64_t)backends_load(&backends, b) > bound_of(b, permille, n_held, all))
			fail_msg("bound %u of %u backends: %u has %lld of %zu", permille, n, b,
				 (long long)backends_load(&backends, b), n_held);
	}
	assert_true(spilled > 0);
	service_close(&s);
}

static void
bounded_load_is_never_exceeded(void **state)
{
	(void)state;
	check_bound(2, 1250, 5);
	check_bound(10, 1250, 1);
	check_bound(10, 1000, 3);
	check_bound(10, 1100, 1000000);
	check_bound(100, 1250, 20);
	check_bound(100, 1000, 20);
	check_bound(100, 2000, 1000000);
	check_bound(200, 1010, 1);
}

/* One key, as hot as it may be: it fills backend after backend, always the same ones. */
static void
a_hot_key_spills_to_the_same_places(void **state)
{
	uint32_t got[2][100];
	struct service s;

	(void)state;
	weigh(20, 1, 0);
	for (int k = 0; k < 2; k++) {
		configure(20);
		service_open(&s, OPS, &backends, weights, 2, (uint64_t)k);
		for (int i = 0; i < 100; i++) {
			struct balance_query query = query_of(9);

			got[k][i] = service_pick(&s, (unsigned)i % 2, &query);
			assert_true(query.spilled == (got[k][i] != got[0][0]));
		}
		service_close(&s);
	}
	assert_memory_equal(got[0], got[1], sizeof(got[0]));
	/* The first four are free. */
	assert_int_equal(got[0][3], got[0][0]);
	assert_int_not_equal(got[0][4], got[0][0]);
}

static void
no_bound_is_no_bound(void **state)
{
	struct service s;

	(void)state;
	weigh(20, 1, 0);
	configure(20);
	backends.conf.hash_bound_permille = 0;
	service_open(&s, OPS, &backends, weights, 1, 1);
	for (int i = 0; i < 1000; i++) {
		struct balance_query query = query_of(9);

		service_pick(&s, 0, &query);
		assert_false(query.spilled);
	}
	for (uint32_t i = 0; i < 20; i++)
		assert_true(backends_load(&backends, i) == 0 ||
			    backends_load(&backends, i) == 1000);
	service_close(&s);
}

/* A full first choice is passed over and told; one that was tried is not "full". */
static void
spilled_is_told_for_limits_too(void **state)
{
	static const uint32_t limits[3] = {1, 1, 1};
	struct balance_query query = query_of(4);
	struct service s;
	uint32_t first;

	(void)state;
	weigh(3, 1, 0);
	configure(3);
	backends.conf.hash_bound_permille = 0;
	assert_true(backends_limit(&backends, limits));
	service_open(&s, OPS, &backends, weights, 1, 1);
	first = service_pick(&s, 0, &query);
	assert_false(query.spilled);
	assert_int_not_equal(service_next(&s, 0, &query), first);
	assert_true(query.spilled);
	service_release(&s, 0, first);
	query.tried[0] = first;
	query.n_tried = 1;
	assert_int_not_equal(service_next(&s, 0, &query), first);
	assert_false(query.spilled);
	service_close(&s);
}

/* Better above the bound than nowhere: those below it have failed this stream already. */
static void
a_retry_may_go_above_the_bound(void **state)
{
	struct balance_query query = query_of(1);
	struct service s;

	(void)state;
	weigh(2, 1, 0);
	configure(2);
	service_open(&s, OPS, &backends, weights, 1, 1);
	for (int i = 0; i < 10; i++)
		assert_true(OPS->take(s.workers[0], s.view, 1));
	query.tried[0] = 0;
	query.n_tried = 1;
	assert_int_equal(service_pick(&s, 0, &query), 1);
	service_close(&s);
}

/* What fails to find a place is not counted: the bound would be too wide ever after. */
static void
refused_streams_leave_no_trace(void **state)
{
	static const uint32_t limits[2] = {8, 8};
	struct balance_query query = query_of(1);
	struct service s;

	(void)state;
	weigh(2, 1, 0);
	configure(2);
	backends.conf.hash_bound_permille = 1000;
	assert_true(backends_limit(&backends, limits));
	service_open(&s, OPS, &backends, weights, 1, 1);
	for (int i = 0; i < 16; i++)
		service_pick(&s, 0, &query);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(service_pick(&s, 0, &query), TG_VIEW_NONE);
		assert_false(OPS->take(s.workers[0], s.view, (uint32_t)i % 2));
	}
	for (uint32_t i = 0; i < 16; i++)
		service_release(&s, 0, i % 2);
	/* The fair share of twelve is six each; were more counted, more would go where the key belongs. */
	for (int i = 0; i < 12; i++)
		service_pick(&s, 0, &query);
	assert_int_equal(backends_load(&backends, 0), 6);
	assert_int_equal(backends_load(&backends, 1), 6);
	service_close(&s);
}

struct filler {
	pthread_t thread;
	struct service *service;
	unsigned id;
};

static void *
fill(void *arg)
{
	struct filler *f = arg;

	for (uint64_t i = 0; i < 5000; i++) {
		struct balance_query query = query_of(i % 7);

		f->service->ops->pick(f->service->workers[f->id], f->service->view, &query);
	}
	return NULL;
}

/* Only picks: the bound of the last is the widest there was. */
static void
four_threads_keep_the_bound(void **state)
{
	struct filler fillers[4];
	uint64_t all = weigh(30, 1, 1);
	struct service s;

	(void)state;
	configure(30);
	service_open(&s, OPS, &backends, weights, 4, 1);
	for (unsigned i = 0; i < 4; i++) {
		fillers[i] = (struct filler){.service = &s, .id = i};
		assert_int_equal(pthread_create(&fillers[i].thread, NULL, fill, &fillers[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++)
		pthread_join(fillers[i].thread, NULL);
	assert_int_equal(backends_in_flight(&backends), 20000);
	for (uint32_t i = 0; i < 30; i++)
		assert_true((uint64_t)backends_load(&backends, i) <= bound_of(i, 1250, 20000, all));
	service_close(&s);
}

#define TEST(name) cmocka_unit_test(name)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_key_stays_where_it_is),
		TEST(shares_follow_weights),
		TEST(shares_follow_weights_of_the_view),
		TEST(keys_spread_evenly),
		TEST(what_goes_moves_its_own_keys_only),
		TEST(the_next_that_goes_moves_little_more),
		cmocka_unit_test(of_few_that_are_left_one_that_goes_moves_little_more),
		TEST(a_changed_weight_moves_its_difference),
		TEST(one_more_configured_moves_little_more),
		TEST(one_more_of_many_moves_little_more),
		TEST(the_order_of_the_configuration_does_not_count),
		TEST(bounded_load_is_never_exceeded),
		TEST(a_hot_key_spills_to_the_same_places),
		TEST(no_bound_is_no_bound),
		TEST(spilled_is_told_for_limits_too),
		TEST(a_retry_may_go_above_the_bound),
		TEST(refused_streams_leave_no_trace),
		TEST(four_threads_keep_the_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
