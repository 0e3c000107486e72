/* base/err.c: codes come back negated, text is bounded, errno is told and kept. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

static void
set_returns_the_code_negated(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_set(&err, TG_EINVAL, "bad %s %d", "thing", 7), -TG_EINVAL);
	assert_string_equal(err.text, "bad thing 7");
	assert_int_equal(err_set(NULL, TG_ENOENT, "nobody reads this"), -TG_ENOENT);
}

static void
long_text_is_cut(void **state)
{
	struct err err;
	char longer[2 * sizeof(err.text)];

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(err_set(&err, TG_ELIMIT, "%s", longer), -TG_ELIMIT);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	errno = ENOENT;
	assert_int_equal(err_set_errno(&err, "%s", longer), -TG_EIO);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void
errno_is_told_and_kept(void **state)
{
	struct err err;

	(void)state;
	errno = EACCES;
	assert_int_equal(err_set_errno(&err, "open %s", "/x"), -TG_EIO);
	assert_string_equal(err.text, "open /x: Permission denied");
	assert_int_equal(errno, EACCES);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_returns_the_code_negated),
		cmocka_unit_test(long_text_is_cut),
		cmocka_unit_test(errno_is_told_and_kept),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
