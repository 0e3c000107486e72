#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backend/budget.h"

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
	budget_init(&b, 200, 1);
	assert_int_equal(withdraw_all(&b, 0), TG_BUDGET_FLOOR * TG_BUDGET_SECONDS);
	assert_int_equal(withdraw_all(&b, 9999), 0);
	/* Ten seconds later all of it is there again, and no more. */
	assert_int_equal(withdraw_all(&b, 10000), TG_BUDGET_FLOOR * TG_BUDGET_SECONDS);
	assert_int_equal(withdraw_all(&b, 1000000), TG_BUDGET_FLOOR * TG_BUDGET_SECONDS);
}

static void
workers_divide_the_floor(void **state)
{
	struct budget b;
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		budget_init(&b, 0, 8);
		n += withdraw_all(&b, 0);
	}
	assert_in_range(n, TG_BUDGET_FLOOR * TG_BUDGET_SECONDS,
			TG_BUDGET_FLOOR * TG_BUDGET_SECONDS + 8);
}

static void
requests_add_their_share(void **state)
{
	struct budget b;

	(void)state;
	budget_init(&b, 200, 1);
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
	budget_init(&b, 200, 1);
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
				    n_requests * 200 + TG_BUDGET_FLOOR * TG_BUDGET_SECONDS * 1000 +
					    1000);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quiet_service_has_the_floor),
		cmocka_unit_test(workers_divide_the_floor),
		cmocka_unit_test(requests_add_their_share),
		cmocka_unit_test(budget_is_kept_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
