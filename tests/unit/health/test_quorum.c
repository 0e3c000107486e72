/* health/quorum.c: what comes of the verdicts of several tidegates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "health/quorum.h"

#define C TG_HEALTH_CHECKING
#define U TG_HEALTH_UP
#define D TG_HEALTH_DOWN

static void
verdicts_are_put_together(void **state)
{
	static const struct {
		enum conf_share share;
		enum backend_health own;
		struct quorum others;
		enum backend_health want;
	} cases[] = {
		{TG_SHARE_OFF, U, {0, 9}, U},
		{TG_SHARE_OFF, D, {9, 0}, D},
		{TG_SHARE_ANY, U, {0, 0}, U},
		{TG_SHARE_ANY, U, {9, 1}, D},
		{TG_SHARE_ANY, U, {9, 0}, U},
		{TG_SHARE_ANY, D, {9, 0}, D},
		{TG_SHARE_MAJORITY, U, {0, 0}, U},
		{TG_SHARE_MAJORITY, D, {0, 0}, D},
		/* As many on both sides. */
		{TG_SHARE_MAJORITY, U, {0, 1}, U},
		{TG_SHARE_MAJORITY, D, {1, 0}, D},
		{TG_SHARE_MAJORITY, U, {1, 2}, U},
		{TG_SHARE_MAJORITY, U, {0, 2}, D},
		{TG_SHARE_MAJORITY, D, {2, 0}, U},
		{TG_SHARE_MAJORITY, D, {1, 1}, D},
		/* Nobody uses it before its own checks. */
		{TG_SHARE_ANY, C, {9, 0}, C},
		{TG_SHARE_MAJORITY, C, {9, 0}, C},
		{TG_SHARE_MAJORITY, C, {0, 9}, C},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (quorum_state(cases[i].share, cases[i].own, &cases[i].others) != cases[i].want)
			fail_msg("case %zu", i);
	}
	assert_string_equal(quorum_share_str(TG_SHARE_MAJORITY), "majority");
	assert_string_equal(quorum_share_str(TG_SHARE_COUNT), "?");
}

enum { N = 5, STEPS = 20000 };

static enum backend_health
found_by(enum conf_share share, const enum backend_health own[N], unsigned me)
{
	struct quorum others = {.n_up = 0};

	for (unsigned i = 0; i < N; i++) {
		others.n_up += i != me && own[i] == U;
		others.n_down += i != me && own[i] == D;
	}
	return quorum_state(share, own[me], &others);
}

/* Each change of what counts anywhere has a change of somebody's checks, and goes the same way: none begets another. With one that
 * flaps alone, a majority does not move at all. */
static void
flapping_is_not_amplified(void **state)
{
	enum backend_health own[N] = {U, U, U, U, U};
	enum backend_health before[N] = {U, U, U, U, U};

	(void)state;
	for (uint64_t step = 1; step <= STEPS; step++) {
		enum conf_share share = step < STEPS / 2 ? TG_SHARE_ANY : TG_SHARE_MAJORITY;
		unsigned who = (unsigned)(hash_number(step) % N);
		enum backend_health now = own[who] == U ? D : U;

		if (step == STEPS / 2) {
			for (unsigned i = 0; i < N; i++)
				before[i] = found_by(share, own, i);
		}
		own[who] = now;
		for (unsigned i = 0; i < N; i++) {
			enum backend_health found = found_by(share, own, i);

			assert_true(found == before[i] || found == now);
			/* It is settled: asked again, nothing more comes of it. */
			assert_int_equal(found_by(share, own, i), found);
			before[i] = found;
		}
	}
	for (unsigned i = 0; i < N; i++)
		own[i] = U;
	for (unsigned step = 0; step < 100; step++) {
		own[0] = own[0] == U ? D : U;
		for (unsigned i = 0; i < N; i++)
			assert_int_equal(found_by(TG_SHARE_MAJORITY, own, i), U);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts_are_put_together),
		cmocka_unit_test(flapping_is_not_amplified),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
