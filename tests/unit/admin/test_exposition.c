/* Lines of the text format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "admin/exposition.h"

struct fixture {
	struct output out;
};

static struct fixture the;

static int
setup(void **state)
{
	output_init(&the.out, 1 << 20);
	*state = &the;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	output_fini(&the.out);
	return 0;
}

static const char *
text(void)
{
	output_add(&the.out, "", 1);
	return the.out.bytes;
}

static void
families_begin_with_help_and_type(void **state)
{
	(void)state;
	exposition_family(&the.out, "a_total", TG_METRIC_COUNTER, "Things.");
	exposition_family(&the.out, "b", TG_METRIC_GAUGE, "Now.");
	exposition_family(&the.out, "c", TG_METRIC_HISTOGRAM, "Times.");
	assert_string_equal(text(), "# HELP a_total Things.\n# TYPE a_total counter\n"
				    "# HELP b Now.\n# TYPE b gauge\n"
				    "# HELP c Times.\n# TYPE c histogram\n");
}

static void
samples_have_labels_and_a_value(void **state)
{
	struct series plain = {.name = "a"};
	struct series one = {.name = "b", .labels = {{"x", "1"}}, .n_labels = 1};
	struct series two = {.name = "c", .labels = {{"x", "1"}, {"y", "2"}}, .n_labels = 2};

	(void)state;
	exposition_number(&the.out, &plain, 0);
	exposition_number(&the.out, &one, UINT64_MAX);
	exposition_seconds(&the.out, &two, 1500000);
	exposition_labelled(&the.out, &plain, "z", "3", 4);
	exposition_labelled(&the.out, &two, "z", "3", 5);
	assert_string_equal(text(), "a 0\nb{x=\"1\"} 18446744073709551615\n"
				    "c{x=\"1\",y=\"2\"} 1.5\na{z=\"3\"} 4\n"
				    "c{x=\"1\",y=\"2\",z=\"3\"} 5\n");
}

static void
values_of_labels_are_escaped(void **state)
{
	struct series s = {.name = "a", .labels = {{"x", "q\"b\\n\nend"}}, .n_labels = 1};

	(void)state;
	exposition_number(&the.out, &s, 1);
	assert_string_equal(text(), "a{x=\"q\\\"b\\\\n\\nend\"} 1\n");
}

static void
seconds_are_exact_and_short(void **state)
{
	static const uint64_t us[] = {0, 1, 100, 250, 2500, 999999, 1000000, 10000001, 60000000};

	(void)state;
	for (size_t i = 0; i < sizeof(us) / sizeof(us[0]); i++) {
		output_seconds(&the.out, us[i]);
		output_text(&the.out, " ");
	}
	assert_string_equal(text(), "0 0.000001 0.0001 0.00025 0.0025 0.999999 1 10.000001 60 ");
}

static void
histograms_have_buckets_sum_and_count(void **state)
{
	struct series s = {.name = "t_seconds", .labels = {{"x", "1"}}, .n_labels = 1};
	struct series bare = {.name = "u_seconds"};
	struct histogram h = {.sum_us = 1250000};
	const char *all;

	(void)state;
	for (unsigned i = 0; i < TG_SEGMENT_BUCKETS; i++)
		h.buckets[i] = i;
	exposition_histogram(&the.out, &s, &h);
	exposition_histogram(&the.out, &bare, &h);
	all = text();
	assert_memory_equal(all,
			    "t_seconds_bucket{x=\"1\",le=\"0.0001\"} 0\n"
			    "t_seconds_bucket{x=\"1\",le=\"0.00025\"} 1\n",
			    76);
	assert_non_null(strstr(all, "\nt_seconds_bucket{x=\"1\",le=\"60\"} 17\n"
				    "t_seconds_bucket{x=\"1\",le=\"+Inf\"} 18\n"
				    "t_seconds_sum{x=\"1\"} 1.25\nt_seconds_count{x=\"1\"} 18\n"));
	assert_non_null(strstr(all, "\nu_seconds_bucket{le=\"2.5\"} 13\n"));
	assert_non_null(strstr(all, "\nu_seconds_sum 1.25\nu_seconds_count 18\n"));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(families_begin_with_help_and_type, setup, teardown),
		cmocka_unit_test_setup_teardown(samples_have_labels_and_a_value, setup, teardown),
		cmocka_unit_test_setup_teardown(values_of_labels_are_escaped, setup, teardown),
		cmocka_unit_test_setup_teardown(seconds_are_exact_and_short, setup, teardown),
		cmocka_unit_test_setup_teardown(histograms_have_buckets_sum_and_count, setup,
						teardown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
