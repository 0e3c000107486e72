/* sim/rng.c: numbers that are the same everywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/rng.h"

/* As the authors' own program has it, from the state 1, 2, 3, 4. */
static void
generator_is_the_published_one(void **state)
{
	static const uint64_t want[] = {11520, 0, 1509978240, 1215971899390074240};
	struct rng r = {.s = {1, 2, 3, 4}};

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_true(rng_next(&r) == want[i]);
}

static void
a_seed_and_a_stream_are_one_sequence(void **state)
{
	struct rng a;
	struct rng b;
	struct rng c;
	struct rng d;

	(void)state;
	rng_init(&a, 7, 1);
	rng_init(&b, 7, 1);
	rng_init(&c, 7, 2);
	rng_init(&d, 8, 1);
	for (unsigned i = 0; i < 100; i++) {
		uint64_t x = rng_next(&a);

		assert_true(x == rng_next(&b));
		assert_true(x != rng_next(&c) && x != rng_next(&d));
	}
}

/* Mean 1, and as many above 1, 2 and 5 as e to the minus that. */
static void
exponential_is_exponential(void **state)
{
	static const struct {
		double above;
		double share;
	} rows[] = {{0.01, 0.990050}, {0.5, 0.606531}, {1, 0.367879}, {2, 0.135335}, {5, 0.006738}};
	unsigned counts[5] = {0};
	double sum = 0;
	struct rng r;
	unsigned n = 1000000;

	(void)state;
	rng_init(&r, 1, 1);
	for (unsigned i = 0; i < n; i++) {
		double x = (double)rng_exponential(&r) / TG_RNG_ONE;

		sum += x;
		for (size_t k = 0; k < 5; k++)
			counts[k] += x > rows[k].above;
	}
	assert_true(sum / n > 0.997 && sum / n < 1.003);
	for (size_t k = 0; k < 5; k++) {
		double share = (double)counts[k] / n;

		assert_true(share > rows[k].share - 0.0015 && share < rows[k].share + 0.0015);
	}
}

static void
exponential_is_recorded(void **state)
{
	uint64_t sum = 0;
	struct rng r;

	(void)state;
	rng_init(&r, 42, 1);
	for (unsigned i = 0; i < 100000; i++)
		sum = sum * 31 + rng_exponential(&r);
	assert_true(sum == UINT64_C(6823455900267148268));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(generator_is_the_published_one),
		cmocka_unit_test(a_seed_and_a_stream_are_one_sequence),
		cmocka_unit_test(exponential_is_exponential),
		cmocka_unit_test(exponential_is_recorded),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
