/* conf/suggest.c: near words are suggested, far ones are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "conf/schema_priv.h"

static const char *const known[] = {"round-robin", "least-conn", "workers", "user", "tcp", NULL};

static const char *
suggestion(const char *word)
{
	struct conf_suggest s;

	conf_suggest_start(&s, word);
	for (const char *const *w = known; *w; w++)
		conf_suggest_offer(&s, *w);
	return s.best;
}

static void
near_words_are_found(void **state)
{
	(void)state;
	assert_string_equal(suggestion("lest-conn"), "least-conn");
	assert_string_equal(suggestion("least-conns"), "least-conn");
	assert_string_equal(suggestion("leastconn"), "least-conn");
	assert_string_equal(suggestion("roundrobin"), "round-robin");
	assert_string_equal(suggestion("worker"), "workers");
	assert_string_equal(suggestion("wrokers"), "workers");
	assert_string_equal(suggestion("usr"), "user");
	assert_string_equal(suggestion("tpc"), "tcp");
	assert_string_equal(suggestion("workers"), "workers");
}

static void
far_words_are_not(void **state)
{
	char longest[200];

	(void)state;
	memset(longest, 'w', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_null(suggestion(""));
	assert_null(suggestion("x"));
	assert_null(suggestion("udp9"));
	assert_null(suggestion("random"));
	assert_null(suggestion(longest));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(near_words_are_found),
		cmocka_unit_test(far_words_are_not),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
