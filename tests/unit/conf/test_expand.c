/* conf/expand.c: variables, their defaults, the plain dollar, and the bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/schema_priv.h"

static const struct {
	const char *text;
	const char *want; /* NULL: refused */
} cases[] = {
	{"", ""},
	{"plain", "plain"},
	{"$", "$"},
	{"$$", "$$"},
	{"$TG_A", "$TG_A"},
	{"a$", "a$"},
	{"}", "}"},
	{"${TG_A}", "aaa"},
	{"<${TG_A}>", "<aaa>"},
	{"${TG_A}${TG_A}", "aaaaaa"},
	{"${TG_EMPTY}", ""},
	{"${TG_A:-x}", "aaa"},
	{"${TG_UNSET:-x}", "x"},
	{"${TG_EMPTY:-x}", "x"},
	{"${TG_UNSET:-}", ""},
	{"${TG_UNSET:-a b:-c}", "a b:-c"},
	{"${TG_UNSET:-${TG_A}}", "${TG_A}"}, /* a default is plain text up to the first brace */
	{"$${TG_A}", "${TG_A}"},
	{"$$${TG_A}", "$${TG_A}"},
	{"$${${TG_A}}", "${aaa}"},
	{"$${", "${"},
	{"${TG_DOLLAR}", "${TG_A}"}, /* a value is not expanded again */
	{"${TG_UNSET}", NULL},
	{"x ${TG_UNSET} y", NULL},
	{"${", NULL},
	{"${TG_A", NULL},
	{"${}", NULL},
	{"${:-x}", NULL},
	{"${9}", NULL},
	{"${TG-A}", NULL},
	{"${TG_A:x}", NULL},
	{"${TG_A :-x}", NULL},
	{"${TG_UNSET:-x", NULL},
};

static void
variables_are_expanded(void **state)
{
	struct arena arena = {.blocks = NULL};
	const char *got;
	struct err err;
	int r;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		got = NULL;
		r = conf_expand(&arena, cases[i].text, &got, &err);
		if (!cases[i].want) {
			if (r == 0)
				fail_msg("\"%s\" was accepted", cases[i].text);
			assert_null(got);
			continue;
		}
		if (r < 0)
			fail_msg("\"%s\": %s", cases[i].text, err.text);
		assert_string_equal(got, cases[i].want);
	}
	arena_fini(&arena);
}

static void
expansion_has_a_bound(void **state)
{
	struct arena arena = {.blocks = NULL};
	char *value = malloc(40001);
	const char *got = NULL;
	struct err err;

	(void)state;
	assert_non_null(value);
	memset(value, 'v', 40000);
	value[40000] = '\0';
	assert_int_equal(setenv("TG_LONG", value, 1), 0);
	assert_int_equal(conf_expand(&arena, "${TG_LONG}", &got, &err), 0);
	assert_int_equal(strlen(got), 40000);
	assert_int_equal(conf_expand(&arena, "${TG_LONG}${TG_LONG}", &got, &err), -TG_ELIMIT);
	unsetenv("TG_LONG");
	free(value);
	arena_fini(&arena);
}

static int
setup(void **state)
{
	(void)state;
	unsetenv("TG_UNSET");
	return setenv("TG_A", "aaa", 1) | setenv("TG_EMPTY", "", 1) |
	       setenv("TG_DOLLAR", "${TG_A}", 1);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(variables_are_expanded),
		cmocka_unit_test(expansion_has_a_bound),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, setup, NULL);
}
