/* Two answers laid over each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/changes.h"

static void
assert_line(const struct lines *l, size_t i, const char *wanted)
{
	size_t n;
	const char *line = lines_get(l, i, &n);

	assert_int_equal(n, strlen(wanted));
	assert_memory_equal(line, wanted, n);
}

static void
a_text_is_its_lines(void **state)
{
	struct lines l = {.n = 0};

	(void)state;
	assert_line(&l, 0, "");
	assert_int_equal(lines_set(&l, "a\nbc\n\nd", 7), 0);
	assert_int_equal(l.n, 4);
	assert_line(&l, 0, "a");
	assert_line(&l, 1, "bc");
	assert_line(&l, 2, "");
	assert_line(&l, 3, "d");
	assert_line(&l, 4, "");
	assert_int_equal(lines_set(&l, "x\n", 2), 0);
	assert_int_equal(l.n, 1);
	assert_line(&l, 0, "x");
	assert_int_equal(lines_set(&l, NULL, 0), 0);
	assert_int_equal(l.n, 0);
	assert_line(&l, 0, "");
	lines_fini(&l);
	lines_fini(&l);
}

/* '^' below what changed. */
static void
assert_changes(const char *before, const char *now, unsigned from, unsigned width,
	       const char *wanted)
{
	struct lines a = {.n = 0};
	struct lines b = {.n = 0};
	struct text_cell cells[64];
	bool changed[64];
	char marks[65];

	assert_int_equal(lines_set(&a, before, strlen(before)), 0);
	assert_int_equal(lines_set(&b, now, strlen(now)), 0);
	changes_line(&b, &a, 0, from, width, cells, changed);
	for (unsigned i = 0; i < width; i++)
		marks[i] = changed[i] ? '^' : ' ';
	marks[width] = '\0';
	assert_string_equal(marks, wanted);
	changes_line(&b, NULL, 0, from, width, cells, changed);
	for (unsigned i = 0; i < width; i++)
		assert_false(changed[i]);
	lines_fini(&a);
	lines_fini(&b);
}

static void
what_is_not_what_it_was_is_marked(void **state)
{
	(void)state;
	assert_changes("CumReq: 12", "CumReq: 12", 0, 12, "            ");
	assert_changes("CumReq: 12", "CumReq: 15", 0, 12, "         ^  ");
	assert_changes("CumReq: 12", "CumReq: 150", 0, 12, "         ^^ ");
	assert_changes("CumReq: 12", "CumReq", 0, 12, "      ^ ^^  ");
	assert_changes("", "new", 0, 4, "^^^ ");
	assert_changes("CumReq: 12", "CumReq: 15", 8, 4, " ^  ");
	assert_changes("a\tb", "a\tc", 0, 10, "        ^ ");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_its_lines),
		cmocka_unit_test(what_is_not_what_it_was_is_marked),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
