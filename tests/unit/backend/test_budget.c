#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "backend/budget.h"

static struct budget_floor floors;

static int
setup(void **state)
{
	(void)state;
	floors = (struct budget_floor){0};
	return 0;
}

static struct mono
at_ms(uint64_t ms)
{
	return (struct mono){.us = 1000000000u + ms * 1000u};
}

static unsigned
withdraw_all(struct budget *b, uint64_t ms)
{
	unsigned n = 0;

	while (budget_withdraw(b, at_ms(ms)))
		n++;
	return n;
}

static void
quiet_service_has_the_floor(void **state)
{
	struct budget b;

	(void)state;
	budget_init(&b, 200, &floors);
	assert_int_equal(withdraw_all(&b, 0), TG_BUDGET_FLOOR * TG_BUDGET_SECONDS);
	assert_int_equal(withdraw_all(&b, 9999), 0);
	/* Ten seconds later all of it is there again, and no more. */
	assert_int_equal(withdraw_all(&b, 10000), TG_BUDGET_FLOOR * TG_BUDGET_SECONDS);
	assert_int_equal(withdraw_all(&b, 1000000), TG_BUDGET_FLOOR * TG_BUDGET_SECONDS);
}

/* One worker may have it all, and what one had no other has. */
static void
workers_share_the_floor(void **state)
{
	struct budget b[8];

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		budget_init(&b[i], 0, &floors);
	for (unsigned i = 0; i < 60; i++)
		assert_true(budget_withdraw(&b[5], at_ms(i)));
	for (unsigned i = 0; i < 40; i++)
		assert_true(budget_withdraw(&b[i % 8], at_ms(5000)));
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(withdraw_all(&b[i], 9000), 0);
	/* The sixty are forgotten first. */
	assert_int_equal(withdraw_all(&b[0], 10000), 60);
	assert_int_equal(withdraw_all(&b[1], 15000), 40);
}

/* A share of one's own requests is nobody else's. */
static void
workers_have_shares_of_their_own(void **state)
{
	struct budget b[2];

	(void)state;
	budget_init(&b[0], 500, &floors);
	budget_init(&b[1], 500, &floors);
	for (unsigned i = 0; i < 100; i++)
		budget_deposit(&b[0], at_ms(0));
	assert_int_equal(withdraw_all(&b[1], 0), 100);
	assert_int_equal(withdraw_all(&b[0], 0), 50);
}

#define THREADS 4

static void *
withdraw_for_a_while(void *arg)
{
	unsigned *n = arg;
	struct budget b;

	budget_init(&b, 0, &floors);
	for (unsigned i = 0; i < 20000; i++)
		*n += budget_withdraw(&b, at_ms(i / 3));
	return NULL;
}

static void
threads_share_the_floor(void **state)
{
	pthread_t threads[THREADS];
	unsigned n[THREADS] = {0};
	unsigned all = 0;

	(void)state;
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, withdraw_for_a_while, &n[i]), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		all += n[i];
	}
	assert_in_range(all, 100, 100 + THREADS - 1);
}

static void
requests_add_their_share(void **state)
{
	struct budget b;

	(void)state;
	budget_init(&b, 200, &floors);
	for (unsigned i = 0; i < 5000; i++)
		budget_deposit(&b, at_ms(i));
	assert_int_equal(withdraw_all(&b, 5000), 1000 + TG_BUDGET_FLOOR * TG_BUDGET_SECONDS);
	/* Those of the first second are forgotten after ten, their share with them. */
	assert_int_equal(withdraw_all(&b, 9999), 0);
	for (unsigned i = 0; i < 1000; i++)
		budget_deposit(&b, at_ms(9000));
	assert_int_equal(withdraw_all(&b, 9000), 200);
	assert_int_equal(withdraw_all(&b, 100000), TG_BUDGET_FLOOR * TG_BUDGET_SECONDS);
}

/* At each moment of a long run with a random load. */
static void
budget_is_kept_at_any_time(void **state)
{
	enum { SECONDS = 60 };
	static unsigned requests[SECONDS];
	static unsigned retries[SECONDS];
	struct budget b;
	uint64_t dice = 3;

	(void)state;
	budget_init(&b, 200, &floors);
	for (unsigned second = 0; second < SECONDS; second++) {
		unsigned rate;

		dice = dice * 6364136223846793005u + 1442695040888963407u;
		rate = (unsigned)(dice >> 33) % 2000;
		for (unsigned i = 0; i < rate; i++) {
			uint64_t n_requests = 0;
			uint64_t n_retries = 0;

			budget_deposit(&b, at_ms(second * 1000));
			requests[second]++;
			if (!budget_withdraw(&b, at_ms(second * 1000)))
				continue;
			retries[second]++;
			for (unsigned s = second >= 9 ? second - 9 : 0; s <= second; s++) {
				n_requests += requests[s];
				n_retries += retries[s];
			}
			assert_true(n_retries * 1000 <=
				    n_requests * 200 + TG_BUDGET_FLOOR * TG_BUDGET_SECONDS * 1000);
		}
	}
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(quiet_service_has_the_floor),      TEST(workers_share_the_floor),
		TEST(workers_have_shares_of_their_own), TEST(threads_share_the_floor),
		TEST(requests_add_their_share),         TEST(budget_is_kept_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
