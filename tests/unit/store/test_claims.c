/* store/claims.c: what is asked, and what is taken of an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "store/claims.h"

#define TOKEN "0123456789abcdefghijkl"
#define T43   "TTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT"
#define LAST  TG_STORE_CLAIM_LEASE_MS * 5 / 6

static struct challenge others[TG_CHALLENGES_MAX];
static struct claims c;

static int
setup(void **state)
{
	(void)state;
	memset(&c, 0, sizeof(c));
	c.others = others;
	c.n = 1;
	c.list[0].is_wanted = true;
	memcpy(c.list[0].heard.name, "site", sizeof("site"));
	return 0;
}

static int
answer(const char *text, uint64_t sent_ms, uint64_t now_ms)
{
	return claims_answer(&c, text, strlen(text), "a", (struct mono){sent_ms * 1000},
			     (struct mono){now_ms * 1000});
}

static void
a_claim_ends_by_our_clock_before_redis_ends_it(void **state)
{
	const struct store_claim *heard = &c.list[0].heard;

	(void)state;
	assert_int_equal(
		answer("{\"claims\":{\"site\":{\"holder\":\"a\",\"mine\":true}}}", 1000, 1500), 0);
	assert_true(heard->is_heard && heard->is_mine && !heard->has_outcome);
	assert_int_equal(heard->until.us, (1000 + LAST) * UINT64_C(1000));
	assert_int_equal(heard->since.us, 1500000);
	/* Prolonged; since when it is ours stays. */
	assert_int_equal(
		answer("{\"claims\":{\"site\":{\"holder\":\"a\",\"mine\":true}}}", 2000, 2500), 0);
	assert_int_equal(heard->since.us, 1500000);
	/* What is not wanted any more is not ours, whatever was on its way. */
	c.list[0].is_wanted = false;
	assert_int_equal(
		answer("{\"claims\":{\"site\":{\"holder\":\"a\",\"mine\":true}}}", 3000, 3500), 0);
	assert_false(heard->is_mine);
}

static void
what_came_of_it_is_told(void **state)
{
	const struct store_claim *heard = &c.list[0].heard;

	(void)state;
	assert_int_equal(
		answer("{\"claims\":{\"site\":{\"holder\":\"\",\"mine\":false,\"last\":{\"by\":\"b\","
		       "\"age\":1234,\"done\":false,\"mark\":\"00000000000000ff\",\"wait\":600000}}}}",
		       1, 2),
		0);
	assert_true(heard->has_outcome && !heard->is_done);
	assert_string_equal(heard->by, "b");
	assert_int_equal(heard->mark, 255);
	assert_int_equal(heard->wait_ms, 600000);
	assert_int_equal(heard->age_ms, 1234);
	/* Who it was must be a name that can be shown. */
	assert_int_equal(
		answer("{\"claims\":{\"site\":{\"holder\":\"b\\u001b\",\"last\":{\"by\":\"b\\n\","
		       "\"mark\":\"1\"}}}}",
		       1, 2),
		0);
	assert_false(heard->has_outcome);
	assert_string_equal(heard->holder, "");
}

static void
only_answers_are_taken(void **state)
{
	(void)state;
	assert_int_equal(answer("{\"others\":{\"b\":[\"" TOKEN "." T43 "\",\"x." T43
				"\",7],\"a\":[\"" TOKEN "1." T43 "\"],\"c\":7}}",
				1, 2),
			 0);
	assert_int_equal(c.n_others, 1);
	assert_string_equal(others[0].token, TOKEN);
	assert_int_equal(answer("[]", 1, 2), -TG_EPROTO);
	assert_int_equal(answer("{", 1, 2), -TG_EPROTO);
	assert_int_equal(c.n_others, 1);
}

static void
all_is_asked_in_one_question(void **state)
{
	struct challenge own = {.token = TOKEN, .thumbprint = T43};
	char *question;

	(void)state;
	c.own = &own;
	c.n_own = 1;
	c.list[0].has_ended = true;
	c.list[0].mark = 255;
	c.list[0].wait_ms = 5;
	question = claims_question(&c, "a", "r");
	assert_string_equal(
		question,
		"{\"instance\":\"a\",\"run\":\"r\",\"lease\":15000,\"claims\":{\"site\":true},"
		"\"ended\":{\"site\":{\"done\":false,\"mark\":\"00000000000000ff\",\"wait\":5}},"
		"\"challenges\":[\"" TOKEN "." T43 "\"]}");
	free(question);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_claim_ends_by_our_clock_before_redis_ends_it, setup),
		cmocka_unit_test_setup(what_came_of_it_is_told, setup),
		cmocka_unit_test_setup(only_answers_are_taken, setup),
		cmocka_unit_test_setup(all_is_asked_in_one_question, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
