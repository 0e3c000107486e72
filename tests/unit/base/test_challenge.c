/* base/challenge.c: what is a token, and its answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/challenge.h"

#define TOKEN      "0123456789abcdefghijkl"
#define THUMBPRINT "TTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT"

static bool
reads(const char *token, const char *answer)
{
	struct challenge c;

	return challenge_read(token, strlen(token), answer, strlen(answer), &c) &&
	       challenge_is_sane(&c);
}

static void
an_answer_is_a_token_and_a_thumbprint(void **state)
{
	(void)state;
	assert_true(reads(TOKEN, TOKEN "." THUMBPRINT));
	assert_true(reads(TOKEN, TOKEN "." THUMBPRINT " \r\n"));
	assert_false(reads(TOKEN, TOKEN "." THUMBPRINT "T"));
	assert_false(reads(TOKEN, TOKEN "-" THUMBPRINT));
	assert_false(reads(TOKEN, "x" TOKEN "." THUMBPRINT));
	assert_false(reads(TOKEN, TOKEN "x." THUMBPRINT));
	assert_false(reads(TOKEN, ""));
	assert_false(reads("too-short", "too-short." THUMBPRINT));
	assert_false(reads(TOKEN "/", TOKEN "/." THUMBPRINT));
	assert_false(reads("../" TOKEN, "../" TOKEN "." THUMBPRINT));
}

static const char *
token_of(const char *path)
{
	size_t n;
	const char *token = challenge_of_path(path, strlen(path), &n);

	if (token != NULL)
		assert_int_equal(n, strlen(token));
	return token;
}

static void
a_path_ends_with_a_token(void **state)
{
	(void)state;
	assert_string_equal(token_of(TG_CHALLENGE_PATH TOKEN), TOKEN);
	assert_null(token_of(TG_CHALLENGE_PATH));
	assert_null(token_of(TG_CHALLENGE_PATH TOKEN "/"));
	assert_null(token_of(TG_CHALLENGE_PATH "%2e%2e" TOKEN));
	assert_null(token_of("/x" TG_CHALLENGE_PATH TOKEN));
	assert_null(token_of("/.well-known/acme-challengE/" TOKEN));
}

static void
one_is_found_by_its_whole_token(void **state)
{
	struct challenges *set = challenges_new(2);

	(void)state;
	assert_true(challenge_read(TOKEN, strlen(TOKEN), TOKEN "." THUMBPRINT,
				   strlen(TOKEN "." THUMBPRINT), &set->list[0]));
	set->n = 1;
	assert_ptr_equal(challenges_find(set, TOKEN "/x", strlen(TOKEN)), &set->list[0]);
	assert_null(challenges_find(set, TOKEN, strlen(TOKEN) - 1));
	assert_null(challenges_find(set, TOKEN "m", strlen(TOKEN) + 1));
	challenges_unref(challenges_ref(set));
	challenges_unref(set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_a_token_and_a_thumbprint),
		cmocka_unit_test(a_path_ends_with_a_token),
		cmocka_unit_test(one_is_found_by_its_whole_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
