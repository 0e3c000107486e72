#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "admin/output.h"

static void
assert_output(const struct output *o, const char *wanted)
{
	assert_int_equal(o->n, strlen(wanted));
	assert_memory_equal(o->bytes, wanted, o->n);
}

static void
pieces_add_up(void **state)
{
	struct output o;

	(void)state;
	output_init(&o, 100);
	output_text(&o, "a");
	output_number(&o, 0);
	output_number(&o, UINT64_MAX);
	output_format(&o, "%s-%d", "b", 7);
	output_add(&o, "cd", 1);
	assert_output(&o, "a018446744073709551615b-7c");
	assert_false(o.is_full);
	output_fini(&o);
}

static void
grows_to_its_bound_and_no_further(void **state)
{
	struct output o;

	(void)state;
	output_init(&o, 10000);
	for (int i = 0; i < 1000; i++)
		output_text(&o, "0123456789");
	assert_false(o.is_full);
	assert_int_equal(o.n, 10000);
	output_text(&o, "x");
	assert_true(o.is_full);
	assert_int_equal(o.n, 10000);
	output_cut(&o, 5);
	output_text(&o, "more");
	assert_output(&o, "01234more");
	output_fini(&o);
}

static void
what_does_not_fit_stays_out_whole(void **state)
{
	struct output o;

	(void)state;
	output_init(&o, 5);
	output_text(&o, "123");
	output_text(&o, "456");
	assert_true(o.is_full);
	assert_output(&o, "123");
	output_text(&o, "4");
	assert_output(&o, "123");
	output_fini(&o);
}

static void
csv_fields_are_quoted_when_they_must(void **state)
{
	struct output o;

	(void)state;
	output_init(&o, 100);
	output_csv(&o, "plain text");
	output_text(&o, ",");
	output_csv(&o, "a,b");
	output_text(&o, ",");
	output_csv(&o, "say \"x\"\n");
	assert_output(&o, "plain text,\"a,b\",\"say \"\"x\"\" \"");
	output_fini(&o);
}

static void
json_strings_are_escaped(void **state)
{
	struct output o;

	(void)state;
	output_init(&o, 100);
	output_json(&o, "a\"b\\\n");
	output_json(&o, "");
	assert_output(&o, "\"a\\\"b\\\\\\n\"\"\"");
	output_fini(&o);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_add_up),
		cmocka_unit_test(grows_to_its_bound_and_no_further),
		cmocka_unit_test(what_does_not_fit_stays_out_whole),
		cmocka_unit_test(csv_fields_are_quoted_when_they_must),
		cmocka_unit_test(json_strings_are_escaped),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
