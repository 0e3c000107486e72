/* conf/manual.c: every row is in the page, and nothing that is not for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/schema_priv.h"

static char *page;

static void
expect(const char *text)
{
	if (!strstr(page, text))
		fail_msg("the page has no: %s", text);
}

/* All rows of a table and of the tables below it; returns how many. */
static unsigned
expect_rows(const struct conf_schema *schema)
{
	char item[128];
	unsigned n = 0;

	for (const struct conf_field *f = schema->fields; f->key; f++, n++) {
		snprintf(item, sizeof(item), ".It Ic %s No = Ar ", f->key);
		if (f->kind == &conf_kind_later)
			continue;
		if (f->flags & TG_CONF_INTERNAL) {
			assert_null(strstr(page, f->key));
			continue;
		}
		expect(item);
		assert_non_null(f->help);
		if (f->schema)
			n += expect_rows(f->schema);
	}
	return n;
}

static void
every_row_is_described(void **state)
{
	(void)state;
	assert_true(expect_rows(&conf_schema_top) > 80);
}

static void
defaults_ranges_and_conditions_are_told(void **state)
{
	(void)state;
	expect(".It Ic balance No = Ar string\n");
	expect("One of\n.Ql \\(dqround-robin\\(dq ,\n.Ql \\(dqleast-conn\\(dq ,\n.Ql \\(dqp2c\\(dq ,\n");
	expect("Only allowed with balance = \\(dqhash\\(dq.\n");
	expect(".It Ic request_head No = Ar duration\n");
	expect("From 1ms to 1d.\nDefault:\n.Ql \\(dq10s\\(dq .\n"
	       "Only allowed with mode = \\(dqhttp\\(dq.\n");
	expect("From 1K to 64K.\n");
	expect("Required.\n");
	expect(".Ic listeners[].routes[].method\n");
}

/* A line of text must not look like a request. */
static void
no_line_is_a_request_by_accident(void **state)
{
	static const char *const known[] = {".Dd ", ".Dt ", ".Os\n", ".Sh ", ".Nm ", ".Nd ", ".Xr ",
					    ".Ql ", ".Pp\n", ".Bl ", ".It", ".El\n", ".Ic ", ".Bd ",
					    ".Ed\n"};
	bool found;

	(void)state;
	for (const char *line = page; line && *line; line = strchr(line, '\n')) {
		if (*line == '\n' && *++line == '\0')
			break;
		if (*line != '.' && *line != '\'')
			continue;
		found = false;
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			found = found || strncmp(line, known[i], strlen(known[i])) == 0;
		if (!found)
			fail_msg("odd request: %.40s", line);
	}
}

static int
setup(void **state)
{
	size_t n;
	FILE *out = open_memstream(&page, &n);

	(void)state;
	if (!out)
		return -1;
	conf_print_manual(out);
	return fclose(out);
}

static int
teardown(void **state)
{
	(void)state;
	free(page);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_described),
		cmocka_unit_test(defaults_ranges_and_conditions_are_told),
		cmocka_unit_test(no_line_is_a_request_by_accident),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, setup, teardown);
}
